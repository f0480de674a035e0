//! Nodes: their zones, distances and zonelists.

mod cpu;
mod events;
mod kswapd;
pub(crate) mod machine;
pub mod pcp;
mod route;
pub(crate) mod sizing;
pub mod topology;
mod wishes;
mod zonelist;

pub(crate) use cpu::Cpu;
pub(crate) use events::MachineEvents;
pub(crate) use kswapd::KswapdState;
pub(crate) use machine::{AtHand, Machine, NOTHING_AT_HAND};
pub(crate) use route::{Routes, Way};
pub(crate) use wishes::Wanted;
pub use zonelist::ZonelistKind;
pub(crate) use zonelist::{Zonelist, Zoneref, allowed, build_all_zonelists, first_zones_zonelist};

use crate::NodeId;

/// One NUMA node: where requests that prefer it are served from. Its zones stand in the machine's
/// table.
///
/// A node may have no memory (its zones are empty) or no CPU.
#[doc(alias = "pg_data_t")]
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// For requests that may go to other nodes.
    #[doc(alias = "ZONELIST_FALLBACK")]
    pub(crate) fallback: Zonelist,
    /// The node's own zones alone.
    #[doc(alias = "ZONELIST_NOFALLBACK")]
    pub(crate) nofallback: Zonelist,
    pub(crate) kswapd: KswapdState,
}

impl Node {
    #[inline]
    pub(crate) fn zonelist(&self, kind: ZonelistKind) -> &Zonelist {
        match kind {
            ZonelistKind::Fallback => &self.fallback,
            ZonelistKind::NoFallback => &self.nofallback,
        }
    }
}
