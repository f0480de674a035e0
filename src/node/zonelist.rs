//! Zonelists: the zones that a request may be served from, in the order in which they are tried.

use super::Node;
use super::topology::{NodeLoads, Topology, zonelist};
use crate::memmap::Table;
use crate::sync::Beside;
use crate::zone_id::ZoneId;
use crate::{NodeId, NodeMask, ZoneType};
use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

/// Which of a node's two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZonelistKind {
    /// The nodes by distance, starting with the node itself.
    #[doc(alias = "ZONELIST_FALLBACK")]
    Fallback,
    /// The node alone, for [`Gfp::THISNODE`](crate::Gfp::THISNODE).
    #[doc(alias = "ZONELIST_NOFALLBACK")]
    NoFallback,
}

/// An entry of a zonelist. It names its zone's node and type, so that a walk needs to look at no zone that is
/// not meant.
#[doc(alias = "struct zoneref")]
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Zoneref(AtomicU16);

impl Zoneref {
    /// An entry that is not used yet.
    pub(crate) const fn unused() -> Self {
        Self(AtomicU16::new(ZoneId::NONE.get()))
    }

    #[inline]
    pub(crate) fn zone(&self) -> ZoneId {
        ZoneId::from_packed(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, zone: ZoneId) {
        self.0.store(zone.get(), Ordering::Relaxed);
    }
}

/// Where a list is written.
#[derive(Debug)]
struct Place {
    entries: Option<Table<Zoneref>>,
    /// How many of them are used.
    len: AtomicUsize,
}

impl Place {
    fn room(&self) -> &[Zoneref] {
        self.entries.as_ref().map_or(&[], Table::as_slice)
    }

    #[inline]
    fn zones(&self) -> &[Zoneref] {
        let entries = self.entries.as_ref().map_or(&[][..], Table::as_slice);
        entries.get(..self.len.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Writes these zones, as far as there is room.
    fn write(&self, zones: impl Iterator<Item = ZoneId>) {
        let len = self.room().iter().zip(zones).map(|(entry, zone)| entry.set(zone)).count();
        self.len.store(len, Ordering::Relaxed);
    }
}

/// The zones with memory in the order in which they are tried: node by node, within a node the higher
/// zone types first.
///
/// When a zone gets its first memory, the list is made anew beside the one in use, which it then replaces.
/// The time after that, it is made where the first one was: a walk that has lasted since then may miss a
/// zone or find one twice.
#[derive(Debug)]
pub(crate) struct Zonelist {
    places: [Place; 2],
    beside: Beside,
}

impl Zonelist {
    /// No zones.
    pub(crate) fn empty() -> Self {
        Self::new([None, None])
    }

    /// No zones yet, and room for them; the second place only where zones can come later.
    pub(crate) fn new(places: [Option<Table<Zoneref>>; 2]) -> Self {
        let places = places.map(|entries| Place { entries, len: AtomicUsize::new(0) });
        Self { places, beside: Beside::new() }
    }

    #[inline]
    pub(crate) fn zones(&self) -> &[Zoneref] {
        self.look().1
    }

    /// The zones, and how often the list was made anew until then.
    #[inline]
    pub(crate) fn look(&self) -> (u32, &[Zoneref]) {
        let turns = self.beside.turns();
        (turns, self.places[Beside::place(turns)].zones())
    }

    /// How often the list was made anew.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.beside.turns()
    }

    /// Makes the list anew: of these zones, as far as there is room. By one at a time; where there is no
    /// second place, only at boot.
    pub(crate) fn set(&self, zones: impl Iterator<Item = ZoneId>) {
        let other = &self.places[self.beside.other()];
        if other.room().is_empty() {
            self.places[self.beside.current()].write(zones);
            return;
        }
        other.write(zones);
        self.beside.turn();
    }
}

/// Makes both lists of every node that there is; those of unused ones, which Linux does not know yet, last.
#[inline(never)]
pub(crate) fn build_all_zonelists<D: Fn(NodeId, NodeId) -> u8>(
    nodes: &[Node],
    (online, unused): (NodeMask, NodeMask),
    topology: &Topology<D>,
    populated: impl Fn(NodeId, ZoneType) -> bool,
) {
    let mut loads = NodeLoads::new();
    let id = |(node, zone)| ZoneId::new(node, zone);
    for local in online.iter().filter(|node| !unused.contains(*node)).chain(unused.iter()) {
        let Some(node) = nodes.get(local.index()) else { continue };
        let order = topology.node_order(local, &mut loads);
        node.fallback.set(zonelist(order, &populated).map(id));
        node.nofallback.set(zonelist([local], &populated).map(id));
    }
}

/// The entries that a request may use: those up to the highest zone type, on nodes of the mask.
#[doc(alias = "for_each_zone_zonelist_nodemask")]
#[inline]
pub(crate) fn allowed(
    zones: &[Zoneref],
    highest: ZoneType,
    nodemask: Option<NodeMask>,
) -> impl Iterator<Item = ZoneId> + Clone {
    zones.iter().map(Zoneref::zone).filter(move |zone| {
        zone.zone_type() <= highest && nodemask.is_none_or(|mask| mask.contains(zone.node()))
    })
}

/// The first entry that a request may use: its preferred zone.
#[inline]
pub(crate) fn first_zones_zonelist(
    zones: &[Zoneref],
    highest: ZoneType,
    nodemask: Option<NodeMask>,
) -> Option<ZoneId> {
    allowed(zones, highest, nodemask).next()
}
