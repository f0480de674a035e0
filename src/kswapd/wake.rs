//! Whether a node is short of memory, and who is woken for it.

use super::{Balancer, MAX_RECLAIM_RETRIES, Wakeup};
use crate::compact::{Suitability, compaction_suitable, nr_free, reset_isolation_suitable};
use crate::node::Wanted;
use crate::platform::Platform;
use crate::reclaim::{KswapdWake, Reclaim};
use crate::zone::Zone;
use crate::zone::watermark::{ZoneView, zone_watermark_ok};
use crate::{AllocFlags, Gfp, Order, WatermarkLevel, ZoneType};

impl<P: Platform, R: Reclaim> Balancer<'_, P, R> {
    /// The zones that have memory, up to a type.
    pub(super) fn zones(&self, highest: ZoneType) -> impl Iterator<Item = &Zone> + Clone {
        self.machine.node_zones(self.node.id).filter(move |zone| {
            zone.shared.zone_type() <= highest && zone.shared.managed.get() != 0
        })
    }

    /// Whether some zone is above its high watermark and has a block of the order; or there is none
    /// to look at.
    #[doc(alias = "pgdat_balanced")]
    pub(super) fn is_balanced(&self, order: Order, highest: ZoneType) -> bool {
        let above = |zone: &Zone| {
            let mark = high_mark(zone);
            zone_watermark_ok(&zone.shared, order, mark, highest, AllocFlags::empty())
        };
        let mut zones = self.zones(highest).peekable();
        zones.peek().is_none() || zones.any(above)
    }

    #[doc(alias = "pgdat_watermark_boosted")]
    fn is_boosted(&self, highest: ZoneType) -> bool {
        self.zones(highest).any(|zone| zone.shared.watermark_boost() != 0)
    }

    /// Whether so many rounds failed that the node is left alone.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.node.kswapd.failures() >= MAX_RECLAIM_RETRIES
    }

    /// Whether kswapd may go to sleep.
    #[doc(alias = "prepare_kswapd_sleep")]
    pub(crate) fn may_sleep(&self, wanted: Wanted) -> bool {
        self.is_hopeless() || self.is_balanced(wanted.order, wanted.highest)
    }

    /// Notes what is wanted. If the thread has nothing to do, but a request that can't wait found no
    /// block, compaction may help.
    #[doc(alias = "wakeup_kswapd")]
    pub(crate) fn wakeup(&self, wake: &KswapdWake) -> Wakeup {
        let wanted = Wanted { order: wake.order, highest: wake.highest };
        if self.zones(wake.zone).all(|zone| zone.shared.zone_type() != wake.zone) {
            return Wakeup::NotNeeded;
        }
        if self.reclaim.cpusets_enabled()
            && !self.reclaim.cpuset_node_allowed(self.node.id, wake.gfp)
        {
            return Wakeup::NotNeeded;
        }
        self.node.kswapd.wishes.add(wanted);
        if !self.may_sleep(wanted) || !self.is_hopeless() && self.is_boosted(wake.highest) {
            return Wakeup::Needed;
        }
        if !wake.gfp.contains(Gfp::DIRECT_RECLAIM) {
            self.wake_kcompactd(wanted);
        }
        Wakeup::NotNeeded
    }

    /// Notes for kcompactd what is wanted, and wakes it if it can do something about it.
    #[doc(alias = "wakeup_kcompactd")]
    pub(super) fn wake_kcompactd(&self, wanted: Wanted) {
        if wanted.order == Order::ZERO || !self.reclaim.can_migrate() {
            return;
        }
        // What others want counts too: it is done for all at once.
        let wanted = self.node.kswapd.compaction.add(wanted);
        let worth = |zone: &Zone| {
            let nr_free = nr_free(zone, self.machine, self.platform);
            let asked = (wanted.highest, AllocFlags::empty());
            let found = compaction_suitable(&zone.shared, &nr_free, wanted.order, asked);
            found == Suitability::Worth
        };
        if self.zones(wanted.highest).any(worth) {
            self.reclaim.wake_kcompactd(self.node.id);
        }
    }

    /// kswapd goes to sleep: compaction may look everywhere again, and does the rest.
    pub(super) fn hand_over(&self, wanted: Wanted) {
        let zones = self.zones(ZoneType::Movable).map(|zone| &zone.shared);
        reset_isolation_suitable(&self.machine.memmap, zones, self.reclaim);
        self.wake_kcompactd(wanted);
    }
}

/// The high watermark of a zone, with its boost.
pub(super) fn high_mark(zone: &Zone) -> u64 {
    zone.shared.watermark(WatermarkLevel::High).saturating_add(zone.shared.watermark_boost())
}
