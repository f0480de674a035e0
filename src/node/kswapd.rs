//! What a node remembers for the threads that keep its memory free and together.

use crate::{Order, ZoneType};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Blocks that somebody wanted and did not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) order: Order,
    /// The highest zone type that would have done.
    pub(crate) highest: ZoneType,
}

/// The largest order and the highest zone wanted since they were last asked for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    order: AtomicU32,
    /// One more than the number of the zone type; 0: nothing is wanted.
    highest: AtomicU32,
}

impl Wishes {
    pub(crate) fn add(&self, wanted: Wanted) {
        let number = u32::try_from(wanted.highest.index()).unwrap_or(0);
        self.order.fetch_max(wanted.order.get(), Ordering::Relaxed);
        self.highest.fetch_max(number + 1, Ordering::Relaxed);
    }

    /// What is wanted, if anything is.
    pub(crate) fn get(&self) -> Option<Wanted> {
        Self::read(self.order.load(Ordering::Relaxed), self.highest.load(Ordering::Relaxed))
    }

    /// What is wanted, and from now on nothing is.
    pub(crate) fn take(&self) -> Option<Wanted> {
        let highest = self.highest.swap(0, Ordering::Relaxed);
        Self::read(self.order.swap(0, Ordering::Relaxed), highest)
    }

    fn read(order: u32, highest: u32) -> Option<Wanted> {
        let highest = ZoneType::from_index(highest.checked_sub(1)? as usize)?;
        Some(Wanted { order: Order::new(order)?, highest })
    }
}

/// What a node remembers for kswapd and kcompactd.
#[derive(Debug, Default)]
pub(crate) struct KswapdState {
    #[doc(alias = "kswapd_order")]
    pub(crate) wishes: Wishes,
    #[doc(alias = "kcompactd_max_order")]
    pub(crate) compaction: Wishes,
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

    /// A round has ended, and kswapd may sleep unless there comes to be too little for this.
    pub(crate) fn naps_with(&self, reached: Wanted) {
        self.nap.take();
        self.nap.add(reached);
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

    pub(crate) fn set_running(&self) {
        self.running.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_idle(&self) {
        self.running.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest order and the highest zone stay until they are taken.
    #[test]
    fn wishes_add_up() {
        let wishes = Wishes::default();
        assert_eq!(wishes.take(), None);
        wishes.add(Wanted { order: Order::O4, highest: ZoneType::Dma });
        wishes.add(Wanted { order: Order::ZERO, highest: ZoneType::Normal });
        let both = Some(Wanted { order: Order::O4, highest: ZoneType::Normal });
        assert_eq!((wishes.get(), wishes.take(), wishes.take()), (both, both, None));
    }
}
