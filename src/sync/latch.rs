//! A latch: says once that something was written, for all to read.

use super::shim::{AtomicU32, Ordering};

/// Closed until what it guards has been written; then open for good.
///
/// The protocol: one thread writes, then opens. Who sees the latch open sees all that was written
/// before. Who sees it closed must not look.
///
/// It has a label, a number below 2^31 that is read in the same look. Who changes it comes after who
/// opened the latch, or holds the same lock: so the label tells as much as the first look at the open
/// latch.
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

    /// Closes it, with that label, before anybody else knows of it.
    #[inline]
    pub(crate) fn init_closed(&self, label: u32) {
        self.0.store(label | CLOSED, Ordering::Relaxed);
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

    /// Changes the label: these bits become those, the others stay. Who opens the latch or changes the
    /// label at the same time may undo it, or be undone.
    #[inline]
    pub(crate) fn relabel(&self, bits: u32, value: u32) {
        let others = self.0.load(Ordering::Relaxed) & (!bits | CLOSED);
        // What was seen of an open latch is handed on to who sees this.
        self.0.store(others | value & !CLOSED, Ordering::Release);
    }

    /// Sets bits of the label, in one step: nothing else is undone. Gives the label before.
    pub(crate) fn mark(&self, bits: u32) -> u32 {
        self.0.fetch_or(bits & !CLOSED, Ordering::Relaxed) & !CLOSED
    }

    /// Clears bits of the label, likewise.
    pub(crate) fn unmark(&self, bits: u32) {
        self.0.fetch_and(!bits | CLOSED, Ordering::Relaxed);
    }
}
