//! Lists of free blocks, linked by frame index through the descriptors of their first frames.

use super::block::FreeBlock;
use super::frame::{Frame, FrameState, Link};
use super::index::FrameIdx;
use super::section::SECTION_SHIFT;
use core::fmt;
use core::num::NonZeroU32;

/// Where the descriptors of a list's frames are: all that a list needs beside its two ends. A copy
/// in a local variable stays in a register where the memmap would be asked again and again.
///
/// # Invariants
///
/// `base + index` is the descriptor of every [`FrameIdx`] of the memmap that made this value. The
/// memmap outlives it, and the lists over it.
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
    pub(super) const fn new(base: *mut Frame) -> Self {
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

impl FrameIdx {
    /// The frame that the word names; the section's number in it is that of a mapped section.
    #[inline]
    pub(super) fn of_section(word: u32) -> Self {
        debug_assert!(word >> SECTION_SHIFT != 0);
        // SAFETY: mapped sections are numbered from 1 (I1), so the word is not 0.
        Self::from_nonzero(unsafe { NonZeroU32::new_unchecked(word) })
    }
}

/// An end of a list. Blocks are taken from the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListEnd {
    Head,
    Tail,
}

/// Blocks that were taken off a list together, and still hang together.
///
/// # Invariants
///
/// From `first` the next words lead over so many blocks to `last`, and the prev words back. The holder has
/// the [`FreeBlock`]s of all of them (I2).
#[derive(Debug)]
#[must_use]
pub(crate) struct Chain {
    pub(super) first: FrameIdx,
    pub(super) last: FrameIdx,
    pub(crate) blocks: u32,
}

/// A list of free blocks.
///
/// Taking the first block does not touch the next one's descriptor, which may be far from any cache.
///
/// # Invariants
///
/// From the head, the next words lead to the tail, and from the tail the prev words lead to the head;
/// what stands in the prev word of the head and the next word of the tail does not matter. Both ends
/// are `None` together. All its blocks are of the one memmap whose links it is used with (I1), and its
/// own (I2).
#[derive(Debug)]
pub(crate) struct FrameList {
    /// By [`ListEnd`].
    ends: [Option<FrameIdx>; 2],
}

impl FrameList {
    /// An empty one.
    pub(crate) const EMPTY: Self = Self { ends: [None; 2] };

    /// The first or last block.
    #[inline]
    pub(crate) fn end(&self, end: ListEnd) -> Option<FrameIdx> {
        self.ends[end as usize]
    }

    /// The first block.
    #[inline]
    pub(crate) fn head(&self) -> Option<FrameIdx> {
        self.end(ListEnd::Head)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head().is_none()
    }

    /// Whether an end of the list is that block: a compare of two words.
    #[inline]
    fn is_at(&self, end: ListEnd, index: FrameIdx) -> bool {
        self.end(end).map_or(0, FrameIdx::get) == index.get()
    }

    /// Makes a block the only one of a list that is empty. No descriptor is touched.
    #[inline]
    pub(crate) fn fill(&mut self, block: FreeBlock) {
        debug_assert!(self.is_empty());
        self.ends = [Some(block.into_index()); 2];
    }

    /// Takes the first block. True if it was the only one.
    #[inline(always)]
    pub(crate) fn pop(&mut self, links: FrameLinks) -> Option<(FreeBlock, bool)> {
        let head = self.head()?;
        let only = self.is_at(ListEnd::Tail, head);
        if only {
            *self = Self::EMPTY;
        } else {
            self.set_end(ListEnd::Head, links.frame(head).link(Link::Next));
        }
        Some((FreeBlock::new(head), only))
    }

    /// Takes so many blocks off the head, at least one, or all if there are fewer, and describes each by that
    /// word. True if no block is left.
    #[inline(always)]
    pub(crate) fn pop_chain(
        &mut self,
        links: FrameLinks,
        (most, state): (u32, FrameState),
    ) -> Option<(Chain, bool)> {
        debug_assert!(most > 0);
        let first = self.head()?;
        let (mut last, mut blocks) = (first, 1);
        let emptied = loop {
            let frame = links.frame(last);
            frame.set_state(state);
            if self.is_at(ListEnd::Tail, last) {
                *self = Self::EMPTY;
                break true;
            }
            let next = frame.link(Link::Next);
            if blocks >= most {
                self.set_end(ListEnd::Head, next);
                break false;
            }
            // INVARIANT: it is not the tail, so there is one after it.
            (last, blocks) = (FrameIdx::of_section(next), blocks + 1);
        };
        Some((Chain { first, last, blocks }, emptied))
    }

    /// Puts a block before or after all others. True if there were none.
    #[inline(always)]
    pub(crate) fn push(&mut self, links: FrameLinks, block: FreeBlock, end: ListEnd) -> bool {
        let Some(other) = self.end(end) else {
            self.fill(block);
            return true;
        };
        self.put_beside(other, links, block, end);
        false
    }

    /// Puts a block before or after all others, of which there are some.
    #[inline(always)]
    pub(crate) fn push_beside(&mut self, links: FrameLinks, block: FreeBlock, end: ListEnd) {
        debug_assert!(!self.is_empty());
        // INVARIANT: the list has blocks, so it has both ends.
        let other = FrameIdx::of_section(self.end(end).map_or(0, FrameIdx::get));
        self.put_beside(other, links, block, end);
    }

    /// `other` is that end.
    #[inline(always)]
    fn put_beside(&mut self, other: FrameIdx, links: FrameLinks, block: FreeBlock, end: ListEnd) {
        let (inward, outward) = match end {
            ListEnd::Head => (Link::Next, Link::Prev),
            ListEnd::Tail => (Link::Prev, Link::Next),
        };
        let index = block.into_index();
        links.frame(index).set_link(inward, other.get());
        links.frame(other).set_link(outward, index.get());
        self.ends[end as usize] = Some(index);
    }

    /// The block that a link word of one of the list's blocks names is an end now.
    #[inline]
    fn set_end(&mut self, end: ListEnd, word: u32) {
        self.ends[end as usize] = FrameIdx::from_link(word);
    }

    /// Takes a block out, wherever it stands. True if it was the only one.
    ///
    /// # Safety
    ///
    /// The block that starts at `index` is on this list.
    #[inline]
    pub(crate) unsafe fn remove(&mut self, links: FrameLinks, index: FrameIdx) -> bool {
        let word = |link| links.frame(index).link(link);
        match (self.is_at(ListEnd::Head, index), self.is_at(ListEnd::Tail, index)) {
            (false, false) => {
                // INVARIANT: in the middle of a list both words name blocks of it.
                let (next, prev) = (word(Link::Next), word(Link::Prev));
                links.frame(FrameIdx::of_section(next)).set_link(Link::Prev, prev);
                links.frame(FrameIdx::of_section(prev)).set_link(Link::Next, next);
            }
            (true, false) => self.set_end(ListEnd::Head, word(Link::Next)),
            (false, true) => self.set_end(ListEnd::Tail, word(Link::Prev)),
            (true, true) => {
                *self = Self::EMPTY;
                return true;
            }
        }
        false
    }

    /// Turns the list, as if its ends were joined, until a block stands at that end. What was between
    /// the block and the end goes to the other end.
    ///
    /// # Safety
    ///
    /// The block that starts at `index` is on this list.
    pub(crate) unsafe fn turn(&mut self, links: FrameLinks, index: FrameIdx, end: ListEnd) {
        let (Some(head), Some(tail)) = (self.head(), self.end(ListEnd::Tail)) else { return };
        if self.is_at(end, index) {
            return;
        }
        // INVARIANT: the block is not at that end, so this word names the next block towards it.
        let (other_end, outward) = match end {
            ListEnd::Head => (ListEnd::Tail, Link::Prev),
            ListEnd::Tail => (ListEnd::Head, Link::Next),
        };
        let neighbour = links.frame(index).link(outward);
        links.frame(head).set_link(Link::Prev, tail.get());
        links.frame(tail).set_link(Link::Next, head.get());
        self.set_end(other_end, neighbour);
        self.ends[end as usize] = Some(index);
    }

    /// The blocks, from one end to the other.
    pub(crate) fn iter_from(
        &self,
        links: FrameLinks,
        end: ListEnd,
    ) -> impl Iterator<Item = FrameIdx> + use<> {
        let (inward, last) = match end {
            ListEnd::Head => (Link::Next, self.end(ListEnd::Tail)),
            ListEnd::Tail => (Link::Prev, self.head()),
        };
        core::iter::successors(self.end(end), move |index| match last == Some(*index) {
            true => None,
            false => FrameIdx::from_link(links.frame(*index).link(inward)),
        })
    }
}
