//! The machine: all nodes, the memmap over their memory, and which CPU belongs to which node.

use super::Node;
use crate::memmap::{Memmap, Table};
use crate::zone::Zone;
use crate::zone_id::ZoneId;
use crate::{CpuId, Mobility, NodeId, NodeMask, ZoneLayout, ZoneType};

/// All that an initialised allocator knows of its machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) memmap: Memmap,
    /// By node number; a number that no node has stands for an empty node.
    pub(crate) nodes: Table<Node>,
    /// The nodes that there are.
    pub(crate) online: NodeMask,
    /// The node of each CPU.
    pub(crate) cpus: Table<NodeId>,
    pub(crate) layout: ZoneLayout,
    /// The zone type that the MOVABLE zones are cut out of.
    pub(crate) movable_zone: ZoneType,
    pub(crate) mobility: Mobility,
    /// What all zones together are to keep free, in KiB.
    pub(crate) min_free_kbytes: u64,
}

impl Machine {
    /// The node of that number, if it is online.
    #[inline]
    pub(crate) fn node(&self, node: NodeId) -> Option<&Node> {
        if self.online.contains(node) { self.nodes.as_slice().get(node.index()) } else { None }
    }

    /// The zone that a frame or a zonelist entry names.
    #[inline]
    pub(crate) fn zone(&self, zone: ZoneId) -> Option<&Zone> {
        let node = self.nodes.as_slice().get(zone.node().index())?;
        Some(node.zone(zone.zone_type()))
    }

    /// The node of a CPU; node 0's number for a CPU that was not announced.
    #[inline]
    pub(crate) fn cpu_to_node(&self, cpu: CpuId) -> NodeId {
        self.cpus.as_slice().get(cpu.index()).copied().unwrap_or_default()
    }

    /// The online nodes, ascending.
    pub(crate) fn online_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.as_slice().iter().filter(|node| self.online.contains(node.id))
    }

    /// All zones of online nodes, node by node, from the lowest type up.
    pub(crate) fn zones(&self) -> impl Iterator<Item = &Zone> {
        self.online_nodes().flat_map(|node| &node.zones)
    }
}
