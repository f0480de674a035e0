//! The memmap's tables, before anything is described.

use super::directory::Directory;
use super::frame::Frame;
use super::links::FrameLinks;
use super::pageblock::Pageblock;
use super::plan::MemmapPlan;
use super::raw::{Arena, ArenaFull, Memmap, Table};
use super::section::{
    SECTION_FRAMES, SECTION_PAGEBLOCKS, SECTION_SHIFT, SectionBase, SectionCount,
};
use crate::PfnRange;
use core::iter;
use core::sync::atomic::AtomicU32;

impl Memmap {
    /// One without frames.
    pub(crate) const EMPTY: Self = Self {
        links: FrameLinks::new(core::ptr::null_mut()),
        nr_frames: 0,
        end: 0,
        bases: Table::EMPTY,
        pageblocks: Table::EMPTY,
        root: Table::EMPTY,
        leaves: Table::EMPTY,
        directory: Directory::EMPTY,
    };

    /// Cuts the tables and maps the sections of `ranges`, the same as in the plan. The caller then
    /// describes every section before its frames are looked at.
    #[inline(never)]
    pub(crate) fn build(
        arena: &mut Arena,
        plan: &MemmapPlan,
        ranges: impl Iterator<Item = PfnRange> + Clone,
    ) -> Result<Self, ArenaFull> {
        let len = |entries: u64| usize::try_from(entries).map_err(|_| ArenaFull(usize::MAX));
        let frames = arena.cut::<Frame>(len(plan.nr_frames())?)?;
        let links = FrameLinks::new(frames.as_ptr().wrapping_sub(1 << SECTION_SHIFT));
        let runs = ranges.scan(SectionCount::default(), |seen, range| Some(seen.add(range)));
        // Section 0 there is not.
        let mut places = iter::once(0).chain(runs.clone().flatten());
        let bases = arena.table(plan.sections + 1, |number| {
            SectionBase::new(number, places.next().unwrap_or(0))
        })?;
        let pageblocks = arena.table(plan.nr_pageblocks(), |_| Pageblock::new())?;
        let zero = |_| AtomicU32::new(0);
        let root = arena.table(len(plan.directory.root_len())?, zero)?;
        let leaves = arena.table(len(plan.directory.leaves_len())?, zero)?;
        // INVARIANT: the only look at section 0 is that of `find_listed`.
        pageblocks.as_slice().iter().take(SECTION_PAGEBLOCKS).for_each(Pageblock::describe_planned);
        let nr_frames = len(plan.nr_frames())?;
        let end = len(plan.nr_frames() + SECTION_FRAMES)?;
        let directory = plan.directory;
        let memmap = Self { links, nr_frames, end, bases, pageblocks, root, leaves, directory };
        memmap.fill_directory(runs);
        Ok(memmap)
    }
}
