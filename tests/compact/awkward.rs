//! Machines whose memory has holes, odd borders, reservations, CMA areas and several nodes.

use crate::churned::churn;
use crate::kernel::{Machine, Policy, boot_with};
use crate::random::Random;
use page_alloc::boot::{MemoryKind, MemoryRegion, Movable, NodeRange, Reservation};
use page_alloc::sim::SimConfig;
use page_alloc::{NodeId, PhysAddr};

const MIB: u64 = 1 << 20;

fn usable(start: u64, bytes: u64) -> MemoryRegion {
    MemoryRegion::new(PhysAddr::new(start), bytes, MemoryKind::Usable)
}

/// Compacts all zones of a machine after a random history, twice, and looks at everything.
fn work(machine: &'static Machine, pinned: usize) {
    let kernel = machine.reclaim();
    churn(machine, 88, 55, pinned);
    for policy in [Policy::Honest, Policy::Liar] {
        kernel.set_policy(policy);
        for node in machine.nodes().map(|node| node.id()).collect::<Vec<_>>() {
            machine.compact_node(node).unwrap();
            kernel.check();
        }
    }
    assert!(kernel.state().moved > 0);
    let owners = std::mem::take(&mut kernel.state().owners);
    for owner in owners.into_values() {
        machine.free_pages(owner.pages).unwrap();
    }
    kernel.check();
}

/// Regions that begin and end anywhere, with gaps of any length, and reservations inside.
fn ragged(seed: u64) -> (SimConfig, u64) {
    let mut random = Random::new(seed);
    let (mut regions, mut reserved, mut start) = (Vec::new(), Vec::new(), 0x1000);
    for _ in 0..8 {
        let frames = 600 + random.below(4000) as u64;
        regions.push(usable(start, frames << 12));
        let inside = start + ((random.below(500) as u64) << 12);
        reserved.push(Reservation::new("device", PhysAddr::new(inside), 0x3000));
        start += (frames + random.below(1500) as u64) << 12;
    }
    let mut config = SimConfig::new(regions);
    config.reservations = reserved;
    (config, start)
}

/// Pageblocks that are not whole, and holes between them, are neither lost nor walked into.
#[test]
fn holes_and_odd_borders() {
    for seed in 1..9 {
        let (config, end) = ragged(seed);
        work(boot_with(config, end, seed), 6);
    }
}

/// Movable blocks go into CMA areas too; the MOVABLE zone is compacted like any other.
#[test]
fn cma_areas_and_the_movable_zone() {
    let mut config = SimConfig::flat(96 * MIB);
    config.cma = vec![Reservation::new("camera", PhysAddr::new(48 * MIB), 8 * MIB)];
    config.options = config.options.movable(Movable::Size((24 * MIB) >> 12));
    work(boot_with(config, 96 * MIB, 31), 6);
}

/// Each node is compacted for itself, nodes that meet in the middle of a pageblock included.
#[test]
fn nodes_that_share_a_pageblock() {
    let mut config = SimConfig::flat(96 * MIB);
    let (first, second) = (NodeId::ZERO, NodeId::new(1).unwrap());
    let border = 40 * MIB + 0x7_3000;
    config.nodes = vec![
        NodeRange::new(first, PhysAddr::new(0), border),
        NodeRange::new(second, PhysAddr::new(border), 96 * MIB - border),
    ];
    config.cpus = vec![first, second];
    work(boot_with(config, 96 * MIB, 32), 6);
}
