//! The quick way: a request that asks for nothing special, a zone with ample memory, and a block at
//! hand on the running CPU's lists; or a block that comes back to them from its only holder. What
//! this does is what the long way would do. Where that can't be seen at a glance nothing happens
//! here, and the long way is taken.

use super::PageAllocator;
use crate::memmap::FreeBlock;
use crate::node::Machine;
use crate::node::pcp::PcpIndex;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::sync::CpuGuard;
use crate::trace::Trace;
use crate::{
    Gfp, MIGRATE_PCPTYPES, MigrateType, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER, Pages,
};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Takes a block from the running CPU's lists, for a request that was let in. `None`: look
    /// closer; nothing happened.
    #[inline(always)]
    pub(super) fn quick_alloc(
        &self,
        machine: &Machine,
        gfp: Gfp,
        order: Order,
        context: Context,
    ) -> Option<Pages> {
        let special = gfp.intersects(Gfp::THISNODE | Gfp::WRITE) || context != Context::TASK;
        if special || self.reclaim.cpusets_enabled() {
            return None;
        }
        if order <= PAGE_ALLOC_COSTLY_ORDER {
            self.quick_pop(machine, gfp, order, |kind| PcpIndex::of_small(order.get(), kind))
        } else if order == PAGEBLOCK_ORDER {
            self.quick_pageblock(machine, gfp)
        } else {
            None
        }
    }

    #[inline(never)]
    fn quick_pageblock(&self, machine: &Machine, gfp: Gfp) -> Option<Pages> {
        self.quick_pop(machine, gfp, PAGEBLOCK_ORDER, PcpIndex::of_large)
    }

    #[inline(always)]
    fn quick_pop(
        &self,
        machine: &Machine,
        gfp: Gfp,
        order: Order,
        list: impl Fn(u8) -> PcpIndex,
    ) -> Option<Pages> {
        let memmap = &machine.memmap;
        let here = CpuGuard::new(&self.platform);
        let route = machine.cpus.as_slice().get(here.cpu().index())?.routes.of(gfp);
        let (kind, zone) = (route.kind()?, route.zone());
        if !machine.zone(zone)?.shared.is_ample() {
            return None;
        }
        let pcp = machine.pcps.get(here.cpu(), zone)?;
        let list = list(kind);
        let mut lists = pcp.lists.own(&here)?;
        let index = pcp.pop(&mut lists, (list, order), memmap)?.into_index();
        pcp.halve_free_factor();
        pcp.count_allocated(list);
        drop(lists);
        drop(here);
        memmap.frame(index).hand_out(order, zone);
        let pages = memmap.token(index, order);
        if gfp.contains(Gfp::ZERO) {
            self.clear(&pages);
        }
        let migratetype = MigrateType::from_index(usize::from(kind));
        let migratetype = migratetype.unwrap_or(MigrateType::Movable);
        self.trace.mm_page_alloc(Some(pages.pfn()), order, gfp, migratetype);
        Some(pages)
    }

    /// Puts a block back on the running CPU's lists, as most frees do: of a small order, with no
    /// other holder, in a pageblock of a type that requests have. False: look closer; nothing
    /// happened.
    #[inline(always)]
    pub(super) fn quick_free(&self, pages: &Pages) -> bool {
        let order = pages.order_bits();
        if order > PAGE_ALLOC_COSTLY_ORDER.get() {
            return false;
        }
        let Some(machine) = self.machine() else { return false };
        let memmap = &machine.memmap;
        let Some(index) = memmap.index_of_token(pages) else { return false };
        let section = memmap.section(index);
        let frame = memmap.frame(index);
        if !section.describes(index.offset(), pages.pfn()) {
            return false;
        }
        let state = frame.state();
        if !state.is_block_of(pages) || frame.count.references() != 1 {
            return false;
        }
        let kind = section.pageblock(index.offset()).kind();
        if usize::from(kind) >= MIGRATE_PCPTYPES {
            return false;
        }
        let here = CpuGuard::new(&self.platform);
        let Some(pcp) = machine.pcps.get(here.cpu(), state.zone()) else { return false };
        // What would be too much goes the long way, which gives a batch back.
        if pcp.would_be_too_many(1 << order, order) {
            return false;
        }
        let Some(mut lists) = pcp.lists.own(&here) else { return false };
        let list = PcpIndex::of_small(order, kind);
        frame.count.init(0);
        frame.set_state(state.to_cached(kind));
        pcp.push(&mut lists, (list, 1 << order), (memmap, FreeBlock::new(index)));
        pcp.count_freed(list);
        drop(lists);
        drop(here);
        self.trace.mm_page_free(pages.pfn(), pages.order());
        true
    }
}
