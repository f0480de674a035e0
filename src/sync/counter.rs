//! A counter that one holder of a lock changes and anybody reads.

use core::sync::atomic::{AtomicUsize, Ordering};

/// A count with plain loads and stores: changes need the lock that guards it, reading needs none
/// and may be stale.
///
/// Wide enough for every frame that the machine can address.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    #[inline]
    pub(crate) const fn new(value: usize) -> Self {
        Self(AtomicUsize::new(value))
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed) as u64
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "counts of frames fit the machine word")]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value as usize, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn add(&self, value: u64) {
        self.set(self.get() + value);
    }

    #[inline]
    pub(crate) fn sub(&self, value: u64) {
        self.set(self.get() - value);
    }
}
