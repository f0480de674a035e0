//! How the free lists are searched for places where the scanners would do well to go on.

use super::COMPACT_CLUSTER_MAX;
use crate::{Order, PAGEBLOCK_NR_PAGES, Pfn, PfnRange};

/// The lowest free block by which a pageblock to be emptied was found. The migrate scanner goes on
/// from there once, when such a search was in vain.
#[doc(alias = "fast_start_pfn")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lowest {
    Unknown,
    At(Pfn),
    UsedUp,
}

/// What a compaction remembers of its searches.
#[derive(Debug)]
pub(super) struct ListSearch {
    /// Searches in vain, one after the other.
    #[doc(alias = "fast_search_fail")]
    fails: u32,
    /// The order whose list is searched first for targets.
    #[doc(alias = "search_order")]
    first: Order,
    lowest: Lowest,
    /// So many pageblocks may still be claimed: whoever clears marks while this runs does not make it
    /// go on for ever.
    claims: u64,
}

impl ListSearch {
    /// For a compaction of a zone for that order.
    pub(super) fn new(wanted: Option<Order>, span: PfnRange) -> Self {
        let claims = (span.end.get() - span.start.get()).div_ceil(PAGEBLOCK_NR_PAGES);
        Self { fails: 0, first: wanted.unwrap_or(Order::ZERO), lowest: Lowest::Unknown, claims }
    }

    /// So many free blocks are looked at; after each search in vain, half as many.
    #[doc(alias = "freelist_scan_limit")]
    pub(super) fn limit(&self) -> u64 {
        (COMPACT_CLUSTER_MAX as u64).checked_shr(self.fails).unwrap_or(0) + 1
    }

    pub(super) fn failed(&mut self) {
        self.fails = self.fails.saturating_add(1);
    }

    /// A good target was found: the next search begins at the same order.
    pub(super) fn succeeded(&mut self, order: Order) {
        self.fails = 0;
        self.first = order;
    }

    /// The order at which a search for targets begins that goes round between these two.
    pub(super) fn first(&mut self, (least, largest): (Order, Order)) -> Order {
        self.first = self.first.min(largest);
        self.first.max(least)
    }

    /// The order after that one, downwards and round. Once it has been round there is none, and the
    /// next search begins one order lower.
    #[doc(alias = "next_search_order")]
    pub(super) fn next(&mut self, order: Order, bounds: (Order, Order)) -> Option<Order> {
        let (least, largest) = bounds;
        let next = order.below().filter(|below| *below >= least).unwrap_or(largest);
        if next == self.first(bounds) {
            self.step(largest);
            return None;
        }
        Some(next)
    }

    /// The next search begins one order lower, or at the largest.
    pub(super) fn step(&mut self, largest: Order) {
        self.first = self.first.below().unwrap_or(largest);
    }

    /// Whether another pageblock may be claimed.
    pub(super) fn may_claim(&self) -> bool {
        self.claims > 0
    }

    /// A pageblock was found by a free block there, and claimed.
    #[doc(alias = "update_fast_start_pfn")]
    pub(super) fn found(&mut self, pfn: Pfn) {
        self.fails = 0;
        self.claims = self.claims.saturating_sub(1);
        self.lowest = match self.lowest {
            Lowest::Unknown => Lowest::At(pfn),
            Lowest::At(lowest) => Lowest::At(lowest.min(pfn)),
            Lowest::UsedUp => Lowest::UsedUp,
        };
    }

    /// Where the migrate scanner goes on now that nothing was found.
    #[doc(alias = "reinit_migrate_pfn")]
    pub(super) fn fall_back(&mut self) -> Option<Pfn> {
        let Lowest::At(lowest) = self.lowest else { return None };
        self.lowest = Lowest::UsedUp;
        Some(lowest)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn search(wanted: Order) -> ListSearch {
        let span = PfnRange::new(Pfn::new(0x1100), Pfn::new(0x1500));
        ListSearch::new(Some(wanted), span)
    }

    /// The orders that a search goes through.
    fn round(search: &mut ListSearch, bounds: (Order, Order)) -> Vec<u32> {
        let first = search.first(bounds);
        let orders = core::iter::successors(Some(first), |order| search.next(*order, bounds));
        orders.map(Order::get).collect()
    }

    /// Each search in vain halves what is looked at, down to one block; a success makes it whole.
    #[test]
    fn failures_make_searches_shorter() {
        let mut search = search(Order::O9);
        let mut limits = Vec::new();
        for _ in 0..80 {
            limits.push(search.limit());
            search.failed();
        }
        assert_eq!(limits[..7], [33, 17, 9, 5, 3, 2, 1]);
        assert!(limits[7..].iter().all(|limit| *limit == 1));
        search.succeeded(Order::O9);
        assert_eq!(search.limit(), 33);
    }

    /// All orders below the one wanted have their turn once in a search, and each search in vain begins
    /// one lower than the one before.
    #[test]
    fn orders_take_turns() {
        let mut search = search(Order::O4);
        let all = (Order::O0, Order::O3);
        let rounds: Vec<_> = (0..5).map(|_| round(&mut search, all)).collect();
        let expected =
            [[3, 2, 1, 0], [2, 1, 0, 3], [1, 0, 3, 2], [0, 3, 2, 1], [3, 2, 1, 0]].map(Vec::from);
        assert_eq!(rounds, expected);
        search.succeeded(Order::O1);
        assert_eq!(round(&mut search, all), [1, 0, 3, 2]);
        assert_eq!(round(&mut search, (Order::O2, Order::O3)), [2, 3], "none that is too small");
        assert_eq!(round(&mut search, (Order::O0, Order::O0)), vec![0]);
    }

    /// The scanner falls back to the lowest block found, and once only.
    #[test]
    fn the_lowest_is_fallen_back_to_once() {
        let mut search = search(Order::O9);
        assert_eq!(search.fall_back(), None);
        for pfn in [0x1300, 0x1210, 0x1400] {
            search.found(Pfn::new(pfn));
        }
        assert_eq!(search.fall_back(), Some(Pfn::new(0x1210)));
        search.found(Pfn::new(0x1200));
        assert_eq!(search.fall_back(), None);
    }

    /// No more pageblocks are claimed than the zone has.
    #[test]
    fn claims_are_bounded() {
        let mut search = search(Order::O9);
        for left in [true, true, false, false] {
            assert_eq!(search.may_claim(), left);
            search.found(Pfn::new(0x1200));
        }
    }
}
