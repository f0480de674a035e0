//! Giving back blocks of a CPU's list: one by one, or as many as follow each other at once, each aligned
//! block of them in one step, where merging one after the other would come to the same.

#[cfg(test)]
mod tests;

use super::buddy::FreeTo;
use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameStack, FrameState, FreeBlock};
use crate::{MigrateType, Order, PAGEBLOCK_ORDER};

/// Which way a run grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Direction {
    /// That of the block which begins so many frames, modulo 2^32, after another of the same order, if it is
    /// beside it.
    #[inline(always)]
    fn of(distance: u32, order: Order) -> Option<Self> {
        let size = 1 << order.get();
        // One compare for both: it is -size or size.
        if distance.wrapping_add(size) & !(2 * size) != 0 {
            None
        } else if distance == size {
            Some(Self::Up)
        } else {
            Some(Self::Down)
        }
    }
}

/// Blocks of one order that are to be freed one after the other, each beside the one before, all in
/// one pageblock and bound for lists of one type.
///
/// # Invariants
///
/// The holder has the [`FreeBlock`]s of all of them (I2).
#[derive(Debug)]
#[must_use]
struct Run {
    /// The lowest frame.
    low: FrameIdx,
    frames: u32,
    order: Order,
    migratetype: MigrateType,
    direction: Direction,
}

impl ZoneMut<'_> {
    /// Frees blocks of one order off the end of a per-CPU list, until there were so many frames; the last
    /// block may be more. Gives the number of frames.
    ///
    /// A block goes to the type that was noted when it came to the list; while some pageblock of the zone is
    /// isolated, to that of its pageblock.
    #[doc(alias = "free_pcppages_bulk")]
    #[inline(always)]
    pub(crate) fn free_from_end(
        &mut self,
        list: &mut FrameStack,
        order: Order,
        frames: u32,
    ) -> u32 {
        match order {
            // With the order known, each block takes less.
            Order::ZERO => self.free_each(list, Order::ZERO, frames),
            order => self.again().free_larger_from_end(list, order, frames),
        }
    }

    #[inline(never)]
    fn free_larger_from_end(mut self, list: &mut FrameStack, order: Order, frames: u32) -> u32 {
        self.free_each(list, order, frames)
    }

    /// Frees single blocks and runs of them.
    #[inline(always)]
    fn free_each(&mut self, list: &mut FrameStack, order: Order, frames: u32) -> u32 {
        let mut freed = 0;
        while freed < frames {
            let (alone, beside) = self.free_each_alone(list, order, frames - freed);
            freed += alone;
            let Some((block, direction)) = beside else { break };
            freed += self.again().free_row((block, order), direction, (list, frames - freed));
        }
        freed
    }

    /// Frees blocks one by one, until there were so many frames, or one comes that the next one is beside: that
    /// one is taken off the list, and not freed. Gives the number of frames, and the block. What is free is
    /// counted at the end only.
    #[inline(always)]
    fn free_each_alone(
        &mut self,
        list: &mut FrameStack,
        order: Order,
        frames: u32,
    ) -> (u32, Option<(FreeBlock, Direction)>) {
        let (usual, to) = self.usual_type(list);
        let (mut freed, mut others, mut beside) = (0, 0, None);
        let mut end = list.end(self.links);
        let Some(last) = end.last() else { return (0, None) };
        let mut ahead = end.towards_head(end.towards_head(last));
        while freed < frames {
            // What stands there is not needed yet. But where blocks come in no order, nobody knows which of them
            // merge, and a processor that guessed wrong begins anew: the descriptor is on its way by then.
            ahead = end.towards_head(ahead);
            let Some(block) = end.pop() else { break };
            if let Some(direction) = Direction::of(end.distance_from(block.index()), order) {
                beside = Some((block, direction));
                break;
            }
            freed += 1 << order.get();
            if self.links.frame(block.index()).state() == usual {
                self.free_uncounted(block, order, to, FreeTo::Head);
            } else {
                others += 1 << order.get();
                self.again().free_other(block, order);
            }
        }
        self.shared.add_free(to, (freed - others).into());
        (freed, beside)
    }

    /// How the last block of a list is described, as most others are, and the type that those go to. While a
    /// pageblock is isolated the word does not tell the type: then no block is described so.
    #[inline(always)]
    fn usual_type(&self, list: &FrameStack) -> (FrameState, MigrateType) {
        let last = list.tail().filter(|_| self.shared.nr_isolated.get() == 0);
        let state = last.map_or(FrameState::ABSENT, |last| self.links.frame(last).state());
        (state, state.migratetype())
    }

    /// Frees a block that is described otherwise than most.
    #[cold]
    #[inline(never)]
    fn free_other(mut self, block: FreeBlock, order: Order) {
        let migratetype = self.pcp_type(block.index());
        self.free_one_page(block, order, migratetype, FreeTo::Head);
    }

    /// Frees a block that was just taken off the end of a list, and with it those that come next there, while
    /// they have fewer frames than that: as long as each is beside the one before, in the same pageblock and
    /// bound for the same type. Gives the number of frames.
    ///
    /// One after the other, the blocks of an aligned larger block merge with each other alone until
    /// the last of them comes, which then merges with what is beside the larger block. So that is
    /// freed as a whole when its last part would be.
    #[inline(never)]
    fn free_row(
        mut self,
        (block, order): (FreeBlock, Order),
        direction: Direction,
        (list, frames): (&mut FrameStack, u32),
    ) -> u32 {
        let migratetype = self.pcp_type(block.index());
        let low = block.into_index();
        let mut run = Run { low, frames: 1 << order.get(), order, migratetype, direction };
        // While a pageblock is isolated, what was noted of the blocks does not tell where they go.
        if self.shared.nr_isolated.get() == 0 {
            self.extend(&mut run, list, frames);
        }
        self.free_blocks(&run);
        run.frames
    }

    /// Makes the run of a single block longer.
    fn extend(&self, run: &mut Run, list: &mut FrameStack, frames: u32) {
        let (first, size) = (run.low, run.frames);
        let below = first.offset_in(first.align_down(PAGEBLOCK_ORDER));
        let (step, room) = match run.direction {
            Direction::Up => (size, (1 << PAGEBLOCK_ORDER.get()) - size - below),
            Direction::Down => (size.wrapping_neg(), below),
        };
        let most = room.min(frames.saturating_sub(1)) >> run.order.get();
        // They become the inside of larger blocks, but for the first of each, which is described anew.
        let states = (self.links.frame(first).state(), FrameState::tail(self.bits));
        let more = size * list.end(self.links).take_row((first, step), states, most);
        if more == 0 {
            return;
        }
        self.links.frame(first).set_state(states.1);
        run.frames += more;
        if run.direction == Direction::Down {
            run.low = first.align_down(PAGEBLOCK_ORDER).forward_in_block(below - more);
        }
    }

    #[inline]
    fn pcp_type(&self, index: FrameIdx) -> MigrateType {
        match self.shared.nr_isolated.get() {
            0 => self.links.frame(index).state().migratetype(),
            _ => self.memmap.pageblock(index).migratetype(),
        }
    }

    /// Frees the blocks of a run.
    fn free_blocks(&mut self, run: &Run) {
        let first = run.low.align_down(PAGEBLOCK_ORDER);
        let mut start = run.low.offset_in(first);
        let mut end = start + run.frames;
        while start < end {
            let fitting = (end - start).ilog2();
            let at = match run.direction {
                Direction::Down => end,
                Direction::Up => start,
            };
            let aligned = if at == 0 { fitting } else { at.trailing_zeros() };
            let Some(order) = Order::new(aligned.min(fitting)) else { return };
            let frames = 1 << order.get();
            let index = match run.direction {
                Direction::Down => {
                    end -= frames;
                    first.forward_in_block(end)
                }
                Direction::Up => {
                    start += frames;
                    first.forward_in_block(start - frames)
                }
            };
            self.free_one_page(FreeBlock::new(index), order, run.migratetype, FreeTo::Head);
        }
    }
}
