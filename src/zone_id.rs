//! The name of one zone: its node and its type, in nine bits.

use crate::node_id::NodeId;
use crate::zone_type::{MAX_NR_ZONES, ZoneType};
use core::fmt;

/// A node and a zone type, packed as it stands in a frame's state word.
///
/// The low three bits are a zone type's number, the six above them a node's; numbers of no type stand
/// for places in tables that no zone has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub(crate) struct ZoneId(u16);

impl ZoneId {
    /// Bits of the packed form.
    pub(crate) const BITS: u32 = 9;

    /// Places of a node in a table by [`index`](Self::index); some of them no zone has.
    pub(crate) const PER_NODE: usize = 8;

    /// A place in such tables that no zone has.
    pub(crate) const NONE: Self = Self(7);

    #[expect(clippy::cast_possible_truncation, reason = "below 512, by the types")]
    pub(crate) const fn new(node: NodeId, zone: ZoneType) -> Self {
        // INVARIANT: a `NodeId` is below 64, a `ZoneType` below 5.
        Self((node.index() << 3 | zone.index()) as u16)
    }

    /// The packed form.
    pub(crate) const fn get(self) -> u16 {
        self.0
    }

    /// The zone with this packed form, if [`is_zone`](Self::is_zone).
    #[inline]
    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits & ((1 << Self::BITS) - 1))
    }

    /// The zone that this packed form was [got](Self::get) from.
    #[inline]
    pub(crate) const fn from_packed(packed: u16) -> Self {
        Self(packed)
    }

    /// Its place in tables that have [`PER_NODE`](Self::PER_NODE) places for each node.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether there can be such a zone.
    pub(crate) fn is_zone(self) -> bool {
        usize::from(self.0 & 7) < MAX_NR_ZONES
    }

    pub(crate) fn node(self) -> NodeId {
        NodeId::new(u32::from(self.0 >> 3 & 63)).unwrap_or_default()
    }

    pub(crate) fn zone_type(self) -> ZoneType {
        ZoneType::from_index(usize::from(self.0 & 7)).unwrap_or(ZoneType::Normal)
    }
}

impl fmt::Debug for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.node(), self.zone_type())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_no_zone() {
        assert!(!ZoneId::NONE.is_zone());
        assert_eq!(ZoneId::from_bits(ZoneId::NONE.get()), ZoneId::NONE);
    }

    #[test]
    fn packing_loses_nothing() {
        for node in 0..64 {
            for zone in ZoneType::ALL {
                let node = NodeId::new(node).unwrap();
                let id = ZoneId::new(node, zone);
                assert_eq!((id.node(), id.zone_type()), (node, zone));
                assert_eq!(ZoneId::from_bits(id.get()), id);
                assert!(id.is_zone() && id.index() < 64 * ZoneId::PER_NODE);
                assert!(u32::from(id.get()) < 1 << ZoneId::BITS);
            }
        }
    }
}
