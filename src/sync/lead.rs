//! A word that says where something is, and may say something else later.

use super::shim::{AtomicPtr, Ordering};

/// The place of one of several values, now this one and later that one.
///
/// It is one word: who looks has the one place or the other, and sees all that was written there before
/// it was set.
#[derive(Debug)]
pub(crate) struct Lead<T>(AtomicPtr<T>);

impl<T> Lead<T> {
    pub(crate) fn new(place: *mut T) -> Self {
        Self(AtomicPtr::new(place))
    }

    /// It leads there from now on.
    pub(crate) fn set(&self, place: *mut T) {
        self.0.store(place, Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        self.0.load(Ordering::Acquire)
    }
}
