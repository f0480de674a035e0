//! The quick way: a request that asks for nothing special, a zone with ample memory, and a block at
//! hand on the running CPU's lists; or a block that comes back to them from its only holder. What
//! this does is what the long way would do. Where that can't be seen at a glance nothing happens
//! here, and the long way is taken.

use super::PageAllocator;
use crate::memmap::{BlockName, FreeBlock};
use crate::node::pcp::PcpIndex;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::sync::CpuGuard;
use crate::trace::Trace;
use crate::{Gfp, MIGRATE_PCPTYPES, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Takes a block from the running CPU's lists, for a request that was let in. `None`: look
    /// closer; nothing happened.
    #[inline]
    pub(super) fn quick_alloc(&self, gfp: Gfp, order: Order, context: Context) -> Option<Pages> {
        let special = gfp.intersects(Gfp::THISNODE | Gfp::WRITE) || context != Context::TASK;
        if special || self.reclaim.cpusets_enabled() {
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

    #[inline(never)]
    fn quick_small(&self, gfp: Gfp, order: Order) -> Option<Pages> {
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
        let pcp = route.pcp.as_deref()?;
        if !pcp.is_ample() {
            return None;
        }
        let list = list(route.migratetype as u32);
        let mut lists = pcp.lists.own(&here)?;
        let index = pcp.pop(&mut lists, (list, order), links)?.into_index();
        pcp.halve_free_factor();
        pcp.count_allocated(list);
        drop(lists);
        drop(here);
        links.frame(index).hand_out(pcp.handed_out(order));
        let pages = machine.memmap.token(index, order);
        self.trace.mm_page_alloc(Some(pages.pfn()), order, gfp, route.migratetype);
        Some(pages)
    }

    /// Puts a block back on the running CPU's lists, as most frees do: one that has no other holder,
    /// in a pageblock of a type that requests have. The caller gives its token for it. False: look
    /// closer; nothing happened.
    #[inline]
    pub(super) fn quick_free(&self, name: BlockName) -> bool {
        let freed = match name.order() {
            Order::ZERO => self.quick_free_page(name),
            order if order <= PAGE_ALLOC_COSTLY_ORDER => self.quick_free_small(name),
            PAGEBLOCK_ORDER => self.quick_free_pageblock(name),
            _ => false,
        };
        if freed {
            self.trace.mm_page_free(name.pfn(), name.order());
        }
        freed
    }

    /// As [`quick_push`](Self::quick_push), for a single frame.
    #[inline(never)]
    fn quick_free_page(&self, name: BlockName) -> bool {
        self.quick_push(name, Order::ZERO, |kind| PcpIndex::of_small(0, kind)).is_some()
    }

    #[inline(never)]
    fn quick_free_small(&self, name: BlockName) -> bool {
        let order = name.order();
        self.quick_push(name, order, |kind| PcpIndex::of_small(order.get(), kind)).is_some()
    }

    #[inline(never)]
    fn quick_free_pageblock(&self, name: BlockName) -> bool {
        let takes = self.machine().is_some_and(|machine| machine.pcps.takes(PAGEBLOCK_ORDER));
        takes && self.quick_push(name, PAGEBLOCK_ORDER, PcpIndex::of_large).is_some()
    }

    /// `None`: look closer.
    #[inline(always)]
    fn quick_push(
        &self,
        name: BlockName,
        order: Order,
        list: impl Fn(u32) -> PcpIndex,
    ) -> Option<()> {
        let machine = self.machine()?;
        let (links, place) = (machine.memmap.links(), machine.memmap.find(name)?);
        let (index, frame, section) = (place.index(), place.frame(), place.section());
        if !section.describes(index, name.pfn()) {
            return None;
        }
        let (state, kind) = (frame.state(), section.pageblock(index).kind());
        let whole = state.is_allocated(order) && frame.count.references() == 1;
        if !whole || kind as usize >= MIGRATE_PCPTYPES {
            return None;
        }
        let here = CpuGuard::new(&self.platform);
        let pcp = machine.pcps.get(here.cpu(), state.zone())?;
        let mut lists = pcp.lists.own(&here)?;
        let count = pcp.with(1 << order.get());
        // What would be too much goes the long way, which gives a batch back.
        if pcp.has_too_many(count, order.get()) {
            return None;
        }
        frame.set_state(state.to_cached(kind));
        pcp.push(&mut lists, (list(kind), count), (links, FreeBlock::new(index)));
        Some(())
    }
}
