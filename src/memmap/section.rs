//! Sections: aligned runs of 1024 frames, the unit in which present memory is mapped.

use super::index::FrameIdx;
use super::pageblock::Pageblock;
use crate::sync::Latch;
use crate::zone_id::ZoneId;
use crate::{MigrateType, Order, PAGEBLOCK_NR_PAGES, Pfn, PfnRange};

/// Frames of a section: those of the largest block.
pub(crate) const SECTION_FRAMES: u64 = Order::MAX.nr_pages();

/// Log2 of [`SECTION_FRAMES`].
pub(crate) const SECTION_SHIFT: u32 = Order::MAX.get();

/// Pageblocks of a section.
pub(crate) const SECTION_PAGEBLOCKS: usize = (SECTION_FRAMES / PAGEBLOCK_NR_PAGES) as usize;

/// What is known of a mapped section as a whole.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Section {
    /// Its label is how many sections of the address space before this one are not mapped: what an
    /// index lacks to be a frame number. Closed: pristine. The first descriptor speaks for all frames,
    /// the others were never written.
    described: Latch,
    pageblocks: [Pageblock; SECTION_PAGEBLOCKS],
}

/// The index of frame 0 where no section is left out: section 0 there is not.
const INDEX_OF_FIRST: u64 = SECTION_FRAMES;

impl Section {
    /// The mapped section `section`, whose frames start at `place` times [`SECTION_FRAMES`]. Mapped
    /// sections are numbered from 1, in the order of their places. Its pageblocks are of no zone yet.
    pub(super) fn new(section: usize, place: u64) -> Self {
        let left_out = (place + 1).saturating_sub(section as u64);
        #[expect(clippy::cast_possible_truncation, reason = "a place has below 31 bits")]
        Self {
            described: Latch::open(left_out as u32),
            pageblocks: [Pageblock::new(), Pageblock::new()],
        }
    }

    /// The number of the frame of the section that has this index.
    #[inline]
    pub(super) fn pfn_of(&self, index: FrameIdx) -> Pfn {
        pfn(self.described.label(), index)
    }

    /// As [`pfn_of`](Self::pfn_of), for a frame that was allocated: its section is not pristine.
    #[inline]
    pub(super) fn pfn_of_allocated(&self, index: FrameIdx) -> Pfn {
        debug_assert!(!self.is_pristine());
        pfn(self.described.look(), index)
    }

    /// Whether `pfn` is the number of the frame of the section that has this index, and the frame has
    /// a descriptor of its own: the section is not pristine.
    #[inline]
    pub(crate) fn describes(&self, index: FrameIdx, number: Pfn) -> bool {
        // What a closed latch shows is no label, and makes a number that is no frame's.
        pfn(self.described.look(), index) == number
    }

    /// Whether the first descriptor speaks for all frames.
    #[inline]
    pub(crate) fn is_pristine(&self) -> bool {
        !self.described.is_open()
    }

    /// All frames are of this zone and the first descriptor speaks for them; the pageblocks are of
    /// this type. Only at boot.
    pub(super) fn describe_pristine(&self, zone: ZoneId, migratetype: MigrateType) {
        for pageblock in &self.pageblocks {
            pageblock.describe(zone, migratetype);
        }
        self.described.init_closed();
    }

    /// All descriptors have been written.
    pub(super) fn set_described(&self) {
        self.described.release();
    }

    /// The pageblock that holds the frame of the section that has this index.
    #[inline]
    pub(crate) fn pageblock(&self, index: FrameIdx) -> &Pageblock {
        let half = u64::from(index.get()) / PAGEBLOCK_NR_PAGES % SECTION_PAGEBLOCKS as u64;
        &self.pageblocks[usize::from(half != 0)]
    }
}

/// The number of the frame with this index, where so many sections are left out before it.
#[inline]
fn pfn(left_out: u32, index: FrameIdx) -> Pfn {
    let number = (u64::from(left_out) << SECTION_SHIFT) + u64::from(index.get());
    Pfn::new(number - INDEX_OF_FIRST)
}

static_assertions::const_assert!(SECTION_PAGEBLOCKS == 2);
static_assertions::const_assert!(size_of::<Section>() == 16);

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
