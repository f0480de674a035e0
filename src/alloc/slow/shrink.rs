//! Direct reclaim: by the kernel as a whole, or else by passes over the nodes that will do, each more
//! urgent than the one before.
//!
//! The passes are Linux's: the priority falls from [`NodeShrink::DEF_PRIORITY`] to 0, until
//! [`Shortage::CLUSTER`] frames came free, whatever the order, or compaction has room to make a costly
//! block. A pass has each node shrunk once ([`Reclaim::shrink_node`]), so there are at most thirteen
//! calls for each node; for large blocks a node where frames come free indeed is shrunk again, until
//! compaction has room there ([`kswapd`](crate::kswapd)).

use super::Slow;
use crate::alloc::PageAllocator;
use crate::compact::{Suitability, compact_gap, compaction_suitable, nr_free};
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::trace::Trace;
use crate::zone::Zone;
use crate::zone::watermark::{ZoneView, zone_watermark_ok};
use crate::zone_id::ZoneId;
use crate::{
    AllocFlags, Gfp, NodeId, NodeShrink, Order, Reclaimed, Reclaimer, Shortage, WatermarkLevel,
    ZoneType,
};

/// How far a pass went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Over all zones that will do.
    Whole,
    /// Some zone was left alone, as compaction has all that it needs there.
    #[doc(alias = "compaction_ready")]
    ReadyToCompact,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Frees memory for a request: the kernel by itself, or else the crate, node by node.
    #[doc(alias = "__perform_reclaim")]
    pub(super) fn perform_reclaim(&self, slow: &Slow<'_, '_>) -> Reclaimed {
        let Some(done) = self.reclaim.direct_reclaim(&slow.shortage()) else {
            return self.try_to_free_pages(slow);
        };
        if done.reclaimed > 0 {
            // The kernel did not say where.
            slow.zones().for_each(|id| slow.request.machine.revive_kswapd(id.node()));
        }
        done
    }

    /// A task that is about to be killed has nothing freed, and is not told that reclaim failed.
    #[doc(alias = "do_try_to_free_pages")]
    fn try_to_free_pages(&self, slow: &Slow<'_, '_>) -> Reclaimed {
        const SOMETHING: u64 = 1;
        if self.is_throttled_to_death(slow) {
            return Reclaimed { reclaimed: SOMETHING, scanned: 0 };
        }
        let mut all = Reclaimed::NOTHING;
        for priority in (0..=NodeShrink::DEF_PRIORITY).rev() {
            let pass = self.shrink_zones(slow, priority, &mut all);
            if all.reclaimed >= Shortage::CLUSTER {
                break;
            }
            if pass == Pass::ReadyToCompact {
                // Compaction comes next: there is no need for anybody to be killed.
                all.reclaimed = all.reclaimed.max(SOMETHING);
                break;
            }
        }
        all
    }

    /// Has a task wait for kswapd, where too many free memory at once; true if it is to be killed when
    /// it no longer waits. The first node counts that has memory which the kernel itself can use.
    #[doc(alias = "throttle_direct_reclaim")]
    fn is_throttled_to_death(&self, slow: &Slow<'_, '_>) -> bool {
        let doomed = || self.reclaim.context().contains(Context::FATAL_SIGNAL);
        let usable = slow.zones().find(|id| id.zone_type() <= ZoneType::Normal);
        let Some(node) = usable.map(ZoneId::node) else { return false };
        if doomed() || self.pfmemalloc_watermark_ok(node) != Ok(false) {
            return false;
        }
        self.reclaim.throttle_direct_reclaim(node, slow.gfp);
        doomed()
    }

    /// One pass over the zones that will do.
    fn shrink_zones(&self, slow: &Slow<'_, '_>, priority: u32, all: &mut Reclaimed) -> Pass {
        let (mut pass, mut last) = (Pass::Whole, None);
        for id in slow.zones() {
            if !self.cpuset_lets_reclaim(id.node()) {
                continue;
            }
            if self.is_ready_to_compact(slow, id) {
                pass = Pass::ReadyToCompact;
            } else if last != Some(id.node()) {
                last = Some(id.node());
                self.shrink(slow, id.node(), priority, all);
            }
        }
        pass
    }

    /// Memory outside the task's cpuset is not freed for it, even where it could use some.
    #[doc(alias = "cpuset_zone_allowed")]
    fn cpuset_lets_reclaim(&self, node: NodeId) -> bool {
        let gfp = Gfp::KERNEL | Gfp::HARDWALL;
        !self.reclaim.cpusets_enabled() || self.reclaim.cpuset_node_allowed(node, gfp)
    }

    /// Whether a zone has a block of a costly order, or so much room that compaction can make one:
    /// then it would only be emptied in vain. Not for requests that may not compact.
    #[doc(alias = "compaction_ready")]
    fn is_ready_to_compact(&self, slow: &Slow<'_, '_>, id: ZoneId) -> bool {
        if !slow.is_costly() || !slow.may_compact() || !self.reclaim.can_migrate() {
            return false;
        }
        let machine = slow.request.machine;
        let Some(zone) = machine.zone(id) else { return false };
        let nr_free = nr_free(zone, machine, &self.platform);
        let (order, highest) = (slow.request.order, slow.request.highest);
        match compaction_suitable(&zone.shared, &nr_free, order, (highest, AllocFlags::empty())) {
            Suitability::Served => true,
            Suitability::Skip => false,
            Suitability::Worth => has_buffer(zone, order, highest),
        }
    }

    /// Has the kernel shrink a node.
    fn shrink(&self, slow: &Slow<'_, '_>, node: NodeId, priority: u32, all: &mut Reclaimed) {
        let Ok(balancer) = self.balancer(node) else { return };
        let shortage = slow.shortage();
        let done = balancer.shrink_node(&NodeShrink {
            node,
            reclaimer: Reclaimer::Request,
            gfp: shortage.gfp,
            highest: shortage.highest,
            order: shortage.order,
            nr_to_reclaim: Shortage::CLUSTER,
            priority,
            may_writepage: true,
            may_swap: true,
        });
        all.reclaimed = all.reclaimed.saturating_add(done.reclaimed);
        all.scanned = all.scanned.saturating_add(done.scanned);
    }
}

/// Whether a zone has more free than compaction needs, as others take frames meanwhile.
fn has_buffer(zone: &Zone, order: Order, highest: ZoneType) -> bool {
    let high = zone.shared.watermark(WatermarkLevel::High);
    let mark =
        high.saturating_add(zone.shared.watermark_boost()).saturating_add(compact_gap(order));
    zone_watermark_ok(&zone.shared, Order::ZERO, mark, highest, AllocFlags::empty())
}
