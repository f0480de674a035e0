//! Tokens for blocks: the allocator's for free ones, the caller's for allocated ones.

use super::frame::Frame;
use super::index::FrameIdx;
use crate::{Order, Pfn, PfnRange};
use core::fmt;
use core::num::NonZeroUsize;
use core::ptr::NonNull;

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
/// The holder has a reference to an allocated block of that order, whose first frame has that number
/// and is described at that place.
///
/// ```
/// # fn example(pages: page_alloc::Pages) {
/// let range = pages.range();
/// assert_eq!(range.start, pages.pfn());
/// assert_eq!(range.len(), pages.order().nr_pages());
/// # }
/// ```
#[derive(PartialEq, Eq, Hash)]
#[must_use = "dropping this loses the frames"]
pub struct Pages {
    pfn: Pfn,
    /// The address of the first frame's descriptor, a multiple of 16, and the order in the bits that
    /// this leaves free. No other allocator has a descriptor there, so a token is of one allocator.
    place: NonZeroUsize,
}

/// Where a token's block is described, and its order; without the right to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockName(NonZeroUsize);

/// The address of the descriptor of a token's first frame.
///
/// # Invariants
///
/// It is a multiple of the size of a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameAddress(usize);

impl BlockName {
    #[inline]
    pub(crate) fn frame_address(self) -> FrameAddress {
        // INVARIANT: the order's bits are all that a multiple has not.
        FrameAddress(self.0.get() & !ORDER_MASK)
    }

    /// The address, if it is a single frame: then the order's bits are 0, and need not be taken away.
    #[inline]
    pub(crate) fn single(self) -> Option<FrameAddress> {
        // INVARIANT: no order's bit is set.
        (self.order_bits() == 0).then_some(FrameAddress(self.0.get()))
    }

    /// The order as it stands in the token: a number in four bits.
    #[inline]
    pub(crate) fn order_bits(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "four bits")]
        let bits = (self.0.get() & ORDER_MASK) as u32;
        bits
    }

    #[inline]
    pub(crate) fn order(self) -> Order {
        Order::from_low_bits(self.0.get())
    }
}

impl FrameAddress {
    #[inline]
    pub(super) fn get(self) -> usize {
        self.0
    }
}

/// The bits of [`Pages`]' place that hold the order.
const ORDER_MASK: usize = 15;

static_assertions::const_assert!(align_of::<Frame>() > ORDER_MASK);
static_assertions::const_assert!(Order::MAX as usize <= ORDER_MASK);

impl Pages {
    /// The caller owns a reference to the allocated block of that order whose first frame is `pfn`,
    /// described by `frame`.
    #[inline]
    pub(super) fn new(pfn: Pfn, frame: &Frame, order: Order) -> Self {
        let place = NonZeroUsize::from(NonNull::from(frame).addr()) | order.index();
        Self { pfn, place }
    }

    /// What the token says.
    #[inline]
    pub(crate) fn name(&self) -> BlockName {
        BlockName(self.place)
    }

    /// The token of the block of the same order that starts `frames` further on.
    fn forward(&self, frames: usize) -> Option<Self> {
        let place = self.place.checked_add(frames.checked_mul(size_of::<Frame>())?)?;
        Some(Self { pfn: self.pfn + frames as u64, place })
    }

    /// The same block, as one of another order.
    fn with_order(&self, order: Order) -> Option<Self> {
        NonZeroUsize::new(self.name().frame_address().get() | order.index())
            .map(|place| Self { pfn: self.pfn, place })
    }

    /// The tokens of its two halves, each an allocated block now; `None` for a single frame.
    pub(crate) fn halves(&self) -> Option<(Self, Self)> {
        let half = self.order().below()?;
        let lower = self.with_order(half)?;
        let upper = lower.forward(1 << half.index())?;
        Some((lower, upper))
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
    pub fn order(&self) -> Order {
        Order::from_low_bits(self.place.get())
    }

    /// All frames of the block.
    #[inline]
    #[must_use]
    pub fn range(&self) -> PfnRange {
        PfnRange::new(self.pfn, self.pfn + self.order().nr_pages())
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
        (self.pfn, self.order())
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("pfn", &self.pfn).field("order", &self.order()).finish()
    }
}

/// The single frames of a block that was split; see
/// [`split_page`](crate::PageAllocator::split_page). Frames not taken from it stay allocated.
#[derive(Debug)]
#[must_use = "dropping this loses the frames"]
pub struct PagesIter {
    next: Option<Pages>,
    left: usize,
}

impl PagesIter {
    /// The caller made each frame of the block an allocated block of its own.
    pub(crate) fn new(pages: &Pages) -> Self {
        Self { next: pages.with_order(Order::ZERO), left: 1 << pages.order().index() }
    }
}

impl Iterator for PagesIter {
    type Item = Pages;

    fn next(&mut self) -> Option<Pages> {
        self.left = self.left.checked_sub(1)?;
        let page = self.next.take()?;
        self.next = page.forward(1);
        Some(page)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for PagesIter {}
