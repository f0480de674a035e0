//! The free lists of a zone: for each order and migratetype one, and the count of each order.

use super::shared::ZoneMut;
use super::watermark::ZoneView;
use crate::memmap::{FrameIdx, FrameKind, FrameList, FrameState, FreeBlock, Memmap, unlink};
use crate::{MAX_ORDER, MIGRATE_TYPES, MigrateType, Order};
use core::fmt;
use core::mem::ManuallyDrop;

/// The end of a list to which a block goes; blocks are taken from the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListEnd {
    Head,
    Tail,
}

/// The free blocks of one order.
struct FreeArea {
    free_list: [FrameList; MIGRATE_TYPES],
    /// Blocks on all the lists (I5).
    nr_free: u64,
}

/// All free lists of a zone.
///
/// # Invariants
///
/// A block is on the list that its first frame's state word names, and that word names this zone;
/// a frame whose word says `Free` heads a block on a list (I2, I7). Every change goes through
/// [`ZoneMut::add`] and [`ZoneMut::remove`], which keep words, lists, counts (I5) and the shared
/// bits of non-empty lists in step.
pub(crate) struct FreeAreas {
    /// Never dropped: dropping a list would walk it, and the memmap may be gone by then.
    areas: ManuallyDrop<[FreeArea; MAX_ORDER]>,
}

impl FreeAreas {
    /// Empty lists over this memmap.
    pub(crate) fn new(memmap: &Memmap) -> Self {
        let list = |_| FrameList::new(memmap.links());
        let area = |_| FreeArea { free_list: core::array::from_fn(list), nr_free: 0 };
        Self { areas: ManuallyDrop::new(core::array::from_fn(area)) }
    }

    /// The number of free blocks of this order.
    pub(crate) fn nr_free(&self, order: Order) -> u64 {
        self.areas[order.index()].nr_free
    }

    /// The number of free blocks of each order.
    pub(crate) fn nr_free_by_order(&self) -> [u64; MAX_ORDER] {
        Order::ALL.map(|order| self.nr_free(order))
    }

    #[inline]
    fn list(&mut self, order: Order, migratetype: MigrateType) -> &mut FrameList {
        &mut self.areas[order.index()].free_list[migratetype.index()]
    }
}

impl fmt::Debug for FreeAreas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entries(Order::ALL.iter().map(|order| (order, self.nr_free(*order)))).finish()
    }
}

/// A free block found by its state word: it is on a list of this zone, of this order and type.
///
/// Only [`ZoneMut::free_head`] makes one; it is used up at once, before any list changes.
#[derive(Debug)]
pub(super) struct FreeHead {
    index: FrameIdx,
    state: FrameState,
}

impl<'z> ZoneMut<'z> {
    /// The blocks of one list, from the head.
    pub(crate) fn blocks(
        &self,
        order: Order,
        migratetype: MigrateType,
    ) -> impl Iterator<Item = FrameIdx> + use<'_, 'z> {
        let links = self.memmap.links();
        let list = &self.areas.areas[order.index()].free_list[migratetype.index()];
        list.iter().map(move |frame| links.index_of(frame))
    }

    /// The frame at the head of a list, without looking at its links.
    pub(crate) fn head(&self, order: Order, migratetype: MigrateType) -> Option<FrameIdx> {
        let list = &self.areas.areas[order.index()].free_list[migratetype.index()];
        list.front().get().map(|frame| self.memmap.links().index_of(frame))
    }

    /// The frame at the tail of a list, without looking at its links.
    pub(crate) fn tail(&self, order: Order, migratetype: MigrateType) -> Option<FrameIdx> {
        let list = &self.areas.areas[order.index()].free_list[migratetype.index()];
        list.back().get().map(|frame| self.memmap.links().index_of(frame))
    }

    /// Puts a block on the list of that order and type. The counts of free frames are the caller's.
    #[inline]
    pub(super) fn add(
        &mut self,
        block: FreeBlock,
        order: Order,
        migratetype: MigrateType,
        end: ListEnd,
    ) {
        let state = FrameState::free(order, migratetype, self.shared.id);
        // INVARIANT: the word and the list are changed together (I2, I7).
        self.memmap.frame(block.index()).set_state(state);
        let list = self.areas.list(order, migratetype);
        match end {
            ListEnd::Head => list.push_front(block),
            ListEnd::Tail => list.push_back(block),
        }
        self.areas.areas[order.index()].nr_free += 1;
        self.shared.list_filled(order, migratetype);
    }

    /// Puts blocks at the tail of the list of that order and type, one after the other. The counts of
    /// free frames are the caller's.
    pub(super) fn add_all(
        &mut self,
        blocks: impl Iterator<Item = FreeBlock>,
        order: Order,
        migratetype: MigrateType,
    ) {
        let state = FrameState::free(order, migratetype, self.shared.id);
        let area = &mut self.areas.areas[order.index()];
        let list = &mut area.free_list[migratetype.index()];
        for block in blocks {
            // INVARIANT: the word and the list are changed together (I2, I7).
            self.memmap.frame(block.index()).set_state(state);
            list.push_back(block);
            area.nr_free += 1;
        }
        if !list.is_empty() {
            self.shared.list_filled(order, migratetype);
        }
    }

    /// Takes the first block of a list.
    #[inline]
    pub(super) fn pop(&mut self, order: Order, migratetype: MigrateType) -> Option<FreeBlock> {
        let block = self.areas.list(order, migratetype).pop_front()?;
        self.removed(block.index(), order, migratetype);
        Some(block)
    }

    /// Takes a block out of its list.
    #[expect(clippy::needless_pass_by_value, reason = "the proof is used up: lists change")]
    #[inline(always)]
    pub(super) fn remove(&mut self, head: FreeHead) -> FreeBlock {
        let (index, order, migratetype) = (head.index, head.order(), head.migratetype());
        let links = self.memmap.links();
        // SAFETY: a `FreeHead` is made from the frame's word, which names the list that it is on
        // (I2, I7), and no list has changed since.
        let block = unsafe { unlink(self.areas.list(order, migratetype), links, index) };
        self.removed(index, order, migratetype);
        block
    }

    /// Keeps the word and the counts in step with a removal. The word says `Tail`, so that a block
    /// in flight is never taken for a free one; a fresh largest block gets its descriptors written.
    #[inline]
    fn removed(&mut self, index: FrameIdx, order: Order, migratetype: MigrateType) {
        if order == Order::MAX {
            self.memmap.open_section(index);
        }
        self.memmap.frame(index).set_state(FrameState::tail(self.shared.id));
        let area = &mut self.areas.areas[order.index()];
        area.nr_free -= 1;
        if area.free_list[migratetype.index()].is_empty() {
            self.shared.list_emptied(order, migratetype);
        }
    }

    /// The free block of this zone that starts at `index`, if there is one.
    #[inline]
    pub(super) fn free_head(&self, index: FrameIdx) -> Option<FreeHead> {
        let state = self.memmap.state(index);
        let here = state.kind() == FrameKind::Free && state.zone() == self.shared.id;
        here.then_some(FreeHead { index, state })
    }

    /// The free buddy of the block of that order at `index`, if it is free as a whole and of this
    /// zone. Not for the largest order, whose blocks have no buddy.
    #[inline]
    pub(super) fn find_buddy(&self, index: FrameIdx, order: Order) -> Option<FreeHead> {
        let index = index.buddy(order);
        // The section has an allocated or free block below the largest order: it is not pristine.
        let state = self.memmap.frame(index).state();
        state.is_free(order, self.shared.id).then_some(FreeHead { index, state })
    }

    /// Moves a free block to the tail of another type's list, of the same order, and counts its
    /// frames as what they are now.
    pub(super) fn move_to_free_list(&mut self, head: FreeHead, migratetype: MigrateType) {
        let (order, old) = (head.order(), head.migratetype());
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
        if self.shared.nonempty_orders(migratetype) >> order.get() & 1 == 0 {
            return None;
        }
        let index = self.head(order, migratetype)?;
        Some(FreeHead { index, state: self.memmap.frame(index).state() })
    }
}

impl FreeHead {
    #[inline]
    pub(super) fn index(&self) -> FrameIdx {
        self.index
    }

    #[inline]
    pub(super) fn order(&self) -> Order {
        self.state.order()
    }

    /// The list that it is on.
    #[inline]
    pub(super) fn migratetype(&self) -> MigrateType {
        self.state.migratetype()
    }
}
