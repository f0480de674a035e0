//! Zonelists: the zones that a request may be served from, in the order in which they are tried.

use crate::memmap::Table;
use crate::zone_id::ZoneId;
use crate::{NodeMask, ZoneType};

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

/// The zones with memory in the order in which they are tried: node by node, within a node the higher
/// zone types first. Each entry names its zone's node and type, so that a walk needs to look at no
/// zone that is not meant.
#[derive(Debug)]
pub(crate) struct Zonelist(Option<Table<ZoneId>>);

impl Zonelist {
    pub(crate) const EMPTY: Self = Self(None);

    pub(crate) fn new(zones: Table<ZoneId>) -> Self {
        Self(Some(zones))
    }

    #[inline]
    pub(crate) fn zones(&self) -> &[ZoneId] {
        self.0.as_ref().map_or(&[], Table::as_slice)
    }
}

/// The entries that a request may use: those up to the highest zone type, on nodes of the mask.
#[doc(alias = "for_each_zone_zonelist_nodemask")]
#[inline]
pub(crate) fn allowed(
    zones: &[ZoneId],
    highest: ZoneType,
    nodemask: Option<NodeMask>,
) -> impl Iterator<Item = ZoneId> + Clone {
    zones.iter().copied().filter(move |zone| {
        zone.zone_type() <= highest && nodemask.is_none_or(|mask| mask.contains(zone.node()))
    })
}

/// The first entry that a request may use: its preferred zone.
#[inline]
pub(crate) fn first_zones_zonelist(
    zones: &[ZoneId],
    highest: ZoneType,
    nodemask: Option<NodeMask>,
) -> Option<ZoneId> {
    allowed(zones, highest, nodemask).next()
}
