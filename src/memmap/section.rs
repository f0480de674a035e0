//! Sections: aligned runs of 1024 frames, the unit in which present memory is mapped.

use crate::{Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn, PfnRange};

/// Frames of a section: those of the largest block.
pub(crate) const SECTION_FRAMES: u64 = Order::MAX.nr_pages();

/// Log2 of [`SECTION_FRAMES`].
pub(crate) const SECTION_SHIFT: u32 = Order::MAX.get();

/// Log2 of the frames of a pageblock.
pub(super) const PAGEBLOCK_SHIFT: u32 = PAGEBLOCK_ORDER.get();

/// Pageblocks of a section.
pub(crate) const SECTION_PAGEBLOCKS: usize = (SECTION_FRAMES / PAGEBLOCK_NR_PAGES) as usize;

/// What the index of a frame of a mapped section lacks to be a frame number, modulo 2^64.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct SectionBase(u64);

impl SectionBase {
    /// Of the mapped section `section`, whose frames start at `place` times [`SECTION_FRAMES`].
    pub(super) fn new(section: usize, place: u64) -> Self {
        Self(place.wrapping_sub(section as u64) << SECTION_SHIFT)
    }

    /// The number of the frame of the section that has this index.
    #[inline]
    pub(super) fn pfn(self, index: u64) -> Pfn {
        Pfn::new(self.0.wrapping_add(index))
    }
}

/// Counts the sections that ascending ranges of frames touch, each section once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SectionCount {
    /// Sections so far.
    pub(crate) sections: u64,
    /// One past the last section counted.
    next: u64,
}

impl SectionCount {
    /// The numbers (frame number / section size) of the sections of `range` not seen before.
    pub(crate) fn add(&mut self, range: PfnRange) -> core::ops::Range<u64> {
        if range.is_empty() {
            return self.next..self.next;
        }
        let first = (range.start.get() >> SECTION_SHIFT).max(self.next);
        let end = ((range.end.get() - 1) >> SECTION_SHIFT) + 1;
        self.next = self.next.max(end);
        self.sections += end.saturating_sub(first);
        first..end.max(first)
    }
}
