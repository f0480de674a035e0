//! The short way to a zone: a request that asks for nothing special, of an order that has no per-CPU
//! lists, and the running CPU's preferred zone, with ample memory, has a block on the list of the
//! request's type. What this does is what a walk over the zonelist would do first. Where that can't
//! be seen at a glance nothing happens here, and the walk is taken.

use super::PageAllocator;
use super::flags::cma_flag;
use crate::memmap::FrameIdx;
use crate::node::{Cpu, Machine};
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::Zone;
use crate::{Gfp, MigrateType, Order, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Takes a block from the zone of the running CPU's route, for a request that was let in. `None`:
    /// look closer; nothing happened.
    #[inline(always)]
    pub(super) fn take_routed(
        &self,
        machine: &Machine,
        (gfp, context): (Gfp, Context),
        order: Order,
    ) -> Option<Pages> {
        let special = gfp.intersects(Gfp::THISNODE | Gfp::WRITE) || context != Context::TASK;
        if special || machine.pcps.takes(order) || self.reclaim.cpusets_enabled() {
            return None;
        }
        let cpu = machine.cpus.as_slice().get(self.platform.cpu_id().index())?;
        let route = cpu.routes.of(gfp);
        let migratetype = MigrateType::from_low_bits(u32::from(route.kind()?));
        let zone = machine.zone(route.zone()).filter(|zone| zone.shared.is_ample_for(order))?;
        let index = self.take_from(machine, (zone, cpu), (order, migratetype))?;
        let pages = machine.memmap.token(index, order);
        self.trace.mm_page_alloc_zone_locked(pages.pfn(), order, migratetype);
        if gfp.contains(Gfp::ZERO) {
            self.clear(&pages);
        }
        self.trace.mm_page_alloc(Some(pages.pfn()), order, gfp, migratetype);
        Some(pages)
    }

    /// Takes a block from a zone's list of its own type, and counts it as one from the preferred zone.
    #[inline(always)]
    fn take_from(
        &self,
        machine: &Machine,
        (zone, cpu): (&Zone, &Cpu),
        (order, migratetype): (Order, MigrateType),
    ) -> Option<FrameIdx> {
        let irq = IrqGuard::new(&self.platform);
        zone.with(&machine.memmap, &irq, |zone| {
            let index = zone.rmqueue_own(order, migratetype, cma_flag(migratetype))?;
            zone.shared.count_preferred(cpu.node);
            Some(index)
        })
    }
}
