//! The running CPU's lists: taking a block from them, and freeing one to them.

use super::PageAllocator;
use super::moved::Moved;
use super::request::{Attempt, Request};
use crate::memmap::{FrameIdx, FrameState, FreeBlock, Memmap};
use crate::node::Machine;
use crate::node::pcp::{Pcp, PcpIndex, PcpLists};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::{CpuGuard, IrqGuard};
use crate::trace::Trace;
use crate::zone::{ExtfragLog, Zone};
use crate::zone_id::ZoneId;
use crate::{AllocFlags, MigrateType, Order};

/// How taking a block from the running CPU's lists ended.
enum Popped {
    Block(FreeBlock),
    /// The list is empty.
    Empty,
    /// The lists are in use, or there are none.
    Busy,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Takes a block from the running CPU's list of the zone for the request's order and type, which
    /// is filled first if it is empty. `None`: the order has no lists, or they are in use (this is
    /// an interrupt that came then, or another CPU drains them), or the zone has no such memory.
    #[inline]
    pub(super) fn rmqueue_pcplist(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        zone: &Zone,
    ) -> Option<FrameIdx> {
        if !may_use_lists(request, attempt) {
            return None;
        }
        let index = PcpIndex::new(request.order, request.migratetype);
        let here = CpuGuard::new(&self.platform);
        let pcp = request.machine.pcps.get(here.cpu(), zone.shared.id)?;
        let block = self.pop_or_refill(request, attempt, zone, (pcp, here, index))?;
        if zone.shared.id.node() != attempt.preferred.node() {
            zone.shared.events.add_pcp_miss();
        }
        let index = block.into_index();
        request.machine.memmap.frame(index).hand_out(pcp.handed_out(request.order));
        Some(index)
    }

    /// Takes a block from a list, which is filled first if it is empty. Then the code may leave its CPU.
    #[inline]
    fn pop_or_refill(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        zone: &Zone,
        (pcp, here, index): (&Pcp, CpuGuard<'_, P>, PcpIndex),
    ) -> Option<FreeBlock> {
        match pop(pcp, &here, index, &request.machine.memmap) {
            Popped::Block(block) => Some(block),
            Popped::Empty => self.refill_and_pop(request, attempt, zone, (pcp, here, index)),
            Popped::Busy => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn refill_and_pop(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        zone: &Zone,
        (pcp, here, index): (&Pcp, CpuGuard<'_, P>, PcpIndex),
    ) -> Option<FreeBlock> {
        let mut log = ExtfragLog::default();
        let (block, blocks) = {
            let mut lists = pcp.lists.own(&here)?;
            let blocks = self.refill(request, attempt, zone, (pcp, &mut lists, index), &mut log);
            let block = pcp.pop(&mut lists, (index, request.order), request.machine.memmap.links());
            (block.inspect(|_| pcp.count_refilled(index)), blocks)
        };
        drop(here);
        self.trace_refilled(zone.shared.id, pcp, (index, blocks));
        log.events().for_each(|event| self.trace.mm_page_alloc_extfrag(event));
        block
    }

    /// Fills a list if it is empty. Whether it has blocks then; it may be in use, too. The code may leave
    /// its CPU.
    #[cold]
    #[inline(never)]
    pub(super) fn refill_list(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        zone: &Zone,
        (pcp, here, index): (&Pcp, CpuGuard<'_, P>, PcpIndex),
    ) -> bool {
        let mut log = ExtfragLog::default();
        let (has_blocks, blocks) = {
            let Some(mut lists) = pcp.lists.own(&here) else { return false };
            let blocks = self.refill(request, attempt, zone, (pcp, &mut lists, index), &mut log);
            (lists.list(index).head().is_some(), blocks)
        };
        drop(here);
        self.trace_refilled(zone.shared.id, pcp, (index, blocks));
        log.events().for_each(|event| self.trace.mm_page_alloc_extfrag(event));
        has_blocks
    }

    /// Fills a list under the zone's lock, if it is empty: an interrupt may have filled it just now.
    /// Gives the number of blocks.
    fn refill(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        zone: &Zone,
        (pcp, lists, index): (&Pcp, &mut PcpLists, PcpIndex),
        log: &mut ExtfragLog,
    ) -> u32 {
        if lists.list(index).head().is_some() {
            return 0;
        }
        let irq = IrqGuard::new(&self.platform);
        zone.with(&request.machine.memmap, &irq, |zone| {
            pcp.refill(lists, index, zone, (request.migratetype, attempt.flags), log)
        })
    }

    /// Puts a block that nobody holds any more on the running CPU's list for its pageblock's type.
    /// The order has such lists. False, and nothing happened: they are in use, or the pageblock is
    /// isolated.
    #[doc(alias = "free_unref_page")]
    #[inline(always)]
    pub(super) fn free_to_pcplist(
        &self,
        machine: &Machine,
        index: FrameIdx,
        state: FrameState,
        order: Order,
    ) -> bool {
        let migratetype = machine.memmap.pageblock(index).migratetype();
        if migratetype == MigrateType::Isolate {
            return false;
        }
        let here = CpuGuard::new(&self.platform);
        let Some(pcp) = machine.pcps.get(here.cpu(), state.zone()) else { return false };
        let Some(mut lists) = pcp.lists.own(&here) else { return false };
        let list = PcpIndex::new(order, migratetype);
        let frame = machine.memmap.frame(index);
        frame.set_state(state.to_cached(migratetype as u32));
        let block = (machine.memmap.links(), FreeBlock::new(index), frame);
        let count = pcp.with(list.frames());
        pcp.push(&mut lists, (list, count), block);
        if pcp.has_too_many(count, order.get()) {
            let moved = self.give_back(machine, state.zone(), (pcp, &mut lists, list));
            drop(lists);
            drop(here);
            self.trace_drained(state.zone(), pcp, &moved);
        }
        true
    }

    /// Inlined, as all that notes what moves: where nobody is told, nothing is noted.
    #[inline(always)]
    fn give_back(
        &self,
        machine: &Machine,
        zone: ZoneId,
        (pcp, lists, list): (&Pcp, &mut PcpLists, PcpIndex),
    ) -> Moved {
        let mut moved = Moved::default();
        let Some(zone) = machine.zone(zone) else { return moved };
        let irq = IrqGuard::new(&self.platform);
        zone.with(&machine.memmap, &irq, |zone| {
            pcp.give_back(lists, list, zone, |list, blocks| moved.note(list, blocks));
        });
        moved
    }
}

/// Whether a request goes to the lists of its CPU. Movable lists may hold CMA frames, others may not: so
/// movable requests that must not have these don't, nor do others that may (flags of a caller's own choice).
#[inline]
pub(super) fn may_use_lists(request: &Request<'_>, attempt: &Attempt) -> bool {
    request.machine.pcps.takes(request.order)
        && request.is_movable() == attempt.flags.contains(AllocFlags::CMA)
}

#[inline]
fn pop<P: Platform>(pcp: &Pcp, here: &CpuGuard<'_, P>, index: PcpIndex, memmap: &Memmap) -> Popped {
    let Some(mut lists) = pcp.lists.own(here) else { return Popped::Busy };
    match pcp.pop(&mut lists, (index, index.order()), memmap.links()) {
        Some(block) => {
            pcp.count_allocated(index);
            Popped::Block(block)
        }
        None => {
            pcp.halve_free_factor();
            Popped::Empty
        }
    }
}
