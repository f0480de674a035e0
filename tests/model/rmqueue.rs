//! The model's requests: taking a block, stealing from other migratetypes, the high-atomic reserve.

use super::port::PAGEBLOCK;
use super::zone::{
    CMA, Frame, HIGHATOMIC, MOVABLE, PAGEBLOCK_ORDER, RECLAIMABLE, TOP, UNMOVABLE, Zone,
    is_ordinary,
};

/// A block that a request could steal.
#[derive(Clone, Copy, Debug)]
struct Prey {
    order: u32,
    list: u8,
    /// Whether the rest of the pageblock may be claimed with it.
    whole: bool,
}

fn fallbacks(migratetype: u8) -> &'static [u8] {
    match migratetype {
        UNMOVABLE => &[RECLAIMABLE, MOVABLE],
        MOVABLE => &[RECLAIMABLE, UNMOVABLE],
        RECLAIMABLE => &[UNMOVABLE, MOVABLE],
        _ => &[],
    }
}

impl Zone {
    /// A whole request, as a zone serves it under its lock.
    pub(super) fn rmqueue_buddy(&mut self, order: u32, wanted: u8, flags: &str) -> Option<u64> {
        let mut found = None;
        if order > 0 && flags.contains('H') {
            found = self.take_smallest(order, HIGHATOMIC);
        }
        found = found.or_else(|| self.rmqueue_once(order, wanted, flags));
        if found.is_none() && flags.contains(['O', 'B']) {
            found = self.take_smallest(order, HIGHATOMIC);
        }
        found
    }

    /// A request that keeps off the high-atomic reserve.
    pub fn rmqueue_once(&mut self, order: u32, wanted: u8, flags: &str) -> Option<u64> {
        let mut lists = vec![wanted];
        if flags.contains('C') {
            let mostly_cma = self.counters.cma > self.counters.free / 2;
            lists.insert(if mostly_cma { 0 } else { 1 }, CMA);
        }
        if let Some(pfn) = lists.into_iter().find_map(|list| self.take_smallest(order, list)) {
            return Some(pfn);
        }
        let prey = self.choose_prey(order, wanted, flags.contains('N'))?;
        self.steal(prey, wanted, flags.contains('K'));
        self.take_smallest(order, wanted)
    }

    /// Takes the first block of the smallest sufficient order of one list, and gives back the
    /// upper halves that are not needed.
    fn take_smallest(&mut self, order: u32, list: u8) -> Option<u64> {
        let found = (order..=TOP).find(|&larger| !self.list(larger, list).is_empty())?;
        let pfn = self.list(found, list)[0];
        self.take(pfn);
        for half in (order..found).rev() {
            self.put(pfn + (1 << half), half, list, false);
        }
        self.mark(pfn, order, Frame::Used { order });
        self.count_taken(order, list);
        Some(pfn)
    }

    fn choose_prey(&self, order: u32, wanted: u8, keep_apart: bool) -> Option<Prey> {
        let lowest = if keep_apart { order.max(PAGEBLOCK_ORDER) } else { order };
        let largest = (lowest..=TOP).rev().find_map(|at| self.prey_at(at, wanted))?;
        if !largest.whole && wanted == MOVABLE && largest.order > order {
            return (order..=TOP).find_map(|at| self.prey_at(at, wanted));
        }
        Some(largest)
    }

    fn prey_at(&self, order: u32, wanted: u8) -> Option<Prey> {
        let whole = order >= PAGEBLOCK_ORDER / 2 || wanted != MOVABLE || self.mobility_disabled;
        let mut types = fallbacks(wanted).iter();
        let &list = types.find(|&&list| !self.list(order, list).is_empty())?;
        Some(Prey { order, list, whole })
    }

    fn steal(&mut self, prey: Prey, wanted: u8, may_wake: bool) {
        let pfn = self.list(prey.order, prey.list)[0];
        let old = self.type_of(pfn);
        if old == HIGHATOMIC {
            return self.move_block(pfn, wanted);
        }
        if prey.order >= PAGEBLOCK_ORDER {
            for block in (pfn..pfn + (1 << prey.order)).step_by(PAGEBLOCK as usize) {
                self.set_type(block, wanted);
            }
            return self.move_block(pfn, wanted);
        }
        if self.boost_watermark() && may_wake {
            self.boosted = true;
        }
        if !prey.whole || !self.claim_pageblock(pfn, old, wanted) {
            self.move_block(pfn, wanted);
        }
    }

    /// Moves the free blocks of a pageblock, and makes it `wanted` if enough of it suits. Returns
    /// false when nothing could be moved.
    fn claim_pageblock(&mut self, pfn: u64, old: u8, wanted: u8) -> bool {
        let (moved, movable) = self.move_pageblock(pfn, wanted);
        let alike = match (wanted, old) {
            (MOVABLE, _) => movable,
            (_, MOVABLE) => PAGEBLOCK - (moved + movable),
            _ => 0,
        };
        if moved > 0 && (moved + alike >= PAGEBLOCK / 2 || self.mobility_disabled) {
            self.set_type(pfn, wanted);
        }
        moved > 0
    }

    pub(super) fn move_block(&mut self, pfn: u64, list: u8) {
        let (order, _) = self.take(pfn);
        self.put(pfn, order, list, true);
    }

    /// Moves every free block of the pageblock at `pfn`; returns the free frames moved and the
    /// allocated ones known movable. Nothing is moved when the pageblock ends beyond the zone.
    pub(super) fn move_pageblock(&mut self, pfn: u64, list: u8) -> (u64, u64) {
        let first = pfn - pfn % PAGEBLOCK;
        let end = first + PAGEBLOCK;
        if !self.holds(end - 1) {
            return (0, 0);
        }
        let (mut moved, mut movable) = (0, 0);
        let mut at = if self.holds(first) { first } else { pfn };
        while at < end {
            if let Frame::Free { order, .. } = self.frame(at) {
                self.move_block(at, list);
                moved += 1 << order;
                at += 1 << order;
            } else {
                movable += u64::from(self.is_movable(at));
                at += 1;
            }
        }
        (moved, movable)
    }

    fn boost_watermark(&mut self) -> bool {
        let most = self.marks[2] * self.boost_factor / 10_000;
        if self.boost_factor == 0 || self.managed < 4 * PAGEBLOCK || most == 0 {
            return false;
        }
        self.counters.boost = (self.counters.boost + PAGEBLOCK).min(most.max(PAGEBLOCK));
        true
    }

    pub(super) fn reserve_highatomic_pageblock(&mut self, pfn: u64) {
        let most = self.managed / 100 + PAGEBLOCK;
        if self.counters.hatomic < most && is_ordinary(self.type_of(pfn)) {
            self.counters.hatomic += PAGEBLOCK;
            self.set_type(pfn, HIGHATOMIC);
            self.move_pageblock(pfn, HIGHATOMIC);
        }
    }

    pub(super) fn unreserve_highatomic_pageblock(&mut self, wanted: u8, force: bool) -> bool {
        if !force && self.counters.hatomic <= PAGEBLOCK {
            return false;
        }
        for order in 0..=TOP {
            let Some(&pfn) = self.list(order, HIGHATOMIC).first() else { continue };
            if self.type_of(pfn) == HIGHATOMIC {
                self.counters.hatomic -= self.counters.hatomic.min(PAGEBLOCK);
            }
            self.set_type(pfn, wanted);
            if self.move_pageblock(pfn, wanted).0 > 0 {
                return true;
            }
        }
        false
    }
}
