//! Sources by the free lists: a pageblock with a large free block has less to be moved before it is
//! free, so for large blocks one of those is emptied next.

use super::aligned::start_of;
use super::control::Control;
use crate::memmap::{FrameIdx, ListEnd};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::ZoneMut;
use crate::{MigrateType, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER, Pfn};

/// A search through several lists.
#[derive(Debug)]
struct Sweep {
    /// Blocks below that are looked for.
    below: Pfn,
    /// So many blocks are looked at.
    limit: u64,
    /// How many were.
    scanned: u64,
}

impl Sweep {
    /// Finds a block in a pageblock that was not looked at in vain, and marks the pageblock as looked
    /// at, so that it is not found again. The list is turned so that the next search looks at others
    /// first.
    fn claim(&mut self, zone: &mut ZoneMut<'_>, order: Order) -> Option<FrameIdx> {
        for index in zone.blocks_from(order, MigrateType::Movable, ListEnd::Head) {
            self.scanned += 1;
            if self.scanned > self.limit {
                zone.turn_list(index, ListEnd::Tail);
                return None;
            }
            let pageblock = zone.memmap.pageblock(index);
            if zone.memmap.pfn_of(index) < self.below && !pageblock.is_skipped() {
                pageblock.skip();
                zone.turn_list(index, ListEnd::Tail);
                return Some(index);
            }
        }
        None
    }
}

impl<P: Platform, R: Reclaim, T: Trace> Control<'_, P, R, T> {
    /// Has the migrate scanner go on in a pageblock that the free lists tell of. If they tell of none,
    /// it goes on where it is, or once where they told of the lowest.
    #[doc(alias = "fast_find_migrateblock")]
    pub(super) fn claim_source(&mut self) {
        self.claimed = None;
        let Some(wanted) = self.request.order.filter(|wanted| self.searches_sources(*wanted))
        else {
            return;
        };
        if let Some(pfn) = self.find_source(wanted) {
            self.lists.found(pfn);
            let pageblock = start_of(pfn, PAGEBLOCK_ORDER);
            self.claimed = Some(pageblock);
            self.migrate = pageblock.max(self.at.zone.shared.span().start);
        } else {
            self.lists.failed();
            self.migrate = self.lists.fall_back().unwrap_or(self.migrate);
        }
    }

    /// Whether the lists are searched: where a pageblock begins, for orders that take much moving, and
    /// not for requests that would take a movable pageblock over. What was found is marked, so marks
    /// have to count.
    fn searches_sources(&self, wanted: Order) -> bool {
        let begins = self.migrate == self.at.zone.shared.span().start
            || self.migrate == start_of(self.migrate, PAGEBLOCK_ORDER);
        let takes_over = self.request.is_direct && self.request.migratetype != MigrateType::Movable;
        let large = wanted > PAGE_ALLOC_COSTLY_ORDER;
        self.request.minds_hints() && begins && large && !takes_over && self.lists.may_claim()
    }

    fn find_source(&mut self, wanted: Order) -> Option<Pfn> {
        let mut sweep = Sweep { below: self.sources_end(), limit: self.lists.limit(), scanned: 0 };
        let orders = PAGE_ALLOC_COSTLY_ORDER.and_above().filter(|order| *order < wanted);
        let mut found = None;
        for order in orders.rev() {
            if found.is_some() || sweep.scanned >= sweep.limit {
                break;
            }
            found = self.at.locked(|zone| sweep.claim(zone, order));
        }
        self.stats.migrate_scanned += sweep.scanned;
        found.map(|index| self.at.memmap().pfn_of(index))
    }

    /// Sources are looked for up to the middle between the scanners, or if the migrate scanner has
    /// left the beginning of the zone, in the first eighth: what is filled now should not be emptied
    /// soon.
    fn sources_end(&self) -> Pfn {
        let distance = self.free.get().saturating_sub(self.migrate.get());
        let part = if self.migrate == self.at.zone.shared.span().start { 2 } else { 8 };
        start_of(self.migrate + distance / part, PAGEBLOCK_ORDER)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::{AllocFlags, PfnRange, RawZone, RawZoneConfig};
    use std::vec;
    use std::vec::Vec;

    const START: u64 = 0x1000;

    /// A zone of sixteen pageblocks in use, each but for a block of order 3 at its end.
    fn with_zone(f: impl FnOnce(&mut ZoneMut<'_>)) {
        let span = PfnRange::new(Pfn::new(START), Pfn::new(START + 8192));
        let present = [span];
        let config = RawZoneConfig::new(span, &present);
        let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
        let mut zone = RawZone::new(&mut memory, &config).unwrap();
        let take = || zone.rmqueue(Order::O3, MigrateType::Movable, AllocFlags::empty());
        let blocks: Vec<_> = std::iter::from_fn(take).collect();
        for block in blocks.into_iter().filter(|block| block.pfn().get() % 512 == 504) {
            zone.free_pages(block).unwrap();
        }
        f(&mut zone.zone());
        zone.verify().unwrap();
    }

    /// The pageblocks that have the free blocks, as a search meets them.
    fn on_list(zone: &ZoneMut<'_>) -> Vec<u64> {
        let blocks = zone.blocks(Order::O3, MigrateType::Movable);
        blocks.map(|index| (zone.memmap.pfn_of(index).get() - START) / 512).collect()
    }

    fn sweep(pageblocks: u64, limit: u64) -> Sweep {
        Sweep { below: Pfn::new(START + 512 * pageblocks), limit, scanned: 0 }
    }

    fn claim(sweep: &mut Sweep, zone: &mut ZoneMut<'_>) -> Option<u64> {
        let index = sweep.claim(zone, Order::O3)?;
        assert!(zone.memmap.pageblock(index).is_skipped());
        Some((zone.memmap.pfn_of(index).get() - START) / 512)
    }

    /// Each pageblock near the migrate scanner is found once; marked ones and those further up are not.
    #[test]
    fn each_pageblock_is_claimed_once() {
        with_zone(|zone| {
            let third = zone.memmap.index_of(Pfn::new(START + 3 * 512)).unwrap();
            zone.memmap.pageblock(third).skip();
            let mut claimed = Vec::new();
            while let Some(pageblock) = claim(&mut sweep(6, 100), zone) {
                claimed.push(pageblock);
            }
            claimed.sort_unstable();
            assert_eq!(claimed, [0, 1, 2, 4, 5]);
        });
    }

    /// A search looks at as many blocks as it may; the next one begins where it ended.
    #[test]
    fn a_search_is_bounded() {
        with_zone(|zone| {
            let met = on_list(zone);
            let mut sweep = sweep(0, 5);
            assert_eq!(claim(&mut sweep, zone), None);
            // The block after the last counts as one too.
            assert_eq!(sweep.scanned, 6);
            let turned: Vec<_> = met[6..].iter().chain(&met[..6]).copied().collect();
            assert_eq!(on_list(zone), turned);
        });
    }
}
