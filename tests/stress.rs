//! All CPUs at once, at random, for as long as one likes: requests, frees of each other's blocks,
//! bulk calls, and drains of each other's lists meanwhile, with bounds of the lists that stay and bounds
//! that follow the load.
//!
//! ```text
//! STRESS_SECONDS=60 cargo test --release --test stress
//! ```
#![expect(unsafe_code, reason = "writes to frames")]

#[path = "stress/tags.rs"]
mod tags;
#[path = "stress/worker.rs"]
mod worker;

use page_alloc::boot::NodeRange;
use page_alloc::node::pcp::PcpHigh;
use page_alloc::sim::{Contents, Sim, SimConfig, SimTrace, Tables};
use page_alloc::{MigrateType, NoReclaim, NodeId, Order, PcpExclusion, PhysAddr};
use std::time::{Duration, Instant};
use tags::Block;
use worker::{Done, Slots, Worker};

type Machine = Sim<NoReclaim, SimTrace>;

const BYTES: u64 = 128 << 20;

/// Two nodes, and at least two CPUs, in turn on one node and on the other.
fn machine(exclusion: PcpExclusion, high: PcpHigh) -> Machine {
    let nodes = [0, 1].map(|number| NodeId::new(number).expect("a node"));
    let half = BYTES / 2;
    let range = |i: usize| NodeRange::new(nodes[i], PhysAddr::new(i as u64 * half), half);
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 16));
    let mut config = SimConfig::flat(BYTES);
    config.nodes = vec![range(0), range(1)];
    config.cpus = (0..threads).map(|cpu| nodes[cpu % 2]).collect();
    config.contents = Contents::Kept;
    config.tables = Tables::Apart;
    config.exclusion = exclusion;
    config.options.pcp_high = high;
    Sim::boot_with(&config, NoReclaim, SimTrace::default()).expect("a legal machine")
}

/// What all tests of this file together may take.
fn seconds() -> f64 {
    let seconds = std::env::var("STRESS_SECONDS").ok();
    seconds.map_or(2.0, |text| text.parse().expect("STRESS_SECONDS is a number"))
}

/// Blocks handed out and blocks that came back, of that order.
fn counts(machine: &Machine, order: Order) -> (u64, u64) {
    let trace = machine.trace();
    let allocs = MigrateType::ALL.iter().map(|kind| trace.allocs(order, *kind)).sum();
    (allocs, trace.frees(order))
}

fn stress(exclusion: PcpExclusion, high: PcpHigh, time: Duration) -> Done {
    let machine = machine(exclusion, high);
    let free_at_boot = machine.nr_free_pages();
    let (slots, total) = (Slots::new(), worker::Total::default());
    let end = Instant::now() + time;
    machine.run(|cpu| {
        let mut worker = Worker::new(&machine, &slots, cpu);
        worker.work_until(end);
        total.add(worker.finish());
    });
    slots.into_blocks().for_each(|block| block.free(&machine));
    assert_eq!(machine.drain_all_pages(None).skipped, 0);
    assert_eq!(machine.nr_free_pages(), free_at_boot);
    assert_eq!(machine.verify(), Ok(()));
    for lists in machine.zones().flat_map(|zone| zone.pagesets()) {
        assert!(lists.high_range().contains(&lists.limits().high), "{lists:?}");
    }
    // Requests in bulk, all of order 0, pass no trace point, as in Linux.
    for order in Order::ALL.into_iter().filter(|order| *order > Order::ZERO) {
        let (allocs, frees) = counts(&machine, order);
        assert_eq!(allocs, frees, "order {order}");
    }
    total.into_done()
}

/// However CPUs keep their lists from each other, no frame is ever handed out twice and none is
/// lost: each block that is held bears its own mark in its descriptor and in each of its frames.
#[test]
fn all_cpus_at_random() {
    let variants = [
        (PcpExclusion::Busy, PcpHigh::Fixed),
        (PcpExclusion::Swap, PcpHigh::Fixed),
        (PcpExclusion::Busy, PcpHigh::Adaptive),
    ];
    let time = Duration::from_secs_f64(seconds()).div_f64(variants.len() as f64);
    for (exclusion, high) in variants {
        let done = stress(exclusion, high, time);
        println!("{exclusion:?}, {high:?}: {done:?}");
        let Done { allocs, exchanged, bulk, drained_here, drained_elsewhere } = done;
        for (count, what) in [
            (allocs, "requests"),
            (exchanged, "blocks freed by others"),
            (bulk, "frames in bulk"),
            (drained_here, "frames drained from own lists"),
            (drained_elsewhere, "frames drained from lists of others"),
        ] {
            assert!(count > 0, "{exclusion:?}, {high:?}: no {what}");
        }
    }
}
