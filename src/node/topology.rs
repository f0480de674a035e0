//! The order in which nodes are tried, and the zonelists that follow from it.
//!
//! Every node has a fallback list: all zones that a request preferring that node may be served
//! from, in the order in which they are tried. Nodes come nearest first ([`Topology::node_order`]),
//! and within a node the higher zone types first ([`zonelist`]).
//!
//! Nodes at the same distance are spread: the first node of each distance group in a list gets a
//! point in [`NodeLoads`], and nodes with fewer points are preferred by the lists that are built
//! after it. So the lists depend on the order in which they are built: node 0, 1, 2 … with one
//! `NodeLoads`, each list to its end.

use crate::{
    MAX_NUMNODES, MIGRATE_TYPES, Mobility, NodeId, NodeMask, PAGEBLOCK_NR_PAGES, ZoneType,
};

/// Fewer frames than this in the whole machine, and grouping by mobility is off: a pageblock for
/// each migratetype.
const MOBILITY_MIN_PAGES: u64 = PAGEBLOCK_NR_PAGES * MIGRATE_TYPES as u64;

/// Which nodes there are, and how far from each other. `distance` gives the distance from the
/// first node to the second; it need not be symmetric.
///
/// ```
/// use page_alloc::node::topology::{NodeLoads, Topology};
/// use page_alloc::{NodeId, NodeMask};
/// // Three nodes in a row; node 1 has CPUs, but no memory.
/// let topology = Topology {
///     memory: NodeMask::from_bits(0b101),
///     cpus: NodeMask::from_bits(0b111),
///     distance: |from: NodeId, to: NodeId| 10 + 10 * from.index().abs_diff(to.index()) as u8,
/// };
/// let mut loads = NodeLoads::new();
/// let mut order = |local| {
///     let local = NodeId::new(local).unwrap();
///     topology.node_order(local, &mut loads).map(NodeId::index).collect::<Vec<_>>()
/// };
/// assert_eq!(order(0), [0, 2]);
/// assert_eq!(order(1), [1, 2, 0]);
/// assert_eq!(order(2), [2, 0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Topology<D> {
    /// The nodes with memory.
    #[doc(alias = "N_MEMORY")]
    pub memory: NodeMask,
    /// The nodes with CPUs, as far as CPUs are known when the lists are built; of two nodes at the
    /// same distance, one without is preferred. At boot Linux knows the boot CPU alone, so that
    /// only its node counts as one with CPUs.
    #[doc(alias = "cpumask_of_node")]
    pub cpus: NodeMask,
    /// The distance from one node to another.
    #[doc(alias = "node_distance")]
    pub distance: D,
}

/// How many lists a node has been the first of its distance in.
#[doc(alias = "node_load")]
#[derive(Clone, Debug)]
pub struct NodeLoads([u32; MAX_NUMNODES]);

impl NodeLoads {
    /// No list yet.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; MAX_NUMNODES])
    }
}

impl Default for NodeLoads {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Fn(NodeId, NodeId) -> u8> Topology<D> {
    /// The nodes of `local`'s fallback list: `local` itself, with memory or not, then all others
    /// with memory.
    ///
    /// The next is always the nearest of those left, where a number lower than `local`'s counts as
    /// one step of distance more, and having CPUs as another. Equals are taken by load, the least
    /// first, and then by number. `loads` is right for the next list once this one has been taken
    /// to its end.
    #[doc(alias = "find_next_best_node")]
    #[doc(alias = "build_zonelists")]
    pub fn node_order<'a>(&'a self, local: NodeId, loads: &'a mut NodeLoads) -> NodeOrder<'a, D> {
        NodeOrder { topology: self, loads, local, previous: local, used: NodeMask::EMPTY }
    }
}

/// The nodes of a fallback list, from [`Topology::node_order`].
#[derive(Debug)]
pub struct NodeOrder<'a, D> {
    topology: &'a Topology<D>,
    loads: &'a mut NodeLoads,
    local: NodeId,
    previous: NodeId,
    used: NodeMask,
}

impl<D: Fn(NodeId, NodeId) -> u8> NodeOrder<'_, D> {
    fn distance(&self, node: NodeId) -> u8 {
        (self.topology.distance)(self.local, node)
    }

    /// The node to come next.
    fn nearest(&self) -> Option<NodeId> {
        if !self.used.contains(self.local) {
            return Some(self.local);
        }
        let unused = self.topology.memory.iter().filter(|node| !self.used.contains(*node));
        unused.min_by_key(|node| self.cost(*node))
    }

    /// Distance with its penalties, then load.
    #[doc(alias = "PENALTY_FOR_NODE_WITH_CPUS")]
    fn cost(&self, node: NodeId) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "64")]
        const NODES: u32 = MAX_NUMNODES as u32;
        let before_local = u32::from(node < self.local);
        let has_cpus = u32::from(self.topology.cpus.contains(node));
        let near = u32::from(self.distance(node)) + before_local + has_cpus;
        (near * NODES).saturating_add(self.loads.0[node.index()])
    }
}

impl<D: Fn(NodeId, NodeId) -> u8> Iterator for NodeOrder<'_, D> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let node = self.nearest()?;
        self.used = self.used.with(node);
        if self.distance(node) != self.distance(self.previous) {
            let load = &mut self.loads.0[node.index()];
            *load = load.saturating_add(1);
        }
        self.previous = node;
        Some(node)
    }
}

/// The zones of these nodes in the order in which they are tried: node by node, and within a node
/// the higher zone types first. Only zones with memory (present frames) are in the list.
///
/// With the nodes from [`Topology::node_order`] this is the fallback list, with the node alone the
/// list for requests that must be served from there ([`Gfp::THISNODE`](crate::Gfp::THISNODE)).
///
/// ```
/// use page_alloc::node::topology::zonelist;
/// use page_alloc::{NodeId, ZoneType};
/// let (zero, one) = (NodeId::ZERO, NodeId::new(1).unwrap());
/// let populated = |node, zone| zone == ZoneType::Normal || node == zero && zone == ZoneType::Dma;
/// assert_eq!(
///     zonelist([one, zero], populated).collect::<Vec<_>>(),
///     [(one, ZoneType::Normal), (zero, ZoneType::Normal), (zero, ZoneType::Dma)]
/// );
/// ```
#[doc(alias = "build_zonerefs_node")]
#[doc(alias = "build_thisnode_zonelists")]
pub fn zonelist(
    nodes: impl IntoIterator<Item = NodeId>,
    populated: impl Fn(NodeId, ZoneType) -> bool,
) -> impl Iterator<Item = (NodeId, ZoneType)> {
    let all = |node| ZoneType::ALL.into_iter().rev().map(move |zone| (node, zone));
    nodes.into_iter().flat_map(all).filter(move |(node, zone)| populated(*node, *zone))
}

/// Whether a machine of this size keeps migratetypes apart. `vm_total_pages` is
/// [`nr_free_zone_pages`](crate::zone::watermark::setup::nr_free_zone_pages) of all zones at the
/// time when the zonelists are built; at boot the watermarks are still 0.
///
/// ```
/// use page_alloc::{Mobility, node::topology::mobility};
/// assert_eq!(mobility(3071), Mobility::Disabled);
/// assert_eq!(mobility(3072), Mobility::Grouped);
/// ```
#[doc(alias = "page_group_by_mobility_disabled")]
#[must_use]
pub const fn mobility(vm_total_pages: u64) -> Mobility {
    if vm_total_pages < MOBILITY_MIN_PAGES { Mobility::Disabled } else { Mobility::Grouped }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    fn node(number: usize) -> NodeId {
        NodeId::new(u32::try_from(number).unwrap()).unwrap()
    }

    /// Every list over all the nodes that there can be has each of them once, itself first, at
    /// whatever distances.
    #[test]
    fn all_nodes_once() {
        let jumble = |from: NodeId, to: NodeId| {
            u8::try_from((from.index() * 37 + to.index() * 101) % 256).unwrap()
        };
        let topology = Topology { memory: NodeMask::ALL, cpus: NodeMask::EMPTY, distance: jumble };
        let mut loads = NodeLoads::new();
        for local in NodeMask::ALL.iter() {
            let order: Vec<_> = topology.node_order(local, &mut loads).collect();
            assert_eq!(order[0], local);
            assert_eq!(order.len(), MAX_NUMNODES);
            assert_eq!(order.into_iter().collect::<NodeMask>(), NodeMask::ALL);
        }
    }

    /// Nodes at one distance are first in turn, after the local node, as the loads say.
    #[test]
    fn equal_distances_are_spread() {
        let flat = |from, to| if from == to { 10 } else { 20 };
        let topology = Topology { memory: NodeMask::ALL, cpus: NodeMask::ALL, distance: flat };
        let mut loads = NodeLoads::new();
        for local in NodeMask::ALL.iter() {
            let second = topology.node_order(local, &mut loads).nth(1).unwrap();
            let next = if local.index() == 63 { 0 } else { local.index() + 1 };
            assert_eq!(second.index(), next);
        }
    }

    /// A machine without memory has nodes in its lists, but no zones.
    #[test]
    fn memoryless_nodes() {
        let topology =
            Topology { memory: NodeMask::EMPTY, cpus: NodeMask::ALL, distance: |_, _| 10 };
        let mut loads = NodeLoads::new();
        let order: Vec<_> = topology.node_order(node(5), &mut loads).collect();
        assert_eq!(order, [node(5)]);
        assert_eq!(zonelist(order, |_, _| false).count(), 0);
    }

    /// A step of distance weighs as much as a CPU or a lower number, more than any load.
    #[test]
    fn penalties_weigh_like_distance() {
        let distance = |from: NodeId, to: NodeId| match (from.index(), to.index()) {
            (from, to) if from == to => 10,
            (1, 0) => 20,
            (1, 2) => 21,
            _ => 22,
        };
        let topology = |cpus| Topology {
            memory: NodeMask::from_bits(0b111),
            cpus: NodeMask::from_bits(cpus),
            distance,
        };
        let second = |cpus| topology(cpus).node_order(node(1), &mut NodeLoads::new()).nth(1);
        assert_eq!(second(0b000), Some(node(0)), "20 + 1 and 21: the lower number");
        assert_eq!(second(0b001), Some(node(2)), "20 + 1 + 1 and 21");
        assert_eq!(second(0b101), Some(node(0)), "22 and 22");
    }
}
