//! Queues of blocks for the per-CPU lists: taken and put mostly at one end.

use super::block::FreeBlock;
use super::frame::Link;
use super::index::FrameIdx;
use super::links::FrameLinks;

/// A list of blocks, linked through the descriptors of their first frames.
///
/// Beside [`FrameList`](super::FrameList), it knows no descriptors of its own, takes blocks at its ends
/// only, and does not touch the next block's descriptor when the first is taken: that may be far
/// from any cache.
///
/// # Invariants
///
/// From `head`, the next words lead to `tail`, and from `tail` the prev words lead to `head`; what
/// stands in the prev word of `head` and the next word of `tail` does not matter. Both are `None`
/// together. All its blocks are of the one memmap that it is used with (I1), and its own (I2).
#[derive(Debug, Default)]
pub(crate) struct FrameQueue {
    head: Option<FrameIdx>,
    tail: Option<FrameIdx>,
}

impl FrameQueue {
    /// An empty one.
    pub(crate) const EMPTY: Self = Self { head: None, tail: None };

    /// The first block.
    #[inline]
    pub(crate) fn head(&self) -> Option<FrameIdx> {
        self.head
    }

    /// The last block.
    pub(crate) fn tail(&self) -> Option<FrameIdx> {
        self.tail
    }

    /// Takes the first block.
    #[inline(always)]
    pub(crate) fn pop_front(&mut self, links: FrameLinks) -> Option<FreeBlock> {
        let head = self.head?;
        if self.tail == Some(head) {
            *self = Self::EMPTY;
        } else {
            self.head = FrameIdx::from_link(links.frame(head).link(Link::Next));
        }
        Some(FreeBlock::new(head))
    }

    /// Takes the last block.
    #[inline]
    pub(crate) fn pop_back(&mut self, links: FrameLinks) -> Option<FreeBlock> {
        let tail = self.tail?;
        if self.head == Some(tail) {
            *self = Self::EMPTY;
        } else {
            self.tail = FrameIdx::from_link(links.frame(tail).link(Link::Prev));
        }
        Some(FreeBlock::new(tail))
    }

    /// Puts a block before all others.
    #[inline(always)]
    pub(crate) fn push_front(&mut self, links: FrameLinks, block: FreeBlock) {
        let index = block.into_index();
        match self.head {
            Some(head) => {
                links.frame(index).set_link(Link::Next, head.get());
                links.frame(head).set_link(Link::Prev, index.get());
            }
            None => self.tail = Some(index),
        }
        self.head = Some(index);
    }

    /// Puts a block after all others.
    #[inline]
    pub(crate) fn push_back(&mut self, links: FrameLinks, block: FreeBlock) {
        let index = block.into_index();
        match self.tail {
            Some(tail) => {
                links.frame(index).set_link(Link::Prev, tail.get());
                links.frame(tail).set_link(Link::Next, index.get());
            }
            None => self.head = Some(index),
        }
        self.tail = Some(index);
    }

    /// The blocks, from the first.
    pub(crate) fn iter(&self, links: FrameLinks) -> impl Iterator<Item = FrameIdx> {
        let tail = self.tail;
        core::iter::successors(self.head, move |index| match tail == Some(*index) {
            true => None,
            false => FrameIdx::from_link(links.frame(*index).link(Link::Next)),
        })
    }
}
