//! Threads as CPUs of a simulated machine, and what each CPU counts.

use crate::machine::node;
use page_alloc::boot::NodeRange;
use page_alloc::report::NumaStat;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{CpuId, Gfp, NodeId, Order, PcpExclusion, PhysAddr, Platform, ZoneType};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, Mutex};
use std::thread;

const fn cpu(number: u32) -> CpuId {
    CpuId::new(number)
}

/// A machine of one node with so many CPUs.
fn machine(cpus: usize, exclusion: PcpExclusion) -> Sim {
    let mut config = SimConfig::flat(1 << 30);
    config.cpus = vec![NodeId::ZERO; cpus];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    config.exclusion = exclusion;
    Sim::boot(config).expect("a legal machine")
}

fn here(sim: &Sim) -> CpuId {
    sim.platform().cpu_id()
}

fn cached(sim: &Sim, at: u32) -> u32 {
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).expect("a zone");
    zone.pageset(cpu(at)).expect("a CPU").count()
}

/// What a panic says.
fn said(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
    panic.downcast_ref::<String>().expect("a formatted message").clone()
}

/// A thread is the lowest free CPU from its first use on, and gives it back when it ends.
#[test]
fn threads_take_the_lowest_cpu() {
    let sim = machine(3, PcpExclusion::Busy);
    let (started, seen) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mine = here(&sim);
            started.wait();
            seen.wait();
            (mine, here(&sim))
        });
        started.wait();
        let second = scope.spawn(|| here(&sim)).join();
        let third = scope.spawn(|| here(&sim)).join();
        assert_eq!((second.ok(), third.ok()), (Some(cpu(1)), Some(cpu(1))));
        seen.wait();
        assert_eq!(first.join().ok(), Some((cpu(0), cpu(0))));
    });
    assert_eq!((here(&sim), here(&sim)), (cpu(0), cpu(0)));
    assert_eq!(thread::scope(|scope| scope.spawn(|| here(&sim)).join()).ok(), Some(cpu(1)));
}

/// A thread that uses several machines in turn keeps its CPU of each.
#[test]
fn machines_have_cpus_of_their_own() {
    let machines = [(); 3].map(|()| machine(2, PcpExclusion::Busy));
    machines[1].on_cpu(cpu(1), || {
        for _ in 0..3 {
            assert_eq!(here(&machines[0]), cpu(0));
            assert_eq!(here(&machines[2]), cpu(0));
        }
    });
    for sim in &machines {
        assert_eq!(here(sim), cpu(0));
        let other = thread::scope(|scope| scope.spawn(|| here(sim)).join());
        assert_eq!((here(sim), other.ok()), (cpu(0), Some(cpu(1))));
    }
}

/// More threads than CPUs: those that are left over go without lists, and are served all the same.
#[test]
fn threads_without_a_cpu() {
    let sim = machine(1, PcpExclusion::Busy);
    assert_eq!(here(&sim), cpu(0));
    let free = sim.nr_free_pages();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                assert!(here(&sim).get() > 0);
                for order in Order::ALL {
                    let block = sim.alloc_pages(Gfp::KERNEL, order).expect("memory");
                    sim.free_pages(block).expect("an allocated block");
                }
                let mut pages = [const { None }; 9];
                assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(1));
                assert_eq!(sim.free_pages_bulk(&mut pages), 1);
            });
        }
    });
    assert_eq!((sim.nr_free_pages(), cached(&sim, 0)), (free, 0));
    let page = sim.alloc_page(Gfp::KERNEL).expect("memory");
    let freed = thread::scope(|scope| scope.spawn(|| sim.free_pages(page)).join());
    assert_eq!((freed.ok(), cached(&sim, 0)), (Some(Ok(())), 62));
    let stat = sim.zone(NodeId::ZERO, ZoneType::Dma32).expect("a zone").numa_stat();
    assert_eq!((stat.hit, stat.local), (3 * 12 + 1, 3 * 12 + 1));
    assert_eq!(sim.verify(), Ok(()));
}

/// A CPU that another thread stands for, or that there is not, can't be stood for.
#[test]
fn a_cpu_is_one_threads() {
    let sim = machine(2, PcpExclusion::Busy);
    assert_eq!(here(&sim), cpu(0));
    let tries = || {
        let stand = |number| said(|| sim.on_cpu(cpu(number), || ()));
        (stand(0), stand(2), here(&sim))
    };
    // Joined: a scope alone does not wait until the thread has given its CPU back.
    let tried = thread::scope(|scope| scope.spawn(tries).join()).expect("no other panic");
    assert_eq!(tried.0, "CPU 0 is another thread's now");
    assert_eq!(tried.1, "CPU 2 does not exist");
    assert_eq!(tried.2, cpu(1), "none of that changed who it is");
    sim.on_cpu(cpu(1), || assert_eq!(here(&sim), cpu(1)));
}

/// `on_cpu` nests, also into the CPU that the thread is already; each level ends with what was
/// before.
#[test]
fn on_cpu_nests() {
    let sim = machine(3, PcpExclusion::Busy);
    let fill = || sim.free_pages(sim.alloc_page(Gfp::KERNEL).expect("memory"));
    sim.on_cpu(cpu(2), || {
        sim.on_cpu(cpu(1), || {
            sim.on_cpu(cpu(2), || {
                sim.on_cpu(cpu(2), || assert_eq!(here(&sim), cpu(2)));
                assert_eq!(here(&sim), cpu(2));
            });
            assert_eq!((here(&sim), fill()), (cpu(1), Ok(())));
        });
        assert_eq!(here(&sim), cpu(2));
        let other = thread::scope(|scope| scope.spawn(|| here(&sim)).join());
        assert_eq!(other.ok(), Some(cpu(0)), "CPU 2 is still this thread's");
    });
    assert_eq!([0, 1, 2].map(|at| cached(&sim, at)), [0, 63, 0]);
    assert_eq!(here(&sim), cpu(0));
}

/// After a panic the thread is what it was before, and the CPU is free for others.
#[test]
fn a_panic_gives_the_cpu_back() {
    let sim = machine(2, PcpExclusion::Busy);
    assert_eq!(here(&sim), cpu(0));
    assert_eq!(said(|| sim.on_cpu(cpu(1), || panic!("on CPU {}", here(&sim)))), "on CPU 1");
    assert_eq!(here(&sim), cpu(0));
    let other = thread::scope(|scope| scope.spawn(|| sim.on_cpu(cpu(1), || here(&sim))).join());
    assert_eq!(other.ok(), Some(cpu(1)));
}

/// `run` has all CPUs, that of the calling thread too, which has it back afterwards; after a panic
/// on one CPU as well.
#[test]
fn run_lends_the_callers_cpu() {
    let sim = machine(3, PcpExclusion::Busy);
    assert_eq!(here(&sim), cpu(0));
    let seen = Mutex::new(Vec::new());
    sim.run(|at| {
        assert_eq!(here(&sim), at);
        let page = sim.alloc_page(Gfp::KERNEL).expect("memory");
        sim.free_pages(page).expect("an allocated frame");
        seen.lock().unwrap().push(at.get());
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
    assert_eq!([0, 1, 2].map(|at| cached(&sim, at)), [63; 3]);
    assert_eq!(here(&sim), cpu(0));
    let panicked = catch_unwind(AssertUnwindSafe(|| sim.run(|at| assert!(at != cpu(1)))));
    assert!(panicked.is_err());
    assert_eq!(here(&sim), cpu(0));
    sim.run(|at| assert_eq!(here(&sim), at));
}

/// A machine without exclusion is the boot CPU's thread's alone.
#[test]
fn a_single_cpu_is_used_by_one_thread() {
    let sim = machine(1, PcpExclusion::SingleCpu);
    let page = sim.alloc_page(Gfp::KERNEL).expect("memory");
    thread::scope(|scope| {
        let elsewhere = || catch_unwind(AssertUnwindSafe(|| sim.alloc_page(Gfp::KERNEL))).is_err();
        assert_eq!(scope.spawn(elsewhere).join().ok(), Some(true));
    });
    assert_eq!((sim.free_pages(page), cached(&sim, 0)), (Ok(()), 63));
    assert_eq!(sim.drain_all_pages(None).frames, 63);
    assert_eq!(sim.verify(), Ok(()));
}

/// Requests are counted by the CPU that makes them, and summed when they are read: where the memory
/// was wanted, and whether it is the CPU's own node's.
#[test]
fn events_of_all_cpus_are_summed() {
    let mut config = SimConfig::flat(1 << 30);
    let half = |at| NodeRange::new(node(at), PhysAddr::new(u64::from(at) << 29), 1 << 29);
    config.nodes = vec![half(0), half(1)];
    config.cpus = vec![node(0), node(0), node(1)];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    let sim = Sim::boot(config).expect("a legal machine");
    let take = |at, from, order, count| {
        sim.on_cpu(cpu(at), || {
            for _ in 0..count {
                let block = sim.alloc_pages_node(Some(node(from)), Gfp::KERNEL, order);
                sim.free_pages(block.expect("memory")).expect("an allocated block");
            }
        });
    };
    let stat = |at| sim.zone(node(at), ZoneType::Dma32).expect("a zone").numa_stat();
    take(0, 0, Order::O0, 5);
    take(1, 0, Order::O1, 7);
    take(2, 0, Order::O3, 11);
    take(2, 0, Order::O9, 2);
    take(0, 0, Order::O10, 3);
    let expected = NumaStat { hit: 28, local: 15, other: 13, ..NumaStat::default() };
    assert_eq!((stat(0), stat(1)), (expected, NumaStat::default()));
    take(0, 1, Order::O0, 4);
    take(2, 1, Order::O2, 1);
    assert_eq!(stat(1), NumaStat { hit: 5, local: 1, other: 4, ..NumaStat::default() });
    let mut pages = [const { None }; 50];
    let taken = sim.on_cpu(cpu(2), || sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages));
    assert_eq!((taken, sim.free_pages_bulk(&mut pages)), (Ok(50), 50));
    assert_eq!(stat(1), NumaStat { hit: 55, local: 51, other: 4, ..NumaStat::default() });
    assert_eq!(stat(0), expected);
}
