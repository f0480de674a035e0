//! The short way to a zone: a request that asks for nothing special, of an order that has no per-CPU
//! lists, and the running CPU's preferred zone, with ample memory, has a block on the list of the
//! request's type. What this does is what a walk over the zonelist would do first. Where that can't
//! be seen at a glance nothing happens here, and the walk is taken.

use super::PageAllocator;
use super::flags::cma_flag;
use crate::memmap::{FrameIdx, Memmap};
use crate::node::{Cpu, Machine};
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::watermark::ZoneView;
use crate::zone::{Zone, ZoneMut};
use crate::{AllocError, Gfp, MigrateType, Order, Pages};

/// Where a request goes: to its preferred zone.
#[derive(Clone, Copy)]
struct Way<'m> {
    zone: &'m Zone,
    cpu: &'m Cpu,
    migratetype: MigrateType,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Serves a request that was let in and that the quick way did not serve, for the running CPU's node.
    #[inline(never)]
    pub(super) fn alloc_missed(
        &self,
        admitted: (Gfp, Context),
        order: Order,
    ) -> Result<Pages, AllocError> {
        if let Some(machine) = self.machine().filter(|machine| !machine.pcps.takes(order))
            && let Some(pages) = self.alloc_split(machine, admitted.0, order)
        {
            return Ok(self.cleared(pages, admitted.0));
        }
        self.alloc_admitted(admitted, order, None, None)
    }

    /// Takes a block of just the order asked for, which has no lists, for a request that asks for nothing
    /// special, if there seems to be one. It is not cleared. `None`: look closer; nothing happened.
    #[inline(never)]
    pub(super) fn alloc_whole(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        let machine = self.machine()?;
        let way = self.way(machine, gfp, order)?;
        if way.zone.shared.nonempty_orders(way.migratetype) >> order.get() & 1 == 0 {
            return None;
        }
        self.alloc_by(machine, (gfp, way), order, |zone, t| {
            zone.rmqueue_at_hand(order, t, cma_flag(t))
        })
    }

    /// Takes a block of that order, or splits a larger one, where nothing special is asked for. It is not
    /// cleared. `None`: look closer; nothing happened.
    #[inline(never)]
    fn alloc_split(&self, machine: &Machine, gfp: Gfp, order: Order) -> Option<Pages> {
        if self.is_special(gfp) {
            return None;
        }
        let way = self.way(machine, gfp, order)?;
        self.alloc_by(machine, (gfp, way), order, |zone, t| zone.rmqueue_own(order, t, cma_flag(t)))
    }

    #[inline(always)]
    fn alloc_by(
        &self,
        machine: &Machine,
        (gfp, way): (Gfp, Way<'_>),
        order: Order,
        take: impl FnOnce(&mut ZoneMut<'_>, MigrateType) -> Option<FrameIdx>,
    ) -> Option<Pages> {
        let memmap = &machine.memmap;
        let index = self.take_from(memmap, (way, order), |zone| take(zone, way.migratetype))?;
        Some(self.hand_out(memmap, (index, order), (gfp, way)))
    }

    /// The way of a request, by the running CPU's route; `None`: look closer.
    #[inline(always)]
    fn way<'m>(&self, machine: &'m Machine, gfp: Gfp, order: Order) -> Option<Way<'m>> {
        let cpu = machine.cpus.as_slice().get(self.platform.cpu_id().index())?;
        let zone = machine.zone(cpu.routes.zone(gfp));
        let zone = zone.filter(|zone| zone.shared.is_ample_for(order))?;
        Some(Way { zone, cpu, migratetype: cpu.routes.asked(gfp).into() })
    }

    /// Takes a block from a zone, and counts it as one from the preferred zone.
    #[inline(always)]
    fn take_from(
        &self,
        memmap: &Memmap,
        (way, order): (Way<'_>, Order),
        take: impl FnOnce(&mut ZoneMut<'_>) -> Option<FrameIdx>,
    ) -> Option<FrameIdx> {
        let irq = IrqGuard::new(&self.platform);
        let mut held = way.zone.hold(memmap, &irq);
        let mut zone = held.zone();
        let index = take(&mut zone)?;
        zone.count_preferred(way.cpu.node, order);
        Some(index)
    }

    #[inline(always)]
    fn hand_out(
        &self,
        memmap: &Memmap,
        (index, order): (FrameIdx, Order),
        (gfp, way): (Gfp, Way<'_>),
    ) -> Pages {
        let frame = memmap.frame(index);
        frame.set_state(frame.state().asked_for(way.migratetype));
        let pages = memmap.token(index, order);
        self.trace.mm_page_alloc_zone_locked(pages.pfn(), order, way.migratetype);
        self.trace.mm_page_alloc(Some(pages.pfn()), order, gfp, way.migratetype);
        pages
    }
}
