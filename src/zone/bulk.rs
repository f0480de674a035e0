//! Many blocks at once, for the per-CPU lists.

#[cfg(test)]
mod tests;

use super::shared::ZoneMut;
use crate::memmap::{FrameState, FreeBlock, ListEnd, StackEnd};
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

impl ZoneMut<'_> {
    /// Takes up to `count` blocks for requests of a type, in the order in which single requests would get
    /// them, and puts them at the end of a per-CPU list. Gives the number of blocks.
    ///
    /// As Linux does, the free frames are counted down at the end only: what CMA is weighed against
    /// stays the same in between.
    pub(crate) fn rmqueue_bulk(
        &mut self,
        (order, migratetype): (Order, MigrateType),
        count: u32,
        (flags, log): (AllocFlags, &mut ExtfragLog),
        list: &mut StackEnd<'_>,
    ) -> u32 {
        let mut taken = 0;
        while taken < count {
            let blocks = match self.is_cma_first(flags) {
                true => None,
                false => self.take_run((order, migratetype), count - taken, list),
            };
            if let Some(blocks) = blocks {
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
            list.push_row((block.into_index(), 0), (state, 1));
            taken += 1;
        }
        self.shared.nr_free.sub(u64::from(taken) << order.get());
        taken
    }

    /// Takes at most so many blocks of an order, as taking one after the other would: from the head of its own
    /// list; if that is empty, out of the first block of the smallest order that has one. What is left of that
    /// goes to the lists in the largest parts that it has.
    #[inline(always)]
    fn take_run(
        &mut self,
        (order, migratetype): (Order, MigrateType),
        most: u32,
        list: &mut StackEnd<'_>,
    ) -> Option<u32> {
        let state = FrameState::cached(order, migratetype, self.bits);
        if let Some(chain) = self.pop_chain((order, migratetype), (most, state)) {
            return Some(list.push_chain(chain));
        }
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
        list.push_row((first, 1 << order.get()), (state, taken));
        Some(taken)
    }
}
