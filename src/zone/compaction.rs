//! What a zone remembers of compaction: where the scanners stopped, and how often it was in vain.
//!
//! All of it is read and written without the zone's lock, as in Linux: two compactions at once may
//! lose each other's notes, which costs time and nothing else.

use super::compact_tally::CompactTally;
use crate::{Order, PAGEBLOCK_NR_PAGES, Pfn, PfnRange};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Compaction is put off for up to 2 to the power of this many requests.
pub(crate) const COMPACT_MAX_DEFER_SHIFT: u32 = 6;

/// Whether a compaction waits for frames that are in use. Those that do and those that do not have
/// a migrate scanner's position each, since the latter leave more behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    No,
    Yes,
}

/// The notes.
#[derive(Debug)]
pub(crate) struct CompactionState {
    /// Where the migrate scanner goes on: without waiting, and with.
    #[doc(alias = "compact_cached_migrate_pfn")]
    migrate: [AtomicUsize; 2],
    #[doc(alias = "compact_cached_free_pfn")]
    free: AtomicUsize,
    /// Where the migrate scanner started after the hints were last cleared.
    #[doc(alias = "compact_init_migrate_pfn")]
    init_migrate: AtomicUsize,
    /// The same for the free scanner; 0 until then, so that every place counts as the start.
    #[doc(alias = "compact_init_free_pfn")]
    init_free: AtomicUsize,
    /// The scanners have met in a compaction for a request, so the hints may be cleared.
    #[doc(alias = "compact_blockskip_flush")]
    flush_skips: AtomicBool,
    #[doc(alias = "compact_considered")]
    considered: AtomicU32,
    #[doc(alias = "compact_defer_shift")]
    defer_shift: AtomicU32,
    /// The smallest order that failed of late.
    #[doc(alias = "compact_order_failed")]
    order_failed: AtomicU32,
    pub(crate) tally: CompactTally,
}

/// The first frame of the last pageblock of a zone.
pub(crate) fn last_pageblock(span: PfnRange) -> Pfn {
    let last = span.end.get().saturating_sub(1);
    Pfn::new(last - last % PAGEBLOCK_NR_PAGES)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "frame numbers fit the machine word")]
fn word(pfn: Pfn) -> usize {
    pfn.get() as usize
}

#[inline]
fn pfn(word: &AtomicUsize) -> Pfn {
    Pfn::new(word.load(Ordering::Relaxed) as u64)
}

impl CompactionState {
    pub(super) fn new(span: PfnRange) -> Self {
        let state = Self {
            migrate: [const { AtomicUsize::new(0) }; 2],
            free: AtomicUsize::new(0),
            init_migrate: AtomicUsize::new(0),
            init_free: AtomicUsize::new(0),
            flush_skips: AtomicBool::new(false),
            considered: AtomicU32::new(0),
            defer_shift: AtomicU32::new(0),
            order_failed: AtomicU32::new(0),
            tally: CompactTally::default(),
        };
        state.reset_positions(span);
        state
    }

    /// Where a migrate scanner goes on.
    #[inline]
    pub(crate) fn migrate(&self, waiting: Waiting) -> Pfn {
        pfn(&self.migrate[waiting as usize])
    }

    /// Where the free scanner goes on.
    #[inline]
    pub(crate) fn free(&self) -> Pfn {
        pfn(&self.free)
    }

    /// Whether a scan that begins there sees all that there is to see.
    #[inline]
    pub(crate) fn is_from_the_first(&self, migrate: Pfn) -> bool {
        migrate <= pfn(&self.init_migrate)
    }

    /// The next compaction starts from the ends.
    #[doc(alias = "reset_cached_positions")]
    pub(crate) fn reset_positions(&self, span: PfnRange) {
        self.set_migrate(span.start);
        self.set_free(last_pageblock(span));
    }

    /// Sets both positions of the migrate scanner.
    #[inline]
    pub(crate) fn set_migrate(&self, at: Pfn) {
        self.migrate.iter().for_each(|cached| cached.store(word(at), Ordering::Relaxed));
    }

    #[inline]
    pub(crate) fn set_free(&self, at: Pfn) {
        self.free.store(word(at), Ordering::Relaxed);
    }

    /// The hints are cleared from there on: scans start there.
    pub(crate) fn restart_migrate(&self, at: Pfn) {
        self.init_migrate.store(word(at), Ordering::Relaxed);
        self.set_migrate(at);
    }

    /// The same for the free scanner.
    pub(crate) fn restart_free(&self, at: Pfn) {
        self.init_free.store(word(at), Ordering::Relaxed);
        self.set_free(at);
    }

    /// Whether a free scanner that is there has hardly begun.
    #[inline]
    pub(crate) fn is_free_start(&self, free: Pfn) -> bool {
        free >= pfn(&self.init_free)
    }

    /// A pageblock that ends there has been looked at by a migrate scanner. One that waits has seen
    /// it for those that do not, too.
    #[doc(alias = "update_cached_migrate")]
    #[inline]
    pub(crate) fn advance_migrate(&self, to: Pfn, waiting: Waiting) {
        let advanced = match waiting {
            Waiting::No => &self.migrate[..1],
            Waiting::Yes => &self.migrate[..],
        };
        for cached in advanced.iter().filter(|cached| pfn(cached) < to) {
            cached.store(word(to), Ordering::Relaxed);
        }
    }

    /// What scans that do not wait have passed over need not be seen by those that do.
    pub(crate) fn catch_up(&self) {
        let at = self.migrate(Waiting::No);
        self.migrate[Waiting::Yes as usize].store(word(at), Ordering::Relaxed);
    }

    /// The free scanner has been through the pageblock that starts there.
    #[inline]
    pub(crate) fn lower_free(&self, to: Pfn) {
        if to < self.free() {
            self.set_free(to);
        }
    }

    /// Frames came free in the pageblock that starts there.
    #[inline]
    pub(crate) fn raise_free(&self, to: Pfn) {
        if to > self.free() {
            self.set_free(to);
        }
    }

    /// Notes that the scanners have met for a request.
    pub(crate) fn want_flush(&self) {
        self.flush_skips.store(true, Ordering::Relaxed);
    }

    /// Whether the hints may be cleared.
    #[inline]
    pub(crate) fn wants_flush(&self) -> bool {
        self.flush_skips.load(Ordering::Relaxed)
    }

    pub(crate) fn flushed(&self) {
        self.flush_skips.store(false, Ordering::Relaxed);
    }

    fn has_failed(&self, order: Order) -> bool {
        order.get() >= self.order_failed.load(Ordering::Relaxed)
    }

    fn limit(&self) -> u32 {
        1 << self.defer_shift.load(Ordering::Relaxed).min(COMPACT_MAX_DEFER_SHIFT)
    }

    /// Compaction failed for this order: it is put off twice as long as before.
    #[doc(alias = "defer_compaction")]
    pub(crate) fn defer(&self, order: Order) {
        let shift = self.defer_shift.load(Ordering::Relaxed) + 1;
        self.considered.store(0, Ordering::Relaxed);
        self.defer_shift.store(shift.min(COMPACT_MAX_DEFER_SHIFT), Ordering::Relaxed);
        self.order_failed.fetch_min(order.get(), Ordering::Relaxed);
    }

    /// Counts a request, and says whether it is put off.
    #[doc(alias = "compaction_deferred")]
    pub(crate) fn is_deferred(&self, order: Order) -> bool {
        if !self.has_failed(order) {
            return false;
        }
        let (limit, before) = (self.limit(), self.considered.load(Ordering::Relaxed));
        let considered = before.saturating_add(1).min(limit);
        self.considered.store(considered, Ordering::Relaxed);
        considered < limit
    }

    /// A block of this order can be had now.
    #[doc(alias = "compaction_defer_reset")]
    pub(crate) fn defer_reset(&self, order: Order, outlook: Outlook) {
        if outlook == Outlook::Allocated {
            self.considered.store(0, Ordering::Relaxed);
            self.defer_shift.store(0, Ordering::Relaxed);
        }
        self.order_failed.fetch_max(order.get() + 1, Ordering::Relaxed);
    }

    /// Whether this is the first try after the longest wait.
    #[doc(alias = "compaction_restarting")]
    pub(crate) fn is_restarting(&self, order: Order) -> bool {
        self.has_failed(order)
            && self.defer_shift.load(Ordering::Relaxed) == COMPACT_MAX_DEFER_SHIFT
            && self.considered.load(Ordering::Relaxed) >= self.limit()
    }
}

/// What is known of a block that compaction made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It should be there.
    Expected,
    /// The request got it.
    Allocated,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: PfnRange = PfnRange::new(Pfn::new(4096), Pfn::new(9000));

    /// After the n-th failure in a row, one request in 2^n goes through, up to one in 64.
    #[test]
    fn failures_put_compaction_off() {
        let state = CompactionState::new(SPAN);
        assert!(!state.is_deferred(Order::O9), "nothing has failed");
        for failures in 1..10 {
            state.defer(Order::O9);
            let limit = 1 << failures.min(COMPACT_MAX_DEFER_SHIFT);
            assert_eq!((1..limit).filter(|_| state.is_deferred(Order::O9)).count(), limit - 1);
            assert!(!state.is_deferred(Order::O9));
            assert_eq!(state.is_restarting(Order::O9), failures >= COMPACT_MAX_DEFER_SHIFT);
        }
    }

    /// Only orders from the one that failed upwards are put off; a success ends it for the orders
    /// up to its own, and the count with it if the block was really had.
    #[test]
    fn smaller_orders_are_not_put_off() {
        let state = CompactionState::new(SPAN);
        state.defer_reset(Order::MAX, Outlook::Expected);
        state.defer(Order::O4);
        assert!(!state.is_deferred(Order::O3));
        assert!(state.is_deferred(Order::O4));
        state.defer_reset(Order::O4, Outlook::Expected);
        state.defer(Order::O9);
        assert!(!state.is_deferred(Order::O4), "it did not fail again");
        assert!(state.is_deferred(Order::O5), "larger ones had failed with it");
        state.defer_reset(Order::O9, Outlook::Allocated);
        state.defer(Order::O9);
        assert!(state.is_deferred(Order::O9) && !state.is_deferred(Order::O9), "one failure again");
    }

    /// Scans that wait speak for the others; not the other way round.
    #[test]
    fn positions_move_forward_only() {
        let state = CompactionState::new(SPAN);
        let both = || [Waiting::No, Waiting::Yes].map(|waiting| state.migrate(waiting).get());
        assert_eq!((both(), state.free().get()), ([4096, 4096], 8704));
        state.advance_migrate(Pfn::new(5120), Waiting::No);
        assert_eq!(both(), [5120, 4096]);
        state.advance_migrate(Pfn::new(4608), Waiting::Yes);
        assert_eq!(both(), [5120, 4608]);
        state.catch_up();
        assert_eq!(both(), [5120, 5120]);
        state.lower_free(Pfn::new(8192));
        state.lower_free(Pfn::new(8704));
        assert_eq!(state.free().get(), 8192);
        state.raise_free(Pfn::new(4096));
        assert_eq!(state.free().get(), 8192);
        state.reset_positions(SPAN);
        assert_eq!((both(), state.free().get()), ([4096, 4096], 8704));
    }

    /// Until hints are cleared a free scanner is at its start wherever it is; then from there up.
    #[test]
    fn the_free_scanner_starts_where_hints_were_cleared() {
        let state = CompactionState::new(SPAN);
        assert!(state.is_free_start(Pfn::new(4096)));
        state.restart_free(Pfn::new(8192));
        assert_eq!(state.free().get(), 8192);
        assert!(state.is_free_start(Pfn::new(8192)) && !state.is_free_start(Pfn::new(8191)));
    }
}
