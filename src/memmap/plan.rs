//! The dimensions of a memmap, before there is memory for it.

use super::directory::Directory;
use super::frame::Frame;
use super::pageblock::Pageblock;
use super::raw::Arena;
use super::section::{
    SECTION_FRAMES, SECTION_PAGEBLOCKS, SECTION_SHIFT, SectionBase, SectionCount,
};
use crate::{Pfn, PfnRange};
use core::sync::atomic::AtomicU32;

/// The dimensions of a memmap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemmapPlan {
    pub(super) sections: usize,
    pub(super) directory: Directory,
}

impl MemmapPlan {
    /// The most frames, those of partly present sections counted whole.
    pub(crate) const MAX_FRAMES: u64 = (1 << u32::BITS) - 2 * SECTION_FRAMES;

    /// The memmap for these present ranges, ascending and disjoint. `None` if they have more frames
    /// than 32-bit indices can name.
    #[inline(never)]
    pub(crate) fn new(ranges: impl Iterator<Item = PfnRange> + Clone) -> Option<Self> {
        let mut count = SectionCount::default();
        let mut end = Pfn::new(0);
        for range in ranges.clone() {
            count.add(range);
            end = end.max(range.end);
        }
        if count.sections > Self::MAX_FRAMES >> SECTION_SHIFT
            || end.get() >> SECTION_SHIFT >= 1 << 31
        {
            return None;
        }
        let directory = Directory::plan(end, count.sections, ranges);
        Some(Self { sections: usize::try_from(count.sections).ok()?, directory })
    }

    /// Frames that get a descriptor.
    pub(crate) fn nr_frames(&self) -> u64 {
        self.sections as u64 * SECTION_FRAMES
    }

    /// Places of the table of pageblocks; those of section 0, which there is not, are of none.
    pub(super) fn nr_pageblocks(&self) -> usize {
        (self.sections + 1) * SECTION_PAGEBLOCKS
    }

    /// The bytes that the tables take, from an aligned start.
    pub(crate) fn bytes(&self) -> Option<usize> {
        let frames = usize::try_from(self.nr_frames()).ok()?;
        let root = usize::try_from(self.directory.root_len()).ok()?;
        let leaves = usize::try_from(self.directory.leaves_len()).ok()?;
        Arena::bytes_for::<Frame>(frames)?
            .checked_add(Arena::bytes_for::<SectionBase>(self.sections + 1)?)?
            .checked_add(Arena::bytes_for::<Pageblock>(self.nr_pageblocks())?)?
            .checked_add(Arena::bytes_for::<AtomicU32>(root)?)?
            .checked_add(Arena::bytes_for::<AtomicU32>(leaves)?)
    }
}
