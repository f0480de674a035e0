//! The high-atomic reserve: pageblocks kept for requests of higher order that can't wait.

use super::shared::{ZoneMut, ZoneShared};
use crate::memmap::FrameIdx;
use crate::{MigrateType, Order, PAGEBLOCK_NR_PAGES};

/// Whether the last pageblock of the reserve may go too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Leave the last one.
    No,
    /// Take the last one as well.
    Yes,
}

impl ZoneShared {
    /// Whether the reserve may grow: it is below a hundredth of the zone, and a pageblock.
    pub(crate) fn wants_highatomic(&self) -> bool {
        self.nr_reserved_highatomic.get() < self.managed.get() / 100 + PAGEBLOCK_NR_PAGES
    }
}

impl ZoneMut<'_> {
    /// Adds the pageblock of a block just allocated to the reserve, unless the reserve is full or
    /// the pageblock is of a special type.
    pub(crate) fn reserve_highatomic_pageblock(&mut self, index: FrameIdx) {
        if !self.shared.wants_highatomic() {
            return;
        }
        if !self.memmap.pageblock(index).migratetype().is_mergeable() {
            return;
        }
        let reserved = self.shared.nr_reserved_highatomic.get();
        self.shared.set_reserved_highatomic(reserved + PAGEBLOCK_NR_PAGES);
        self.set_pageblock_migratetype(index, MigrateType::HighAtomic);
        self.move_freepages_block(index, MigrateType::HighAtomic);
    }

    /// Gives one pageblock of the reserve back, for a request of `migratetype`. True if frames
    /// moved. A free block over two reserved pageblocks goes as a whole, but as Linux counts, it
    /// takes one pageblock off the reserve.
    pub(crate) fn unreserve_highatomic_pageblock(
        &mut self,
        migratetype: MigrateType,
        force: Force,
    ) -> bool {
        let reserved = self.shared.nr_reserved_highatomic.get();
        if force == Force::No && reserved <= PAGEBLOCK_NR_PAGES {
            return false;
        }
        Order::ALL.iter().any(|order| self.unreserve_at(*order, migratetype))
    }

    /// The pageblock of the first reserved block of this order.
    fn unreserve_at(&mut self, order: Order, migratetype: MigrateType) -> bool {
        let Some(head) = self.first(order, MigrateType::HighAtomic) else { return false };
        let index = head.index();
        // A block can stay on the list when its pageblock has already changed its type; it is not
        // counted again then.
        if self.memmap.pageblock(index).migratetype() == MigrateType::HighAtomic {
            let reserved = self.shared.nr_reserved_highatomic.get();
            self.shared.set_reserved_highatomic(reserved.saturating_sub(PAGEBLOCK_NR_PAGES));
        }
        self.set_pageblock_migratetype(index, migratetype);
        self.move_freepages_block(index, migratetype).free > 0
    }
}
