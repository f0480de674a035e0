//! The free lists of a zone: for each order and migratetype one, and the count of each order.

use super::shared::ZoneMut;
use crate::memmap::{Chain, FrameIdx, FrameKind, FrameList, FrameState, FreeBlock, ListEnd};
use crate::{MAX_ORDER, MigrateType, Order};
use core::fmt;

/// All free lists of a zone.
///
/// # Invariants
///
/// A block is on the list that its first frame's state word names, and that word names this zone;
/// a frame whose word says `Free` heads a block on a list (I2, I7). Every change is made
/// in this file, by methods that keep words, lists, counts (I5) and the shared bits of non-empty lists in
/// step.
pub(crate) struct FreeAreas {
    /// Blocks of each order, on all the lists (I5).
    nr_free: [u32; MAX_ORDER],
    /// By order, and by the migratetype's number as a state word has it.
    lists: [[FrameList; FrameState::TYPES]; MAX_ORDER],
}

impl FreeAreas {
    /// Empty lists.
    pub(crate) const EMPTY: Self = Self {
        nr_free: [0; MAX_ORDER],
        lists: [const { [const { FrameList::EMPTY }; FrameState::TYPES] }; MAX_ORDER],
    };

    /// The number of free blocks of this order.
    #[inline]
    pub(crate) fn nr_free(&self, order: Order) -> u64 {
        u64::from(self.nr_free[order.index()])
    }

    /// The number of free blocks of each order.
    pub(crate) fn nr_free_by_order(&self) -> [u64; MAX_ORDER] {
        Order::ALL.map(|order| self.nr_free(order))
    }

    #[inline]
    fn list(&self, order: Order, migratetype: MigrateType) -> &FrameList {
        &self.lists[order.index()][migratetype.index()]
    }

    #[inline]
    fn list_mut(&mut self, order: Order, migratetype: MigrateType) -> &mut FrameList {
        &mut self.lists[order.index()][migratetype.index()]
    }
}

impl fmt::Debug for FreeAreas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entries(Order::ALL.iter().map(|order| (order, self.nr_free(*order)))).finish()
    }
}

/// A free block found by its state word: it is on a list of this zone, of this order and of the type
/// in the word.
///
/// Only methods of [`ZoneMut`] in this file make one; it is used up at once, before any list changes.
#[derive(Debug)]
pub(super) struct FreeHead {
    index: FrameIdx,
    order: Order,
    state: FrameState,
}

impl ZoneMut<'_> {
    /// The blocks of one list, from the head.
    pub(crate) fn blocks(
        &self,
        order: Order,
        migratetype: MigrateType,
    ) -> impl Iterator<Item = FrameIdx> + use<> {
        self.blocks_from(order, migratetype, ListEnd::Head)
    }

    /// The blocks of one list, from that end.
    pub(crate) fn blocks_from(
        &self,
        order: Order,
        migratetype: MigrateType,
        end: ListEnd,
    ) -> impl Iterator<Item = FrameIdx> + use<> {
        self.areas.list(order, migratetype).iter_from(self.links, end)
    }

    /// The frame at the head of a list, without looking at its links.
    pub(crate) fn head(&self, order: Order, migratetype: MigrateType) -> Option<FrameIdx> {
        self.areas.list(order, migratetype).head()
    }

    /// The frame at the tail of a list, without looking at its links.
    pub(crate) fn tail(&self, order: Order, migratetype: MigrateType) -> Option<FrameIdx> {
        self.areas.list(order, migratetype).end(ListEnd::Tail)
    }

    /// Puts a block on the list of that order and type. The counts of free frames are the caller's.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        block: FreeBlock,
        order: Order,
        migratetype: MigrateType,
        end: ListEnd,
    ) {
        let state = FrameState::free(order, migratetype, self.bits);
        // INVARIANT: the word and the list are changed together (I2, I7).
        self.links.frame(block.index()).set_state(state);
        self.areas.nr_free[order.index()] += 1;
        let list = self.areas.list_mut(order, migratetype);
        if list.push(self.links, block, end) {
            self.shared.lists_filled(1 << order.get(), migratetype);
        }
    }

    /// As [`add`](Self::add); at which end is asked only where the list has blocks. Not for what gives batches
    /// back: those lists mostly have some, and to look first costs more then (`benches/RESULTS.md`).
    #[inline(always)]
    pub(super) fn add_where(
        &mut self,
        block: FreeBlock,
        order: Order,
        migratetype: MigrateType,
        end: impl FnOnce(&Self) -> ListEnd,
    ) {
        let state = FrameState::free(order, migratetype, self.bits);
        // INVARIANT: the word and the list are changed together (I2, I7).
        self.links.frame(block.index()).set_state(state);
        self.areas.nr_free[order.index()] += 1;
        if self.areas.list(order, migratetype).is_empty() {
            self.areas.list_mut(order, migratetype).fill(block);
            self.shared.lists_filled(1 << order.get(), migratetype);
        } else {
            let end = end(self);
            self.areas.list_mut(order, migratetype).push_beside(self.links, block, end);
        }
    }

    /// Puts blocks at the tail of the list of that order and type, one after the other. The counts of
    /// free frames are the caller's.
    pub(super) fn add_all(
        &mut self,
        blocks: impl Iterator<Item = FreeBlock>,
        order: Order,
        migratetype: MigrateType,
    ) {
        let state = FrameState::free(order, migratetype, self.bits);
        let mut added = 0;
        let list = self.areas.list_mut(order, migratetype);
        for block in blocks {
            // INVARIANT: the word and the list are changed together (I2, I7).
            self.links.frame(block.index()).set_state(state);
            list.push(self.links, block, ListEnd::Tail);
            added += 1;
        }
        self.areas.nr_free[order.index()] += added;
        if added > 0 {
            self.shared.lists_filled(1 << order.get(), migratetype);
        }
    }

    /// Puts the upper halves that are left when a block of order `high` is halved down to order
    /// `low` on their lists, which are empty.
    #[inline]
    pub(super) fn add_upper_halves(
        &mut self,
        index: FrameIdx,
        (low, high): (Order, Order),
        migratetype: MigrateType,
    ) {
        let mut half = 1 << low.get();
        let mut state = FrameState::free(low, migratetype, self.bits);
        let orders = low.index()..high.index().max(low.index());
        let lists = &mut self.areas.lists[orders.clone()];
        for (lists, nr_free) in lists.iter_mut().zip(&mut self.areas.nr_free[orders]) {
            let upper = FreeBlock::new(index.forward_in_block(half));
            // INVARIANT: the word and the list are changed together (I2, I7).
            self.links.frame(upper.index()).set_state(state);
            lists[migratetype.index()].fill(upper);
            *nr_free += 1;
            (half, state) = (half << 1, state.free_above());
        }
        self.shared.lists_filled((1 << high.get()) - (1 << low.get()), migratetype);
    }

    /// Takes the first block of a list. Its state word is the caller's to write: it still says that
    /// the block is free.
    #[inline]
    pub(super) fn pop(&mut self, order: Order, migratetype: MigrateType) -> Option<FreeBlock> {
        let block = self.pop_unopened(order, migratetype)?;
        self.open(block.index(), order);
        Some(block)
    }

    /// Takes so many blocks off the head of a list, at least one, or all if there are fewer, and describes
    /// each by that word. None of the largest order, which may be fresh.
    #[inline(always)]
    pub(super) fn pop_chain(
        &mut self,
        (order, migratetype): (Order, MigrateType),
        blocks: (u32, FrameState),
    ) -> Option<Chain> {
        if order == Order::MAX {
            return None;
        }
        let list = self.areas.list_mut(order, migratetype);
        // INVARIANT: the words and the list are changed together (I2, I7).
        let (chain, emptied) = list.pop_chain(self.links, blocks)?;
        if emptied {
            self.shared.list_emptied(order, migratetype.index());
        }
        self.areas.nr_free[order.index()] -= chain.blocks;
        Some(chain)
    }

    /// As [`pop`](Self::pop), but `None` if the first block is a fresh largest one.
    #[inline(always)]
    pub(super) fn pop_described(
        &mut self,
        order: Order,
        migratetype: MigrateType,
    ) -> Option<FreeBlock> {
        let first = self.areas.list(order, migratetype).head()?;
        if order == Order::MAX && self.memmap.is_pristine(first) {
            return None;
        }
        self.pop_unopened(order, migratetype)
    }

    /// As [`pop`](Self::pop), but a fresh largest block stays as it is.
    #[inline(always)]
    fn pop_unopened(&mut self, order: Order, migratetype: MigrateType) -> Option<FreeBlock> {
        let (block, was_only) = self.areas.list_mut(order, migratetype).pop(self.links)?;
        if was_only {
            self.shared.list_emptied(order, migratetype.index());
        }
        self.areas.nr_free[order.index()] -= 1;
        Some(block)
    }

    /// Takes a block out of its list. Its word says `Tail` then, so that a block in flight is never
    /// taken for a free one.
    #[inline]
    pub(super) fn remove(&mut self, head: FreeHead) -> FreeBlock {
        let order = head.order;
        let block = self.unlink(head, order);
        self.open(block.index(), order);
        block
    }

    /// As [`remove`](Self::remove), for a block of that order that is no fresh largest one.
    #[expect(clippy::needless_pass_by_value, reason = "the proof is used up: lists change")]
    #[inline(always)]
    pub(super) fn unlink(&mut self, head: FreeHead, order: Order) -> FreeBlock {
        debug_assert_eq!(head.order, order);
        let (index, kind) = (head.index, head.state.type_number());
        let list = &mut self.areas.lists[order.index()][kind];
        // SAFETY: a `FreeHead` is made from the frame's word, which names the list that it is on
        // (I2, I7), and no list has changed since.
        if unsafe { list.remove(self.links, index) } {
            self.shared.list_emptied(order, kind);
        }
        self.areas.nr_free[order.index()] -= 1;
        self.links.frame(index).set_state(FrameState::tail(self.bits));
        FreeBlock::new(index)
    }

    /// A fresh largest block, just taken off its list, gets its other descriptors written.
    #[inline(always)]
    fn open(&self, index: FrameIdx, order: Order) {
        if order == Order::MAX {
            self.memmap.open_section(index);
        }
    }

    /// The free block of this zone that starts at `index`, if there is one.
    #[inline]
    pub(super) fn free_head(&self, index: FrameIdx) -> Option<FreeHead> {
        let state = self.memmap.state(index);
        let here = state.kind() == FrameKind::Free && state.zone() == self.shared.id;
        here.then(|| FreeHead { index, order: state.order(), state })
    }

    /// The free buddy of the block of that order at `index`, if it is free as a whole and of this
    /// zone. Not for the largest order, whose blocks have no buddy.
    #[inline(always)]
    pub(super) fn find_buddy(&self, index: FrameIdx, order: Order) -> Option<FreeHead> {
        // The buddy's descriptor may be far from any cache: only where it can be free.
        if self.areas.nr_free[order.index()] == 0 {
            return None;
        }
        let index = index.buddy(order);
        // The section has an allocated or free block below the largest order: it is not pristine.
        let state = self.links.frame(index).state();
        state.is_free(order, self.bits).then_some(FreeHead { index, order, state })
    }

    /// Turns the list that a free block is on until the block stands at that end. If no free block
    /// starts there, nothing happens.
    #[doc(alias = "move_freelist_head")]
    #[doc(alias = "move_freelist_tail")]
    pub(crate) fn turn_list(&mut self, index: FrameIdx, end: ListEnd) {
        let Some(FreeHead { index, order, state }) = self.free_head(index) else { return };
        let list = &mut self.areas.lists[order.index()][state.type_number()];
        // SAFETY: the block's word, which was just read, names the list that it is on (I2, I7).
        unsafe { list.turn(self.links, index, end) }
    }

    /// Moves a free block to the tail of another type's list, of the same order, and counts its
    /// frames as what they are now.
    pub(super) fn move_to_free_list(&mut self, head: FreeHead, migratetype: MigrateType) {
        let (order, old) = (head.order, head.migratetype());
        let block = self.remove(head);
        self.add(block, order, migratetype, ListEnd::Tail);
        if !(old.is_mergeable() && migratetype.is_mergeable()) {
            self.shared.sub_free(old, order.nr_pages());
            self.shared.add_free(migratetype, order.nr_pages());
        }
    }

    /// The first block of a list as a [`FreeHead`].
    #[inline]
    pub(super) fn first(&self, order: Order, migratetype: MigrateType) -> Option<FreeHead> {
        let index = self.head(order, migratetype)?;
        Some(FreeHead { index, order, state: self.links.frame(index).state() })
    }
}

impl FreeHead {
    #[inline]
    pub(super) fn index(&self) -> FrameIdx {
        self.index
    }

    #[inline]
    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// The list that it is on.
    #[inline]
    pub(super) fn migratetype(&self) -> MigrateType {
        self.state.migratetype()
    }
}
