//! A reference count: how many hold a block, and who frees it.

use super::shim::{AtomicU32, Ordering, fence};

/// The number of holders of an allocated block; 0 while nobody holds it.
///
/// The protocol: the allocator hands a block out with one reference. Who has a reference may take
/// another ([`get`](Self::get)); nobody takes one without having one. Of all that put references
/// back, exactly one is told that it was the last, and it sees all that the others did before.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct RefCount(AtomicU32);

impl RefCount {
    #[cfg(test)]
    pub(crate) fn new(references: u32) -> Self {
        Self(AtomicU32::new(references))
    }

    /// The count now; stale at once unless the caller holds the only reference. Who then sees a 1
    /// sees what earlier holders did.
    #[inline]
    pub(crate) fn references(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Sets the count of a block that nobody else can see.
    #[inline]
    pub(crate) fn init(&self, references: u32) {
        self.0.store(references, Ordering::Relaxed);
    }

    /// One more reference, by somebody who has one. False, and no change, when the count is full.
    pub(crate) fn get(&self) -> bool {
        let more = |count: u32| count.checked_add(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// One reference less, by somebody who has one; true if it was the last. `None`, and no change,
    /// when there is none: the caller had none either.
    ///
    /// The only holder needs no locked instruction: nobody else can reach the count. It sees what
    /// earlier holders did, as they gave back with `Release` and it reads with `Acquire`.
    #[inline]
    pub(crate) fn put_testzero(&self) -> Option<bool> {
        if self.0.load(Ordering::Acquire) == 1 {
            self.0.store(0, Ordering::Relaxed);
            return Some(true);
        }
        self.put_contended()
    }

    /// As [`put_testzero`](Self::put_testzero), also where callers that have no reference may come at
    /// the same time: as many are told so as there are too many.
    #[cold]
    pub(crate) fn put_contended(&self) -> Option<bool> {
        let less = |count: u32| count.checked_sub(1);
        let before = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, less).ok()?;
        if before == 1 {
            fence(Ordering::Acquire);
        }
        Some(before == 1)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::RefCount;

    #[test]
    fn the_last_of_three_is_told() {
        let count = RefCount::new(1);
        assert!(count.get() && count.get());
        assert_eq!(count.references(), 3);
        assert_eq!(count.put_testzero(), Some(false));
        assert_eq!(count.put_testzero(), Some(false));
        assert_eq!(count.put_testzero(), Some(true));
        assert_eq!(count.put_testzero(), None);
        assert_eq!(count.references(), 0);
    }

    #[test]
    fn a_full_count_takes_no_more() {
        let count = RefCount::new(u32::MAX);
        assert!(!count.get());
        assert_eq!(count.references(), u32::MAX);
    }
}
