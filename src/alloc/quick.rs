//! The quick way: a request that asks for nothing special, a zone with ample memory, and a block at
//! hand on the running CPU's lists, or on the zone's for an order without such lists
//! (`alloc/routed.rs`); or a block that comes back to them from its only holder. What
//! this does is what the long way would do. Where that can't be seen at a glance nothing happens
//! here, and the long way is taken.

use super::PageAllocator;
use crate::memmap::{
    BlockName, Frame, FrameAddress, FrameIdx, FrameState, FreeBlock, Memmap, Pageblock, Place,
};
use crate::migratetype::AskedType;
use crate::node::AtHand;
use crate::node::pcp::{Pcp, PcpIndex};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::{CpuGuard, IrqGuard};
use crate::trace::Trace;
use crate::zone::Zone;
use crate::{CpuId, Gfp, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Takes a block from the running CPU's lists, or from the zone if the order has no lists, for a request
    /// that was let in, in whatever context: that counts when there is too little. `None`: look closer; nothing
    /// happened.
    #[inline]
    pub(super) fn quick_alloc(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        if self.is_special(gfp) {
            return None;
        }
        let pages = match order {
            Order::ZERO => self.quick_page(gfp),
            order if order <= PAGE_ALLOC_COSTLY_ORDER => self.quick_small(gfp, order),
            _ => self.quick_large(gfp, order),
        }?;
        Some(self.cleared(pages, gfp))
    }

    /// Whether a request has to look further than at the zone that it prefers, or closer.
    #[inline(always)]
    pub(super) fn is_special(&self, gfp: Gfp) -> bool {
        gfp.intersects(Gfp::THISNODE | Gfp::WRITE) || self.reclaim.cpusets_enabled()
    }

    /// A block for a request, cleared if that asks for it.
    #[inline(always)]
    pub(super) fn cleared(&self, pages: Pages, gfp: Gfp) -> Pages {
        if gfp.contains(Gfp::ZERO) {
            self.clear(&pages);
        }
        pages
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

    /// The orders above it: only that of a pageblock has lists.
    #[inline(never)]
    fn quick_large(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        match order {
            PAGEBLOCK_ORDER => self.quick_pop(gfp, PAGEBLOCK_ORDER, PcpIndex::of_large),
            _ => self.quick_unlisted(gfp, order),
        }
    }

    /// The others above the costly order, which have no lists.
    #[inline(never)]
    fn quick_unlisted(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        match order {
            Order::O4 => self.quick_of::<4>(gfp),
            Order::O5 => self.quick_of::<5>(gfp),
            Order::O6 => self.quick_of::<6>(gfp),
            Order::O7 => self.quick_of::<7>(gfp),
            Order::O8 => self.quick_of::<8>(gfp),
            Order::MAX => self.quick_of::<{ Order::MAX.index() }>(gfp),
            // There is none.
            _ => self.alloc_split(gfp, order),
        }
    }

    /// One of them. With the order known, each is as short as can be.
    #[inline(never)]
    fn quick_of<const ORDER: usize>(&self, gfp: Gfp) -> Option<Pages> {
        self.alloc_unlisted(gfp, const { Order::ALL[ORDER] })
    }

    #[inline(always)]
    fn quick_pop(&self, gfp: Gfp, order: Order, list: impl Fn(u32) -> PcpIndex) -> Option<Pages> {
        let at_hand = self.at_hand();
        let links = at_hand.memmap.links();
        let here = CpuGuard::new(&self.platform);
        let routes = &at_hand.cpus.as_slice().get(here.cpu().index())?.routes;
        let (pcp, asked) = (routes.lists(gfp), routes.asked(gfp));
        let list = list(asked as u32);
        let mut lists = pcp.own_if_ample(&here, order)?;
        let index = pcp.pop(&mut lists, (list, order), links)?.into_index();
        pcp.count_allocated(list);
        drop(lists);
        drop(here);
        let frame = links.frame(index);
        frame.hand_out(pcp.handed_out_as(order, asked));
        let pages = at_hand.memmap.token_of((index, frame), order);
        self.trace.mm_page_alloc(Some(pages.pfn()), order, gfp, asked.into());
        Some(pages)
    }

    /// Puts a block back on the running CPU's lists, as most frees do, or to its zone if its order has none:
    /// one that has no other holder, in a pageblock of a type that requests have. The caller gives its token
    /// for it. False: look closer; nothing happened.
    #[inline]
    pub(super) fn quick_free(&self, name: BlockName) -> bool {
        if let Some(address) = name.single() {
            return self.quick_free_page(address);
        }
        match name.order() {
            order if order <= PAGE_ALLOC_COSTLY_ORDER => self.quick_free_small(name),
            _ => self.quick_free_large(name),
        }
    }

    /// As [`quick_push`](Self::quick_push), for a single frame.
    #[inline(never)]
    fn quick_free_page(&self, address: FrameAddress) -> bool {
        self.quick_push_small(address, Order::ZERO).is_some()
    }

    /// As [`quick_small`](Self::quick_small).
    #[inline(never)]
    fn quick_free_small(&self, name: BlockName) -> bool {
        let address = name.frame_address();
        match name.order_bits() {
            1 => self.quick_push_small(address, Order::O1),
            2 => self.quick_push_small(address, Order::O2),
            _ => self.quick_push_small(address, PAGE_ALLOC_COSTLY_ORDER),
        }
        .is_some()
    }

    #[inline(always)]
    fn quick_push_small(&self, address: FrameAddress, order: Order) -> Option<()> {
        let list = |kind| PcpIndex::of_small(order.get(), kind);
        self.quick_push(self.at_hand(), (address, order), list)
    }

    /// As [`quick_large`](Self::quick_large).
    #[inline(never)]
    fn quick_free_large(&self, name: BlockName) -> bool {
        match name.order() {
            PAGEBLOCK_ORDER => self.quick_free_pageblock(name.frame_address()),
            _ => self.quick_free_unlisted(name),
        }
    }

    /// As [`quick_unlisted`](Self::quick_unlisted).
    #[inline(never)]
    fn quick_free_unlisted(&self, name: BlockName) -> bool {
        const MAX: u32 = Order::MAX.get();
        let address = name.frame_address();
        match name.order_bits() {
            4 => self.quick_free_of::<4>(address),
            5 => self.quick_free_of::<5>(address),
            6 => self.quick_free_of::<6>(address),
            7 => self.quick_free_of::<7>(address),
            8 => self.quick_free_of::<8>(address),
            MAX => self.quick_free_of::<{ Order::MAX.index() }>(address),
            _ => false,
        }
    }

    #[inline(always)]
    fn quick_free_pageblock(&self, address: FrameAddress) -> bool {
        let at_hand = self.at_hand();
        let block = (address, PAGEBLOCK_ORDER);
        at_hand.pcps.takes(PAGEBLOCK_ORDER)
            && self.quick_push(at_hand, block, PcpIndex::of_large).is_some()
    }

    /// As [`quick_of`](Self::quick_of).
    #[inline(never)]
    fn quick_free_of<const ORDER: usize>(&self, address: FrameAddress) -> bool {
        self.free_unlisted::<ORDER>(address).is_some()
    }

    /// Puts a block of an order without lists back to its zone. `None`: look closer.
    #[inline(always)]
    fn free_unlisted<const ORDER: usize>(&self, address: FrameAddress) -> Option<()> {
        let order = const { Order::ALL[ORDER] };
        if self.trace.traces_page_free() {
            return None;
        }
        let at_hand = self.at_hand();
        let found = Found::of(at_hand, address, order)?;
        let zone = at_hand.zone(found.state.zone())?;
        self.free_held::<ORDER>((zone, &at_hand.memmap), (found.place.index(), found.pageblock))
            .then_some(())
    }

    /// As `Held::free_sole`. A function of its own: what the caller needed to find the block is not kept
    /// over the lock.
    #[inline(never)]
    fn free_held<const ORDER: usize>(
        &self,
        (zone, memmap): (&Zone, &Memmap),
        block: (FrameIdx, &Pageblock),
    ) -> bool {
        let irq = IrqGuard::new(&self.platform);
        zone.hold(memmap, &irq).free_sole(block, const { Order::ALL[ORDER] })
    }

    /// `None`: look closer.
    #[inline(always)]
    fn quick_push(
        &self,
        at_hand: &AtHand,
        (address, order): (FrameAddress, Order),
        list: impl Fn(u32) -> PcpIndex,
    ) -> Option<()> {
        let found = Found::at(at_hand, address)?;
        if self.trace.traces_page_free() {
            return self.tell_and_push(at_hand, found, (list(found.kind as u32), order));
        }
        self.push_one(at_hand, found, (list, order))
    }

    /// `None`: look closer. Somebody else holds it; or it would be too much, perhaps, and goes the long way,
    /// which gives a batch back.
    #[inline(always)]
    fn push_one(
        &self,
        at_hand: &AtHand,
        found: Found<'_>,
        (list, order): (impl FnOnce(u32) -> PcpIndex, Order),
    ) -> Option<()> {
        let here = CpuGuard::new(&self.platform);
        let pcp = found.lists(at_hand, here.cpu(), order)?;
        let (mut lists, count) = pcp.lists.own_below(&here, || pcp.with(1 << order.get()))?;
        if pcp.may_free_all(order.get()) {
            return None;
        }
        let (frame, links) = (found.place.frame(), found.place.links());
        frame.set_state(pcp.cached(order, found.kind as u32));
        pcp.push(&mut lists, (list(found.kind as u32), count), (links, found.place.block(), frame));
        Some(())
    }

    /// Where frees are traced: the block goes the long way if it can't go the quick one, as the trace
    /// was told.
    #[cold]
    #[inline(never)]
    fn tell_and_push(
        &self,
        at_hand: &AtHand,
        found: Found<'_>,
        (list, order): (PcpIndex, Order),
    ) -> Option<()> {
        if !found.is_sole(order) {
            return None;
        }
        // In place of the token that it was found by.
        let pages = at_hand.memmap.token(found.place.index(), order);
        self.trace.mm_page_free(pages.pfn(), pages.order());
        match self.push_one(at_hand, found, (|_| list, order)) {
            Some(()) => Some(()),
            None => self.put_told(pages).ok(),
        }
    }
}

/// A block that is given back, and that may go on a list of the running CPU if nobody else holds it.
#[derive(Clone, Copy)]
pub(super) struct Found<'m> {
    place: Place<'m>,
    pub(super) state: FrameState,
    pageblock: &'m Pageblock,
    /// The pageblock's migratetype.
    pub(super) kind: AskedType,
}

impl<'m> Found<'m> {
    /// The block of a token, if it is in such a pageblock. That a token's frame has the number that the
    /// token says is not looked at here: it is no other allocator's, so it is so.
    #[inline(always)]
    fn at(at_hand: &'m AtHand, address: FrameAddress) -> Option<Self> {
        let (place, pageblock, kind) = at_hand.memmap.find_listed(address)?;
        Some(Self { place, state: place.frame().state(), pageblock, kind })
    }

    /// The same, if the block is allocated, of that order, and nobody else's.
    #[inline(always)]
    pub(super) fn of(at_hand: &'m AtHand, address: FrameAddress, order: Order) -> Option<Self> {
        Self::at(at_hand, address).filter(|found| found.is_sole(order))
    }

    #[inline(always)]
    fn is_sole(&self, order: Order) -> bool {
        self.place.frame().is_sole(self.state, order)
    }

    /// A CPU's lists of its zone, if the block is allocated, of that order, and nobody else's.
    ///
    /// Most are of the zone that the CPU's own plain requests go to. So those lists are taken, and only then
    /// the descriptor is asked whether they are the right ones: a processor predicts the answer, and goes on
    /// with this free and with what comes after it before the descriptor has come from memory.
    #[inline(always)]
    fn lists(&self, at_hand: &'m AtHand, cpu: CpuId, order: Order) -> Option<&'m Pcp> {
        let home = at_hand.cpus.as_slice().get(cpu.index())?.routes.lists(Gfp::KERNEL);
        if self.state.is_unshared_as(home.handed_out_as(order, AskedType::Unmovable)) {
            return Some(home);
        }
        core::hint::cold_path();
        if !self.is_sole(order) {
            return None;
        }
        at_hand.pcps.get(cpu, self.state.zone_bits())
    }

    /// What is put on one of these lists, of its zone, and its descriptor; it is a single frame.
    #[inline(always)]
    pub(super) fn into_cached(self, pcp: &Pcp) -> (FreeBlock, &'m Frame) {
        let frame = self.place.frame();
        frame.set_state(pcp.cached(Order::ZERO, self.kind as u32));
        (self.place.block(), frame)
    }
}
