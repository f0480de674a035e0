//! Nodes: their zones, distances and zonelists.

mod machine;
pub mod topology;
mod zonelist;

pub(crate) use machine::Machine;
pub(crate) use zonelist::{Zonelist, ZonelistKind, allowed, first_zones_zonelist};

use crate::memmap::{Memmap, Table};
use crate::zone::Zone;
use crate::zone_id::ZoneId;
use crate::{MAX_NR_ZONES, NodeId, ZoneType};

/// One NUMA node: the zones of its memory, and where requests that prefer it are served from.
///
/// A node may have no memory (its zones are empty) or no CPU.
#[doc(alias = "pg_data_t")]
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) zones: [Zone; MAX_NR_ZONES],
    /// For requests that may go to other nodes.
    #[doc(alias = "ZONELIST_FALLBACK")]
    pub(crate) fallback: Zonelist,
    /// The node's own zones alone.
    #[doc(alias = "ZONELIST_NOFALLBACK")]
    pub(crate) nofallback: Zonelist,
    /// The distance to each node.
    distances: Table<u8>,
}

impl Node {
    /// A node whose zones span what `zone` makes of them. Its zonelists come later, when all nodes
    /// are known.
    pub(crate) fn new(
        id: NodeId,
        memmap: &Memmap,
        distances: Table<u8>,
        span: impl Fn(ZoneType) -> crate::PfnRange,
    ) -> Self {
        let zone = |zone| Zone::new(ZoneId::new(id, zone), span(zone), memmap);
        let zones = ZoneType::ALL.map(zone);
        Self { id, zones, fallback: Zonelist::EMPTY, nofallback: Zonelist::EMPTY, distances }
    }

    #[inline]
    pub(crate) fn zone(&self, zone: ZoneType) -> &Zone {
        &self.zones[zone.index()]
    }

    /// The distance to another node; that of the farthest for a node that there is not.
    pub(crate) fn distance(&self, to: NodeId) -> u8 {
        self.distances.as_slice().get(to.index()).copied().unwrap_or(u8::MAX)
    }

    /// Frames that exist in all zones.
    pub(crate) fn present_pages(&self) -> u64 {
        self.zones.iter().map(|zone| zone.shared.present.get()).sum()
    }

    #[inline]
    pub(crate) fn zonelist(&self, kind: ZonelistKind) -> &[ZoneId] {
        match kind {
            ZonelistKind::Fallback => self.fallback.zones(),
            ZonelistKind::NoFallback => self.nofallback.zones(),
        }
    }
}
