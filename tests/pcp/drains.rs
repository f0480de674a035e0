//! Drains: whose lists they empty, how far, and what they tell.

use crate::machine::node;
use page_alloc::alloc::Drained;
use page_alloc::boot::NodeRange;
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{CpuId, Gfp, NodeId, Order, PcpExclusion, PhysAddr, ZoneType};
use std::sync::Barrier;
use std::thread;

const DMA: (NodeId, ZoneType) = (NodeId::ZERO, ZoneType::Dma);
const DMA32: (NodeId, ZoneType) = (NodeId::ZERO, ZoneType::Dma32);
const REMOTE: (NodeId, ZoneType) = (node(1), ZoneType::Dma32);

const fn cpu(number: u32) -> CpuId {
    CpuId::new(number)
}

const fn frames(frames: u64) -> Drained {
    Drained { frames, skipped: 0 }
}

/// A machine of 1 GiB and four CPUs: DMA32's batch is 63.
fn machine(exclusion: PcpExclusion) -> Sim {
    let mut config = SimConfig::flat(1 << 30);
    config.cpus = vec![NodeId::ZERO; 4];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    config.exclusion = exclusion;
    Sim::boot(config).expect("a legal machine")
}

/// Two nodes of 512 MiB, each with a CPU. The batch of their DMA32 zones is 10.
fn two_nodes() -> Sim {
    let mut config = SimConfig::flat(1 << 30);
    let half = |at| NodeRange::new(node(at), PhysAddr::new(u64::from(at) << 29), 1 << 29);
    config.nodes = vec![half(0), half(1)];
    config.cpus = vec![node(0), node(1)];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    let sim = Sim::boot(config).expect("a legal machine");
    for (node, zone) in [DMA32, REMOTE] {
        let limits = PcpLimits { batch: 10, high: 1000 };
        sim.set_pcp_limits(node, zone, limits).expect("a zone with memory");
    }
    sim
}

/// Takes and frees so many frames of a node on a CPU, with room for them on its lists.
fn fill(sim: &Sim, of: NodeId, count: usize, gfp: Gfp) {
    let take = || sim.alloc_pages_node(Some(of), gfp, Order::O0).expect("memory");
    let pages: Vec<_> = (0..count).map(|_| take()).collect();
    for page in pages {
        sim.free_pages(page).expect("an allocated frame");
    }
}

fn count(sim: &Sim, (node, zone): (NodeId, ZoneType), at: u32) -> u32 {
    let zone = sim.zone(node, zone).expect("a zone");
    zone.pageset(cpu(at)).expect("a CPU").count()
}

/// A local drain empties the lists of the CPU that calls it, of the zone that it names, and no
/// others.
#[test]
fn a_local_drain_is_for_its_cpu_and_zone() {
    let sim = machine(PcpExclusion::Busy);
    for at in 0..2 {
        sim.on_cpu(cpu(at), || {
            fill(&sim, NodeId::ZERO, 63, Gfp::KERNEL);
            fill(&sim, NodeId::ZERO, 2, Gfp::KERNEL | Gfp::DMA);
        });
    }
    let counts = || [0, 1].map(|at| (count(&sim, DMA32, at), count(&sim, DMA, at)));
    let dma = count(&sim, DMA, 0);
    assert_eq!(counts(), [(63, dma); 2]);
    assert_eq!(sim.drain_local_pages(Some(REMOTE)), frames(0));
    sim.on_cpu(cpu(2), || assert_eq!(sim.drain_local_pages(None), frames(0)));
    sim.on_cpu(cpu(1), || assert_eq!(sim.drain_local_pages(Some(DMA32)), frames(63)));
    assert_eq!(counts(), [(63, dma), (0, dma)]);
    sim.on_cpu(cpu(0), || assert_eq!(sim.drain_local_pages(None), frames(63 + u64::from(dma))));
    assert_eq!(counts(), [(0, 0), (0, dma)]);
    assert_eq!(sim.verify(), Ok(()));
}

/// A drain of all CPUs reaches the lists of those that nobody runs now, of one zone or all; after
/// it everything is free again, in the largest blocks.
#[test]
fn a_drain_of_all_reaches_idle_cpus() {
    for exclusion in [PcpExclusion::Busy, PcpExclusion::Swap] {
        let sim = machine(exclusion);
        let fresh: Vec<_> = sim.zones().map(|zone| zone.nr_free()).collect();
        for at in 0..4 {
            sim.on_cpu(cpu(at), || {
                fill(&sim, NodeId::ZERO, 63, Gfp::HIGHUSER_MOVABLE);
                fill(&sim, NodeId::ZERO, 1, Gfp::KERNEL | Gfp::DMA);
            });
        }
        let dma = u64::from(count(&sim, DMA, 0));
        assert_eq!(sim.drain_all_pages(Some(DMA)), frames(4 * dma));
        assert_eq!(sim.drain_all_pages(None), frames(4 * 63));
        assert_eq!(sim.drain_all_pages(None), frames(0));
        assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
        assert!(sim.zones().map(|zone| zone.nr_free()).eq(fresh));
    }
}

/// The lists of a CPU whose thread goes on can be drained, too: the thread then fills them anew.
#[test]
fn a_drain_reaches_running_threads() {
    for exclusion in [PcpExclusion::Busy, PcpExclusion::Swap] {
        let sim = machine(exclusion);
        let (filled, drained) = (Barrier::new(2), Barrier::new(2));
        let work = || {
            fill(&sim, NodeId::ZERO, 63, Gfp::KERNEL);
            filled.wait();
            drained.wait();
            assert_eq!(count(&sim, DMA32, 1), 0);
            let page = sim.alloc_page(Gfp::KERNEL).expect("memory");
            assert_eq!(count(&sim, DMA32, 1), 62);
            sim.free_pages(page).expect("an allocated frame");
        };
        thread::scope(|scope| {
            scope.spawn(|| sim.on_cpu(cpu(1), work));
            filled.wait();
            assert_eq!(sim.on_cpu(cpu(0), || sim.drain_all_pages(Some(DMA32))), frames(63));
            drained.wait();
        });
        assert_eq!(sim.drain_cpu_pages(cpu(1)), frames(63));
        assert_eq!(sim.verify(), Ok(()));
    }
}

/// A drain of one CPU leaves those of all others alone; of a CPU that there is not, it does
/// nothing.
#[test]
fn a_drain_of_one_cpu_is_for_all_zones_of_it() {
    let sim = machine(PcpExclusion::Busy);
    for at in 0..3 {
        sim.on_cpu(cpu(at), || {
            fill(&sim, NodeId::ZERO, 63, Gfp::KERNEL);
            fill(&sim, NodeId::ZERO, 1, Gfp::KERNEL | Gfp::DMA);
        });
    }
    let dma = u64::from(count(&sim, DMA, 1));
    assert_eq!(sim.drain_cpu_pages(cpu(1)), frames(63 + dma));
    assert_eq!([0, 1, 2].map(|at| count(&sim, DMA32, at)), [63, 0, 63]);
    for none in [1, 3, 4, u32::MAX] {
        assert_eq!(sim.drain_cpu_pages(cpu(none)), frames(0));
    }
}

/// A drain of a CPU and zone gives at most a batch back, more only where a block is larger.
#[test]
fn a_drain_of_a_zone_is_a_batch() {
    let sim = machine(PcpExclusion::Busy);
    let (node, zone) = DMA32;
    sim.on_cpu(cpu(1), || fill(&sim, NodeId::ZERO, 150, Gfp::KERNEL));
    assert_eq!(count(&sim, DMA32, 1), 189);
    for expected in [63, 63, 63, 0] {
        assert_eq!(sim.drain_zone_pages(cpu(1), node, zone), frames(expected));
    }
    let limits = PcpLimits { batch: 63, high: 5000 };
    sim.set_pcp_limits(node, zone, limits).expect("a zone with memory");
    let large = sim.on_cpu(cpu(2), || {
        let block = sim.alloc_pages(Gfp::KERNEL, Order::O9).expect("memory");
        sim.free_pages(block)
    });
    assert_eq!((large, count(&sim, DMA32, 2)), (Ok(()), 1024));
    assert_eq!(sim.drain_zone_pages(cpu(2), node, ZoneType::Normal), frames(0));
    assert_eq!(sim.drain_zone_pages(cpu(2), node, zone), frames(512));
    assert_eq!(sim.drain_zone_pages(cpu(2), node, zone), frames(512));
    assert_eq!(sim.verify(), Ok(()));
}

/// Lists of a remote zone shrink by a batch in the third round since their last use, the round that
/// notices it included, and in every third round after that, until they are empty; use begins the
/// count anew. Other CPUs' lists stay.
#[test]
fn ageing_takes_a_batch_each_third_round() {
    let sim = two_nodes();
    let rounds = |count| (0..count).map(|_| sim.age_local_pages().frames).collect::<Vec<_>>();
    sim.on_cpu(cpu(1), || fill(&sim, node(1), 25, Gfp::KERNEL));
    sim.on_cpu(cpu(0), || {
        fill(&sim, node(1), 25, Gfp::KERNEL);
        assert_eq!(rounds(11), [0, 0, 10, 0, 0, 10, 0, 0, 10, 0, 0]);
        fill(&sim, node(1), 15, Gfp::KERNEL);
        assert_eq!(rounds(2), [0, 0]);
        fill(&sim, node(1), 1, Gfp::KERNEL);
        assert_eq!(rounds(6), [0, 0, 10, 0, 0, 10]);
    });
    assert_eq!(count(&sim, REMOTE, 1), 30);
    assert_eq!(sim.verify(), Ok(()));
}

/// A CPU's lists of its own node do not age.
#[test]
fn local_lists_do_not_age() {
    let sim = two_nodes();
    for at in 0..2 {
        sim.on_cpu(cpu(at), || {
            fill(&sim, node(at), 25, Gfp::KERNEL);
            assert!((0..9).all(|_| sim.age_local_pages() == frames(0)));
        });
        assert_eq!(count(&sim, [DMA32, REMOTE][at as usize], at), 30);
    }
}
