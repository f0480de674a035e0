//! A latch: says once that something was written, for all to read.

use super::shim::{AtomicU32, Ordering};

/// Closed until what it guards has been written; then open for good.
///
/// The protocol: one thread writes, then opens. Who sees the latch open sees all that was written
/// before. Who sees it closed must not look.
///
/// It has a label, a number below 2^31 that never changes and is read in the same look.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Latch(AtomicU32);

/// The bit of a closed latch, above the label.
const CLOSED: u32 = 1 << 31;

impl Latch {
    /// An open one: nothing is still to be written.
    pub(crate) fn open(label: u32) -> Self {
        Self(AtomicU32::new(label & !CLOSED))
    }

    /// Closes it, before anybody else knows of it.
    pub(crate) fn init_closed(&self) {
        self.0.store(self.label() | CLOSED, Ordering::Relaxed);
    }

    /// Opens it: what it guards has been written.
    pub(crate) fn release(&self) {
        self.0.store(self.label(), Ordering::Release);
    }

    /// Whether what it guards may be read.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.look() & CLOSED == 0
    }

    #[inline]
    pub(crate) fn label(&self) -> u32 {
        self.0.load(Ordering::Relaxed) & !CLOSED
    }

    /// The label, if it is open; a number that is no label, if it is closed.
    #[inline]
    pub(crate) fn look(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}
