//! Giving back blocks that follow each other, as many of a CPU's list do: each aligned block of them
//! in one step, where merging one after the other would come to the same.

#[cfg(test)]
mod tests;

use super::buddy::FreeTo;
use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameStack, FrameState, FreeBlock};
use crate::{MigrateType, Order, PAGEBLOCK_ORDER};

/// Which way a run grew.
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
pub(crate) struct Run {
    /// The lowest frame.
    low: FrameIdx,
    frames: u32,
    order: Order,
    migratetype: MigrateType,
    direction: Option<Direction>,
}

impl Run {
    /// Frames so far.
    pub(crate) fn frames(&self) -> u32 {
        self.frames
    }

    /// Which way the run of a single block grows by the next one, which is of the same order: up or down,
    /// if it is beside it in the same pageblock.
    #[inline(always)]
    fn direction_to(&self, next: FrameIdx) -> Option<Direction> {
        if next.align_down(PAGEBLOCK_ORDER) != self.low.align_down(PAGEBLOCK_ORDER) {
            return None;
        }
        if next.get() == self.low.get() + self.frames {
            Some(Direction::Up)
        } else if next.get() + self.frames == self.low.get() {
            Some(Direction::Down)
        } else {
            None
        }
    }
}

impl ZoneMut<'_> {
    /// A run of one block of a per-CPU list. It goes to the type that was noted when it came there;
    /// while some pageblock of the zone is isolated, to that of its pageblock.
    #[inline(always)]
    pub(crate) fn begin_run(&self, block: FreeBlock, order: Order) -> Run {
        let low = block.into_index();
        let migratetype = self.pcp_type(low);
        Run { low, frames: 1 << order.get(), order, migratetype, direction: None }
    }

    /// Makes the run of a single block longer by those that come next on its list, while it has fewer
    /// frames than that: as long as each is beside the one before, in the same pageblock and bound for the
    /// same type.
    #[inline(always)]
    pub(crate) fn extend_run(&self, run: &mut Run, list: &mut FrameStack, frames: u32) {
        let Some(direction) = list.tail().and_then(|next| run.direction_to(next)) else { return };
        // While a pageblock is isolated, what was noted of the blocks does not tell where they go.
        if self.shared.nr_isolated.get() == 0 {
            self.extend(run, list, (direction, frames));
        }
    }

    #[inline(never)]
    fn extend(&self, run: &mut Run, list: &mut FrameStack, (direction, frames): (Direction, u32)) {
        let (first, size) = (run.low, run.frames);
        let below = first.offset_in(first.align_down(PAGEBLOCK_ORDER));
        let (step, room) = match direction {
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
        run.direction = Some(direction);
        if direction == Direction::Down {
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
    ///
    /// One after the other, the blocks of an aligned larger block merge with each other alone until
    /// the last of them comes, which then merges with what is beside the larger block. So that is
    /// freed as a whole when its last part would be.
    #[inline(always)]
    pub(crate) fn free_run(&mut self, run: &Run) {
        if run.direction.is_none() {
            let block = FreeBlock::new(run.low);
            return self.free_one_page(block, run.order, run.migratetype, FreeTo::Head);
        }
        self.again().free_blocks(run);
    }

    /// Frees the blocks of a run of several.
    #[inline(never)]
    fn free_blocks(mut self, run: &Run) {
        let first = run.low.align_down(PAGEBLOCK_ORDER);
        let mut start = run.low.offset_in(first);
        let mut end = start + run.frames;
        while start < end {
            let fitting = (end - start).ilog2();
            let at = match run.direction {
                Some(Direction::Down) => end,
                _ => start,
            };
            let aligned = if at == 0 { fitting } else { at.trailing_zeros() };
            let Some(order) = Order::new(aligned.min(fitting)) else { return };
            let frames = 1 << order.get();
            let index = match run.direction {
                Some(Direction::Down) => {
                    end -= frames;
                    first.forward_in_block(end)
                }
                _ => {
                    start += frames;
                    first.forward_in_block(start - frames)
                }
            };
            self.free_one_page(FreeBlock::new(index), order, run.migratetype, FreeTo::Head);
        }
    }
}
