//! Between a CPU's lists and the zone: many blocks at once, under the zone's lock.

use super::{NR_PCP_LISTS, Pcp, PcpIndex, PcpLists};
use crate::zone::{ExtfragLog, ZoneMut};
use crate::{AllocFlags, MigrateType, Order};

impl Pcp {
    /// Fills an empty list, to its end, with blocks for requests of a type. Gives their number.
    #[doc(alias = "rmqueue_bulk")]
    pub(crate) fn refill(
        &self,
        lists: &mut PcpLists,
        index: PcpIndex,
        zone: &mut ZoneMut<'_>,
        (migratetype, flags): (MigrateType, AllocFlags),
        log: &mut ExtfragLog,
    ) -> u32 {
        let order = index.order();
        let (list, links) = (lists.list_mut(index), zone.links);
        let most = match self.adapts() {
            true => self.take_adapting(order, zone.shared),
            false => self.nr_to_take(order),
        };
        let kind = (order, migratetype);
        let blocks = zone.rmqueue_bulk(kind, most, (flags, log), &mut list.end(links));
        self.add_supplied(blocks << order.get());
        blocks
    }

    /// Blocks of a batch: fewer of larger ones, at least two. Zones so small that their batch is a
    /// single frame keep none at hand.
    fn nr_to_take(&self, order: Order) -> u32 {
        let batch = self.batch();
        if batch > 1 { (batch >> order.get()).max(2) } else { batch.max(1) }
    }

    /// Gives back what a block of this order, just freed to the list `index`, is too much. `note` is
    /// told how many blocks of which list go.
    #[doc(alias = "free_unref_page_commit")]
    #[inline(always)]
    pub(crate) fn give_back(
        &self,
        lists: &mut PcpLists,
        index: PcpIndex,
        zone: &mut ZoneMut<'_>,
        note: impl FnMut(PcpIndex, u32),
    ) {
        let frames = match self.adapts() {
            true => self.free_adapting(index, zone.shared),
            false => self.nr_to_free(index.order()),
        };
        self.free_bulk(lists, (frames, index), zone, note);
    }

    /// How many frames to give back: a batch, twice as many each time as long as nothing is
    /// allocated, but a batch stays; everything, if blocks of several frames are only freed.
    #[doc(alias = "nr_pcp_free")]
    fn nr_to_free(&self, order: Order) -> u32 {
        if self.frees_all(order.get()) {
            return self.count();
        }
        let (batch, high) = (self.batch(), self.bound());
        if high < batch {
            return 1;
        }
        let most = high - batch;
        let factor = self.free_factor();
        let doubled = u64::from(batch) << factor.min(31);
        if doubled < u64::from(most) {
            self.set_free_factor(factor + 1);
        }
        u32::try_from(doubled).unwrap_or(u32::MAX).min(most)
    }

    /// Gives frames back, list after list in turn from `first` on, the oldest of each first, until
    /// there were so many; the last block may be more than was asked for. Blocks go to the free
    /// lists of the type that was noted when they came; while pageblocks are isolated, to those of
    /// their pageblock.
    #[doc(alias = "free_pcppages_bulk")]
    #[inline(always)]
    pub(crate) fn free_bulk(
        &self,
        lists: &mut PcpLists,
        (frames, first): (u32, PcpIndex),
        zone: &mut ZoneMut<'_>,
        mut note: impl FnMut(PcpIndex, u32),
    ) {
        let (mut left, mut index) = (frames.min(self.count()), first);
        for _ in 0..NR_PCP_LISTS {
            let (list, order) = (lists.list_mut(index), index.order());
            let freed = zone.free_from_end(list, order, left);
            if freed > 0 {
                self.add_returned(freed);
                note(index, freed >> order.get());
            }
            if freed >= left {
                break;
            }
            left -= freed;
            index = index.next();
        }
    }
}
