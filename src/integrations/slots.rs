//! Collecting without a heap.

use core::fmt;

/// There were more items than slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewSlots(pub usize);

impl fmt::Display for TooFewSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are more than {} items", self.0)
    }
}

impl core::error::Error for TooFewSlots {}

/// Puts the items into the caller's slots, and gives back those that were filled: for the lists that
/// [`BootInfo`](crate::boot::BootInfo) takes.
///
/// ```
/// use page_alloc::integrations::{TooFewSlots, fill};
/// let mut slots = [0; 4];
/// assert_eq!(fill(&mut slots, 1..=3), Ok(&[1, 2, 3][..]));
/// assert_eq!(fill(&mut slots, 1..=5), Err(TooFewSlots(4)));
/// ```
///
/// # Errors
///
/// When there are more items than slots: to leave some out could have the kernel's image given out.
pub fn fill<T>(slots: &mut [T], items: impl IntoIterator<Item = T>) -> Result<&[T], TooFewSlots> {
    let most = slots.len();
    let mut filled = 0;
    for item in items {
        *slots.get_mut(filled).ok_or(TooFewSlots(most))? = item;
        filled += 1;
    }
    Ok(&slots[..filled])
}
