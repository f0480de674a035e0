//! The zonelists as text: which zones the requests of each node are served from.

use crate::alloc::PageAllocator;
use crate::node::{Machine, ZonelistKind};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone_id::ZoneId;
use crate::{NodeId, ZoneType};
use core::fmt;

/// The zones that a node's requests are served from, in the order in which they are tried.
///
/// Linux logs only their nodes (`Fallback order for Node 0: 0 1`). `zones` gives node and type of each
/// zone: an array, or a cheap iterator.
///
/// ```
/// use page_alloc::report::ZonelistRow;
/// use page_alloc::{NodeId, ZoneType};
///
/// let one = NodeId::new(1).unwrap();
/// let zones = [(one, ZoneType::Normal), (NodeId::ZERO, ZoneType::Normal), (NodeId::ZERO, ZoneType::Dma32)];
/// let row = ZonelistRow { node: one, zones };
/// assert_eq!(row.to_string(), "Node 1, zonelist: 1 Normal, 0 Normal, 0 DMA32");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZonelistRow<Z> {
    /// The node.
    pub node: NodeId,
    /// The zones.
    pub zones: Z,
}

impl<Z> fmt::Display for ZonelistRow<Z>
where
    Z: IntoIterator<Item = (NodeId, ZoneType)> + Clone,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node {}, zonelist:", self.node)?;
        let mut separator = " ";
        self.zones.clone().into_iter().try_for_each(|(node, zone)| {
            let before = core::mem::replace(&mut separator, ", ");
            write!(f, "{before}{node} {zone}")
        })
    }
}

/// The zonelists of all nodes. Made by [`PageAllocator::zonelists`]; printed, it is a line for each.
#[derive(Clone, Copy, Debug)]
pub struct Zonelists<'a> {
    machine: Option<&'a Machine>,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// The zonelist of each node, as text; none before `init`. For programs there is
    /// [`NodeRef::zonelist`](super::NodeRef::zonelist).
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// assert_eq!(sim.zonelists().to_string(), "Node 0, zonelist: 0 DMA32, 0 DMA\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "build_zonelists")]
    pub fn zonelists(&self) -> Zonelists<'_> {
        Zonelists { machine: self.machine() }
    }
}

impl<'a> Zonelists<'a> {
    /// The rows, by node: of those that have memory or CPUs.
    pub fn rows(
        &self,
    ) -> impl Iterator<
        Item = ZonelistRow<impl Iterator<Item = (NodeId, ZoneType)> + Clone + use<'a>>,
    > + use<'a> {
        self.machine.into_iter().flat_map(|machine| {
            let nodes = machine.online.iter().filter_map(|node| machine.node(node));
            nodes.map(|node| {
                let zones = node.zonelist(ZonelistKind::Fallback).iter();
                let zones = zones.map(|zone: &ZoneId| (zone.node(), zone.zone_type()));
                ZonelistRow { node: node.id, zones }
            })
        })
    }
}

impl fmt::Display for Zonelists<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows().try_for_each(|row| writeln!(f, "{row}"))
    }
}
