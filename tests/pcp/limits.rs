//! How much a CPU keeps: what settings do to it, and when it gives back.

use crate::machine::node;
use crate::view::view;
use page_alloc::alloc::{Drained, TuneError};
use page_alloc::boot::NodeRange;
use page_alloc::node::pcp::PcpOrders;
use page_alloc::node::pcp::limits::{PcpLimits, zone_batchsize, zone_highsize};
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::zone::ReclaimActive;
use page_alloc::{CpuId, Gfp, NodeId, Order, Pages, PhysAddr, WatermarkLevel, ZoneType};

const DMA32: (NodeId, ZoneType) = (NodeId::ZERO, ZoneType::Dma32);

/// Two nodes of 512 MiB, with CPUs on these nodes.
fn machine(cpus: &[u32]) -> Sim {
    let mut config = SimConfig::flat(1 << 30);
    let half = |at| NodeRange::new(node(at), PhysAddr::new(u64::from(at) << 29), 1 << 29);
    config.nodes = vec![half(0), half(1)];
    config.cpus = cpus.iter().map(|at| node(*at)).collect();
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

/// The machine, with these limits in its first DMA32 zone.
fn limited(batch: u32, high: u32) -> Sim {
    let sim = machine(&[0]);
    sim.set_pcp_limits(DMA32.0, DMA32.1, PcpLimits { batch, high }).expect("legal limits");
    sim
}

fn count(sim: &Sim) -> u32 {
    let zone = sim.zone(DMA32.0, DMA32.1).expect("a zone");
    zone.pageset(CpuId::BOOT).expect("a CPU").count()
}

fn factor(sim: &Sim) -> u32 {
    let zone = sim.zone(DMA32.0, DMA32.1).expect("a zone");
    zone.pageset(CpuId::BOOT).expect("a CPU").free_factor()
}

fn take(sim: &Sim, order: Order, count: usize) -> Vec<Pages> {
    (0..count).map(|_| sim.alloc_pages(Gfp::KERNEL, order).expect("memory")).collect()
}

/// Frees all, and gives the count after each free.
fn counts(sim: &Sim, blocks: impl IntoIterator<Item = Pages>) -> Vec<u32> {
    let free = |block| {
        sim.free_pages(block).expect("an allocated block");
        count(sim)
    };
    blocks.into_iter().map(free).collect()
}

/// The counts after those frees that gave something back.
fn give_backs(sim: &Sim, blocks: impl IntoIterator<Item = Pages>) -> Vec<u32> {
    let mut before = count(sim);
    let fell = |after: &u32| *after <= std::mem::replace(&mut before, *after);
    counts(sim, blocks).into_iter().filter(fell).collect()
}

/// While frames are only freed, each give-back is twice the last one, but a batch stays; each
/// allocation halves the next one.
#[test]
fn give_backs_double_and_halve() {
    let sim = limited(10, 100);
    let mut pages = take(&sim, Order::O0, 500);
    assert_eq!((count(&sim), factor(&sim)), (0, 0));
    let mut some = |count| pages.drain(..count).collect::<Vec<_>>();
    assert_eq!(give_backs(&sim, some(100)), [90]);
    assert_eq!(factor(&sim), 1);
    assert_eq!(give_backs(&sim, some(10)), [80]);
    assert_eq!(give_backs(&sim, some(20)), [60]);
    assert_eq!(give_backs(&sim, some(40)), [20]);
    assert_eq!(factor(&sim), 4);
    assert_eq!(give_backs(&sim, some(80)), [10], "90 at most, so that a batch stays");
    assert_eq!(factor(&sim), 4);
    for expected in [2, 1, 0, 0] {
        pages.extend(take(&sim, Order::O0, 1));
        assert_eq!(factor(&sim), expected);
    }
    let mut some = |count| pages.drain(..count).collect::<Vec<_>>();
    assert_eq!(give_backs(&sim, some(94)), [90], "a batch again");
    assert_eq!(sim.verify(), Ok(()));
}

/// A block of 2 to 8 frames that is freed while nothing is allocated takes all that the CPU has
/// with it; a single frame and a pageblock do not.
#[test]
fn larger_blocks_are_not_kept_while_memory_is_freed() {
    for order in [Order::O1, Order::O2, Order::O3] {
        let sim = limited(10, 100);
        let [first, last] = [(); 2].map(|()| take(&sim, order, 1));
        let singles = take(&sim, Order::O0, 200);
        let at_hand = count(&sim);
        counts(&sim, first);
        assert_eq!(count(&sim), at_hand + (1 << order.get()), "kept while it may be wanted again");
        give_backs(&sim, singles);
        assert!(factor(&sim) > 0 && count(&sim) > 0);
        assert_eq!(counts(&sim, last), [0], "order {order}");
        assert_eq!(sim.verify(), Ok(()));
    }
    let sim = limited(10, 3000);
    let pageblocks = take(&sim, Order::O9, 4);
    let singles = take(&sim, Order::O0, 3640);
    give_backs(&sim, singles);
    assert!(factor(&sim) > 0);
    let before = count(&sim);
    assert_eq!(counts(&sim, pageblocks.into_iter().take(1)), [before + 512]);
}

/// With `high` 0 no freed block is kept; with a batch of 1 no other is, either.
#[test]
fn lists_that_keep_nothing() {
    for order in [Order::O0, Order::O1, Order::O3, Order::O9] {
        let sim = limited(1, 0);
        let blocks = take(&sim, order, 3);
        assert_eq!(count(&sim), 0);
        assert_eq!(counts(&sim, blocks), [0; 3]);
        sim.set_pcp_limits(DMA32.0, DMA32.1, PcpLimits { batch: 63, high: 0 }).expect("legal");
        let blocks = take(&sim, order, 3);
        let at_hand = count(&sim);
        assert_eq!(counts(&sim, blocks), [at_hand; 3]);
        sim.drain_all_pages(None);
        assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
    }
}

/// While a zone's memory is reclaimed, a CPU keeps less than four batches, whatever `high` is; when
/// that ends, `high` counts again. A smaller `high` stays as it is.
#[test]
fn reclaim_bounds_the_lists() {
    let sim = limited(10, 100);
    let active = |active| sim.set_reclaim_active(DMA32.0, DMA32.1, active);
    let high = || sim.zone(DMA32.0, DMA32.1).unwrap().pageset(CpuId::BOOT).unwrap().limits().high;
    assert_eq!(active(ReclaimActive::Yes), Ok(()));
    assert_eq!(high(), 100, "as it was set");
    let most = |sim: &Sim| {
        let pages = take(sim, Order::O0, 300);
        counts(sim, pages).into_iter().max()
    };
    assert_eq!(most(&sim), Some(39));
    assert_eq!(active(ReclaimActive::No), Ok(()));
    assert_eq!(most(&sim), Some(99));
    active(ReclaimActive::Yes).unwrap();
    let limits = |batch, high| {
        sim.set_pcp_limits(DMA32.0, DMA32.1, PcpLimits { batch, high }).expect("legal limits");
    };
    limits(10, 25);
    assert_eq!(most(&sim), Some(24));
    limits(20, 200);
    assert_eq!(most(&sim), Some(79), "limits that are set meanwhile are bounded too");
    let elsewhere = sim.set_reclaim_active(node(1), ZoneType::Dma, ReclaimActive::Yes);
    assert_eq!(elsewhere, Ok(()), "a zone without memory is a zone");
    let nowhere = sim.set_reclaim_active(node(2), ZoneType::Dma, ReclaimActive::Yes);
    assert_eq!(nowhere, Err(TuneError::NoSuchZone(node(2), ZoneType::Dma)));
}

/// Limits that make no sense, and zones and CPUs that there are not, change nothing.
#[test]
fn refused_settings_change_nothing() {
    let sim = machine(&[0, 1]);
    let (before, (at, zone)) = (view(&sim), DMA32);
    for (batch, high) in [(0, 0), (0, 10), (2, 1), (11, 10), (u32::MAX, 1)] {
        let limits = PcpLimits { batch, high };
        let refused = sim.set_pcp_limits(at, zone, limits);
        assert_eq!(refused, Err(TuneError::IllegalLimits(limits)));
    }
    let limits = PcpLimits { batch: 1, high: 1 };
    for (at, zone) in [(node(2), zone), (node(0), ZoneType::HighMem), (node(63), ZoneType::Dma)] {
        let refused = sim.set_pcp_limits(at, zone, limits);
        assert_eq!(refused, Err(TuneError::NoSuchZone(at, zone)));
    }
    for cpu in [2, 63, u32::MAX].map(CpuId::new) {
        assert_eq!(sim.cpu_online(cpu), Err(TuneError::NoSuchCpu(cpu)));
        assert_eq!(sim.cpu_offline(cpu), Err(TuneError::NoSuchCpu(cpu)));
    }
    assert_eq!(view(&sim), before);
    assert_eq!(sim.set_pcp_limits(at, zone, limits), Ok(()));
    assert_ne!(view(&sim), before);
}

/// The limits of a zone of each node for so many CPUs that share it, by the rules that Linux's
/// recorded boots confirm.
fn shared_out(sim: &Sim, sharing: [u32; 2]) {
    for (number, cpus) in (0..).zip(sharing) {
        let zone = sim.zone(node(number), ZoneType::Dma32).expect("a zone");
        let batch = zone_batchsize(zone.managed_pages(), 12);
        let low = zone.snapshot().watermark[WatermarkLevel::Low as usize];
        let limits = PcpLimits { batch, high: zone_highsize(low, cpus, batch) };
        assert!(zone.pagesets().all(|pageset| pageset.limits() == limits), "node {number}");
    }
}

/// A node's memory is shared out among its online CPUs; that of a node without one, among all. A
/// CPU that goes gives all that it had back.
#[test]
fn cpus_come_and_go() {
    let sim = machine(&[0, 0, 1, 0]);
    shared_out(&sim, [3, 1]);
    let free = sim.nr_free_pages();
    let fill = || counts(&sim, take(&sim, Order::O0, 1));
    sim.on_cpu(CpuId::new(1), fill);
    let cached = free - sim.nr_free_pages();
    assert!(cached > 0);
    let drained = Drained { frames: cached, skipped: 0 };
    assert_eq!(sim.cpu_offline(CpuId::new(1)), Ok(drained));
    assert_eq!(sim.nr_free_pages(), free);
    shared_out(&sim, [2, 1]);
    assert_eq!(sim.cpu_offline(CpuId::new(2)), Ok(Drained::default()));
    shared_out(&sim, [2, 2]);
    assert_eq!(sim.cpu_offline(CpuId::new(2)), Ok(Drained::default()), "a second time");
    shared_out(&sim, [2, 2]);
    assert_eq!(sim.cpu_online(CpuId::new(1)), Ok(()));
    shared_out(&sim, [3, 3]);
    assert_eq!(sim.cpu_online(CpuId::new(2)), Ok(()));
    shared_out(&sim, [3, 1]);
    sim.on_cpu(CpuId::new(1), fill);
    assert_eq!(sim.verify(), Ok(()));
}

/// Nodes with memory only: each is shared out among the CPUs of the others.
#[test]
fn memory_without_cpus() {
    let sim = machine(&[0, 0, 0]);
    shared_out(&sim, [3, 3]);
    let sim = machine(&[1]);
    shared_out(&sim, [1, 1]);
}

/// New watermarks are shared out, and end limits that were set.
#[test]
fn watermarks_change_the_limits() {
    let sim = machine(&[0, 1]);
    shared_out(&sim, [1, 1]);
    let limits =
        |at| sim.zone(node(at), ZoneType::Dma32).unwrap().pagesets().next().unwrap().limits();
    let before = limits(0);
    sim.set_pcp_limits(DMA32.0, DMA32.1, PcpLimits { batch: 3, high: 5 }).expect("legal limits");
    sim.set_min_free_kbytes(20_000).expect("a machine");
    shared_out(&sim, [1, 1]);
    assert!(limits(0).high > before.high && limits(0).batch == before.batch);
}

/// Pageblocks that have no lists go back to the zone; where they have, a refill takes two, and both are kept.
#[test]
fn pageblocks_without_lists_are_not_kept() {
    for (orders, kept) in
        [(PcpOrders::WithPageblock, 1024), (PcpOrders::Low, 0), (PcpOrders::None, 0)]
    {
        let mut config = SimConfig::flat(1 << 30);
        (config.contents, config.tables) = (Contents::Ignored, Tables::Apart);
        config.options.pcp = orders;
        let sim = Sim::boot(config).expect("a legal machine");
        let free = sim.nr_free_pages();
        take(&sim, Order::O9, 1).into_iter().for_each(|block| sim.free_pages(block).expect("ours"));
        assert_eq!(sim.nr_free_pages(), free - kept, "{orders:?}");
        assert_eq!(sim.verify(), Ok(()));
    }
}
