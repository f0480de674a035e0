//! The short way to a zone: a request that asks for nothing special, of an order that has no per-CPU
//! lists, and the running CPU's preferred zone, with ample memory, has a block on the list of the
//! request's type. What this does is what a walk over the zonelist would do first. Where that can't
//! be seen at a glance nothing happens here, and the walk is taken.

use super::PageAllocator;
use super::flags::cma_flag;
use crate::memmap::{FrameIdx, Memmap};
use crate::migratetype::AskedType;
use crate::node::AtHand;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::watermark::ZoneView;
use crate::zone::{Zone, ZoneMut};
use crate::{AllocError, Gfp, MigrateType, NodeId, Order, Pages};

/// Where a request goes: to its preferred zone.
#[derive(Clone, Copy)]
struct Way<'m> {
    memmap: &'m Memmap,
    zone: &'m Zone,
    /// The running CPU's.
    node: NodeId,
    asked: AskedType,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Serves a request that was let in and that the quick way did not serve, for the running CPU's node.
    #[inline(never)]
    pub(super) fn alloc_missed(
        &self,
        admitted: (Gfp, Context),
        order: Order,
    ) -> Result<Pages, AllocError> {
        let gfp = admitted.0;
        if !self.is_special(gfp)
            && !self.at_hand().pcps.takes(order)
            && let Some(pages) = self.alloc_split(gfp, order)
        {
            return Ok(self.cleared(pages, gfp));
        }
        self.alloc_admitted(admitted, order, None, None)
    }

    /// Takes a block of an order that has no lists for a request that asks for nothing special: one of just
    /// that order, if there seems to be one, else a larger one's part. It is not cleared. `None`: look
    /// closer; nothing happened.
    #[inline(always)]
    pub(super) fn alloc_whole(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        let way = self.way(gfp, order)?;
        let asked = way.asked.into();
        if way.zone.shared.nonempty_orders(asked) >> order.get() & 1 == 0 {
            return self.alloc_split(gfp, order);
        }
        let irq = IrqGuard::new(&self.platform);
        let mut held = way.zone.hold(way.memmap, &irq);
        let mut zone = held.zone();
        let index = zone.rmqueue_asked(order, asked, cma_flag(asked))?;
        let pages = way.served(&mut zone, (index, order));
        drop(held);
        drop(irq);
        Some(self.told(pages, gfp, asked))
    }

    /// Takes a block of that order, or splits a larger one, where nothing special is asked for. It is not
    /// cleared. `None`: look closer; nothing happened.
    #[inline(never)]
    fn alloc_split(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        let way = self.way(gfp, order)?;
        let asked = way.asked.into();
        let irq = IrqGuard::new(&self.platform);
        let mut held = way.zone.hold(way.memmap, &irq);
        let mut zone = held.zone();
        let index = zone.rmqueue_split(order, asked, cma_flag(asked))?;
        let frame = way.memmap.frame(index);
        frame.set_state(frame.state().asked_for(asked));
        let pages = way.served(&mut zone, (index, order));
        drop(held);
        drop(irq);
        Some(self.told(pages, gfp, asked))
    }

    /// The way of a request, by the running CPU's route, if its zone is ample; `None`: look closer.
    #[inline(always)]
    fn way(&self, gfp: Gfp, order: Order) -> Option<Way<'_>> {
        let AtHand { memmap, cpus, .. } = self.at_hand();
        let cpu = cpus.as_slice().get(self.platform.cpu_id().index())?;
        let zone = cpu.routes.zone(gfp);
        let way = Way { memmap, zone, node: cpu.node, asked: cpu.routes.asked(gfp) };
        zone.shared.is_ample_for(order).then_some(way)
    }

    /// The trace is told of a block.
    #[inline(always)]
    fn told(&self, pages: Pages, gfp: Gfp, asked: MigrateType) -> Pages {
        let (pfn, order) = (pages.pfn(), pages.order());
        self.trace.mm_page_alloc_zone_locked(pfn, order, asked);
        self.trace.mm_page_alloc(Some(pfn), order, gfp, asked);
        pages
    }
}

impl Way<'_> {
    /// Counts a block that the zone gave, as one from the preferred zone.
    #[inline(always)]
    fn served(self, zone: &mut ZoneMut<'_>, (index, order): (FrameIdx, Order)) -> Pages {
        zone.count_preferred(self.node, order);
        self.memmap.token_of((index, zone.links.frame(index)), order)
    }
}
