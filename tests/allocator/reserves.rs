//! How far down a request may go: watermarks, reserves, kswapd.

use page_alloc::node::pcp::PcpOrders;
use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{
    AllocError, Context, Gfp, KswapdWake, MigrateType, NodeId, Order, Pages, WatermarkLevel,
    ZoneLayout, ZoneType,
};

const BYTES: u64 = 64 << 20;

/// One zone, so that no other one helps out, no boost of its watermarks, and no per-CPU lists, so
/// that a request takes what it asks for and no more.
fn machine() -> Sim {
    let mut config = SimConfig::flat(BYTES);
    config.options.watermark_boost_factor = 0;
    config.options.pcp = PcpOrders::None;
    config.zones = ZoneLayout::NORMAL_ONLY;
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

fn mark(sim: &Sim, level: WatermarkLevel) -> u64 {
    let zone = sim.zone(NodeId::ZERO, ZoneType::Normal).unwrap();
    zone.snapshot().watermark[level as usize]
}

/// Allocates until it fails for want of memory.
fn take_all(sim: &Sim, gfp: Gfp, order: Order) -> Vec<Pages> {
    let mut taken = Vec::new();
    loop {
        match sim.alloc_pages(gfp, order) {
            Ok(pages) => taken.push(pages),
            Err(AllocError::OutOfMemory { .. }) => return taken,
            Err(other) => panic!("{other}"),
        }
    }
}

/// What is left when requests like these have taken all that they may.
fn left(gfp: Gfp, context: Context) -> u64 {
    let sim = machine();
    sim.reclaim().set_context(context);
    let taken = take_all(&sim, gfp, Order::ZERO);
    let left = sim.nr_free_pages();
    assert_eq!(sim.verify(), Ok(()));
    taken.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
    left
}

/// Each kind of request leaves exactly what it may not have: the min watermark, half of it, three
/// eighths, or nothing.
#[test]
fn what_requests_leave() {
    let min = mark(&machine(), WatermarkLevel::Min);
    assert_eq!(min, 255, "4 * sqrt(64 MiB in KiB), less the frame that is not used");
    let half = min - min / 2;
    let eighths = half - half / 4;
    let task = Context::TASK;
    for (gfp, context, expected) in [
        (Gfp::KERNEL, task, min),
        (Gfp::HIGHUSER_MOVABLE, task, min),
        (Gfp::KERNEL | Gfp::NORETRY, task, min),
        (Gfp::NOWAIT, task, min),
        (Gfp::empty(), task, min),
        (Gfp::KERNEL, Context::RT_TASK, half),
        (Gfp::KERNEL | Gfp::HIGH, task, half),
        (Gfp::ATOMIC | Gfp::NOMEMALLOC, task, half),
        (Gfp::KERNEL, Context::OOM_VICTIM, half),
        (Gfp::ATOMIC, task, eighths),
        (Gfp::ATOMIC, Context::HARDIRQ, eighths),
        (Gfp::KERNEL, Context::MEMALLOC, 0),
        (Gfp::KERNEL | Gfp::MEMALLOC, task, 0),
        (Gfp::NOWAIT, Context::MEMALLOC | Context::SOFTIRQ, 0),
        (Gfp::NOWAIT, Context::MEMALLOC | Context::HARDIRQ, min),
        (Gfp::KERNEL | Gfp::NOMEMALLOC, Context::MEMALLOC, min),
        (Gfp::KERNEL | Gfp::MEMALLOC | Gfp::NOMEMALLOC, task, min),
    ] {
        assert_eq!(left(gfp, context), expected, "{gfp} {context:?}");
    }
}

/// A request that must not fail has half of the min watermark, too.
#[test]
fn what_nofail_requests_leave() {
    let sim = machine();
    let min = mark(&sim, WatermarkLevel::Min);
    let _taken = take_all(&sim, Gfp::KERNEL, Order::ZERO);
    for _ in 0..min / 2 {
        let _page = sim.alloc_page(Gfp::KERNEL | Gfp::NOFAIL).unwrap();
    }
    assert_eq!(sim.nr_free_pages(), min - min / 2);
}

/// When nothing is left, and nobody makes memory free, a request that must not fail ends the
/// program with a clear word.
#[test]
#[should_panic(expected = "NOFAIL request of order 2: no memory left")]
fn nofail_without_memory() {
    let sim = machine();
    sim.reclaim().set_context(Context::MEMALLOC);
    let _taken = take_all(&sim, Gfp::KERNEL, Order::ZERO);
    sim.reclaim().set_context(Context::TASK);
    let _pages = sim.alloc_pages(Gfp::KERNEL | Gfp::NOFAIL, Order::O2);
}

/// Blocks from the last reserves are marked, others are not, and the mark goes with the block.
#[test]
fn the_pfmemalloc_mark() {
    let sim = machine();
    sim.reclaim().set_context(Context::MEMALLOC);
    let first = sim.alloc_page(Gfp::KERNEL).unwrap();
    assert_eq!(sim.page_is_pfmemalloc(&first), Ok(false), "there was plenty");
    let taken = take_all(&sim, Gfp::KERNEL, Order::ZERO);
    let marked = taken.iter().filter(|pages| sim.page_is_pfmemalloc(pages).unwrap()).count();
    assert_eq!(marked as u64, mark(&sim, WatermarkLevel::Min), "those below the min watermark");
    assert_eq!(sim.page_is_pfmemalloc(taken.last().unwrap()), Ok(true));
    taken.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    let again = sim.alloc_pages(Gfp::KERNEL, Order::MAX).unwrap();
    assert_eq!(sim.page_is_pfmemalloc(&again), Ok(false));
}

/// kswapd is woken by the first request that would leave the low watermark, and by each after it,
/// with what the request said, twice by those that fail; not by requests that may not wake it.
#[test]
fn waking_kswapd() {
    let sim = machine();
    let low = mark(&sim, WatermarkLevel::Low);
    while sim.nr_free_pages() > low {
        let _page = sim.alloc_page(Gfp::KERNEL).unwrap();
    }
    assert_eq!(sim.reclaim().take_wakes(), []);
    let (highest, order) = (ZoneType::Normal, Order::ZERO);
    let wake = |gfp| KswapdWake { node: NodeId::ZERO, zone: highest, order, highest, gfp };
    for gfp in [Gfp::KERNEL, Gfp::ATOMIC, Gfp::NOWAIT] {
        let _page = sim.alloc_page(gfp).unwrap();
        assert_eq!(sim.reclaim().take_wakes(), [wake(gfp)]);
    }
    for gfp in [Gfp::empty(), Gfp::KERNEL - Gfp::KSWAPD_RECLAIM] {
        let _page = sim.alloc_page(gfp).unwrap();
        assert_eq!(sim.reclaim().take_wakes(), []);
    }
    let failed = sim.alloc_pages(Gfp::NOWAIT, Order::MAX);
    assert_eq!(failed, Err(AllocError::OutOfMemory { order: Order::MAX, gfp: Gfp::NOWAIT }));
    let wake = KswapdWake { order: Order::MAX, ..wake(Gfp::NOWAIT) };
    assert_eq!(sim.reclaim().take_wakes(), [wake; 2]);
}

fn reserved(sim: &Sim) -> u64 {
    sim.zone(NodeId::ZERO, ZoneType::Normal).unwrap().snapshot().nr_reserved_highatomic
}

/// Order-1 blocks down to the low watermark.
fn drain_to_low(sim: &Sim) -> Vec<Pages> {
    let low = mark(sim, WatermarkLevel::Low);
    let mut taken = Vec::new();
    while sim.nr_free_pages() > low + 1 {
        taken.push(sim.alloc_pages(Gfp::KERNEL, Order::O1).unwrap());
    }
    taken
}

/// A high-order request that can't wait and had to go below the low watermark makes its pageblock a
/// reserve; the reserve is kept from others until one that may wait would fail for it.
#[test]
fn the_high_atomic_reserve() {
    let sim = machine();
    let _taken = drain_to_low(&sim);
    assert_eq!(reserved(&sim), 0, "no request had to go below the low watermark");
    let atomic = sim.alloc_pages(Gfp::ATOMIC, Order::O1).unwrap();
    let zone = sim.zone(NodeId::ZERO, ZoneType::Normal).unwrap();
    assert_eq!(reserved(&sim), 512);
    assert_eq!(zone.pageblock_migratetype(atomic.pfn()), Some(MigrateType::HighAtomic));
    let kept: u64 =
        zone.nr_free_of(MigrateType::HighAtomic).iter().zip(0..).map(|(n, o)| n << o).sum();
    assert!(kept > 0, "what was free in the pageblock is on the reserve's lists");

    let before = sim.nr_free_pages();
    let refused = sim.alloc_pages(Gfp::NOWAIT, Order::O1);
    assert!(refused.is_err(), "{kept} of {before} free frames are kept back");
    assert_eq!(reserved(&sim), 512);
    let more = sim.alloc_pages(Gfp::ATOMIC, Order::O1).expect("the reserve is for these");
    assert_eq!(zone.pageblock_migratetype(more.pfn()), Some(MigrateType::HighAtomic));
    assert_eq!(reserved(&sim), 512);

    let served = sim.alloc_pages(Gfp::KERNEL, Order::O1);
    assert_eq!(reserved(&sim), 0, "a request that may wait takes the reserve back");
    assert_eq!(zone.pageblock_migratetype(atomic.pfn()), Some(MigrateType::Unmovable));
    assert!(served.is_ok() || sim.nr_free_pages() <= mark(&sim, WatermarkLevel::Min) + 1);
    assert_eq!(sim.verify(), Ok(()));
}

/// The reserve grows by pageblocks while it is below a hundredth of the zone and one pageblock:
/// here to two.
#[test]
fn the_high_atomic_reserve_is_bounded() {
    let sim = machine();
    let taken = take_all(&sim, Gfp::KERNEL, Order::O1);
    // Two frames free in each of eleven pageblocks, all together below the low watermark.
    let (spread, mut taken): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|pages| pages.pfn().get() % 1536 == 512);
    assert_eq!(spread.len(), 11);
    spread.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    let reserved: Vec<u64> = (0..10)
        .map(|_| {
            taken.push(sim.alloc_pages(Gfp::ATOMIC, Order::O1).unwrap());
            reserved(&sim)
        })
        .collect();
    assert_eq!(reserved, [512, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024]);
    let limit = sim.report().managed_pages / 100 + 512;
    assert!((512..1024).contains(&limit));
    assert_eq!(sim.verify(), Ok(()));
}
