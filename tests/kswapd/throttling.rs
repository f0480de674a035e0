//! Whether tasks may free memory for themselves.

use crate::cache::{NODE, boot, wish};
use page_alloc::kswapd::MAX_RECLAIM_RETRIES;
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{Gfp, NodeId, Order, WatermarkLevel, ZoneType};

/// While half of the min watermarks is free, they may. With less they wait, and kswapd is woken for
/// them; but not where nothing could be freed, nor where kswapd has given up.
#[test]
fn tasks_wait_when_half_of_the_reserve_is_gone() {
    let machine = boot(64 << 20);
    let cache = machine.reclaim();
    cache.state().reclaimable = 1000;
    assert_eq!(machine.pfmemalloc_watermark_ok(NODE), Ok(true));
    cache.fill(Gfp::empty());
    assert_eq!(machine.pfmemalloc_watermark_ok(NODE), Ok(true), "it stops at the min watermark");
    let marks = machine.zones().map(|zone| zone.snapshot().watermark[WatermarkLevel::Min as usize]);
    let half = marks.sum::<u64>() / 2;
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC;
    while machine.nr_free_pages() > half {
        let pages = machine.alloc_page(gfp).unwrap();
        cache.state().pages.push(pages);
    }
    cache.state().kswapd_wakes.clear();
    assert_eq!(machine.pfmemalloc_watermark_ok(NODE), Ok(false));
    let wake = cache.last_wake();
    assert_eq!((wake.node, wake.order, wake.highest), (NODE, Order::ZERO, ZoneType::Normal));
    cache.state().reclaimable = 0;
    assert_eq!(machine.pfmemalloc_watermark_ok(NODE), Ok(true));
    cache.state().reclaimable = 1000;
    for _ in 0..MAX_RECLAIM_RETRIES {
        assert_eq!(machine.pfmemalloc_watermark_ok(NODE), Ok(false));
        machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL));
        machine.kswapd_balance(NODE).unwrap();
    }
    assert_eq!(machine.pfmemalloc_watermark_ok(NODE), Ok(true));
}

/// A zone that is to keep more than there can be has nobody free memory for himself, boosted or not.
#[test]
fn endless_watermarks_throttle() {
    let machine = boot(64 << 20);
    let cache = machine.reclaim();
    cache.state().reclaimable = 1000;
    cache.fill(Gfp::MEMALLOC);
    cache.drop_where(|pages| pages.pfn().get() & 256 != 0);
    let kept = machine.alloc_page(Gfp::KERNEL).unwrap();
    let zone = || machine.zone(NODE, ZoneType::Dma32).unwrap().snapshot();
    assert!(zone().watermark_boost > 0, "a pageblock was mixed");
    let (min, low, high, promo) = (u64::MAX, u64::MAX, u64::MAX, u64::MAX);
    machine.set_watermarks(NODE, ZoneType::Dma32, Watermarks { min, low, high, promo }).unwrap();
    assert_eq!(machine.pfmemalloc_watermark_ok(NODE), Ok(false));
    machine.free_pages(kept).unwrap();
}

/// A node that there is not has no answers.
#[test]
fn unknown_nodes_are_refused() {
    let machine = boot(64 << 20);
    let node = NodeId::new(9).unwrap();
    assert!(machine.pfmemalloc_watermark_ok(node).is_err());
    assert!(machine.kswapd_balance(node).is_err());
    assert!(machine.compact_node(node).is_err() && machine.kcompactd(node).is_err());
    assert!(!machine.kswapd_may_sleep(node));
}
