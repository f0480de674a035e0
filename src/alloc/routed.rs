//! The short way to a zone: a request that asks for nothing special, of an order that has no per-CPU
//! lists, goes to the running CPU's preferred zone, if that has enough memory, and gets a block of its
//! type there, or part of one. What this does is what a walk over the zonelist would do first. Where that
//! can't be seen at a glance nothing happens here, and the walk is taken.

use super::PageAllocator;
use super::flags::cma_flag;
use crate::memmap::{FrameIdx, Memmap};
use crate::migratetype::AskedType;
use crate::node::AtHand;
use crate::node::pcp::PcpOrders;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::watermark::ZoneView;
use crate::zone::{Zone, ZoneMut};
use crate::{AllocError, Gfp, MigrateType, NodeId, Order, Pages};

/// The zone that a request prefers, and what is needed there.
#[derive(Clone, Copy)]
struct Preferred<'m> {
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
        // Of an order that never has lists the quick way has tried the zone, but for a fresh largest block.
        if order == Order::MAX || PcpOrders::WithPageblock.contains(order) {
            return self.alloc_untried(admitted, order);
        }
        self.alloc_admitted(admitted, order, None, None)
    }

    /// As [`alloc_missed`](Self::alloc_missed), for an order of which the quick way may have asked the lists
    /// alone: if it has none here, the zone is tried first. A function of its own, as what it keeps on the stack
    /// would lie below all that a request for a frame needs.
    #[inline(never)]
    fn alloc_untried(&self, admitted: (Gfp, Context), order: Order) -> Result<Pages, AllocError> {
        let gfp = admitted.0;
        if !self.at_hand().pcps.takes(order)
            && !self.is_special(gfp)
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
    pub(super) fn alloc_unlisted(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        let from = self.preferred(gfp, order)?;
        let asked = from.asked.into();
        if from.zone.shared.nonempty_orders(asked) >> order.get() & 1 == 0 {
            return self.alloc_split(gfp, order);
        }
        let irq = IrqGuard::new(&self.platform);
        let mut held = from.zone.hold(from.memmap, &irq);
        let mut zone = held.zone();
        let index = zone.rmqueue_asked(order, asked, cma_flag(asked))?;
        let pages = from.served(&mut zone, (index, order));
        let pages = held.release(pages);
        drop(irq);
        Some(self.told(pages, gfp, asked))
    }

    /// Takes a block of that order, or splits a larger one, where nothing special is asked for. It is not
    /// cleared. `None`: look closer; nothing happened.
    #[inline(never)]
    pub(super) fn alloc_split(&self, gfp: Gfp, order: Order) -> Option<Pages> {
        let from = self.preferred(gfp, order)?;
        let asked = from.asked.into();
        if from.zone.shared.nonempty_orders(asked) >> order.get() == 0 {
            return None;
        }
        let irq = IrqGuard::new(&self.platform);
        let mut held = from.zone.hold(from.memmap, &irq);
        let mut zone = held.zone();
        let index = zone.rmqueue_split(order, asked, cma_flag(asked))?;
        let frame = from.memmap.frame(index);
        frame.set_state(frame.state().asked_for(asked));
        let pages = from.served(&mut zone, (index, order));
        let pages = held.release(pages);
        drop(irq);
        Some(self.told(pages, gfp, asked))
    }

    /// The zone to which the running CPU's route leads, if it has enough; `None`: look closer.
    #[inline(always)]
    fn preferred(&self, gfp: Gfp, order: Order) -> Option<Preferred<'_>> {
        let AtHand { memmap, cpus, .. } = self.at_hand();
        let cpu = cpus.as_slice().get(self.platform.cpu_id().index())?;
        let zone = cpu.routes.zone(gfp);
        let asked = cpu.routes.asked(gfp);
        let enough = zone.shared.ample.has_enough_for(order);
        enough.then_some(Preferred { memmap, zone, node: cpu.node, asked })
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

impl Preferred<'_> {
    /// Counts a block that the zone gave, as one from the preferred zone.
    #[inline(always)]
    fn served(self, zone: &mut ZoneMut<'_>, (index, order): (FrameIdx, Order)) -> Pages {
        zone.count_preferred(self.node, order);
        self.memmap.token_of((index, zone.links.frame(index)), order)
    }
}
