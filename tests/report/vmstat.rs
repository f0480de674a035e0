//! The counts of frames handed out and freed.

use page_alloc::boot::{NodeRange, Options};
use page_alloc::node::pcp::PcpOrders;
use page_alloc::report::{CompactEvents, VmEvents};
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{
    CpuId, Gfp, MAX_NR_ZONES, MigrateType, Movability, NodeId, Order, Pages, Pfn, PhysAddr,
    ZoneLayout, ZoneType,
};

/// Two nodes of 64 MiB with two CPUs each.
fn machine(orders: PcpOrders) -> Sim {
    let node = |at| NodeId::new(at).expect("a node");
    let mut config = SimConfig::flat(128 << 20);
    let half = |at| NodeRange::new(node(at), PhysAddr::new(u64::from(at) << 26), 1 << 26);
    config.nodes = vec![half(0), half(1)];
    config.cpus = [0, 0, 1, 1].map(node).to_vec();
    config.options = Options::DEFAULT.pcp(orders);
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

fn events(sim: &Sim) -> VmEvents {
    sim.vm_events().expect("a machine")
}

fn frames(held: &[Pages]) -> u64 {
    held.iter().map(|block| block.order().nr_pages()).sum()
}

/// What requests ask for.
const KINDS: [(Gfp, Order); 8] = [
    (Gfp::KERNEL, Order::O0),
    (Gfp::HIGHUSER_MOVABLE, Order::O0),
    (Gfp::NOWAIT.union(Gfp::DMA), Order::O0),
    (Gfp::KERNEL, Order::O1),
    (Gfp::HIGHUSER_MOVABLE, Order::O2),
    (Gfp::NOWAIT.union(Gfp::DMA), Order::O3),
    (Gfp::KERNEL, Order::O5),
    (Gfp::HIGHUSER_MOVABLE, Order::O9),
];

/// Requests, frees and drains on all CPUs, the same ones each time. After each step, what was handed
/// out less what was freed is what is held. Gives the counts at the end.
fn history(orders: PcpOrders) -> VmEvents {
    let sim = machine(orders);
    let mut held = Vec::new();
    for step in 0..4000_u32 {
        let pick = step.wrapping_mul(2_654_435_761) >> 8;
        sim.on_cpu(CpuId::new(pick % 4), || match pick / 4 % 16 {
            0..8 if held.len() < 30 => {
                let (gfp, order) = KINDS[(pick / 64 % 8) as usize];
                held.push(sim.alloc_pages(gfp, order).expect("memory"));
            }
            8 => _ = sim.drain_all_pages(None),
            _ if held.is_empty() => {}
            _ => {
                let block = held.swap_remove(pick as usize % held.len());
                sim.free_pages(block).expect("an allocated block");
            }
        });
        let VmEvents { pgalloc, pgfree, .. } = events(&sim);
        assert_eq!(pgalloc.iter().sum::<u64>() - pgfree, frames(&held), "step {step}");
    }
    events(&sim)
}

/// Handed out less freed is what is held, whichever orders have per-CPU lists; and that changes
/// none of the counts.
#[test]
fn what_is_held() {
    let [none, low, large] =
        [PcpOrders::None, PcpOrders::Low, PcpOrders::WithPageblock].map(history);
    assert!(none.pgfree > 10_000 && none.pgalloc[ZoneType::Dma.index()] > 500);
    assert_eq!([none; 2], [low, large]);
}

/// Frames that are taken and freed by many at once count as others do.
#[test]
fn many_at_once() {
    let sim = machine(PcpOrders::Low);
    let mut pages = [const { None }; 100];
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(100));
    assert_eq!(sim.free_pages_bulk(&mut pages[..30]), 30);
    let VmEvents { pgalloc, pgfree, .. } = events(&sim);
    assert_eq!((pgalloc[ZoneType::Dma32.index()], pgfree), (100, 30));
}

/// Each zone has its own counts, and a machine's are their sums, by type.
#[test]
fn zones_are_summed_by_type() {
    let sim = machine(PcpOrders::Low);
    let take = |at: u32, order| {
        let node = NodeId::new(at);
        let block = sim.alloc_pages_node(node, Gfp::KERNEL, order).expect("memory");
        sim.free_pages(block).expect("an allocated block");
    };
    for _ in 0..3 {
        take(0, Order::O0);
        take(1, Order::O2);
        take(1, Order::O10);
    }
    let of = |at| {
        let zone = sim.zone(NodeId::new(at).expect("a node"), ZoneType::Dma32).expect("a zone");
        (zone.pgalloc(), zone.pgfree())
    };
    assert_eq!([of(0), of(1)], [(3, 3), (3 * 1028, 3 * 1028)]);
    let mut pgalloc = [0; MAX_NR_ZONES];
    pgalloc[ZoneType::Dma32.index()] = 3 + 3 * 1028;
    let (layout, compact) = (ZoneLayout::X86_64, CompactEvents::default());
    assert_eq!(events(&sim), VmEvents { pgalloc, pgfree: 3 + 3 * 1028, compact, layout });
}

/// A block that two hold is freed once; one that is refused is not freed; one in an isolated
/// pageblock, which goes past the lists, is.
#[test]
fn what_counts_as_a_free() {
    let sim = machine(PcpOrders::WithPageblock);
    let block = sim.alloc_pages(Gfp::KERNEL, Order::O1).expect("memory");
    let shared = sim.get_page(&block).expect("a reference");
    sim.free_pages(block).expect("an allocated block");
    assert_eq!(events(&sim).pgfree, 0);
    sim.free_pages(shared).expect("an allocated block");
    assert_eq!(events(&sim).pgfree, 2);
    let page = machine(PcpOrders::Low).alloc_page(Gfp::KERNEL).expect("memory");
    assert!(sim.free_pages(page).is_err(), "another machine's");
    assert_eq!(events(&sim).pgfree, 2);
    let page = sim.alloc_page(Gfp::HIGHUSER_MOVABLE).expect("memory");
    sim.set_movable(&page, Movability::Movable).expect("our frame");
    let start = Pfn::new(page.pfn().get() / 512 * 512);
    sim.drain_all_pages(None);
    sim.isolate_pageblock(start, MigrateType::Movable).expect("a pageblock");
    sim.free_pages(page).expect("an allocated frame");
    assert_eq!(events(&sim).pgfree, 3);
}

/// The lines have the names and the order that `/proc/vmstat` has.
#[test]
fn lines_are_those_of_linux() {
    let compact = CompactEvents {
        pgmigrate_success: 4,
        pgmigrate_fail: 5,
        migrate_scanned: 6,
        free_scanned: 7,
        isolated: 8,
        stall: 9,
        fail: 10,
        success: 11,
        daemon_wake: 12,
        daemon_migrate_scanned: 13,
        daemon_free_scanned: 14,
    };
    let (pgalloc, layout) = ([0, 0, 1, 0, 2], ZoneLayout::NORMAL_ONLY);
    let text = VmEvents { pgalloc, pgfree: 3, compact, layout }.to_string();
    let expected = "pgalloc_normal 1,pgalloc_movable 2,pgfree 3,pgmigrate_success 4,pgmigrate_fail 5,\
        compact_migrate_scanned 6,compact_free_scanned 7,compact_isolated 8,compact_stall 9,\
        compact_fail 10,compact_success 11,compact_daemon_wake 12,\
        compact_daemon_migrate_scanned 13,compact_daemon_free_scanned 14";
    assert_eq!(text.lines().collect::<Vec<_>>(), expected.split(',').collect::<Vec<_>>());
}

/// Counts of requests fit together whoever asks, and whenever.
#[test]
fn numa_stat_beside_requests() {
    let sim = machine(PcpOrders::WithPageblock);
    let zone = || sim.zone(NodeId::ZERO, ZoneType::Dma32).expect("a zone");
    // From the CPUs of the other node alone: none of them is local.
    sim.run(|cpu| {
        for _ in 0..300_000 {
            match cpu.index() {
                2 => {
                    let gfp = Gfp::KERNEL | Gfp::THISNODE;
                    let pages = sim.alloc_pages_node(Some(NodeId::ZERO), gfp, Order::O4);
                    sim.free_pages(pages.expect("memory")).expect("an allocated block");
                }
                3 => assert_eq!(zone().numa_stat().local, 0),
                _ => break,
            }
        }
    });
    assert_eq!((zone().numa_stat().local, zone().numa_stat().other), (0, 300_000));
}
