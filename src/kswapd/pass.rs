//! A pass of reclaim over a node, for kswapd or for a request.
//!
//! For a large block the kernel is asked again and again, until compaction has room in some zone of the
//! node, nothing came free, or there is little left to be freed. That goes for costly orders, and for
//! others once a few passes brought little. Linux's `should_continue_reclaim`.
//!
//! It ends whatever the kernel says: a turn that claims to have freed frames counts only if some frame
//! of the machine was freed meanwhile; and when as many are said to have come free as all zones together
//! have to have for a block, the rest is left to the next pass, as others seem to take them. Linux has
//! no such bound.

use super::Balancer;
use crate::compact::{Suitability, compact_gap, compaction_suitable, nr_free};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::zone::Zone;
use crate::zone::watermark::ZoneView;
use crate::{
    AllocFlags, Gfp, NodeShrink, Order, PAGE_ALLOC_COSTLY_ORDER, Reclaimed, WatermarkLevel,
    ZoneType,
};

impl<P: Platform, R: Reclaim> Balancer<'_, P, R> {
    /// Has the kernel shrink the node. Where something came free, kswapd may try again.
    pub(crate) fn shrink_node(&self, shrink: &NodeShrink) -> Reclaimed {
        let mut all = Reclaimed::NOTHING;
        loop {
            let before = self.machine.frames_freed();
            let done = self.reclaim.shrink_node(shrink);
            all.reclaimed = all.reclaimed.saturating_add(done.reclaimed);
            all.scanned = all.scanned.saturating_add(done.scanned);
            let freed = done.reclaimed > 0 && self.machine.frames_freed() != before;
            if !freed || !self.goes_on(shrink, all.reclaimed) {
                break;
            }
        }
        if all.reclaimed > 0 {
            self.node.kswapd.succeeded();
        }
        all
    }

    /// Whether to free more for compaction, after so many frames.
    #[doc(alias = "should_continue_reclaim")]
    fn goes_on(&self, shrink: &NodeShrink, reclaimed: u64) -> bool {
        frees_for_compaction(shrink)
            && self.reclaim.can_migrate()
            && reclaimed < self.room_for_compaction(shrink)
            && !self.zones(shrink.highest).any(|zone| self.could_serve(zone, shrink))
            && self.reclaimable_pages() > compact_gap(shrink.order)
    }

    /// Whether a zone has a block of the order, or compaction has room there to make one.
    fn could_serve(&self, zone: &Zone, shrink: &NodeShrink) -> bool {
        let nr_free = nr_free(zone, self.machine, self.platform);
        let asked = (shrink.highest, AllocFlags::empty());
        compaction_suitable(&zone.shared, &nr_free, shrink.order, asked) != Suitability::Skip
    }

    /// So many free frames in all zones together leave room in one of them, wherever they lie.
    fn room_for_compaction(&self, shrink: &NodeShrink) -> u64 {
        let room = |zone: &Zone| {
            let mark = zone.shared.watermark(WatermarkLevel::Low);
            mark.saturating_add(zone.shared.watermark_boost())
                .saturating_add(zone.shared.lowmem_reserve(shrink.highest))
                .saturating_add(compact_gap(shrink.order))
        };
        self.zones(shrink.highest).map(room).fold(0, u64::saturating_add)
    }

    /// What could be freed in the whole node. (Linux counts what has not been used of late.)
    fn reclaimable_pages(&self) -> u64 {
        let of =
            |zone: &Zone| self.reclaim.reclaimable_pages(self.node.id, zone.shared.zone_type());
        self.zones(ZoneType::Movable).map(of).fold(0, u64::saturating_add)
    }
}

/// Whether frames are freed so that compaction, if it is allowed, has room, rather than for themselves.
#[doc(alias = "in_reclaim_compaction")]
fn frees_for_compaction(shrink: &NodeShrink) -> bool {
    let has_tried = shrink.priority < NodeShrink::DEF_PRIORITY - 2;
    let large = shrink.order > PAGE_ALLOC_COSTLY_ORDER || shrink.order > Order::ZERO && has_tried;
    large && shrink.gfp.contains(Gfp::IO)
}
