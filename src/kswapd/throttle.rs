//! Whether tasks may free memory for themselves, or had better wait for kswapd: when half of what
//! is kept for those who free memory is used up, more of them would only get in each other's way.

use super::Balancer;
use crate::platform::Platform;
use crate::reclaim::{KswapdWake, Reclaim};
use crate::zone::watermark::ZoneView;
use crate::{Gfp, Order, WatermarkLevel, ZoneType};

impl<P: Platform, R: Reclaim> Balancer<'_, P, R> {
    /// Whether tasks may go on. If not, kswapd is woken.
    #[doc(alias = "allow_direct_reclaim")]
    pub(crate) fn pfmemalloc_watermark_ok(&self) -> bool {
        if self.is_hopeless() {
            return true;
        }
        let (mut reserve, mut free) = (0_u64, 0_u64);
        for zone in self.zones(ZoneType::Normal) {
            if self.reclaim.reclaimable_pages(self.node.id, zone.shared.zone_type()) == 0 {
                continue;
            }
            let mark = zone.shared.watermark(WatermarkLevel::Min);
            reserve = reserve.saturating_add(mark.saturating_add(zone.shared.watermark_boost()));
            free = free.saturating_add(zone.shared.free_pages());
        }
        let ok = reserve == 0 || free > reserve / 2;
        if !ok && !self.node.kswapd.is_running() {
            self.wake();
        }
        ok
    }

    fn wake(&self) {
        let (node, zone) = (self.node.id, ZoneType::Normal);
        let (order, gfp) = (Order::ZERO, Gfp::empty());
        self.reclaim.wake_kswapd(KswapdWake { node, zone, order, highest: zone, gfp });
    }
}
