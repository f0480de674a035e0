//! A row of `/proc/buddyinfo`: the free blocks of one zone by order.

use crate::{MAX_ORDER, NodeId, ZoneType};
use core::fmt;

/// The numbers of free blocks of one zone.
///
/// Linux prints a row for each zone that has memory, by node, then by zone type. It ends every
/// number with a space, the last one too.
///
/// ```
/// use page_alloc::report::BuddyInfoRow;
/// use page_alloc::{NodeId, ZoneType};
///
/// let nr_free = [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 3];
/// let row = BuddyInfoRow { node: NodeId::ZERO, zone: ZoneType::Dma, nr_free };
/// assert_eq!(
///     row.to_string(),
///     "Node 0, zone      DMA      0      0      0      0      0      0      0      1      0      1      3 "
/// );
/// ```
#[doc(alias = "frag_show_print")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuddyInfoRow {
    /// The node of the zone.
    pub node: NodeId,
    /// The zone.
    pub zone: ZoneType,
    /// The number of free blocks of each order, of all migratetypes.
    pub nr_free: [u64; MAX_ORDER],
}

impl fmt::Display for BuddyInfoRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node {}, zone {:>8} ", self.node, self.zone)?;
        self.nr_free.iter().try_for_each(|count| write!(f, "{count:>6} "))
    }
}
