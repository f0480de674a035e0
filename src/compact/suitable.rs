//! Whether compaction of a zone would help a request.

use super::CompactRequest;
use crate::zone::fragmentation::fragmentation_index;
use crate::zone::watermark::{ZoneView, zone_watermark_ok};
use crate::zone::{Zone, ZoneShared};
use crate::{AllocFlags, MAX_ORDER, Order, PAGE_ALLOC_COSTLY_ORDER, WatermarkLevel, ZoneType};

/// Up to this fragmentation index, costly requests fail for lack of memory.
#[doc(alias = "sysctl_extfrag_threshold")]
const EXTFRAG_THRESHOLD: i32 = 500;

/// What compaction could do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suitability {
    /// Nothing: too little is free.
    #[doc(alias = "COMPACT_SKIPPED")]
    Skip,
    /// Nothing: the request can be served.
    #[doc(alias = "COMPACT_SUCCESS")]
    Served,
    /// Worth a try.
    #[doc(alias = "COMPACT_CONTINUE")]
    Worth,
}

/// Free frames that compaction needs beside those of the block: the targets of the moves.
pub(crate) const fn compact_gap(order: Order) -> u64 {
    2 << order.get()
}

/// What compaction of a zone with so many free blocks of each order could do.
pub(crate) fn compaction_suitable(
    zone: &ZoneShared,
    nr_free: &[u64; MAX_ORDER],
    order: Order,
    (highest, flags): (ZoneType, AllocFlags),
) -> Suitability {
    match weigh(zone, zone, order, (highest, flags)) {
        Suitability::Worth if order > PAGE_ALLOC_COSTLY_ORDER => {
            match fragmentation_index(nr_free, order) {
                0..=EXTFRAG_THRESHOLD => Suitability::Skip,
                _ => Suitability::Worth,
            }
        }
        other => other,
    }
}

/// Whether compaction would have room if so many frames more were free.
pub(crate) fn could_compact(
    zone: &Zone,
    order: Order,
    (highest, flags): (ZoneType, AllocFlags),
    more: u64,
) -> bool {
    let mut room = zone.shared.snapshot();
    room.free_pages = room.free_pages.saturating_add(more);
    weigh(&zone.shared, &room, order, (highest, flags)) == Suitability::Worth
}

/// The request is asked about as the zone is; the room for the moves as it may be.
#[doc(alias = "__compaction_suitable")]
fn weigh<Z: ZoneView>(
    zone: &ZoneShared,
    room: &Z,
    order: Order,
    (highest, flags): (ZoneType, AllocFlags),
) -> Suitability {
    let mark = |level| zone.watermark(level).saturating_add(zone.watermark_boost());
    if zone_watermark_ok(zone, order, mark(flags.watermark_level()), highest, flags) {
        return Suitability::Served;
    }
    let level = match order > PAGE_ALLOC_COSTLY_ORDER {
        true => WatermarkLevel::Low,
        false => WatermarkLevel::Min,
    };
    let needed = mark(level).saturating_add(compact_gap(order));
    match zone_watermark_ok(room, Order::ZERO, needed, highest, AllocFlags::CMA) {
        true => Suitability::Worth,
        false => Suitability::Skip,
    }
}

impl CompactRequest {
    /// What compaction of a zone could do for it.
    pub(super) fn suitability(&self, zone: &ZoneShared, nr_free: &[u64; MAX_ORDER]) -> Suitability {
        self.order.map_or(Suitability::Worth, |order| {
            compaction_suitable(zone, nr_free, order, (self.highest, self.flags))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::watermark::setup::Watermarks;
    use crate::zone_id::ZoneId;
    use crate::{NodeId, Pfn, PfnRange};

    const ASKED: (ZoneType, AllocFlags) = (ZoneType::Normal, AllocFlags::empty());

    /// A zone with so many free frames, all of them single.
    fn zone(free: u64) -> (ZoneShared, [u64; MAX_ORDER]) {
        let span = PfnRange::new(Pfn::new(0), Pfn::new(1 << 20));
        let zone = ZoneShared::new(ZoneId::new(NodeId::ZERO, ZoneType::Normal), span);
        zone.set_watermarks(Watermarks { min: 100, low: 200, high: 300, promo: 400 });
        zone.nr_free.set(free);
        let mut nr_free = [0; MAX_ORDER];
        nr_free[0] = free;
        (zone, nr_free)
    }

    fn suitability(free: u64, order: Order) -> Suitability {
        let (zone, nr_free) = zone(free);
        compaction_suitable(&zone, &nr_free, order, ASKED)
    }

    /// Room for the moves: twice the block, above the min watermark, for costly orders above the low
    /// one.
    #[test]
    fn room_for_the_moves_is_needed() {
        for (order, mark) in
            [(Order::O1, 100), (Order::O3, 100), (Order::O4, 200), (Order::O9, 200)]
        {
            let needed = mark + compact_gap(order);
            assert_eq!(suitability(needed, order), Suitability::Skip, "{order}");
            assert_eq!(suitability(needed + 1, order), Suitability::Worth, "{order}");
        }
    }

    /// Costly requests that fail for lack of memory rather than for fragmentation get none: where
    /// what is free is in a few large pieces.
    #[test]
    fn the_fragmentation_index_decides_for_costly_orders() {
        for (order, expected) in [(Order::O4, Suitability::Skip), (Order::O3, Suitability::Worth)] {
            let (zone, _) = zone(1 << 10);
            let mut nr_free = [0; MAX_ORDER];
            nr_free[order.index() - 1] = 1 << (10 - (order.index() - 1));
            assert!((0..=500).contains(&fragmentation_index(&nr_free, order)));
            assert_eq!(compaction_suitable(&zone, &nr_free, order, ASKED), expected);
        }
    }

    /// A request that finds a block needs no compaction.
    #[test]
    fn a_served_request_needs_none() {
        assert_eq!(suitability(1000, Order::ZERO), Suitability::Served);
    }
}
