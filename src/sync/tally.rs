//! A count that anybody may add to.

use core::sync::atomic::{AtomicUsize, Ordering};

/// A count that needs no lock: for what happens so seldom that a locked instruction does not matter.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Tally(AtomicUsize);

impl Tally {
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed) as u64
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a count may wrap where words are short")]
    pub(crate) fn add(&self, value: u64) {
        self.0.fetch_add(value as usize, Ordering::Relaxed);
    }
}
