//! The buddy algorithm: splitting blocks to serve requests, merging them when they come back.

use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameState, FreeBlock, ListEnd, Pageblock};
use crate::{MigrateType, Order, PAGEBLOCK_ORDER};

/// Where a freed block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FreeTo {
    /// To the head; to the tail if it is likely to merge soon.
    Head,
    /// To the tail: memory from boot, and isolated blocks put back.
    #[doc(alias = "FPI_TO_TAIL")]
    Tail,
}

impl ZoneMut<'_> {
    /// Takes a block of the order and type: the first of the smallest order that has one, split
    /// down. The counts of free frames are the caller's.
    #[doc(alias = "__rmqueue_smallest")]
    #[inline(always)]
    pub(super) fn rmqueue_smallest(
        &mut self,
        order: Order,
        migratetype: MigrateType,
    ) -> Option<FreeBlock> {
        let current = self.shared.smallest_order(order, migratetype)?;
        let block = self.pop(current, migratetype)?;
        if current > order {
            self.add_upper_halves(block.index(), (order, current), migratetype);
        }
        Some(block)
    }

    /// Marks a block as allocated, with one reference (I6).
    #[inline]
    pub(crate) fn set_allocated(&mut self, block: FreeBlock, order: Order) -> FrameIdx {
        let index = block.into_index();
        self.links.frame(index).hand_out(FrameState::allocated(order, self.bits));
        index
    }

    /// Frees a block, counts it, and merges it as far as its buddies allow. `migratetype` is that
    /// of its pageblock.
    #[doc(alias = "__free_one_page")]
    #[inline(always)]
    pub(crate) fn free_one_page(
        &mut self,
        block: FreeBlock,
        order: Order,
        migratetype: MigrateType,
        to: FreeTo,
    ) {
        self.shared.add_free(migratetype, order.nr_pages());
        self.free_uncounted(block, order, migratetype, to);
    }

    /// The same, where the caller counts.
    #[inline(always)]
    pub(super) fn free_uncounted(
        &mut self,
        block: FreeBlock,
        order: Order,
        migratetype: MigrateType,
        to: FreeTo,
    ) {
        if order < Order::MAX && self.find_buddy(block.index(), order).is_some() {
            self.again().add_merged(block, order, migratetype, to);
        } else {
            self.add_freed(block, order, migratetype, to);
        }
    }

    /// Puts a freed block that has no free buddy on its list.
    #[inline(always)]
    fn add_freed(&mut self, block: FreeBlock, order: Order, migratetype: MigrateType, to: FreeTo) {
        let end = match to {
            FreeTo::Tail => ListEnd::Tail,
            FreeTo::Head => self.end_for(block.index(), order),
        };
        self.add(block, order, migratetype, end);
    }

    /// Where a freed block that has no free buddy goes.
    #[inline(always)]
    fn end_for(&self, index: FrameIdx, order: Order) -> ListEnd {
        match self.buddy_merge_likely(index, order) {
            true => ListEnd::Tail,
            false => ListEnd::Head,
        }
    }

    /// Puts a freed block that has a free buddy on its list, merged as far as that goes.
    #[inline(never)]
    fn add_merged(mut self, block: FreeBlock, order: Order, migratetype: MigrateType, to: FreeTo) {
        let (index, order) = self.merge(block.into_index(), order, migratetype);
        self.add_freed(FreeBlock::new(index), order, migratetype, to);
    }

    /// Frees an allocated block to the lists of its pageblock's present type. A block over two
    /// pageblocks, one of them isolated or CMA, comes back in two, so that each half is counted as
    /// what it is. (Linux goes by the first.)
    #[inline(always)]
    pub(crate) fn free_block(&mut self, block: FreeBlock, order: Order) {
        let migratetype = self.memmap.pageblock(block.index()).migratetype();
        if self.is_free_alone(block.index(), order, migratetype) {
            self.free_alone(block, order, migratetype);
        } else {
            self.again().free_outlined(block, order);
        }
    }

    /// The type of a block's pageblock, if it is one that requests have and the block is allocated, of that
    /// order, and has one holder.
    #[inline(always)]
    pub(super) fn type_of_sole(
        &self,
        (index, pageblock): (FrameIdx, &Pageblock),
        order: Order,
    ) -> Option<MigrateType> {
        let (frame, kind) = (self.links.frame(index), pageblock.listed_type());
        kind.filter(|_| frame.is_sole(frame.state(), order)).map(MigrateType::from)
    }

    /// Frees any block.
    #[inline(never)]
    fn free_outlined(mut self, block: FreeBlock, order: Order) {
        let migratetype = self.memmap.pageblock(block.index()).migratetype();
        if order > PAGEBLOCK_ORDER && self.differs_in_count(block.index(), migratetype) {
            return self.free_halves(block);
        }
        self.free_one_page(block, order, migratetype, FreeTo::Head);
    }

    /// Whether freeing a block comes to no more than putting it on its list. `migratetype` is that
    /// of its pageblock.
    #[inline(always)]
    pub(crate) fn is_free_alone(
        &self,
        index: FrameIdx,
        order: Order,
        migratetype: MigrateType,
    ) -> bool {
        match order {
            Order::MAX => !self.differs_in_count(index, migratetype),
            _ => self.find_buddy(index, order).is_none(),
        }
    }

    /// Frees a block of which [`is_free_alone`](Self::is_free_alone) says so.
    #[inline(always)]
    pub(crate) fn free_alone(&mut self, block: FreeBlock, order: Order, migratetype: MigrateType) {
        self.shared.add_free(migratetype, order.nr_pages());
        let index = block.index();
        self.add_where(block, order, migratetype, |zone| zone.end_for(index, order));
    }

    /// Frees a block of which [`is_free_alone`](Self::is_free_alone) says no: in place.
    #[inline(always)]
    pub(crate) fn free_with_others(
        &mut self,
        block: FreeBlock,
        order: Order,
        migratetype: MigrateType,
    ) {
        if order > PAGEBLOCK_ORDER {
            return self.again().free_outlined(block, order);
        }
        self.shared.add_free(migratetype, order.nr_pages());
        let (index, order) = self.merge(block.into_index(), order, migratetype);
        self.add_freed(FreeBlock::new(index), order, migratetype, FreeTo::Head);
    }

    /// Whether the second pageblock's free frames are counted otherwise than the first's.
    #[inline]
    fn differs_in_count(&self, index: FrameIdx, first: MigrateType) -> bool {
        let second = self.memmap.pageblock(index.upper_half(PAGEBLOCK_ORDER)).migratetype();
        let apart = |t| matches!(t, MigrateType::Isolate | MigrateType::Cma);
        first != second && (apart(first) || apart(second))
    }

    #[cold]
    fn free_halves(mut self, block: FreeBlock) {
        let lower = block.into_index();
        for half in [lower, lower.upper_half(PAGEBLOCK_ORDER)] {
            let migratetype = self.memmap.pageblock(half).migratetype();
            self.free_one_page(FreeBlock::new(half), PAGEBLOCK_ORDER, migratetype, FreeTo::Head);
        }
    }

    /// Takes free buddies off their lists while there are any (I4); gives the block that results,
    /// aligned and of one zone as its halves were (I3).
    #[inline(always)]
    fn merge(
        &mut self,
        mut index: FrameIdx,
        mut order: Order,
        migratetype: MigrateType,
    ) -> (FrameIdx, Order) {
        self.links.frame(index).set_state(FrameState::tail(self.bits));
        while let Some(above) = order.above() {
            let Some(buddy) = self.find_buddy(index, order) else { break };
            if order == PAGEBLOCK_ORDER && !self.may_merge(buddy.index(), migratetype) {
                break;
            }
            index = index.parent_with(self.unlink(buddy, order).into_index());
            order = above;
        }
        (index, order)
    }

    /// Whether a pageblock of this type and the one at `buddy` may be in one block.
    pub(super) fn may_merge(&self, buddy: FrameIdx, migratetype: MigrateType) -> bool {
        let other = self.memmap.pageblock(buddy).migratetype();
        migratetype == other || migratetype.is_mergeable() && other.is_mergeable()
    }

    /// Whether the pair that this block is half of has a free buddy itself: when the other half
    /// comes back, they make a block two orders larger, so this one is better used last.
    #[inline(always)]
    fn buddy_merge_likely(&self, index: FrameIdx, order: Order) -> bool {
        match order.above() {
            Some(above) if above < Order::MAX => {
                self.find_buddy(index.parent(order), above).is_some()
            }
            _ => false,
        }
    }
}
