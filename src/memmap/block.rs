//! Tokens for blocks: the allocator's for free ones, the caller's for allocated ones.

use super::index::FrameIdx;
use crate::{Order, Pfn, PfnRange};

/// A free block in flight: on no list, and nobody's but the code that holds this.
///
/// # Invariants
///
/// There is at most one for a frame, and none while the frame heads a list entry (I2).
#[derive(Debug)]
#[must_use]
pub(crate) struct FreeBlock(FrameIdx);

impl FreeBlock {
    /// The caller just took the block off a list, or gave it its first life.
    #[inline]
    pub(crate) fn new(index: FrameIdx) -> Self {
        Self(index)
    }

    #[inline]
    pub(crate) fn index(&self) -> FrameIdx {
        self.0
    }

    #[inline]
    pub(crate) fn into_index(self) -> FrameIdx {
        self.0
    }
}

/// An allocated block: one reference to it, and the right to use its frames.
///
/// Not `Clone`, and taken by value where it is given back, so safe code can't free a block twice.
/// Dropping it gives nothing back: the frames stay allocated. What it does not prove: that nobody
/// else uses the frames; [`get_page`](crate::PageAllocator::get_page) makes a second token for a
/// second holder.
///
/// # Invariants
///
/// The holder has a reference to an allocated block of that order at that index, the index of the
/// frame in the allocator that made the token.
///
/// ```
/// # fn example(pages: page_alloc::Pages) {
/// let range = pages.range();
/// assert_eq!(range.start, pages.pfn());
/// assert_eq!(range.len(), pages.order().nr_pages());
/// # }
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "dropping this loses the frames"]
pub struct Pages {
    pfn: Pfn,
    index: FrameIdx,
    order: Order,
}

impl Pages {
    /// The caller owns a reference to the allocated block of that order at `index`, frame `pfn`.
    #[inline]
    pub(crate) fn new(pfn: Pfn, index: FrameIdx, order: Order) -> Self {
        Self { pfn, index, order }
    }

    /// The first frame.
    #[doc(alias = "page_to_pfn")]
    #[inline]
    #[must_use]
    pub const fn pfn(&self) -> Pfn {
        self.pfn
    }

    /// The order: the block has `1 << order` frames.
    #[doc(alias = "compound_order")]
    #[inline]
    #[must_use]
    pub const fn order(&self) -> Order {
        self.order
    }

    /// All frames of the block.
    #[inline]
    #[must_use]
    pub fn range(&self) -> PfnRange {
        PfnRange::new(self.pfn, self.pfn + self.order.nr_pages())
    }

    #[inline]
    pub(crate) fn index(&self) -> FrameIdx {
        self.index
    }

    /// The same token again, for another reference, or for code that will not use this one.
    pub(crate) fn duplicate(&self) -> Self {
        Self { ..*self }
    }

    /// The token as frame number and order, for page tables and C. The block stays allocated;
    /// [`pages_from_raw`](crate::PageAllocator::pages_from_raw) makes the token again.
    #[inline]
    #[must_use]
    pub fn into_raw(self) -> (Pfn, Order) {
        (self.pfn, self.order)
    }
}

/// The single frames of a block that was split; see
/// [`split_page`](crate::PageAllocator::split_page). Frames not taken from it stay allocated.
#[derive(Debug)]
#[must_use = "dropping this loses the frames"]
pub struct PagesIter {
    pfn: Pfn,
    next: Option<FrameIdx>,
    left: u32,
}

impl PagesIter {
    /// The caller made each frame of the block an allocated block of its own.
    pub(crate) fn new(pages: &Pages) -> Self {
        Self { pfn: pages.pfn, next: Some(pages.index), left: 1 << pages.order.get() }
    }
}

impl Iterator for PagesIter {
    type Item = Pages;

    fn next(&mut self) -> Option<Pages> {
        let index = self.next?;
        let page = Pages::new(self.pfn, index, Order::ZERO);
        self.pfn = self.pfn + 1;
        self.left -= 1;
        self.next = if self.left > 0 { index.forward(1) } else { None };
        Some(page)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for PagesIter {}
