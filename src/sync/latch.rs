//! A latch: says once that something was written, for all to read.

use super::shim::{AtomicU32, Ordering};

/// Closed until what it guards has been written; then open for good.
///
/// The protocol: one thread writes, then opens. Who sees the latch open sees all that was written
/// before. Who sees it closed must not look.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Latch(AtomicU32);

impl Latch {
    /// An open one: nothing is still to be written.
    pub(crate) fn open() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Closes it, before anybody else knows of it.
    pub(crate) fn init_closed(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// Opens it: what it guards has been written.
    pub(crate) fn release(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Whether what it guards may be read.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}
