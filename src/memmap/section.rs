//! Sections: aligned runs of 1024 frames, the unit in which present memory is mapped.

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
    /// Its label is the number of the first frame, divided by [`SECTION_FRAMES`]. Closed: pristine.
    /// The first descriptor speaks for all frames, the others were never written.
    described: Latch,
    pageblocks: [Pageblock; SECTION_PAGEBLOCKS],
}

impl Section {
    /// The section whose frames start at `number` times [`SECTION_FRAMES`]. Its pageblocks are of
    /// no zone yet.
    pub(super) fn new(number: u64) -> Self {
        Self {
            described: Latch::open(u32::try_from(number).unwrap_or(u32::MAX)),
            pageblocks: [Pageblock::new(), Pageblock::new()],
        }
    }

    /// The first frame.
    #[inline]
    pub(crate) fn start(&self) -> Pfn {
        Pfn::new(u64::from(self.described.label()) << SECTION_SHIFT)
    }

    /// Whether `pfn` is the number of the frame at `offset`, and the frame has a descriptor of its
    /// own: the section is not pristine.
    #[inline]
    pub(crate) fn describes(&self, offset: u32, pfn: Pfn) -> bool {
        // What a closed latch shows is no label, and so makes no frame number.
        u64::from(self.described.look()) << SECTION_SHIFT | u64::from(offset) == pfn.get()
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

    /// The pageblock that holds the frame at `offset`.
    #[inline]
    pub(crate) fn pageblock(&self, offset: u32) -> &Pageblock {
        let half = u64::from(offset) / PAGEBLOCK_NR_PAGES % SECTION_PAGEBLOCKS as u64;
        &self.pageblocks[usize::from(half != 0)]
    }
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
