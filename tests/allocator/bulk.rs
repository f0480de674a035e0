//! Bulk requests: what else they do than to give frames.

use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{Gfp, MigrateType, NoReclaim, NodeId, Order, Pfn, Trace, ZoneLayout, ZoneType};
use std::sync::atomic::{AtomicU32, Ordering};

/// A bulk request mixes pageblocks, and leaves it to the next request to wake kswapd for the boost, though a
/// frame is at hand for that one and there is plenty of memory.
#[test]
fn a_boost_by_a_bulk_request() {
    let mut config = SimConfig::flat(64 << 20);
    (config.tables, config.zones) = (Tables::Apart, ZoneLayout::NORMAL_ONLY);
    let sim = Sim::boot(config).expect("a legal machine");
    let zone = sim.zone(NodeId::ZERO, ZoneType::Normal).expect("a zone");
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC;
    let all: Vec<_> = std::iter::from_fn(|| sim.alloc_page(gfp).ok()).collect();
    // No pageblock is left as a whole.
    let (_held, back): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|pages| pages.pfn().get().is_multiple_of(256));
    back.into_iter().for_each(|pages| sim.free_pages(pages).expect("an allocated block"));
    sim.drain_all_pages(None);
    sim.reclaim().take_wakes();
    let mut pages = [const { None }; 10];
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(10));
    let found = zone.snapshot();
    assert!(found.watermark_boost > 0 && found.free_pages > 12_000);
    assert_eq!(sim.reclaim().take_wakes(), []);
    let _page = sim.alloc_page(Gfp::KERNEL).expect("memory");
    assert_eq!(sim.reclaim().take_wakes().len(), 1);
    let _page = sim.alloc_page(Gfp::KERNEL).expect("memory");
    assert_eq!(sim.reclaim().take_wakes(), []);
}

/// Counts what the trace point of requests tells.
#[derive(Default)]
struct Requests(AtomicU32);

impl Trace for Requests {
    fn mm_page_alloc(&self, _: Option<Pfn>, _: Order, _: Gfp, _: MigrateType) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A bulk request with one empty place is a request for one frame, and is told of as such.
#[test]
fn one_empty_place_is_a_request() {
    let config = SimConfig::flat(64 << 20);
    let sim = Sim::boot_with(&config, NoReclaim, Requests::default()).expect("a legal machine");
    let mut pages = [const { None }; 10];
    let bulk = |pages: &mut [_]| sim.alloc_pages_bulk(Gfp::KERNEL, None, None, pages);
    assert_eq!((bulk(&mut pages), sim.trace().0.load(Ordering::Relaxed)), (Ok(10), 0));
    pages[7] = None;
    assert_eq!((bulk(&mut pages), sim.trace().0.load(Ordering::Relaxed)), (Ok(10), 1));
}
