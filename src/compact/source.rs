//! The migrate scanner: it collects blocks to be moved, from the low end of the zone upwards.

use super::aligned::{end_of, start_of};
use super::batch::Source;
use super::control::Control;
use crate::memmap::{FrameIdx, FrameKind, FrameState};
use crate::migration::MigrateMode;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::trace::Trace;
use crate::{MigrateType, Order, PAGEBLOCK_ORDER, Pfn};

/// How a search for blocks to move ended.
#[doc(alias = "isolate_migrate_t")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Given up.
    Aborted,
    /// There is nothing in the pageblocks looked at.
    Nothing,
    /// There is a batch.
    Found,
}

/// What stands at a frame.
enum Sight {
    /// A free block, which is fine where it is.
    Free(u64),
    /// A block that can be moved.
    Movable(Order),
    /// So many frames that can't.
    Stuck(u64),
}

impl<P: Platform, R: Reclaim, T: Trace> Control<'_, P, R, T> {
    /// Goes on to the first pageblock that may have something, and collects there. Large blocks may
    /// come together sooner elsewhere, as the free lists tell.
    #[doc(alias = "isolate_migratepages")]
    pub(super) fn collect(&mut self) -> Search {
        self.claim_source();
        while end_of(self.migrate, PAGEBLOCK_ORDER) <= self.free {
            let end = end_of(self.migrate, PAGEBLOCK_ORDER);
            self.at.breathe(self.migrate);
            match self.at.pageblock_at(self.migrate) {
                Some(pageblock) if self.is_source(pageblock, end) => {
                    return self.collect_in(pageblock, end);
                }
                _ => self.migrate = end,
            }
        }
        Search::Nothing
    }

    /// Whether to look into a pageblock that ends there.
    #[doc(alias = "suitable_migration_source")]
    fn is_source(&self, pageblock: FrameIdx, end: Pfn) -> bool {
        let start = start_of(self.migrate, PAGEBLOCK_ORDER);
        let is_new = self.migrate == start && self.claimed != Some(start);
        if is_new && !self.may_look_at(pageblock) {
            return false;
        }
        if self.may_give(pageblock) {
            return true;
        }
        self.at.notes().advance_migrate(end, self.request.waiting());
        false
    }

    /// Whether a pageblock's type and largest blocks allow it to be emptied. A request that waits for
    /// nothing only tries pageblocks of its own type.
    fn may_give(&self, pageblock: FrameIdx) -> bool {
        if self.at.covers(pageblock, FrameKind::Allocated) {
            return false;
        }
        if !self.request.is_direct || self.request.mode != MigrateMode::Async {
            return true;
        }
        let found = self.at.memmap().pageblock(pageblock).migratetype();
        let wanted = self.request.migratetype;
        found == wanted || wanted == MigrateType::Movable && found == MigrateType::Cma
    }

    #[doc(alias = "isolate_migratepages_block")]
    fn collect_in(&mut self, pageblock: FrameIdx, end: Pfn) -> Search {
        if self.at.reclaim.context().contains(Context::FATAL_SIGNAL) {
            return Search::Aborted;
        }
        let from_start = self.migrate <= self.at.memmap().pfn_of(pageblock);
        let stop = self.scan(end);
        // What was looked at to its end gave nothing, or will give nothing soon.
        if stop == end && (self.batch.is_empty() || self.is_rescan) {
            if from_start {
                self.at.memmap().pageblock(pageblock).skip();
            }
            self.at.notes().advance_migrate(end, self.request.waiting());
        }
        self.migrate = stop;
        self.stats.collected += self.batch.frames();
        if self.batch.is_empty() { Search::Nothing } else { Search::Found }
    }

    /// Collects from the scanner's place up to a batch or the end of the pageblock, or all up to its
    /// end if a part was moved already; gives where it stopped.
    fn scan(&mut self, end: Pfn) -> Pfn {
        let mut pfn = self.migrate.max(self.at.zone.shared.span().start);
        let whole = self.request.skips_on_failure();
        let mut part_end = whole.map_or(end, |order| end_of(pfn, order));
        while pfn < end && (self.is_rescan || !self.batch.is_full()) {
            if let Some(order) = whole.filter(|_| pfn >= part_end) {
                if !self.batch.is_empty() {
                    break;
                }
                part_end = end_of(pfn, order);
            }
            self.stats.migrate_scanned += 1;
            match self.sight(pfn) {
                Sight::Free(frames) => pfn = pfn + frames,
                Sight::Movable(_) if self.is_taken_by_others(pfn) => break,
                Sight::Movable(order) => {
                    self.batch.push(Source { pfn, order });
                    pfn = pfn + order.nr_pages();
                }
                Sight::Stuck(frames) => {
                    pfn = pfn + frames;
                    if whole.is_some() {
                        // The aligned block can't come free: what was collected of it stays.
                        self.batch.clear();
                        pfn = pfn.max(part_end);
                    }
                }
            }
        }
        pfn.min(end)
    }

    /// Whether another compaction has come first to a pageblock whose first block is to be moved: each
    /// marks it as looked at, lest the others do it too.
    #[doc(alias = "test_and_set_skip")]
    fn is_taken_by_others(&self, pfn: Pfn) -> bool {
        let begins = pfn == start_of(pfn, PAGEBLOCK_ORDER) && self.claimed != Some(pfn);
        let marks = self.request.minds_hints() && begins;
        let Some(index) = self.at.memmap().index_of(pfn).filter(|_| marks) else { return false };
        self.at.memmap().pageblock(index).test_and_skip()
    }

    fn sight(&self, pfn: Pfn) -> Sight {
        let memmap = self.at.memmap();
        let Some(state) = memmap.index_of(pfn).map(|index| memmap.state(index)) else {
            return Sight::Stuck(1);
        };
        let frames = state.order().nr_pages();
        match state.kind() {
            FrameKind::Free => Sight::Free(frames),
            FrameKind::Allocated if self.is_movable(state) => Sight::Movable(state.order()),
            FrameKind::Allocated | FrameKind::Cached => Sight::Stuck(frames),
            FrameKind::Absent | FrameKind::Reserved | FrameKind::Tail => Sight::Stuck(1),
        }
    }

    /// Whether a frame heads a block that is worth moving and can be.
    pub(super) fn is_movable(&self, state: FrameState) -> bool {
        state.kind() == FrameKind::Allocated
            && state.may_be_moved()
            && state.zone() == self.at.zone.shared.id
            && self.request.moves(state.order())
    }
}
