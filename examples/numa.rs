//! Where memory comes from on a machine of three nodes, one of which has memory and no CPU.
//!
//! ```text
//! cargo run --release --example numa
//! ```

use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange};
use page_alloc::node::ZonelistKind;
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{CpuId, Gfp, NodeId, NodeMask, Order, PhysAddr};
use std::error::Error;

const NODE_BYTES: u64 = 256 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let node = |number| NodeId::new(number).expect("a small number");
    let base = |number: u32| PhysAddr::new(u64::from(number) * NODE_BYTES);
    let usable = |at| MemoryRegion::new(base(at), NODE_BYTES, MemoryKind::Usable);
    let mut config = SimConfig::new((0..3).map(usable).collect());
    config.nodes = (0..3).map(|at| NodeRange::new(node(at), base(at), NODE_BYTES)).collect();
    // As in a SLIT: node 2 is nearer to node 1 than to node 0.
    config.distances = vec![vec![10, 20, 40], vec![20, 10, 30], vec![40, 30, 10]];
    config.cpus = vec![node(0), node(1)];
    let machine = Sim::boot(config)?;

    println!("zones in the order in which a node's requests try them");
    for node in machine.nodes() {
        let zones = node.zonelist(ZonelistKind::Fallback);
        let names: Vec<_> =
            zones.map(|zone| format!("{}:{}", zone.node(), zone.zone_type())).collect();
        println!("  node {}: {}", node.id(), names.join(" "));
    }

    // A CPU is served from its own node; a node that is full, from the nearest one.
    let home = |at: u64| u32::try_from(at / (NODE_BYTES >> 12)).map(node);
    let local = machine.on_cpu(CpuId::new(1), || machine.alloc_page(Gfp::KERNEL))?;
    assert_eq!(home(local.pfn().get())?, node(1));
    let mut held = vec![local];
    let here = Gfp::KERNEL | Gfp::THISNODE | Gfp::NOWARN;
    while let Ok(block) = machine.alloc_pages_node(Some(node(1)), here, Order::O4) {
        held.push(block);
    }
    let next = machine.alloc_pages_node(Some(node(1)), Gfp::KERNEL, Order::O4)?;
    println!("node 1 is full, its next block is node {}'s", home(next.pfn().get())?);
    assert_eq!(home(next.pfn().get())?, node(0));

    // A mask says which nodes may serve at all.
    let mask = NodeMask::EMPTY.with(node(2));
    let masked =
        machine.alloc_pages_nodemask(Gfp::HIGHUSER_MOVABLE, Order::O9, node(0), Some(mask))?;
    println!("with a mask of node 2 alone, a huge page is node {}'s", home(masked.pfn().get())?);
    assert_eq!(home(masked.pfn().get())?, node(2));

    println!("\nas in numastat, by zone");
    for zone in machine.zones().filter(|zone| zone.present_pages() > 0) {
        println!("  node {} {:8} {:?}", zone.node(), zone.zone_type(), zone.numa_stat());
    }
    for block in held.into_iter().chain([next, masked]) {
        machine.free_pages(block)?;
    }
    machine.verify()?;
    println!("\nok");
    Ok(())
}
