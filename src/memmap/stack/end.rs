//! The end of a list that is mostly used at its head: blocks that come from the zone, or go back to it.

use super::FrameStack;
use crate::memmap::block::FreeBlock;
use crate::memmap::frame::{FrameState, Link};
use crate::memmap::index::FrameIdx;
use crate::memmap::links::{Chain, FrameLinks};

/// The end of a list, in use. The list is put in order when this is dropped: until then its last block is
/// named here, so that the compiler can keep it in a register.
///
/// # Invariants
///
/// From the list's head the next words lead to `last`, and from `last` the prev words lead to the head. `None`:
/// there is no block, whatever stands as the list's head. What stands in the next word of `last`, or as the
/// list's tail, does not matter.
#[derive(Debug)]
pub(crate) struct StackEnd<'a> {
    pub(super) list: &'a mut FrameStack,
    pub(super) last: Option<FrameIdx>,
    pub(super) links: FrameLinks,
}

impl StackEnd<'_> {
    /// How many frames the last block begins after that one, modulo 2^32; anything where there is none.
    #[inline(always)]
    pub(crate) fn distance_from(&self, block: FrameIdx) -> u32 {
        self.last.map_or(0, FrameIdx::get).wrapping_sub(block.get())
    }

    /// Takes the last block.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<FreeBlock> {
        let last = self.last?;
        self.last = self.before(last);
        Some(FreeBlock::new(last))
    }

    /// The block before one that is on the list; the head, if it is that one.
    #[inline(always)]
    pub(crate) fn towards_head(&self, block: FrameIdx) -> FrameIdx {
        self.before(block).unwrap_or(block)
    }

    /// The last block.
    #[inline(always)]
    pub(crate) fn last(&self) -> Option<FrameIdx> {
        self.last
    }

    /// The block before one that is on the list.
    #[inline(always)]
    fn before(&self, block: FrameIdx) -> Option<FrameIdx> {
        if self.is_head(block) {
            core::hint::cold_path();
            return None;
        }
        // INVARIANT: it is not the head, so there is one before it. Not to ask takes less.
        Some(FrameIdx::of_section(self.links.frame(block).link(Link::Prev)))
    }

    /// Takes blocks as long as each begins `step` frames on from the one before, the first of them from
    /// `from`, and is described by the word `was`; at most so many. Gives their number: they are in flight
    /// (I2), and described by `becomes`. A step down is one up, modulo 2^32.
    pub(crate) fn take_row(
        &mut self,
        (from, step): (FrameIdx, u32),
        (was, becomes): (FrameState, FrameState),
        most: u32,
    ) -> u32 {
        let Some(mut last) = self.last else { return 0 };
        let (mut taken, mut next) = (0, from.get().wrapping_add(step));
        while taken < most && last.get() == next {
            // INVARIANT: `here` is `last`. It is reckoned anew, so that where the next descriptor is does not
            // wait for what this one says; of `next`, the compiler knows that it is `last`, and takes that.
            let here = FrameIdx::of_section(from.get().wrapping_add(step.wrapping_mul(taken + 1)));
            let frame = self.links.frame(here);
            if frame.state() != was {
                break;
            }
            frame.set_state(becomes);
            taken += 1;
            match self.before(here) {
                Some(before) => last = before,
                None => {
                    self.last = None;
                    return taken;
                }
            }
            next = next.wrapping_add(step);
        }
        self.last = Some(last);
        taken
    }

    #[inline(always)]
    fn is_head(&self, block: FrameIdx) -> bool {
        // A compare of two words.
        self.list.head.map_or(0, FrameIdx::get) == block.get()
    }

    /// Puts blocks after all others. Gives their number.
    #[expect(clippy::needless_pass_by_value, reason = "the blocks are on this list then")]
    #[inline(always)]
    pub(crate) fn push_chain(&mut self, chain: Chain) -> u32 {
        self.join(chain.first);
        self.last = Some(chain.last);
        chain.blocks
    }

    /// Puts blocks after all others, and describes each by that word: so many, at least one, each `step`
    /// frames on from the one before. They are in flight (I2), and parts of one aligned block that begins with
    /// `first`.
    #[inline(always)]
    pub(crate) fn push_row(
        &mut self,
        (first, step): (FrameIdx, u32),
        (state, blocks): (FrameState, u32),
    ) {
        debug_assert!(blocks > 0);
        self.join(first);
        let mut frame = self.links.frame(first);
        frame.set_state(state);
        let mut last = first;
        for _ in 1..blocks {
            let next = last.forward_in_section(step);
            frame.set_link(Link::Next, next.get());
            frame = self.links.frame(next);
            frame.set_link(Link::Prev, last.get());
            frame.set_state(state);
            last = next;
        }
        self.last = Some(last);
    }

    /// Links a block to the last one.
    #[inline(always)]
    fn join(&mut self, first: FrameIdx) {
        match self.last {
            Some(before) => {
                self.links.frame(first).set_link(Link::Prev, before.get());
                self.links.frame(before).set_link(Link::Next, first.get());
            }
            None => {
                core::hint::cold_path();
                self.list.head = Some(first);
            }
        }
    }
}

impl Drop for StackEnd<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        match self.last {
            Some(last) => {
                self.list.tail = Some(last);
                self.links.frame(last).set_link(Link::Next, 0);
            }
            None => self.list.head = None,
        }
    }
}
