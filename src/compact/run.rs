//! A compaction of a zone from beginning to end.

use super::aligned::start_of;
use super::batch::Batch;
use super::control::{Compactor, Control};
use super::list_search::ListSearch;
use super::migrate::BatchEnd;
use super::skip::clear_skips;
use super::source::Search;
use super::targets::Targets;
use super::{CompactRequest, CompactStats, Suitability};
use crate::memmap::FrameIdx;
use crate::migration::MigrateMode;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::{Waiting, last_pageblock};
use crate::{CompactResult, PAGEBLOCK_ORDER, Pfn};

/// What came of a compaction.
#[derive(Debug)]
pub(crate) struct ZoneCompacted {
    pub(crate) result: CompactResult,
    /// The block wanted, allocated with one reference, which is the caller's.
    pub(crate) captured: Option<FrameIdx>,
    pub(crate) stats: CompactStats,
}

impl From<CompactResult> for ZoneCompacted {
    fn from(result: CompactResult) -> Self {
        Self { result, captured: None, stats: CompactStats::default() }
    }
}

impl<P: Platform, R: Reclaim, T: Trace> Compactor<'_, P, R, T> {
    /// Compacts the zone. No lock is held while the kernel moves anything.
    #[inline(never)]
    pub(crate) fn compact_zone(&self, request: CompactRequest) -> ZoneCompacted {
        if !self.reclaim.can_migrate() {
            return CompactResult::Skipped.into();
        }
        match request.suitability(&self.zone.shared, &self.nr_free()) {
            Suitability::Skip => return CompactResult::Skipped.into(),
            Suitability::Served => return CompactResult::Success.into(),
            Suitability::Worth => {}
        }
        if request.order.is_some_and(|order| self.notes().is_restarting(order)) {
            clear_skips(self.memmap(), &self.zone.shared, self.reclaim);
        }
        let mut control = self.begin(request);
        let result = control.run();
        control.release_targets();
        let (captured, stats) = (control.captured.take(), control.stats);
        self.count(&stats);
        let result = if captured.is_some() { CompactResult::Success } else { result };
        ZoneCompacted { result, captured, stats }
    }

    fn count(&self, stats: &CompactStats) {
        let tally = &self.notes().tally;
        tally.migrate_scanned.add(stats.migrate_scanned);
        tally.free_scanned.add(stats.free_scanned);
        tally.isolated.add(stats.collected + stats.isolated);
        tally.moved.add(stats.moved);
        tally.failed.add(stats.failed);
    }

    /// The scanners where they start.
    pub(super) fn begin(&self, request: CompactRequest) -> Control<'_, P, R, T> {
        let (span, notes) = (self.zone.shared.span(), self.notes());
        let (migrate, free) = match request.minds_hints() {
            false => (span.start, last_pageblock(span)),
            true => {
                if !span.contains(notes.free()) {
                    notes.set_free(last_pageblock(span));
                }
                if !span.contains(notes.migrate(request.waiting())) {
                    notes.set_migrate(span.start);
                }
                (notes.migrate(request.waiting()), notes.free())
            }
        };
        Control {
            at: self,
            request,
            migrate,
            free,
            sees_all: request.sees_all(notes, migrate),
            is_rescan: false,
            batch: Batch::new(),
            targets: Targets::new(),
            lists: ListSearch::new(request.order, span),
            claimed: None,
            captured: None,
            stats: CompactStats::default(),
        }
    }
}

impl<P: Platform, R: Reclaim, T: Trace> Control<'_, P, R, T> {
    fn run(&mut self) -> CompactResult {
        let notes = self.at.notes();
        // While nothing is found, one that waits need not look again at what others have passed over.
        let mut catches_up = self.request.mode == MigrateMode::Async
            && notes.migrate(Waiting::No) == notes.migrate(Waiting::Yes);
        // From where the scanner found something to move last.
        let mut last_migrated: Option<Pfn> = None;
        loop {
            if let Some(result) = self.finished() {
                return result;
            }
            let start = self.migrate;
            let pageblock = |pfn| start_of(pfn, PAGEBLOCK_ORDER);
            self.is_rescan = last_migrated.is_some_and(|last| pageblock(last) == pageblock(start));
            match self.collect() {
                Search::Aborted => return CompactResult::Contended,
                Search::Nothing if catches_up => notes.catch_up(),
                Search::Nothing => {}
                Search::Found => {
                    catches_up = false;
                    last_migrated = Some(start);
                    match self.move_batch() {
                        BatchEnd::AllMoved => {}
                        BatchEnd::NoTargets if self.scanners_met() => {}
                        BatchEnd::NoTargets => return CompactResult::Contended,
                        BatchEnd::SomeFailed => self.give_up_block(&mut last_migrated),
                    }
                }
            }
            self.drain_behind(&mut last_migrated);
            if self.captured.is_some() {
                return CompactResult::Success;
            }
        }
    }

    /// Some frame of the aligned block stays: one who waits for nothing goes on to the next block.
    fn give_up_block(&mut self, last_migrated: &mut Option<Pfn>) {
        if let Some(order) = self.request.skips_on_failure() {
            let last = Pfn::new(self.migrate.get().saturating_sub(1));
            self.migrate = super::aligned::end_of(last, order);
            *last_migrated = None;
        }
    }

    /// Once the scanner has left an aligned block, the frames of it that the CPU keeps at hand go
    /// back, so that they merge.
    fn drain_behind(&self, last_migrated: &mut Option<Pfn>) {
        let Some(order) = self.request.order else { return };
        if last_migrated.is_some_and(|last| last < start_of(self.migrate, order)) {
            (self.at.drain)(self.at.zone);
            *last_migrated = None;
        }
    }
}
