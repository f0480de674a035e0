//! The quick way: a request that asks for nothing special, a zone with ample memory, and a block at
//! hand on the running CPU's lists; or a block that comes back to them from its only holder. What
//! this does is what the long way would do. Where that can't be seen at a glance nothing happens
//! here, and the long way is taken.

use super::PageAllocator;
use crate::memmap::{BlockName, Frame, FrameIdx, FrameLinks, FrameState, FreeBlock, Place};
use crate::node::Machine;
use crate::node::pcp::PcpIndex;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::CpuGuard;
use crate::trace::Trace;
use crate::{Gfp, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Takes a block from the running CPU's lists, for a request that was let in, in whatever context: that
    /// counts when there is too little. `None`: look closer; nothing happened.
    #[inline]
    pub(super) fn quick_alloc(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        if gfp.intersects(Gfp::THISNODE | Gfp::WRITE) || self.reclaim.cpusets_enabled() {
            return None;
        }
        let pages = match order {
            Order::ZERO => self.quick_page(gfp),
            order if order <= PAGE_ALLOC_COSTLY_ORDER => self.quick_small(gfp, order),
            PAGEBLOCK_ORDER => self.quick_pageblock(gfp),
            _ => None,
        }?;
        if gfp.contains(Gfp::ZERO) {
            self.clear(&pages);
        }
        Some(pages)
    }

    /// As [`quick_pop`](Self::quick_pop), for a single frame: most requests are for one.
    #[inline(never)]
    fn quick_page(&self, gfp: Gfp) -> Option<Pages> {
        self.quick_pop(gfp, Order::ZERO, |kind| PcpIndex::of_small(0, kind))
    }

    /// The other orders up to the costly one. With the order known, each is as short as that of a single
    /// frame.
    #[inline(never)]
    fn quick_small(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        match order {
            Order::O1 => self.quick_pop_small(gfp, Order::O1),
            Order::O2 => self.quick_pop_small(gfp, Order::O2),
            _ => self.quick_pop_small(gfp, PAGE_ALLOC_COSTLY_ORDER),
        }
    }

    #[inline(always)]
    fn quick_pop_small(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        self.quick_pop(gfp, order, |kind| PcpIndex::of_small(order.get(), kind))
    }

    #[inline(never)]
    fn quick_pageblock(&self, gfp: Gfp) -> Option<Pages> {
        self.quick_pop(gfp, PAGEBLOCK_ORDER, PcpIndex::of_large)
    }

    #[inline(always)]
    fn quick_pop(&self, gfp: Gfp, order: Order, list: impl Fn(u32) -> PcpIndex) -> Option<Pages> {
        let machine = self.machine()?;
        let links = machine.memmap.links();
        let here = CpuGuard::new(&self.platform);
        let route = machine.cpus.as_slice().get(here.cpu().index())?.routes.of(gfp);
        let pcp = &*route.pcp;
        if !pcp.is_ample_for(order) {
            return None;
        }
        let list = list(route.migratetype as u32);
        let mut lists = pcp.lists.own(&here)?;
        let index = pcp.pop(&mut lists, (list, order), links)?.into_index();
        pcp.count_allocated(list);
        drop(lists);
        drop(here);
        let frame = links.frame(index);
        frame.hand_out(route.handed_out(order));
        let pages = machine.memmap.token_of((index, frame), order);
        self.trace.mm_page_alloc(Some(pages.pfn()), order, gfp, route.migratetype);
        Some(pages)
    }

    /// Puts a block back on the running CPU's lists, as most frees do: one that has no other holder,
    /// in a pageblock of a type that requests have. The caller gives its token for it. False: look
    /// closer; nothing happened.
    #[inline]
    pub(super) fn quick_free(&self, name: BlockName) -> bool {
        match name.order() {
            Order::ZERO => self.quick_free_page(name),
            order if order <= PAGE_ALLOC_COSTLY_ORDER => self.quick_free_small(name),
            PAGEBLOCK_ORDER => self.quick_free_pageblock(name),
            _ => false,
        }
    }

    /// As [`quick_push`](Self::quick_push), for a single frame.
    #[inline(never)]
    fn quick_free_page(&self, name: BlockName) -> bool {
        self.quick_push_small(name, Order::ZERO).is_some()
    }

    /// As [`quick_small`](Self::quick_small).
    #[inline(never)]
    fn quick_free_small(&self, name: BlockName) -> bool {
        match name.order_bits() {
            1 => self.quick_push_small(name, Order::O1),
            2 => self.quick_push_small(name, Order::O2),
            _ => self.quick_push_small(name, PAGE_ALLOC_COSTLY_ORDER),
        }
        .is_some()
    }

    #[inline(always)]
    fn quick_push_small(&self, name: BlockName, order: Order) -> Option<()> {
        let list = |kind| PcpIndex::of_small(order.get(), kind);
        self.quick_push(self.machine()?, (name, order), list)
    }

    #[inline(never)]
    fn quick_free_pageblock(&self, name: BlockName) -> bool {
        let Some(machine) = self.machine() else { return false };
        machine.pcps.takes(PAGEBLOCK_ORDER)
            && self.quick_push(machine, (name, PAGEBLOCK_ORDER), PcpIndex::of_large).is_some()
    }

    /// `None`: look closer.
    #[inline(always)]
    fn quick_push(
        &self,
        machine: &Machine,
        (name, order): (BlockName, Order),
        list: impl Fn(u32) -> PcpIndex,
    ) -> Option<()> {
        let found = Found::of(machine, name, order)?;
        if self.trace.traces_page_free() {
            return self.tell_and_push(machine, found, (list(found.kind), order));
        }
        self.push_one(machine, found, (list(found.kind), order))
    }

    /// `None`: look closer. It would be too much, perhaps, and goes the long way, which gives a batch
    /// back.
    #[inline(always)]
    fn push_one(&self, machine: &Machine, found: Found<'_>, list: (PcpIndex, Order)) -> Option<()> {
        let here = CpuGuard::new(&self.platform);
        let pcp = machine.pcps.get(here.cpu(), found.state.zone())?;
        let (list, order) = list;
        let (mut lists, count) = pcp.lists.own_below(&here, || pcp.with(1 << order.get()))?;
        if pcp.may_free_all(order.get()) {
            return None;
        }
        let (frame, links) = (found.place.frame(), found.place.links());
        frame.set_state(pcp.cached(order, found.kind));
        pcp.push(&mut lists, (list, count), (links, found.place.block(), frame));
        Some(())
    }

    /// Where frees are traced: the block goes the long way if it can't go the quick one, as the trace
    /// was told.
    #[cold]
    #[inline(never)]
    fn tell_and_push(
        &self,
        machine: &Machine,
        found: Found<'_>,
        list: (PcpIndex, Order),
    ) -> Option<()> {
        // In place of the token that it was found by.
        let pages = machine.memmap.token(found.place.index(), list.1);
        self.trace.mm_page_free(pages.pfn(), pages.order());
        match self.push_one(machine, found, list) {
            Some(()) => Some(()),
            None => self.put_told(pages).ok(),
        }
    }
}

/// An allocated block whose only holder gives it back, and that may go on a list of the running CPU.
#[derive(Clone, Copy)]
pub(super) struct Found<'m> {
    place: Place<'m>,
    state: FrameState,
    kind: u32,
}

impl<'m> Found<'m> {
    /// The block of a token, which is of that order, if it is such a block.
    #[inline(always)]
    pub(super) fn of(machine: &'m Machine, name: BlockName, order: Order) -> Option<Self> {
        let place = machine.memmap.find(name)?;
        if !place.is_as_named() {
            return None;
        }
        let kind = place.pageblock().listed_kind()?;
        let frame = place.frame();
        let state = frame.state();
        if !state.is_allocated(order) || frame.count.references() != 1 {
            return None;
        }
        Some(Self { place, state, kind })
    }

    /// What is kept of it while others are looked at: fewer words than this.
    #[inline(always)]
    pub(super) fn block(self) -> Returning {
        Returning { index: self.place.index(), state: self.state, kind: self.kind }
    }
}

/// Such a block, of which a call that gives back many keeps some at once until all of them go on the
/// lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Returning {
    index: FrameIdx,
    pub(super) state: FrameState,
    /// The number of its pageblock's migratetype, one of those that requests have.
    pub(super) kind: u32,
}

impl Returning {
    /// Whether nothing has happened to it since it was found.
    #[inline]
    pub(super) fn is_as_found(&self, links: FrameLinks) -> bool {
        links.frame(self.index).state() == self.state
    }

    /// What is put on a list, and its descriptor.
    #[inline(always)]
    pub(super) fn into_cached(self, links: &FrameLinks) -> (FreeBlock, &Frame) {
        let frame = links.frame(self.index);
        frame.set_state(self.state.to_cached(self.kind));
        (FreeBlock::new(self.index), frame)
    }
}
