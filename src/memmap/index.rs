//! Frame indices: the 32-bit names of frames inside the crate.

use super::section::{PAGEBLOCK_SHIFT, SECTION_FRAMES, SECTION_SHIFT};
use crate::Order;
use core::num::NonZeroU32;
use static_assertions::const_assert;

// Buddies up to the largest order are in one section.
const_assert!(SECTION_FRAMES == Order::MAX.nr_pages());

/// The bits of an index that are the place in the section.
const OFFSET_MASK: u32 = (1 << SECTION_SHIFT) - 1;

/// The index of a frame's descriptor in the memmap of its allocator.
///
/// # Invariants
///
/// The section number (the bits from [`SECTION_SHIFT`] up) is that of a mapped section of the one
/// memmap that it is used with. Arithmetic stays inside the section, so it keeps this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub(crate) struct FrameIdx(NonZeroU32);

impl FrameIdx {
    /// The frame at `offset` of the mapped section `section`, `None` for section 0, which there is
    /// not. The caller keeps the invariant.
    #[inline]
    pub(super) fn new(section: u32, offset: u32) -> Option<Self> {
        let first = NonZeroU32::new(section.checked_shl(SECTION_SHIFT)?)?;
        Some(Self(first | offset & OFFSET_MASK))
    }

    /// The frame that a link word names, `None` for 0. The caller read it from a memmap (I1).
    #[inline]
    pub(super) fn from_link(word: u32) -> Option<Self> {
        NonZeroU32::new(word).map(Self)
    }

    /// As [`from_link`](Self::from_link), for a word that is not 0.
    #[inline]
    pub(super) fn from_nonzero(word: NonZeroU32) -> Self {
        Self(word)
    }

    #[inline]
    pub(crate) fn get(self) -> u32 {
        self.0.get()
    }

    /// The number of the pageblock, with those of section 0 counted.
    #[inline]
    pub(super) fn pageblock(self) -> u32 {
        self.get() >> PAGEBLOCK_SHIFT
    }

    /// The number of the section.
    #[inline]
    pub(crate) fn section(self) -> u32 {
        self.get() >> SECTION_SHIFT
    }

    /// The frame's place in its section.
    #[inline]
    pub(crate) fn offset(self) -> u32 {
        self.get() & OFFSET_MASK
    }

    /// The bit of the offset in which a block of that order and its buddy differ; none for the
    /// largest order.
    #[inline]
    fn bit(order: Order) -> u32 {
        1 << order.get() & OFFSET_MASK
    }

    /// The buddy of the block of that order that starts here.
    #[inline]
    pub(crate) fn buddy(self, order: Order) -> Self {
        Self::of_section(self.get() ^ Self::bit(order))
    }

    /// The first frame of the pair: of this block of that order, and its buddy.
    #[inline]
    pub(crate) fn parent(self, order: Order) -> Self {
        Self::of_section(self.get() & !Self::bit(order))
    }

    /// The first frame of the pair that this block and its buddy are.
    #[inline]
    pub(crate) fn parent_with(self, buddy: Self) -> Self {
        Self::of_section(self.get() & buddy.get())
    }

    /// The first frame of the upper half of the block that starts here and is one order larger
    /// than `half`.
    #[inline]
    pub(crate) fn upper_half(self, half: Order) -> Self {
        Self::of_section(self.get() | Self::bit(half))
    }

    /// The first frame of the aligned block of that order around this frame.
    #[inline]
    pub(crate) fn align_down(self, order: Order) -> Self {
        Self::of_section(self.get() & !((1 << order.get()) - 1))
    }

    /// Whether a block of that order can start here.
    #[inline]
    pub(crate) fn is_aligned(self, order: Order) -> bool {
        self.offset() & ((1 << order.get()) - 1) == 0
    }

    /// How many frames it is above `first`, which is not above it.
    #[inline]
    pub(crate) fn offset_in(self, first: Self) -> u32 {
        self.get().wrapping_sub(first.get())
    }

    /// The frame `frames` further on in the aligned block of at least so many frames that starts
    /// here.
    #[inline]
    pub(crate) fn forward_in_block(self, frames: u32) -> Self {
        debug_assert!(frames <= OFFSET_MASK - self.offset());
        Self::of_section(self.get() | frames)
    }

    /// The frame `frames` further on, which is in the same section.
    #[inline]
    pub(super) fn forward_in_section(self, frames: u32) -> Self {
        debug_assert!(frames <= OFFSET_MASK - self.offset());
        Self::of_section(self.get() + frames)
    }

    /// The frame `frames` further on, `None` beyond the section.
    #[inline]
    pub(crate) fn forward(self, frames: u32) -> Option<Self> {
        let offset = self.offset().checked_add(frames)?;
        (offset <= OFFSET_MASK).then(|| Self::of_section(self.get() + frames))
    }
}
