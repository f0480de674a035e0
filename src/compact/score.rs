//! How fragmented nodes are, for compaction ahead of need.

use crate::node::Machine;
use crate::zone::fragmentation::extfrag_for_order;
use crate::{MAX_ORDER, NodeId, PAGEBLOCK_ORDER};

/// How fragmented a node is, from 0 to 100: the share of its free memory that is not in blocks of a
/// pageblock, each zone by its size.
///
/// ```
/// use page_alloc::compact::FragmentationScore;
/// assert_eq!(FragmentationScore::marks(20), (80, 90)); // Linux's default proactiveness
/// assert_eq!(FragmentationScore::marks(100), (5, 15));
/// assert_eq!(FragmentationScore::marks(0), (100, 100));
/// ```
#[doc(alias = "fragmentation_score_node")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FragmentationScore(pub u32);

impl FragmentationScore {
    /// At that proactiveness (0 to 100): the score at which compaction is enough, and the score above
    /// which it begins.
    #[doc(alias = "fragmentation_score_wmark")]
    #[must_use]
    pub const fn marks(proactiveness: u32) -> (u32, u32) {
        let above_floor = 100_u32.saturating_sub(proactiveness);
        let low = if above_floor < 5 { 5 } else { above_floor };
        (low, if low > 90 { 100 } else { low + 10 })
    }

    /// Whether compaction is to begin at that proactiveness; never at 0.
    #[doc(alias = "should_proactive_compact_node")]
    #[must_use]
    pub const fn calls_for_compaction(self, proactiveness: u32) -> bool {
        proactiveness > 0 && self.0 > Self::marks(proactiveness).1
    }
}

/// How fragmented a zone with so many free blocks of each order is.
#[doc(alias = "fragmentation_score_zone")]
pub(crate) fn score_of_zone(nr_free: &[u64; MAX_ORDER]) -> u32 {
    extfrag_for_order(nr_free, PAGEBLOCK_ORDER)
}

/// How fragmented a node is; `nr_free` tells the free blocks of a zone.
pub(crate) fn score_of_node(
    machine: &Machine,
    node: NodeId,
    nr_free: impl Fn(&crate::zone::Zone) -> [u64; MAX_ORDER],
) -> FragmentationScore {
    let zones = || machine.node_zones(node).filter(|zone| zone.shared.is_populated());
    let present: u64 = zones().map(|zone| zone.shared.present.get()).sum();
    let score = zones().map(|zone| {
        let weight = u128::from(zone.shared.present.get());
        weight * u128::from(score_of_zone(&nr_free(zone))) / (u128::from(present) + 1)
    });
    FragmentationScore(u32::try_from(score.sum::<u128>()).unwrap_or(100))
}
