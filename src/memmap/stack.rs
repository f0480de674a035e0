//! Lists of blocks that are mostly put and taken at the head, linked through the descriptors of their
//! first frames.

#[cfg(test)]
mod tests;

use super::block::FreeBlock;
use super::frame::{Frame, FrameState, Link};
use super::index::FrameIdx;
use super::links::FrameLinks;

/// A list of blocks at hand.
///
/// Taking the first block touches no other descriptor, and asks nothing of the tail.
///
/// # Invariants
///
/// From the head, the next words lead to the tail, whose next word is 0, and from the tail the prev words
/// lead to the head; what stands in the prev word of the head does not matter, nor what stands in `tail`
/// while there is no head. All its blocks are of the one memmap whose links it is used with (I1), and its
/// own (I2).
#[derive(Debug)]
pub(crate) struct FrameStack {
    head: Option<FrameIdx>,
    tail: Option<FrameIdx>,
}

impl FrameStack {
    /// An empty one.
    pub(crate) const EMPTY: Self = Self { head: None, tail: None };

    /// The first block.
    #[inline]
    pub(crate) fn head(&self) -> Option<FrameIdx> {
        self.head
    }

    /// The last block.
    #[inline]
    pub(crate) fn tail(&self) -> Option<FrameIdx> {
        self.head.and(self.tail)
    }

    /// How many frames the last block begins after that one, modulo 2^32: a quick look, which says anything
    /// of a list without blocks.
    #[inline]
    pub(crate) fn end_from(&self, block: FrameIdx) -> u32 {
        self.tail.map_or(0, FrameIdx::get).wrapping_sub(block.get())
    }

    /// Takes the first block.
    #[inline(always)]
    pub(crate) fn pop(&mut self, links: FrameLinks) -> Option<FreeBlock> {
        let head = self.head?;
        self.head = FrameIdx::from_link(links.frame(head).link(Link::Next));
        Some(FreeBlock::new(head))
    }

    /// Takes the last block.
    #[inline]
    pub(crate) fn pop_tail(&mut self, links: FrameLinks) -> Option<FreeBlock> {
        let tail = self.tail()?;
        if self.head == Some(tail) {
            self.head = None;
        } else {
            self.tail = FrameIdx::from_link(links.frame(tail).link(Link::Prev));
            if let Some(last) = self.tail {
                links.frame(last).set_link(Link::Next, 0);
            }
        }
        Some(FreeBlock::new(tail))
    }

    /// Takes blocks off the end as long as each begins `step` frames on from the one before, the first of
    /// them from `from`, and is described by the word `was`; at most so many. Gives their number: they are
    /// in flight (I2), and described by `becomes`. A step down is one up, modulo 2^32.
    pub(crate) fn pop_tail_row(
        &mut self,
        links: FrameLinks,
        (from, step): (FrameIdx, u32),
        (was, becomes): (FrameState, FrameState),
        most: u32,
    ) -> u32 {
        let (Some(head), Some(mut tail)) = (self.head, self.tail) else { return 0 };
        let (mut taken, mut next) = (0, from.get().wrapping_add(step));
        while taken < most && tail.get() == next && links.frame(tail).state() == was {
            taken += 1;
            links.frame(tail).set_state(becomes);
            if tail == head {
                self.head = None;
                return taken;
            }
            // INVARIANT: it is not the head, so there is one before it.
            tail = FrameIdx::of_section(links.frame(tail).link(Link::Prev));
            next = next.wrapping_add(step);
        }
        if taken > 0 {
            self.tail = Some(tail);
            links.frame(tail).set_link(Link::Next, 0);
        }
        taken
    }

    /// Puts a block, which `frame` describes, before all others.
    #[inline(always)]
    pub(crate) fn push(&mut self, links: FrameLinks, (block, frame): (FreeBlock, &Frame)) {
        let index = block.into_index();
        frame.set_link(Link::Next, self.head.map_or(0, FrameIdx::get));
        match self.head {
            Some(second) => links.frame(second).set_link(Link::Prev, index.get()),
            None => {
                core::hint::cold_path();
                self.tail = Some(index);
            }
        }
        self.head = Some(index);
    }

    /// Puts blocks after all others, and describes each by that word: so many, each `step` frames on from
    /// the one before. They are in flight (I2), and parts of one aligned block that begins with `first`.
    pub(crate) fn push_tail_row(
        &mut self,
        links: FrameLinks,
        (first, step): (FrameIdx, u32),
        (state, blocks): (FrameState, u32),
    ) {
        let Some(more) = blocks.checked_sub(1) else { return };
        let mut last = links.frame(first);
        match self.tail() {
            Some(before) => {
                last.set_link(Link::Prev, before.get());
                links.frame(before).set_link(Link::Next, first.get());
            }
            None => self.head = Some(first),
        }
        let (mut at, mut offset) = (first, 0);
        for _ in 0..more {
            offset += step;
            let next = first.forward_in_block(offset);
            debug_assert_eq!(next.offset_in(first), offset);
            last.set_link(Link::Next, next.get());
            last.set_state(state);
            last = links.frame(next);
            last.set_link(Link::Prev, at.get());
            at = next;
        }
        last.set_link(Link::Next, 0);
        last.set_state(state);
        self.tail = Some(at);
    }

    /// The blocks, from the first.
    pub(crate) fn iter(&self, links: FrameLinks) -> impl Iterator<Item = FrameIdx> + use<> {
        core::iter::successors(self.head, move |index| {
            FrameIdx::from_link(links.frame(*index).link(Link::Next))
        })
    }
}
