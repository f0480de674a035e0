//! Targets by the free lists: before the free scanner goes on, the lists of movable memory are looked
//! at for a block near the end of what lies between the scanners. What pageblocks are marked as does
//! not matter here, so there are targets left once all have been looked at in vain.

use super::aligned::{end_of, start_of};
use super::control::Control;
use super::targets::Target;
use crate::memmap::{FrameIdx, ListEnd};
use crate::migration::MigrateMode;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::{NotIsolated, ZoneMut};
use crate::{MigrateType, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn};

/// Where a block lies that would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Merit {
    /// In the upper quarter of what lies between the scanners, or above.
    Preferred,
    /// In the quarter below; the highest of those seen.
    Acceptable,
}

/// A search through several lists.
#[derive(Debug)]
struct Sweep {
    /// From there on, blocks are preferred.
    preferred: Pfn,
    /// From there on, blocks will do.
    least: Pfn,
    /// So many blocks of a list are looked at.
    limit: u64,
    /// How many were.
    scanned: u64,
    /// The highest pageblock, or the first frame of the zone, in which a block was seen.
    highest: Option<Pfn>,
}

impl Sweep {
    /// For scanners that are there.
    fn new((migrate, free): (Pfn, Pfn), limit: u64) -> Self {
        let distance = free.get().saturating_sub(migrate.get());
        let below = |frames| start_of(Pfn::new(free.get() - frames), PAGEBLOCK_ORDER);
        let (preferred, least) = (below(distance / 4), below(distance / 2));
        Self { preferred, least, limit, scanned: 0, highest: None }
    }

    /// Takes a block of a list, if one that was looked at will do, and turns the list so that the next
    /// search looks at others first.
    fn take(
        &mut self,
        zone: &mut ZoneMut<'_>,
        order: Order,
    ) -> Option<(Merit, Result<Target, NotIsolated>)> {
        let (merit, index) = self.look_along(zone, order)?;
        let taken = zone.isolate_free_block(index);
        Some((merit, taken.map(|(index, order)| Target { index, order })))
    }

    fn look_along(&mut self, zone: &mut ZoneMut<'_>, order: Order) -> Option<(Merit, FrameIdx)> {
        let (mut seen, mut best, mut last) = (0, None, None);
        for index in zone.blocks_from(order, MigrateType::Movable, ListEnd::Tail) {
            seen += 1;
            let pfn = zone.memmap.pfn_of(index);
            self.saw(pfn, zone.shared.span().start);
            if pfn >= self.preferred {
                best = Some((Merit::Preferred, pfn, index));
                break;
            }
            if pfn >= self.least && best.is_none_or(|(_, highest, _)| pfn > highest) {
                best = Some((Merit::Acceptable, pfn, index));
                self.limit /= 2;
            }
            if seen >= self.limit {
                last = Some(index);
                break;
            }
        }
        self.scanned += seen;
        if seen >= self.limit {
            self.limit = (self.limit / 2).max(1);
        }
        let found = best.map(|(merit, _, index)| (merit, index));
        if let Some(index) = found.map(|(_, index)| index).or(last) {
            zone.turn_list(index, ListEnd::Head);
        }
        found
    }

    fn saw(&mut self, pfn: Pfn, first: Pfn) {
        let pageblock = start_of(pfn, PAGEBLOCK_ORDER).max(first);
        self.highest = self.highest.max(Some(pageblock));
    }
}

impl<P: Platform, R: Reclaim, T: Trace> Control<'_, P, R, T> {
    /// Searches the lists for a target of at least that order, and takes what is around it.
    #[doc(alias = "fast_isolate_freepages")]
    pub(super) fn search_targets(&mut self, least: Order, wanted: u64) {
        let Some(largest) = self.request.order.and_then(Order::below) else { return };
        let at_start = self.at.notes().is_free_start(self.free);
        let limit = match at_start {
            true => PAGEBLOCK_NR_PAGES / 2,
            false => (self.lists.limit() / 2).max(1),
        };
        let mut sweep = Sweep::new((self.migrate, self.free), limit);
        let mut around = self.take_from_lists(&mut sweep, (least, largest));
        if around.is_none() {
            self.lists.failed();
            if at_start && least == Order::ZERO {
                around = self.start_lower(&sweep);
            }
        }
        self.stats.free_scanned += sweep.scanned;
        self.pass_highest(&sweep);
        if let Some(pfn) = around {
            self.isolate_around(pfn, wanted);
        }
    }

    /// Takes a block of one of the lists between two orders; gives where it starts.
    fn take_from_lists(&mut self, sweep: &mut Sweep, bounds: (Order, Order)) -> Option<Pfn> {
        let mut next = Some(self.lists.first(bounds));
        while let Some(order) = next {
            match self.at.locked(|zone| sweep.take(zone, order)) {
                None => next = self.lists.next(order, bounds),
                Some((merit, taken)) => return self.took(taken, order, (merit, bounds)),
            }
        }
        None
    }

    /// Keeps what was taken. If it was refused, so would others be.
    fn took(
        &mut self,
        taken: Result<Target, NotIsolated>,
        order: Order,
        (merit, bounds): (Merit, (Order, Order)),
    ) -> Option<Pfn> {
        if merit == Merit::Preferred {
            self.lists.succeeded(order);
        }
        let Ok(target) = taken else {
            self.lists.step(bounds.1);
            return None;
        };
        self.lists.next(order, bounds);
        self.stats.isolated += target.order.nr_pages();
        self.put_target(target);
        Some(self.at.memmap().pfn_of(target.index))
    }

    /// The free scanner has hardly begun, and the lists gave nothing: it starts at the highest pageblock
    /// with a free block, or for a request that waits halfway to the other scanner.
    fn start_lower(&mut self, sweep: &Sweep) -> Option<Pfn> {
        let highest = sweep.highest.filter(|highest| *highest >= sweep.least);
        let start = highest.or(self.request.is_direct.then_some(sweep.least))?;
        self.free = start;
        Some(start)
    }

    /// The next compaction need not start above what was seen here.
    fn pass_highest(&self, sweep: &Sweep) {
        let notes = self.at.notes();
        if let Some(highest) = sweep.highest.filter(|highest| *highest >= notes.free()) {
            notes.set_free(Pfn::new(highest.get().saturating_sub(PAGEBLOCK_NR_PAGES)));
        }
    }

    /// Takes more from the pageblock around a frame, if that is not enough. One that waits for nothing
    /// does not look.
    #[doc(alias = "fast_isolate_around")]
    fn isolate_around(&mut self, pfn: Pfn, wanted: u64) {
        let hurries = self.request.is_direct && self.request.mode == MigrateMode::Async;
        if hurries || self.targets.frames() >= wanted {
            return;
        }
        let Some(pageblock) = self.at.pageblock_at(pfn) else { return };
        let end = end_of(pfn, PAGEBLOCK_ORDER).min(self.at.zone.shared.span().end);
        self.isolate_in((start_of(pfn, PAGEBLOCK_ORDER), end), 1, wanted);
        if self.targets.frames() < wanted {
            self.at.memmap().pageblock(pageblock).skip();
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::zone::watermark::setup::Watermarks;
    use crate::{AllocFlags, PfnRange, RawZone, RawZoneConfig};
    use std::vec;
    use std::vec::Vec;

    const START: u64 = 0x1000;

    /// A zone of eight pageblocks in use but for single frames, by their place in the zone.
    fn with_zone(min: u64, free: impl Iterator<Item = u64>, f: impl FnOnce(&mut ZoneMut<'_>)) {
        let span = PfnRange::new(Pfn::new(START), Pfn::new(START + 4096));
        let present = [span];
        let watermarks = Watermarks { min, low: min, high: min, promo: min };
        let config = RawZoneConfig { watermarks, ..RawZoneConfig::new(span, &present) };
        let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
        let mut zone = RawZone::new(&mut memory, &config).unwrap();
        let take = || zone.rmqueue(Order::ZERO, MigrateType::Movable, AllocFlags::empty());
        let mut pages: Vec<_> = std::iter::from_fn(take).map(Some).collect();
        pages.sort_by_key(|pages| pages.as_ref().map(|pages| pages.pfn()));
        for at in free {
            let pages = pages[usize::try_from(at).unwrap()].take().unwrap();
            zone.free_pages(pages).unwrap();
        }
        f(&mut zone.zone());
        zone.verify().unwrap();
    }

    /// Where the free frames stand, as a search meets them.
    fn on_list(zone: &ZoneMut<'_>) -> Vec<u64> {
        let blocks = zone.blocks_from(Order::ZERO, MigrateType::Movable, ListEnd::Tail);
        blocks.map(|index| zone.memmap.pfn_of(index).get() - START).collect()
    }

    /// With the scanners at the ends of the zone: the last two pageblocks are preferred, those from the
    /// fifth on will do.
    fn sweep(limit: u64) -> Sweep {
        Sweep::new((Pfn::new(START), Pfn::new(START + 4096)), limit)
    }

    /// Where the block lay that was taken, and how good that was.
    fn take(sweep: &mut Sweep, zone: &mut ZoneMut<'_>) -> Option<(Merit, u64)> {
        let (merit, target) = sweep.take(zone, Order::ZERO)?;
        let target = target.expect("the watermark is 0");
        Some((merit, zone.memmap.pfn_of(target.index).get() - START))
    }

    /// A search looks at as many blocks as it may, the next list gets half of that, and the next search
    /// begins where this one ended.
    #[test]
    fn a_search_is_bounded() {
        with_zone(0, (0..200).map(|at| 2 * at), |zone| {
            let (mut sweep, met) = (sweep(16), on_list(zone));
            for (limit, scanned) in [(16, 16), (8, 24), (4, 28), (2, 30), (1, 31), (1, 32)] {
                assert_eq!(sweep.limit, limit);
                assert_eq!(take(&mut sweep, zone), None);
                assert_eq!(sweep.scanned, scanned);
            }
            let turned: Vec<_> = met[32..].iter().chain(&met[..32]).copied().collect();
            assert_eq!(on_list(zone), turned);
        });
    }

    /// The first block in the upper quarter is taken, wherever the list has it.
    #[test]
    fn the_upper_quarter_is_preferred() {
        with_zone(0, [0, 2100, 2600, 3072, 4000, 10].into_iter(), |zone| {
            let first = on_list(zone).into_iter().find(|at| *at >= 3072).unwrap();
            let mut sweep = sweep(100);
            assert_eq!(take(&mut sweep, zone), Some((Merit::Preferred, first)));
            assert!(!on_list(zone).contains(&first) && on_list(zone).len() == 5);
            let highest = first / PAGEBLOCK_NR_PAGES * PAGEBLOCK_NR_PAGES + START;
            assert_eq!(sweep.highest, Some(Pfn::new(highest)));
        });
    }

    /// Otherwise the highest in the quarter below. None is taken from the lower half.
    #[test]
    fn the_quarter_below_will_do() {
        with_zone(0, [0, 2100, 2600, 3000, 1400, 2047].into_iter(), |zone| {
            let taken: Vec<_> = std::iter::from_fn(|| take(&mut sweep(100), zone)).collect();
            assert_eq!(taken, [3000, 2600, 2100].map(|at| (Merit::Acceptable, at)));
            assert_eq!(on_list(zone).len(), 3);
        });
    }

    /// Each block that will do makes the rest of the search shorter.
    #[test]
    fn blocks_that_will_do_shorten_the_search() {
        with_zone(0, [2100, 3000, 2600].into_iter(), |zone| {
            let first = on_list(zone)[0];
            let mut sweep = sweep(3);
            assert_eq!(take(&mut sweep, zone), Some((Merit::Acceptable, first)));
            assert_eq!(sweep.scanned, 1);
        });
    }

    /// The zone's min watermark is kept.
    #[test]
    fn the_watermark_is_kept() {
        with_zone(10, [3900, 3902].into_iter(), |zone| {
            let taken = sweep(10).take(zone, Order::ZERO);
            let (merit, refused) = taken.unwrap();
            assert_eq!((merit, refused), (Merit::Preferred, Err(NotIsolated::TooFewFree)));
            assert_eq!(on_list(zone).len(), 2);
        });
    }

    /// Where the scanners have come near or past each other nothing overflows.
    #[test]
    fn scanners_may_have_met() {
        for (migrate, free) in [(START, START), (START + 512, START), (START + 600, START + 100)] {
            let sweep = Sweep::new((Pfn::new(migrate), Pfn::new(free)), 1);
            assert_eq!((sweep.preferred, sweep.least), (Pfn::new(START), Pfn::new(START)));
        }
    }
}
