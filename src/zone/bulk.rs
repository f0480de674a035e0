//! Many blocks at once, for the per-CPU lists.

#[cfg(test)]
mod tests;

use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameState, FreeBlock, ListEnd};
use crate::{AllocFlags, Extfrag, MigrateType, Order};

/// The takeovers during one refill, to be told to the trace points when no lock is held.
#[derive(Debug, Default)]
pub(crate) struct ExtfragLog {
    events: [Option<Extfrag>; ExtfragLog::MOST],
    len: usize,
}

impl ExtfragLog {
    /// A refill that takes over more blocks than this is told of the first ones only.
    pub(super) const MOST: usize = 4;

    fn add(&mut self, event: Extfrag) {
        if let Some(place) = self.events.get_mut(self.len) {
            *place = Some(event);
            self.len += 1;
        }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = Extfrag> {
        self.events.iter().copied().flatten()
    }
}

/// Blocks for a CPU's lists that follow each other, parts of one aligned block.
///
/// # Invariants
///
/// The holder has the [`FreeBlock`]s of all of them (I2).
#[derive(Debug)]
#[must_use]
pub(crate) struct Row {
    pub(crate) first: FrameIdx,
    pub(crate) blocks: u32,
    /// What each is to be described by.
    pub(crate) state: FrameState,
}

impl ZoneMut<'_> {
    /// Takes up to `count` blocks for requests of a type, in the order in which single requests
    /// would get them, and hands them to `take`, row by row. Gives the number of blocks.
    ///
    /// As Linux does, the free frames are counted down at the end only: what CMA is weighed against
    /// stays the same in between.
    pub(crate) fn rmqueue_bulk(
        &mut self,
        order: Order,
        count: u32,
        migratetype: MigrateType,
        (flags, log): (AllocFlags, &mut ExtfragLog),
        mut take: impl FnMut(Row),
    ) -> u32 {
        let mut taken = 0;
        while taken < count {
            let run = match self.is_cma_first(flags) {
                true => None,
                false => self.take_run(order, count - taken, migratetype),
            };
            if let Some((first, blocks)) = run {
                take(Row {
                    first,
                    blocks,
                    state: FrameState::cached(order, migratetype, self.bits),
                });
                taken += blocks;
                continue;
            }
            let mut extfrag = None;
            let found = self.rmqueue(order, migratetype, flags, &mut extfrag);
            extfrag.into_iter().for_each(|event| log.add(event));
            let Some((block, list_type)) = found else { break };
            if list_type == MigrateType::Cma {
                self.shared.nr_free_cma.sub(order.nr_pages());
            }
            let state = FrameState::cached(order, list_type, self.bits);
            take(Row { first: block.into_index(), blocks: 1, state });
            taken += 1;
        }
        self.shared.nr_free.sub(u64::from(taken) << order.get());
        taken
    }

    /// Takes up to `most` blocks of an order that follow each other, out of the first block of the
    /// smallest order that has one: what taking one after the other would take. What is left of
    /// that block goes to the lists in the largest parts that it has.
    fn take_run(
        &mut self,
        order: Order,
        most: u32,
        migratetype: MigrateType,
    ) -> Option<(FrameIdx, u32)> {
        let current = self.shared.smallest_order(order, migratetype)?;
        let first = self.pop(current, migratetype)?.into_index();
        let whole = 1 << (current.get() - order.get());
        let taken = most.min(whole);
        let mut at = taken;
        while at < whole {
            let Some(part) = Order::new(order.get() + at.trailing_zeros()) else { break };
            let index = first.forward_in_block(at << order.get());
            self.add(FreeBlock::new(index), part, migratetype, ListEnd::Head);
            at += 1 << at.trailing_zeros();
        }
        Some((first, taken))
    }
}
