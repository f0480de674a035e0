//! One attempt: a walk over the zonelist, and the first zone that may and can serve the request.

use super::PageAllocator;
use super::request::{Attempt, Dirty, Request};
use crate::memmap::FrameIdx;
use crate::platform::Platform;
use crate::reclaim::{KswapdWake, NodeReclaimed, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::{AllocStep, Attempted, Trace};
use crate::zone::watermark::{ZoneView, zone_watermark_fast, zone_watermark_ok};
use crate::zone::{HighAtomicUse, Taken, Zone, ZoneMut};
use crate::zone_id::ZoneId;
use crate::{
    AllocFlags, Gfp, MIGRATE_PCPTYPES, MigrateType, NodeId, Order, PAGE_ALLOC_COSTLY_ORDER, Pages,
    WatermarkLevel, ZoneType,
};

/// How a walk over the zonelist ended.
enum Walk {
    Found(Pages),
    /// It would have left the preferred node while pageblocks must not be mixed.
    LeavesNode,
    Nothing,
}

/// The node that was last asked about, and the answer.
type DirtyOk = Option<(NodeId, bool)>;

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// What most requests come to: the first zone of the zonelist keeps its watermark and has a
    /// block. Otherwise the attempt has just begun: it goes on by
    /// [`attempt_beyond`](Self::attempt_beyond) the zone that was asked in vain, if one was.
    #[inline]
    pub(super) fn take_preferred(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
    ) -> Result<Pages, Option<ZoneId>> {
        let asks_kernel =
            attempt.flags.contains(AllocFlags::CPUSET) || attempt.dirty == Dirty::Spread;
        let Some(zone) = request.machine.zone(attempt.preferred).filter(|_| !asks_kernel) else {
            return Err(None);
        };
        if !keeps_watermark(request, attempt, zone) {
            return Err(None);
        }
        self.rmqueue_of(request, attempt, zone).ok_or(Some(attempt.preferred))
    }

    /// One attempt with these flags: from the first zone of the zonelist that may serve the request
    /// and has enough memory above its watermark. An attempt that must not mix pageblocks
    /// (NOFRAGMENT) and would have to leave its node, or finds nothing, is made again without that.
    #[doc(alias = "get_page_from_freelist")]
    pub(super) fn attempt(&self, request: &Request<'_>, attempt: Attempt) -> Option<Pages> {
        self.attempt_beyond(request, attempt, None)
    }

    /// As [`attempt`](Self::attempt), where a zone has been asked already: it would only be asked for a
    /// refill of its lists once more.
    pub(super) fn attempt_beyond(
        &self,
        request: &Request<'_>,
        attempt: Attempt,
        asked: Option<ZoneId>,
    ) -> Option<Pages> {
        let pages = self.walk_until_settled(request, attempt, asked);
        self.trace_attempt(request, &attempt, pages.as_ref());
        pages
    }

    /// Tells the watcher how an attempt ended.
    #[inline]
    pub(super) fn trace_attempt(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        pages: Option<&Pages>,
    ) {
        self.trace.alloc_step(AllocStep::Attempt(Attempted {
            order: request.order,
            gfp: attempt.gfp,
            flags: attempt.flags,
            highest: request.highest,
            nodemask: attempt.nodemask,
            preferred: Some((attempt.preferred.node(), attempt.preferred.zone_type())),
            found: pages.map(Pages::pfn),
        }));
    }

    fn walk_until_settled(
        &self,
        request: &Request<'_>,
        mut attempt: Attempt,
        mut asked: Option<ZoneId>,
    ) -> Option<Pages> {
        let mut dirty_ok = None;
        loop {
            match self.walk(request, &attempt, (asked.take(), &mut dirty_ok)) {
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

    fn walk(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        (asked, dirty_ok): (Option<ZoneId>, &mut DirtyOk),
    ) -> Walk {
        for id in request.zones(attempt) {
            if !self.cpuset_allows(attempt, id) || !self.dirty_ok(attempt, id.node(), dirty_ok) {
                continue;
            }
            if leaves_node(request, attempt, id) {
                return Walk::LeavesNode;
            }
            let Some(zone) = request.machine.zone(id).filter(|_| asked != Some(id)) else {
                continue;
            };
            if !self.may_take(request, attempt, zone) {
                continue;
            }
            if let Some(pages) = self.rmqueue_of(request, attempt, zone) {
                return Walk::Found(pages);
            }
        }
        Walk::Nothing
    }

    pub(super) fn cpuset_allows(&self, attempt: &Attempt, zone: ZoneId) -> bool {
        !attempt.flags.contains(AllocFlags::CPUSET)
            || !self.reclaim.cpusets_enabled()
            || self.reclaim.cpuset_node_allowed(zone.node(), attempt.gfp)
    }

    /// Whether the node may have more dirty pages; asked once for each node in a row.
    fn dirty_ok(&self, attempt: &Attempt, node: NodeId, last: &mut DirtyOk) -> bool {
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
        if request.machine.distance(from, to) > limit {
            return false;
        }
        match self.reclaim.node_reclaim(to, attempt.gfp, request.order) {
            NodeReclaimed::NotScanned | NodeReclaimed::Full => false,
            NodeReclaimed::Some | NodeReclaimed::Success => {
                request.machine.revive_kswapd(to);
                true
            }
        }
    }

    /// Takes a block from one zone, whatever its watermarks: from the running CPU's lists where the
    /// order has them, else from the zone. For kernels with a policy of their own, and for tests of
    /// this one's. `None`: there is no such zone, it has no such block, or `migratetype` is not one
    /// that requests have (UNMOVABLE, MOVABLE, RECLAIMABLE).
    ///
    /// Does not sleep; may be called in an interrupt.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{AllocFlags, MigrateType, NodeId, Order, ZoneType};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let (node, dma, order) = (NodeId::ZERO, ZoneType::Dma, Order::O2);
    /// let taken = sim.rmqueue(node, dma, order, MigrateType::Unmovable, AllocFlags::empty());
    /// let block = taken.unwrap();
    /// assert!(block.range().end.get() <= 0x1000); // below 16 MiB
    /// sim.free_pages(block)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rmqueue(
        &self,
        node: NodeId,
        zone: ZoneType,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<Pages> {
        if migratetype.index() >= MIGRATE_PCPTYPES {
            return None;
        }
        let (machine, zone) = self.tuned_zone(node, zone).ok()?;
        let request = Request::of_zone(machine, zone, order, migratetype);
        let preferred = zone.shared.id;
        let (gfp, dirty) = (Gfp::empty(), Dirty::Ignore);
        let attempt = Attempt { gfp, flags, nodemask: None, preferred, dirty };
        self.rmqueue_of(&request, &attempt, zone)
    }

    /// Takes a block from the running CPU's lists of the zone, or from the zone itself.
    #[inline]
    fn rmqueue_of(&self, request: &Request<'_>, attempt: &Attempt, zone: &Zone) -> Option<Pages> {
        let index = match self.rmqueue_pcplist(request, attempt, zone) {
            Some(index) => Some(index),
            None => self.rmqueue_buddy(request, attempt, zone),
        };
        if attempt.flags.contains(AllocFlags::KSWAPD) && zone.shared.take_boosted() {
            self.wake_kswapd_of_boosted(request, zone, index);
        }
        Some(self.prepare_new(request, attempt, zone, index?))
    }

    /// Takes a block from a zone's lists. Not inlined: what it needs of the stack is not there when a list
    /// is filled.
    #[inline(never)]
    fn rmqueue_buddy(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        zone: &Zone,
    ) -> Option<FrameIdx> {
        let (order, flags, machine) = (request.order, attempt.flags, request.machine);
        let large = order > PAGE_ALLOC_COSTLY_ORDER || machine.pcps.takes(order);
        let high_atomic = match large || request.is_of_zone() {
            true => HighAtomicUse::First,
            false => HighAtomicUse::Last,
        };
        let irq = IrqGuard::new(&self.platform);
        let here = machine.cpu_to_node(self.platform.cpu_id());
        let taken = zone.with(&machine.memmap, &irq, |zone| {
            let taken = zone.rmqueue_buddy(order, request.migratetype, flags, high_atomic);
            if taken.is_some() {
                zone.shared.count_hit(attempt.preferred.node(), here);
                zone.shared.events.allocated.add(order.nr_pages());
            }
            taken
        });
        drop(irq);
        let Taken { index, list_type, extfrag } = taken?;
        if let Some(event) = extfrag {
            self.trace.mm_page_alloc_extfrag(event);
        }
        let pfn = machine.memmap.pfn_of(index);
        self.trace.mm_page_alloc_zone_locked(pfn, order, list_type);
        Some(index)
    }

    /// The boost of this zone's watermarks rose: kswapd is to free as much.
    #[cold]
    fn wake_kswapd_of_boosted(
        &self,
        Request { machine, order, .. }: &Request<'_>,
        zone: &Zone,
        taken: Option<FrameIdx>,
    ) {
        // Nobody has the block yet: it is freed if the hook panics.
        let taken = taken.map(|index| self.guard(machine.memmap.token(index, *order)));
        let irq = IrqGuard::new(&self.platform);
        zone.with(&machine.memmap, &irq, |zone| zone.shared.limits_changed());
        drop(irq);
        let id = zone.shared.id;
        self.reclaim.wake_kswapd(KswapdWake {
            node: id.node(),
            zone: id.zone_type(),
            order: Order::ZERO,
            highest: id.zone_type(),
            gfp: Gfp::empty(),
        });
        core::mem::forget(taken);
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
    pub(super) fn prepare_new(
        &self,
        request: &Request<'_>,
        attempt: &Attempt,
        zone: &Zone,
        index: FrameIdx,
    ) -> Pages {
        let memmap = &request.machine.memmap;
        let pages = memmap.token(index, request.order);
        self.count_foreign(request, attempt, zone);
        let frame = memmap.frame(index);
        let state = frame.state().asked_for(request.migratetype);
        frame.set_state(match attempt.flags.contains(AllocFlags::NO_WATERMARKS) {
            true => state.with_pfmemalloc(),
            false => state,
        });
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
pub(super) fn mark(attempt: &Attempt, zone: &Zone) -> u64 {
    let level = attempt.flags.watermark_level();
    zone.shared.watermark(level).saturating_add(zone.shared.watermark_boost())
}

/// Whether the zone keeps the attempt's watermark when it serves the request.
#[inline(always)]
fn keeps_watermark(request: &Request<'_>, attempt: &Attempt, zone: &Zone) -> bool {
    let Attempt { flags, gfp, .. } = *attempt;
    // The low mark is kept with room for every request up to a pageblock, so the min mark is too.
    let is_ample = zone.shared.ample.is_for(request.order);
    if is_ample && flags.watermark_level() != WatermarkLevel::High {
        return true;
    }
    let (order, mark) = (request.order, mark(attempt, zone));
    zone_watermark_fast(&zone.shared, order, mark, request.highest, flags, gfp)
}

/// Whether a zone is on another node than the preferred one, while the attempt must not mix
/// pageblocks: better mix them than use remote memory.
#[inline]
fn leaves_node(request: &Request<'_>, attempt: &Attempt, zone: ZoneId) -> bool {
    attempt.flags.contains(AllocFlags::NOFRAGMENT)
        && request.machine.nr_online() > 1
        && zone.node() != attempt.preferred.node()
}
