//! Drains of lists that are in use: these are left as they are, and counted.

use page_alloc::alloc::Drained;
use page_alloc::report::PagesetRef;
use page_alloc::sim::{Contents, Sim, SimConfig, SimPlatform, Tables};
use page_alloc::{CpuId, Gfp, NodeId, Pages, PcpExclusion, ZoneType};
use std::sync::Barrier;
use std::thread;

const CPUS: [CpuId; 2] = [CpuId::new(0), CpuId::new(1)];

/// A machine of two CPUs, each of which has 62 frames of DMA32 and some of DMA at hand; and these.
fn machine(exclusion: PcpExclusion) -> (Sim, u64, Vec<Pages>) {
    let mut config = SimConfig::flat(1 << 30);
    config.cpus = vec![NodeId::ZERO; 2];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    config.exclusion = exclusion;
    let sim = Sim::boot(config).expect("a legal machine");
    let take = |cpu| {
        let gfps = [Gfp::KERNEL, Gfp::KERNEL | Gfp::DMA];
        sim.on_cpu(cpu, || gfps.map(|gfp| sim.alloc_page(gfp).expect("memory")))
    };
    let mut held: Vec<_> = CPUS.into_iter().flat_map(take).collect();
    sim.free_pages(held.pop().expect("a frame of DMA")).expect("an allocated frame");
    let page = sim.on_cpu(CPUS[1], || sim.alloc_page(Gfp::KERNEL | Gfp::DMA).expect("memory"));
    held.push(page);
    let dma = sim.zone(NodeId::ZERO, ZoneType::Dma).expect("a zone");
    let dma = dma.pagesets().map(|lists| u64::from(lists.count())).sum();
    (sim, dma, held)
}

fn lists(sim: &Sim, cpu: CpuId) -> PagesetRef<'_, SimPlatform> {
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).expect("a zone");
    zone.pageset(cpu).expect("a CPU")
}

/// Calls `f` once while the lists of DMA32 of the running CPU are in use, as an interrupt would come.
fn while_in_use<A>(sim: &Sim, cpu: CpuId, f: impl FnOnce() -> A) -> A {
    let (mut f, mut done) = (Some(f), None);
    let looked = lists(sim, cpu).for_each(|_, _, _| {
        if let Some(f) = f.take() {
            done = Some(f());
        }
    });
    assert_eq!(looked, Some(()));
    done.expect("lists that are not empty")
}

/// A drain that comes upon the lists of its own CPU in use counts them once and leaves them; others it
/// drains. Afterwards they can be drained.
#[test]
fn lists_that_an_interrupt_came_upon() {
    for exclusion in [PcpExclusion::Busy, PcpExclusion::Swap] {
        let (sim, _, _held) = machine(exclusion);
        let dma32 = Some((NodeId::ZERO, ZoneType::Dma32));
        let skipped = Drained { frames: 0, skipped: 1 };
        sim.on_cpu(CPUS[0], || {
            let local = while_in_use(&sim, CPUS[0], || sim.drain_local_pages(dma32));
            assert_eq!(local, skipped);
            let all = while_in_use(&sim, CPUS[0], || sim.drain_all_pages(dma32));
            assert_eq!(all, Drained { frames: 62, skipped: 1 }, "the other CPU's");
            let cpu = while_in_use(&sim, CPUS[0], || {
                sim.drain_zone_pages(CPUS[0], NodeId::ZERO, ZoneType::Dma32)
            });
            assert_eq!(cpu, skipped);
            assert_eq!(lists(&sim, CPUS[0]).count(), 62);
            assert_eq!(sim.drain_local_pages(dma32), Drained { frames: 62, skipped: 0 });
        });
        assert_eq!(sim.verify(), Ok(()));
    }
}

/// A drain of all zones counts those lists alone that were in use, and drains what it can.
#[test]
fn other_zones_are_drained() {
    let (sim, dma, _held) = machine(PcpExclusion::Busy);
    let drained = sim.on_cpu(CPUS[0], || while_in_use(&sim, CPUS[0], || sim.drain_all_pages(None)));
    assert_eq!(drained, Drained { frames: 62 + dma, skipped: 1 });
    assert_eq!(sim.drain_all_pages(None), Drained { frames: 62, skipped: 0 });
}

/// Lists of which nothing could be drained are not in the count, whoever uses them.
#[test]
fn empty_lists_are_not_skipped() {
    let (sim, _, _held) = machine(PcpExclusion::Busy);
    sim.drain_all_pages(None);
    let page = sim.on_cpu(CPUS[0], || sim.alloc_page(Gfp::KERNEL).expect("memory"));
    sim.on_cpu(CPUS[0], || sim.drain_all_pages(None));
    sim.free_pages(page).expect("an allocated frame");
    let mut sum = Drained { frames: 3, skipped: 1 };
    sum += Drained { frames: 4, skipped: 2 };
    assert_eq!(sum, Drained { frames: 7, skipped: 3 });
    assert_eq!(sim.drain_all_pages(None), Drained { frames: 1, skipped: 0 });
    assert_eq!(sim.drain_all_pages(None), Drained::default());
}

/// Another CPU's lists that stay in use for too long are given up; that CPU loses nothing.
#[test]
fn lists_that_another_cpu_keeps() {
    for exclusion in [PcpExclusion::Busy, PcpExclusion::Swap] {
        let (sim, dma, _held) = machine(exclusion);
        let (in_use, done) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                sim.on_cpu(CPUS[1], || {
                    while_in_use(&sim, CPUS[1], || {
                        in_use.wait();
                        done.wait();
                    });
                });
            });
            in_use.wait();
            let drained = sim.on_cpu(CPUS[0], || sim.drain_all_pages(None));
            done.wait();
            assert_eq!(drained, Drained { frames: 62 + dma, skipped: 1 });
        });
        assert_eq!(lists(&sim, CPUS[1]).count(), 62);
        assert_eq!(sim.drain_cpu_pages(CPUS[1]), Drained { frames: 62, skipped: 0 });
        assert_eq!(sim.verify(), Ok(()));
    }
}
