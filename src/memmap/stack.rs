//! Lists of blocks that are mostly put and taken at the head, linked through the descriptors of their
//! first frames.

mod end;
#[cfg(test)]
mod tests;

use super::block::FreeBlock;
use super::frame::{Frame, Link};
use super::index::FrameIdx;
use super::links::FrameLinks;
pub(crate) use end::StackEnd;

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

    /// Takes the first block.
    #[inline(always)]
    pub(crate) fn pop(&mut self, links: FrameLinks) -> Option<FreeBlock> {
        let head = self.head?;
        self.head = FrameIdx::from_link(links.frame(head).link(Link::Next));
        Some(FreeBlock::new(head))
    }

    /// To take blocks off the end, or put some there.
    #[inline(always)]
    pub(crate) fn end(&mut self, links: FrameLinks) -> StackEnd<'_> {
        StackEnd { last: self.tail(), links, list: self }
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

    /// The blocks, from the first.
    pub(crate) fn iter(&self, links: FrameLinks) -> impl Iterator<Item = FrameIdx> + use<> {
        core::iter::successors(self.head, move |index| {
            FrameIdx::from_link(links.frame(*index).link(Link::Next))
        })
    }
}
