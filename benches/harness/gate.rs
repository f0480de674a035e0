//! Where threads wait for each other.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Waiting that takes longer than this leaves the CPU to others.
const SPINS: u32 = 10_000;

/// Waits until `done`.
#[inline]
pub(crate) fn wait(mut done: impl FnMut() -> bool) {
    let mut spins = 0;
    while !done() {
        if spins < SPINS {
            spins += 1;
            spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

/// Opens when so many threads have come.
pub(crate) struct Gate(AtomicUsize);

impl Gate {
    pub(crate) const fn new(threads: usize) -> Self {
        Self(AtomicUsize::new(threads))
    }

    /// Waits for the others.
    pub(crate) fn pass(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
        wait(|| self.0.load(Ordering::Acquire) == 0);
    }
}
