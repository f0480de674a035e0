//! Pageblocks under the zone's lock: their migratetype, and moving their free blocks between lists.

use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameKind};
use crate::{MIGRATE_PCPTYPES, MigrateType, Mobility, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER};
use crate::{Pfn, PfnRange};

/// What [`ZoneMut::move_freepages_block`] found in a pageblock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Free frames, now on the lists of the new type.
    pub(crate) free: u64,
    /// Allocated frames known to be movable.
    pub(crate) movable: u64,
}

impl ZoneMut<'_> {
    /// Sets the migratetype of the pageblock around a frame. With grouping by mobility disabled,
    /// the three ordinary types are all UNMOVABLE.
    pub(super) fn set_pageblock_migratetype(&mut self, index: FrameIdx, migratetype: MigrateType) {
        let ordinary = migratetype.index() < MIGRATE_PCPTYPES;
        let migratetype = match self.shared.mobility() {
            Mobility::Disabled if ordinary => MigrateType::Unmovable,
            _ => migratetype,
        };
        let pageblock = self.memmap.pageblock(index);
        self.shared.retyped(pageblock.migratetype(), migratetype);
        pageblock.set_migratetype(migratetype);
    }

    /// Sets the migratetype of every pageblock of a block.
    #[doc(alias = "change_pageblock_range")]
    pub(super) fn set_pageblocks(
        &mut self,
        index: FrameIdx,
        order: Order,
        migratetype: MigrateType,
    ) {
        self.set_pageblock_migratetype(index, migratetype);
        if order > PAGEBLOCK_ORDER {
            self.set_pageblock_migratetype(index.upper_half(PAGEBLOCK_ORDER), migratetype);
        }
    }

    /// Moves every free block of the pageblock around `index` to the lists of `migratetype`, and
    /// counts what it finds. The pageblock's own type stays.
    ///
    /// A pageblock that ends beyond the zone is left alone. In one that begins below the zone, the
    /// walk begins at `index`.
    pub(super) fn move_freepages_block(
        &mut self,
        index: FrameIdx,
        migratetype: MigrateType,
    ) -> Moved {
        let first = index.align_down(PAGEBLOCK_ORDER);
        let range = self.pageblock_range(first);
        if !self.shared.spans(Pfn::new(range.end.get() - 1)) {
            return Moved::default();
        }
        let start = if self.shared.spans(range.start) { first } else { index };
        self.move_freepages(start, migratetype)
    }

    fn pageblock_range(&self, first: FrameIdx) -> PfnRange {
        let start = self.memmap.pfn_of(first);
        PfnRange::new(start, start + PAGEBLOCK_NR_PAGES)
    }

    /// From `start` to the end of its pageblock, block by block.
    fn move_freepages(&mut self, start: FrameIdx, migratetype: MigrateType) -> Moved {
        let mut moved = Moved::default();
        let mut next = Some(start);
        while let Some(index) = next.filter(|i| same_pageblock(*i, start)) {
            let frames = match self.free_head(index) {
                Some(head) => {
                    let frames = head.order().nr_pages();
                    self.move_to_free_list(head, migratetype);
                    moved.free += frames;
                    frames
                }
                None => {
                    let (frames, movable) = self.allocated_at(index);
                    moved.movable += movable;
                    frames
                }
            };
            next = u32::try_from(frames).ok().and_then(|frames| index.forward(frames));
        }
        moved
    }

    /// How many frames from `index` on, in its pageblock, are one allocated block of this zone, and
    /// how many of them are movable. A frame that is something else counts alone.
    fn allocated_at(&self, index: FrameIdx) -> (u64, u64) {
        let left = PAGEBLOCK_NR_PAGES - u64::from(index.offset()) % PAGEBLOCK_NR_PAGES;
        let mut state = self.memmap.state(index);
        let mut frames = 1;
        if state.kind() == FrameKind::Tail && index.is_aligned(PAGEBLOCK_ORDER) {
            // Only a largest block can have begun in the pageblock before.
            state = self.memmap.state(index.align_down(Order::MAX));
            frames = left;
        }
        if state.kind() != FrameKind::Allocated || state.zone() != self.shared.id {
            return (frames, 0);
        }
        let frames = state.order().nr_pages().min(left);
        (frames, if state.is_movable() { frames } else { 0 })
    }
}

fn same_pageblock(a: FrameIdx, b: FrameIdx) -> bool {
    a.align_down(PAGEBLOCK_ORDER) == b.align_down(PAGEBLOCK_ORDER)
}
