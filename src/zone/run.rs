//! Giving back blocks that follow each other, as many of a CPU's list do: each aligned block of them
//! in one step, where merging one after the other would come to the same.

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
    /// Frees a block that was just taken off the end of a per-CPU list, and with it those that come next
    /// there, while they have fewer frames than that: as long as each is beside the one before, in the same
    /// pageblock and bound for the same type. Gives the number of frames.
    ///
    /// A block goes to the type that was noted when it came to the list; while some pageblock of the zone is
    /// isolated, to that of its pageblock.
    ///
    /// One after the other, the blocks of an aligned larger block merge with each other alone until
    /// the last of them comes, which then merges with what is beside the larger block. So that is
    /// freed as a whole when its last part would be.
    #[inline(always)]
    pub(crate) fn free_with_next(
        &mut self,
        block: FreeBlock,
        order: Order,
        (list, frames): (&mut FrameStack, u32),
    ) -> u32 {
        let size = 1 << order.get();
        let distance = list.end_from(block.index());
        let direction = if distance == size {
            Direction::Up
        } else if distance == size.wrapping_neg() {
            Direction::Down
        } else {
            let migratetype = self.pcp_type(block.index());
            self.free_one_page(block, order, migratetype, FreeTo::Head);
            return size;
        };
        self.again().free_row((block, order), direction, (list, frames))
    }

    /// The same, where the next block seems to be beside this one.
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
        let more = size * list.pop_tail_row(self.links, (first, step), states, most);
        if more == 0 {
            return;
        }
        self.links.frame(first).set_state(states.1);
        run.frames += more;
        if run.direction == Direction::Down {
            run.low = first.align_down(PAGEBLOCK_ORDER).forward_in_block(below - more);
        }
    }

    #[inline(always)]
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
