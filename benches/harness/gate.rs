//! Where threads wait for each other.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Waits until `done`. Waiting that takes more than so many spins leaves the CPU to others.
#[inline]
pub(crate) fn wait(most_spins: u32, mut done: impl FnMut() -> bool) {
    let mut spins = 0;
    while !done() {
        if spins < most_spins {
            spins += 1;
            spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

/// Some milliseconds: the other threads shall come while this one keeps its CPU, not take it over.
const SPINS: u32 = 100_000;

/// Opens when so many threads have come.
pub(crate) struct Gate(AtomicUsize);

impl Gate {
    pub(crate) const fn new(threads: usize) -> Self {
        Self(AtomicUsize::new(threads))
    }

    /// Waits for the others.
    pub(crate) fn pass(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
        wait(SPINS, || self.0.load(Ordering::Acquire) == 0);
    }
}
