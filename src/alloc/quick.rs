//! The quick way: a request that asks for nothing special, a zone with ample memory, and a block at
//! hand on the running CPU's lists. What this does is what the long way would do; where it can't be
//! seen at a glance, the long way is taken.

use super::PageAllocator;
use crate::memmap::{FrameIdx, FrameState, FreeBlock};
use crate::node::Machine;
use crate::node::pcp::PcpIndex;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::sync::CpuGuard;
use crate::trace::Trace;
use crate::zone_id::ZoneId;
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
        if gfp.intersects(Gfp::THISNODE | Gfp::WRITE) || context != Context::TASK {
            return None;
        }
        let (block, kind, zone) = self.quick_pop(machine, gfp, order)?;
        let index = block.into_index();
        machine.memmap.frame(index).hand_out(order, zone);
        let pages = machine.memmap.token(index, order);
        if gfp.contains(Gfp::ZERO) {
            self.clear(&pages);
        }
        let migratetype =
            MigrateType::from_index(usize::from(kind)).unwrap_or(MigrateType::Movable);
        self.trace.mm_page_alloc(Some(pages.pfn()), order, gfp, migratetype);
        Some(pages)
    }

    #[inline(always)]
    fn quick_pop(
        &self,
        machine: &Machine,
        gfp: Gfp,
        order: Order,
    ) -> Option<(FreeBlock, u8, ZoneId)> {
        if order > PAGE_ALLOC_COSTLY_ORDER && order != PAGEBLOCK_ORDER {
            return None;
        }
        let here = CpuGuard::new(&self.platform);
        let route = machine.cpus.as_slice().get(here.cpu().index())?.routes.of(gfp);
        let (kind, zone) = (route.kind()?, route.zone());
        if !machine.zone(zone)?.shared.is_ample() || self.reclaim.cpusets_enabled() {
            return None;
        }
        let pcp = machine.pcps.get(here.cpu(), zone)?;
        let list = PcpIndex::of_kind(order, kind);
        let mut lists = pcp.lists.own(&here)?;
        let block = pcp.pop(&mut lists, (list, order), &machine.memmap)?;
        pcp.halve_free_factor();
        pcp.count_allocated(list);
        Some((block, kind, zone))
    }

    /// Puts a block that nobody holds any more on the running CPU's lists, as most frees do: of a
    /// small order, to a pageblock of a type that requests have. False: look closer; nothing
    /// happened.
    #[inline(always)]
    pub(super) fn quick_free(
        &self,
        machine: &Machine,
        index: FrameIdx,
        state: FrameState,
        order: Order,
    ) -> bool {
        let kind = machine.memmap.pageblock(index).kind();
        if usize::from(kind) >= MIGRATE_PCPTYPES || order > PAGE_ALLOC_COSTLY_ORDER {
            return false;
        }
        let here = CpuGuard::new(&self.platform);
        let Some(pcp) = machine.pcps.get(here.cpu(), state.zone()) else { return false };
        let Some(mut lists) = pcp.lists.own(&here) else { return false };
        let list = PcpIndex::of_kind(order, kind);
        machine.memmap.frame(index).set_state(state.to_cached(kind));
        pcp.push(&mut lists, (list, order), (&machine.memmap, FreeBlock::new(index)));
        pcp.count_freed(list);
        if pcp.has_too_many(order) {
            self.give_back(machine, state.zone(), (pcp, &mut lists, list));
        }
        true
    }
}
