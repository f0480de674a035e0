//! What a node remembers for the threads that keep its memory free and together.

use super::wishes::{CompactWishes, Wanted, Wishes};
use crate::{Order, ZoneType};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What a node remembers for kswapd and kcompactd.
#[derive(Debug, Default)]
pub(crate) struct KswapdState {
    pub(crate) wishes: Wishes,
    pub(crate) compaction: CompactWishes,
    /// What the last round was for.
    last: Wishes,
    /// What the last round left.
    nap: Wishes,
    failures: AtomicU32,
    running: AtomicBool,
}

impl KswapdState {
    /// Rounds of reclaim in a row that freed nothing.
    #[doc(alias = "kswapd_failures")]
    pub(crate) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// A round freed nothing.
    pub(crate) fn failed(&self) {
        let more = self.failures().saturating_add(1);
        self.failures.store(more, Ordering::Relaxed);
    }

    /// Something was freed.
    pub(crate) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// A round begins: for what is wanted, or for single frames of the zones that the last one was for;
    /// the first, for all.
    #[doc(alias = "kswapd_highest_zoneidx")]
    pub(crate) fn begin(&self) -> Wanted {
        let wanted = self.wishes.take().unwrap_or_else(|| {
            let highest = self.last.get().map_or(ZoneType::Movable, |last| last.highest);
            Wanted { order: Order::ZERO, highest }
        });
        self.last.set(wanted);
        wanted
    }

    /// A round has ended, and kswapd may sleep unless there comes to be too little for this.
    pub(crate) fn naps_with(&self, reached: Wanted) {
        self.nap.set(reached);
    }

    /// What there has to be enough for while kswapd sleeps.
    pub(crate) fn reached(&self) -> Option<Wanted> {
        self.nap.get()
    }

    /// Whether kswapd is at work.
    #[doc(alias = "kswapd_is_running")]
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// kswapd is at work until what this gives is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.running.store(true, Ordering::Relaxed);
        Running(self)
    }
}

/// kswapd of a node, at work.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a KswapdState);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Relaxed);
    }
}
