//! One attempt: a walk over the zonelist, and the first zone that may and can serve the request.

use super::PageAllocator;
use super::request::{Attempt, Dirty, Request};
use crate::memmap::FrameIdx;
use crate::platform::Platform;
use crate::reclaim::{KswapdWake, NodeReclaimed, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::watermark::{ZoneView, zone_watermark_fast, zone_watermark_ok};
use crate::zone::{HighAtomicUse, Taken, Zone, ZoneMut};
use crate::zone_id::ZoneId;
use crate::{AllocFlags, Gfp, NodeId, Order, PAGE_ALLOC_COSTLY_ORDER, Pages};

/// How a walk over the zonelist ended.
enum Walk {
    Found(Pages),
    /// It would have left the preferred node while pageblocks must not be mixed.
    LeavesNode,
    Nothing,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// What most requests come to: the first zone of the zonelist keeps its watermark and has a
    /// block. `None` settles nothing: then [`attempt`](Self::attempt) starts from the beginning.
    #[inline]
    pub(super) fn take_preferred(&self, request: &Request<'_>, attempt: &Attempt) -> Option<Pages> {
        let asks_kernel =
            attempt.flags.contains(AllocFlags::CPUSET) || attempt.dirty == Dirty::Spread;
        let zone = request.machine.zone(attempt.preferred).filter(|_| !asks_kernel)?;
        if !keeps_watermark(request, attempt, zone) {
            return None;
        }
        self.rmqueue(request, attempt, zone)
    }

    /// One attempt with these flags: from the first zone of the zonelist that may serve the request
    /// and has enough memory above its watermark. An attempt that must not mix pageblocks
    /// (NOFRAGMENT) and would have to leave its node, or finds nothing, is made again without that.
    #[doc(alias = "get_page_from_freelist")]
    pub(super) fn attempt(&self, request: &Request<'_>, mut attempt: Attempt) -> Option<Pages> {
        loop {
            match self.walk(request, &attempt) {
                Walk::Found(pages) => return Some(pages),
                Walk::LeavesNode | Walk::Nothing
                    if attempt.flags.contains(AllocFlags::NOFRAGMENT) =>
                {
                    attempt.flags -= AllocFlags::NOFRAGMENT;
                }
                Walk::LeavesNode | Walk::Nothing => return None,
            }
        }
    }

    fn walk(&self, request: &Request<'_>, attempt: &Attempt) -> Walk {
        let mut dirty_ok = None;
        for id in request.zones(attempt) {
            if !self.cpuset_allows(attempt, id) || !self.dirty_ok(attempt, id.node(), &mut dirty_ok)
            {
                continue;
            }
            if leaves_node(request, attempt, id) {
                return Walk::LeavesNode;
            }
            let Some(zone) = request.machine.zone(id) else { continue };
            if !self.may_take(request, attempt, zone) {
                continue;
            }
            if let Some(pages) = self.rmqueue(request, attempt, zone) {
                return Walk::Found(pages);
            }
        }
        Walk::Nothing
    }

    fn cpuset_allows(&self, attempt: &Attempt, zone: ZoneId) -> bool {
        !attempt.flags.contains(AllocFlags::CPUSET)
            || !self.reclaim.cpusets_enabled()
            || self.reclaim.cpuset_node_allowed(zone.node(), attempt.gfp)
    }

    /// Whether the node may have more dirty pages; asked once for each node in a row.
    fn dirty_ok(&self, attempt: &Attempt, node: NodeId, last: &mut Option<(NodeId, bool)>) -> bool {
        if attempt.dirty == Dirty::Ignore {
            return true;
        }
        match *last {
            Some((asked, ok)) if asked == node => ok,
            _ => {
                let ok = self.reclaim.node_dirty_ok(node);
                *last = Some((node, ok));
                ok
            }
        }
    }

    /// Whether the zone has enough memory above the attempt's watermark, perhaps after the node's
    /// memory was reclaimed.
    #[inline]
    fn may_take(&self, request: &Request<'_>, attempt: &Attempt, zone: &Zone) -> bool {
        keeps_watermark(request, attempt, zone)
            || attempt.flags.contains(AllocFlags::NO_WATERMARKS)
            || self.reclaims_node(request, attempt, zone) && {
                let (mark, highest) = (mark(attempt, zone), request.highest);
                zone_watermark_ok(&zone.shared, request.order, mark, highest, attempt.flags)
            }
    }

    /// Whether node reclaim was tried for a zone below its watermark, and it is worth another look.
    #[cold]
    fn reclaims_node(&self, request: &Request<'_>, attempt: &Attempt, zone: &Zone) -> bool {
        let Some(limit) = self.reclaim.node_reclaim_distance() else { return false };
        let (from, to) = (attempt.preferred.node(), zone.shared.id.node());
        request.machine.distance(from, to) <= limit
            && matches!(
                self.reclaim.node_reclaim(to, attempt.gfp, request.order),
                NodeReclaimed::Some | NodeReclaimed::Success
            )
    }

    /// Takes a block from a zone's lists.
    #[inline]
    fn rmqueue(&self, request: &Request<'_>, attempt: &Attempt, zone: &Zone) -> Option<Pages> {
        let (order, flags) = (request.order, attempt.flags);
        let high_atomic = match order > PAGE_ALLOC_COSTLY_ORDER {
            true => HighAtomicUse::First,
            false => HighAtomicUse::Last,
        };
        let irq = IrqGuard::new(&self.platform);
        let here = request.machine.cpu_to_node(self.platform.cpu_id());
        let taken = zone.with(&request.machine.memmap, &irq, |zone| {
            let taken = zone.rmqueue_buddy(order, request.migratetype, flags, high_atomic);
            if taken.is_some() {
                zone.shared.count_hit(attempt.preferred.node(), here);
            }
            taken
        });
        drop(irq);
        if flags.contains(AllocFlags::KSWAPD) && zone.shared.take_boosted() {
            self.wake_kswapd_of_boosted(zone);
        }
        let Taken { index, extfrag } = taken?;
        self.count_foreign(request, attempt, zone);
        if let Some(event) = extfrag {
            self.trace.mm_page_alloc_extfrag(event);
        }
        Some(self.prepare_new(request, attempt, zone, index))
    }

    /// The boost of this zone's watermarks rose: kswapd is to free as much.
    #[cold]
    fn wake_kswapd_of_boosted(&self, zone: &Zone) {
        let id = zone.shared.id;
        self.reclaim.wake_kswapd(KswapdWake {
            node: id.node(),
            zone: id.zone_type(),
            order: Order::ZERO,
            highest: id.zone_type(),
            gfp: Gfp::empty(),
        });
    }

    /// Counts a request that got memory of another node than it preferred, at the zone that it
    /// preferred.
    #[inline]
    fn count_foreign(&self, request: &Request<'_>, attempt: &Attempt, zone: &Zone) {
        if zone.shared.id.node() != attempt.preferred.node()
            && let Some(preferred) = request.machine.zone(attempt.preferred)
        {
            preferred.shared.events.add_foreign();
        }
    }

    /// Makes a block ready for its owner: zeroed if that was asked for, marked if it came from the
    /// last reserves, its pageblock reserved if it is a high-atomic one.
    #[doc(alias = "prep_new_page")]
    #[inline]
    fn prepare_new(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        zone: &Zone,
        index: FrameIdx,
    ) -> Pages {
        let memmap = &request.machine.memmap;
        let pages = memmap.token(index, request.order);
        self.trace.mm_page_alloc_zone_locked(pages.pfn(), request.order, request.migratetype);
        if attempt.flags.contains(AllocFlags::NO_WATERMARKS) {
            let frame = memmap.frame(index);
            frame.set_state(frame.state().with_pfmemalloc());
        }
        if request.gfp.contains(Gfp::ZERO) {
            self.clear(&pages);
        }
        let high_atomic = attempt.flags.contains(AllocFlags::HIGHATOMIC);
        if high_atomic && request.order > Order::ZERO && zone.shared.wants_highatomic() {
            let irq = IrqGuard::new(&self.platform);
            zone.with(memmap, &irq, |zone: &mut ZoneMut<'_>| {
                zone.reserve_highatomic_pageblock(index);
            });
        }
        pages
    }
}

/// The mark that an attempt has to keep in a zone.
#[inline]
fn mark(attempt: &Attempt, zone: &Zone) -> u64 {
    zone.shared.watermark(attempt.flags.watermark_level()) + zone.shared.watermark_boost()
}

/// Whether the zone keeps the attempt's watermark when it serves the request.
#[inline(always)]
fn keeps_watermark(request: &Request<'_>, attempt: &Attempt, zone: &Zone) -> bool {
    let (order, mark) = (request.order, mark(attempt, zone));
    let Attempt { flags, gfp, .. } = *attempt;
    zone_watermark_fast(&zone.shared, order, mark, request.highest, flags, gfp)
}

/// Whether a zone is on another node than the preferred one, while the attempt must not mix
/// pageblocks: better mix them than use remote memory.
#[inline]
fn leaves_node(request: &Request<'_>, attempt: &Attempt, zone: ZoneId) -> bool {
    attempt.flags.contains(AllocFlags::NOFRAGMENT)
        && request.machine.online.len() > 1
        && zone.node() != attempt.preferred.node()
}
