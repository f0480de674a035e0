//! A machine of three nodes: node 1 is nearer to node 0 than to node 2.

use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange};
use page_alloc::sim::{SimConfig, Tables};
use page_alloc::{NodeId, Pfn, PhysAddr, ZoneLayout};

/// A node has so many frames: 16 MiB.
pub const NODE_FRAMES: u64 = 4096;

pub fn node(number: u32) -> NodeId {
    NodeId::new(number).expect("a node")
}

/// Three nodes in a row, each with a CPU. Node 0 has a DMA32 zone of two sections and a NORMAL zone
/// of two, the others have NORMAL alone.
pub fn config() -> SimConfig {
    let bytes = NODE_FRAMES << 12;
    let base = |number: u64| PhysAddr::new(number * bytes);
    let usable = |at| MemoryRegion::new(base(at), bytes, MemoryKind::Usable);
    let mut config = SimConfig::new((0..3).map(usable).collect());
    config.nodes = (0..3).map(|at| NodeRange::new(node(at), base(at.into()), bytes)).collect();
    config.distances = vec![vec![10, 20, 30], vec![20, 10, 25], vec![30, 25, 10]];
    config.cpus = (0..3).map(node).collect();
    config.zones = ZoneLayout::new(Some(PhysAddr::new(0)), Some(PhysAddr::new(2048 << 12)), None);
    config.options.first_frame = Pfn::new(0);
    config.options.watermark_boost_factor = 0;
    config.tables = Tables::Apart;
    config
}
