//! Where the processors wait for each other.

use crate::daemons;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Opens when all have come, again and again.
#[derive(Debug)]
pub(crate) struct Gate(AtomicUsize);

impl Gate {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Waits for the others; there are so many in all. Meanwhile the kernel's own tasks run.
    pub(crate) fn pass(&self, all: usize) {
        let ticket = self.0.fetch_add(1, Ordering::AcqRel);
        let last = (ticket / all + 1) * all;
        while self.0.load(Ordering::Acquire) < last {
            daemons::run();
            spin_loop();
        }
    }
}
