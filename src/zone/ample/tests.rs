//! Nothing is said of a zone that weighing a request would not say too.

extern crate std;

use crate::zone::ZoneShared;
use crate::zone::tests::with_zone;
use crate::zone::watermark::setup::Watermarks;
use crate::zone::watermark::{ZoneView, zone_watermark_ok};
use crate::{
    AllocFlags, MIGRATE_PCPTYPES, MigrateType, Order, Pages, RawZone, WatermarkLevel, ZoneType,
};
use std::collections::BTreeSet;
use std::vec::Vec;

/// A zone that is said to be ample for a request keeps the low watermark, boost and all reserves when
/// it serves it, whatever the order, at the very border too.
#[test]
fn an_ample_zone_keeps_its_marks() {
    with_zone(1 << 14, &[], |zone| {
        let zone = zone.zone();
        let shared = zone.shared;
        let free = shared.nr_free.get();
        shared.set_watermarks(Watermarks { min: 100, low: 700, high: 900, promo: 1000 });
        shared.set_lowmem_reserves([0, 0, 300, 0, 0]);
        shared.set_boost(512);
        for order in Order::ALL {
            let (mut least, mut enough) = (None, None);
            // Up, and down again: what was said must not outlast the frames.
            for frames in (1..4096).chain((1..4096).rev()) {
                shared.nr_free.set(frames);
                shared.weigh();
                let (mark, flags) = (700 + 512, AllocFlags::WMARK_LOW);
                let ok = zone_watermark_ok(shared, order, mark, ZoneType::Normal, flags);
                assert!(ok || !shared.ample.has_enough_for(order), "order {order}, {frames} free");
                least = least.or(shared.ample.has_enough_for(order).then_some(frames));
                enough = enough.or(ok.then_some(frames));
            }
            // Where it is said, it is said soon: a zone in use has few frames above its mark.
            let late = least.unwrap() - enough.unwrap();
            let most = if order <= Order::O3 { 8 } else { 512 };
            assert!(late <= most, "order {order}: {late} frames late");
        }
        shared.nr_free.set(free);
        shared.weigh();
    });
}

/// When a limit changes, whichever it is, what was said of the zone before counts no more, though as many frames
/// are free as before.
#[test]
fn changed_limits_are_weighed_anew() {
    with_zone(1 << 14, &[], |zone| {
        let zone = zone.zone();
        let shared = zone.shared;
        let all = shared.nr_free.get();
        let marks = |low| Watermarks { min: 100, low, high: low + 200, promo: low + 300 };
        let is_ample = || {
            shared.weigh();
            shared.ample.is_for(Order::O9)
        };
        let weigh = |what: &str, keep: &dyn Fn(u64)| {
            for (kept, expected) in [(0, true), (all, false), (0, true)] {
                keep(kept);
                assert_eq!(is_ample(), expected, "{what}: {kept} frames kept");
            }
        };
        weigh("low watermark", &|kept| shared.set_watermarks(marks(700 + kept)));
        weigh("lowmem reserve", &|kept| shared.set_lowmem_reserves([0, 0, kept, 0, 0]));
        weigh("boost", &|kept| shared.set_boost(kept));
        weigh("high-atomic reserve", &|kept| shared.set_reserved_highatomic(kept));
        // kswapd is to be told, by a request that looks closer.
        shared.mark_boosted();
        assert!(!is_ample());
        assert!(shared.take_boosted());
        shared.limits_changed();
        assert!(is_ample());
    });
}

/// So it is for requests that must not have CMA memory, where pageblocks became CMA's long after boot.
#[test]
fn an_ample_zone_keeps_its_marks_without_cma() {
    with_zone(1 << 14, &[], |zone| {
        let mut zone = zone.zone();
        let (mark, flags) = (700, AllocFlags::WMARK_LOW);
        zone.shared.set_watermarks(Watermarks { min: 100, low: mark, high: 900, promo: 1000 });
        for pageblock in 0..8 {
            let pfn = zone.shared.span().start + pageblock * Order::O9.nr_pages();
            let index = zone.memmap.index_of(pfn).unwrap();
            zone.isolate_pageblock(index, MigrateType::Movable).unwrap();
            zone.unisolate_pageblock(index, MigrateType::Cma).unwrap();
        }
        let (shared, free) = (zone.shared, zone.shared.nr_free.get());
        let cma = shared.nr_free_cma.get();
        assert_eq!(cma, 8 * 512);
        let mut least = None;
        for frames in cma..cma + 4096 {
            shared.nr_free.set(frames);
            shared.weigh();
            let ok = zone_watermark_ok(shared, Order::O9, mark, ZoneType::Normal, flags);
            assert!(ok || !shared.ample.is_for(Order::O9), "{frames} free");
            least = least.or(shared.ample.is_for(Order::O9).then_some(frames));
        }
        assert!(least.is_some(), "never ample");
        shared.nr_free.set(free);
        shared.weigh();
    });
}

/// Blocks of CMA memory are not for all requests: a zone that has no others is not ample for their orders.
#[test]
fn blocks_of_cma_are_not_for_all() {
    with_zone(1 << 13, &[], |zone| {
        let marks = Watermarks { min: 100, low: 200, high: 300, promo: 400 };
        zone.zone().shared.set_watermarks(marks);
        {
            let mut zone = zone.zone();
            for pageblock in 0..4 {
                let pfn = zone.shared.span().start + pageblock * Order::O9.nr_pages();
                let index = zone.memmap.index_of(pfn).unwrap();
                zone.isolate_pageblock(index, MigrateType::Movable).unwrap();
                zone.unisolate_pageblock(index, MigrateType::Cma).unwrap();
            }
        }
        let take = || zone.rmqueue(Order::ZERO, MigrateType::Movable, AllocFlags::empty());
        let all: Vec<Pages> = core::iter::from_fn(take).collect();
        let (back, _held): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|pages| pages.pfn().get().is_multiple_of(2));
        for pages in back {
            zone.free_pages(pages).unwrap();
        }
        let zone = zone.zone();
        assert!(zone.shared.nr_free.get() > 2048 + 512 + 200);
        assert_eq!(zone.shared.nonempty_orders(MigrateType::Movable), 1);
        assert_eq!(ample_orders(zone.shared), 1);
    });
}

/// The number of orders that a zone has enough for; each keeps its mark there, and has a block but for the
/// largest.
fn ample_orders(shared: &ZoneShared) -> usize {
    shared.weigh();
    let mark = shared.watermark(WatermarkLevel::Low);
    let has_enough = |order: &Order| shared.ample.has_enough_for(*order);
    assert!(!shared.ample.is_for(Order::MAX));
    Order::ALL.into_iter().filter(has_enough).fold(0, |count, order| {
        let flags = AllocFlags::WMARK_LOW;
        let missing =
            order == Order::MAX && shared.nonempty_orders(MigrateType::Movable) >> 10 == 0;
        let ok = zone_watermark_ok(shared, order, mark, ZoneType::Normal, flags);
        assert!(ok || missing, "order {order}");
        count + 1
    })
}

/// A zone that is in use for long has no large blocks. It is ample for what it has all the same: for
/// single frames where no two are beside each other, for the costly order where such blocks are free.
#[test]
fn a_fragmented_zone_is_ample_for_small_orders() {
    with_zone(1 << 13, &[], |zone| {
        zone.zone().shared.set_watermarks(Watermarks { min: 100, low: 200, high: 300, promo: 400 });
        let (mut seen, mut settled) = (BTreeSet::new(), Vec::new());
        let mut look = |zone: &mut RawZone<'_>| seen.insert(ample_orders(zone.zone().shared));
        let take = |zone: &mut RawZone<'_>, n: usize| {
            let kind = MigrateType::ALL[n / 700 % MIGRATE_PCPTYPES];
            zone.rmqueue(Order::ZERO, kind, AllocFlags::empty())
        };
        // First by pageblocks, with some left when no largest block is.
        let mut blocks: Vec<Pages> = Vec::new();
        while let Some(pages) = zone.rmqueue(Order::O9, MigrateType::Movable, AllocFlags::empty()) {
            blocks.push(pages);
            look(zone);
        }
        for pages in blocks {
            zone.free_pages(pages).unwrap();
            look(zone);
        }
        let mut held: Vec<Pages> = Vec::new();
        while let Some(pages) = take(zone, held.len()) {
            held.push(pages);
            look(zone);
        }
        assert_eq!(ample_orders(zone.zone().shared), 0);
        // First every other frame, then blocks of eight, then all.
        for freed in [|pfn: u64| pfn.is_multiple_of(2), |pfn: u64| pfn % 16 < 8, |_| true] {
            let (back, kept): (Vec<_>, _) =
                held.into_iter().partition(|pages| freed(pages.pfn().get()));
            held = kept;
            for pages in back {
                zone.free_pages(pages).unwrap();
                look(zone);
            }
            settled.push(ample_orders(zone.zone().shared));
        }
        // None, single frames, up to the costly order, up to a pageblock, and the largest.
        assert_eq!(seen, BTreeSet::from([0, 1, 4, 10, 11]));
        assert_eq!(settled, [1, 4, 11]);
    });
}

/// A zone with some blocks of the costly order, and too little for more, loses the last one, and gets it
/// back: that is noticed, as the frames that are free do not tell.
#[test]
fn the_last_block_of_the_costly_order() {
    with_zone(1 << 13, &[], |zone| {
        zone.zone().shared.set_watermarks(Watermarks { min: 100, low: 200, high: 300, promo: 400 });
        let take = |zone: &mut RawZone<'_>, order| {
            zone.rmqueue(order, MigrateType::Unmovable, AllocFlags::empty())
        };
        let all: Vec<Pages> = core::iter::from_fn(|| take(zone, Order::ZERO)).collect();
        let freed = |pfn: u64| {
            let at = pfn % (1 << 13);
            at < 1000 && at.is_multiple_of(2) || at / 8 == 512
        };
        let (back, _held): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|pages| freed(pages.pfn().get()));
        for pages in back {
            zone.free_pages(pages).unwrap();
        }
        assert_eq!(ample_orders(zone.zone().shared), 4);
        let block = take(zone, Order::O3).unwrap();
        assert_eq!(ample_orders(zone.zone().shared), 1);
        zone.free_pages(block).unwrap();
        assert_eq!(ample_orders(zone.zone().shared), 4);
    });
}
