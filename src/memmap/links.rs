//! Lists of blocks: an [`intrusive_collections`] list whose link pointer is the 32-bit frame index.

use super::block::FreeBlock;
use super::frame::{Frame, Link};
use super::index::FrameIdx;
use super::section::SECTION_SHIFT;
use core::fmt;
use intrusive_collections::linked_list::LinkedListOps;
use intrusive_collections::{Adapter, LinkOps, LinkedList, PointerOps};

/// A list of free blocks, linked through the descriptors of their first frames.
pub(crate) type FrameList = LinkedList<FrameLinks>;

/// Where the descriptors of a list's frames are: all that the list needs beside its two ends.
///
/// # Invariants
///
/// `base + index` is the descriptor of every [`FrameIdx`] of the memmap that made this value. The
/// memmap outlives the lists over it.
#[derive(Clone, Copy)]
pub(crate) struct FrameLinks {
    base: *mut Frame,
}

// SAFETY: an address may go anywhere; what it leads to may be shared (invariant of `Frame`).
unsafe impl Send for FrameLinks {}
// SAFETY: nothing changes in it, and what it leads to may be shared (invariant of `Frame`).
unsafe impl Sync for FrameLinks {}

impl FrameLinks {
    /// `base` is where the descriptor of index 0 would be; the caller keeps the invariant.
    pub(super) fn new(base: *mut Frame) -> Self {
        Self { base }
    }

    #[inline]
    pub(super) fn pointer(&self, index: FrameIdx) -> *const Frame {
        self.base.wrapping_add(index.get() as usize)
    }

    /// How many descriptors an address is above where that of index 0 would be: the index, if there is
    /// a descriptor.
    #[inline]
    pub(super) fn word_at(&self, address: usize) -> usize {
        address.wrapping_sub(self.base.addr()) / size_of::<Frame>()
    }

    /// The descriptor at an address, if there is one.
    #[inline]
    pub(super) fn pointer_to(&self, address: usize) -> *const Frame {
        self.base.with_addr(address)
    }

    /// The descriptor, which is there if its section is described.
    #[inline]
    pub(crate) fn frame(&self, index: FrameIdx) -> &Frame {
        // SAFETY: by the invariants of `FrameIdx` and of this type (I1) there is a descriptor, and
        // by the invariant of `Frame` it may be shared.
        unsafe { &*self.pointer(index) }
    }
}

impl fmt::Debug for FrameLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameLinks")
    }
}

// SAFETY: a link is acquired by whoever has the `FreeBlock` of the frame, and there is only one
// such token and none while the block is on a list (I2); so it is free whenever it is asked for.
unsafe impl LinkOps for FrameLinks {
    type LinkPtr = FrameIdx;

    #[inline]
    unsafe fn acquire_link(&mut self, _index: FrameIdx) -> bool {
        true
    }

    #[inline]
    unsafe fn release_link(&mut self, _index: FrameIdx) {}
}

// SAFETY: the words are kept where they are put, one pair for each frame, and only the list that
// has the frame writes them (I2); nothing panics.
unsafe impl LinkedListOps for FrameLinks {
    #[inline]
    unsafe fn next(&self, index: FrameIdx) -> Option<FrameIdx> {
        FrameIdx::from_link(self.frame(index).link(Link::Next))
    }

    #[inline]
    unsafe fn prev(&self, index: FrameIdx) -> Option<FrameIdx> {
        FrameIdx::from_link(self.frame(index).link(Link::Prev))
    }

    #[inline]
    unsafe fn set_next(&mut self, index: FrameIdx, next: Option<FrameIdx>) {
        self.frame(index).set_link(Link::Next, next.map_or(0, FrameIdx::get));
    }

    #[inline]
    unsafe fn set_prev(&mut self, index: FrameIdx, prev: Option<FrameIdx>) {
        self.frame(index).set_link(Link::Prev, prev.map_or(0, FrameIdx::get));
    }
}

// SAFETY: value and link of a frame are one address and one index, turned into each other by the
// base alone, which stays what it is (invariant of `FrameLinks`).
unsafe impl Adapter for FrameLinks {
    type LinkOps = Self;
    type PointerOps = Self;

    #[inline]
    unsafe fn get_value(&self, link: FrameIdx) -> *const Frame {
        self.pointer(link)
    }

    #[inline]
    unsafe fn get_link(&self, value: *const Frame) -> FrameIdx {
        self.index_of(value)
    }

    #[inline]
    fn link_ops(&self) -> &Self {
        self
    }

    #[inline]
    fn link_ops_mut(&mut self) -> &mut Self {
        self
    }

    #[inline]
    fn pointer_ops(&self) -> &Self {
        self
    }
}

impl FrameIdx {
    /// The frame that the word names; the section's number in it is that of a mapped section.
    #[inline]
    pub(super) fn of_section(word: u32) -> Self {
        debug_assert!(word >> SECTION_SHIFT != 0);
        // SAFETY: mapped sections are numbered from 1 (I1), so the word is not 0.
        unsafe { Self::from_link(word).unwrap_unchecked() }
    }
}

impl FrameLinks {
    /// The index of the frame whose descriptor `value` points to.
    #[inline]
    pub(crate) fn index_of(&self, value: *const Frame) -> FrameIdx {
        let bytes = value.addr().wrapping_sub(self.base.addr());
        #[expect(clippy::cast_possible_truncation, reason = "the memmap has below 2^32 frames")]
        let word = (bytes / size_of::<Frame>()) as u32;
        // SAFETY: `value` came from `pointer` of a `FrameIdx`, which is not 0 (I1).
        unsafe { FrameIdx::from_link(word).unwrap_unchecked() }
    }
}

// SAFETY: `from_raw` makes the same token that `into_raw` took, when the frame leaves its list (I2).
unsafe impl PointerOps for FrameLinks {
    type Value = Frame;
    type Pointer = FreeBlock;

    #[inline]
    unsafe fn from_raw(&self, value: *const Frame) -> FreeBlock {
        FreeBlock::new(self.index_of(value))
    }

    #[inline]
    fn into_raw(&self, block: FreeBlock) -> *const Frame {
        self.pointer(block.into_index())
    }
}

/// Takes a block out of the middle of a list.
///
/// # Safety
///
/// The block that starts at `index` is on this list.
#[inline]
pub(crate) unsafe fn unlink(list: &mut FrameList, links: FrameLinks, index: FrameIdx) -> FreeBlock {
    // SAFETY: it is on this list, by the contract of `unlink`.
    let mut cursor = unsafe { list.cursor_mut_from_ptr(links.pointer(index)) };
    match cursor.remove() {
        Some(block) => block,
        None => FreeBlock::new(index),
    }
}
