//! A look at one node of an allocator: where it is, and where its requests go.

use super::zone_ref::ZoneRef;
use crate::alloc::PageAllocator;
use crate::node::{Machine, Node, ZonelistKind, Zoneref};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{CpuId, NodeId};
use core::fmt;

/// One node of an allocator, to look at. Made by [`PageAllocator::node`] and
/// [`PageAllocator::nodes`].
///
/// ```
/// use page_alloc::node::ZonelistKind;
/// # use page_alloc::sim::{Sim, SimConfig};
/// use page_alloc::{CpuId, NodeId, ZoneType};
/// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
/// let node = sim.node(NodeId::ZERO).unwrap();
/// assert_eq!(node.distance(NodeId::ZERO), Some(10));
/// assert_eq!(node.cpus().next(), Some(CpuId::BOOT));
/// // Requests try DMA32 first, then DMA.
/// let zones: Vec<_> = node.zonelist(ZonelistKind::Fallback).map(|zone| zone.zone_type()).collect();
/// assert_eq!(zones, [ZoneType::Dma32, ZoneType::Dma]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NodeRef<'a, P> {
    node: &'a Node,
    machine: &'a Machine,
    platform: &'a P,
}

impl<P> Clone for NodeRef<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for NodeRef<'_, P> {}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// The node of that number; `None` if it has neither memory, present or planned, nor
    /// CPUs, or before `init`.
    #[doc(alias = "NODE_DATA")]
    pub fn node(&self, node: NodeId) -> Option<NodeRef<'_, P>> {
        let machine = self.machine()?;
        let platform = self.platform();
        machine.node(node).map(|node| NodeRef { node, machine, platform })
    }

    /// The nodes that have memory, present or planned, or CPUs, in the order of their numbers; none before
    /// `init`.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// assert_eq!(sim.nodes().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "for_each_online_node")]
    pub fn nodes(&self) -> impl Iterator<Item = NodeRef<'_, P>> {
        let online = self.machine().map(|machine| machine.online).unwrap_or_default();
        online.iter().filter_map(|node| self.node(node))
    }
}

impl<'a, P: Platform> NodeRef<'a, P> {
    /// The number.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.node.id
    }

    /// How far a node's memory is: 10 for the node itself, and in proportion. `None` for a node that
    /// is not there.
    #[doc(alias = "node_distance")]
    #[must_use]
    pub fn distance(&self, to: NodeId) -> Option<u8> {
        self.machine.node(to).map(|to| self.machine.distance(self.id(), to.id))
    }

    /// The zones that a request from this node is served from, in the order in which they are tried.
    pub fn zonelist(
        &self,
        kind: ZonelistKind,
    ) -> impl Iterator<Item = ZoneRef<'a, P>> + Clone + use<'a, P> {
        let Self { node, machine, platform } = *self;
        let zones = node.zonelist(kind).zones().iter().map(Zoneref::zone);
        zones.filter_map(move |zone| Some(ZoneRef::new(machine.zone(zone)?, machine, platform)))
    }

    /// The CPUs that were put on this node.
    #[doc(alias = "cpumask_of_node")]
    pub fn cpus(&self) -> impl Iterator<Item = CpuId> + Clone + use<'a, P> {
        let (id, cpus) = (self.id(), self.machine.cpus.as_slice());
        let here = (0..).zip(cpus).filter(move |(_, cpu)| cpu.node == id);
        here.map(|(cpu, _)| CpuId::new(cpu))
    }
}

impl<P> fmt::Debug for NodeRef<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeRef").field(&self.node.id).finish()
    }
}
