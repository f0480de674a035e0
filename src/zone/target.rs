//! Taking a free block off its list so that other frames can be moved into it.

use super::shared::ZoneMut;
use super::watermark::{ZoneView, zone_watermark_ok};
use crate::memmap::FrameIdx;
use crate::{
    AllocFlags, MigrateType, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, WatermarkLevel, ZoneType,
};

/// Why a block was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotIsolated {
    /// No block to take starts there.
    NotFree,
    /// The zone would fall below its min watermark.
    TooFewFree,
}

impl ZoneMut<'_> {
    /// Takes the free block that starts at `index` off its list, as if it were allocated with the
    /// min watermark kept; one reference to it is the caller's. A pageblock of which half is taken
    /// becomes MOVABLE, as that is what will fill it. Isolated pageblocks are left alone.
    #[doc(alias = "__isolate_free_page")]
    pub(crate) fn isolate_free_block(
        &mut self,
        index: FrameIdx,
    ) -> Result<(FrameIdx, Order), NotIsolated> {
        let head = self.free_head(index).ok_or(NotIsolated::NotFree)?;
        let (order, list_type) = (head.order(), head.migratetype());
        let isolated = |migratetype| migratetype == MigrateType::Isolate;
        if isolated(list_type) || isolated(self.memmap.pageblock(index).migratetype()) {
            return Err(NotIsolated::NotFree);
        }
        let mark = self.shared.watermark(WatermarkLevel::Min) + order.nr_pages();
        if !zone_watermark_ok(self.shared, Order::ZERO, mark, ZoneType::Dma, AllocFlags::CMA) {
            return Err(NotIsolated::TooFewFree);
        }
        let block = self.remove(head);
        self.shared.sub_free(list_type, order.nr_pages());
        let index = self.set_allocated(block, order);
        self.claim_pageblocks(index, order);
        Ok((index, order))
    }

    /// The pageblocks of a block of half a pageblock or more become MOVABLE.
    fn claim_pageblocks(&mut self, index: FrameIdx, order: Order) {
        if order.nr_pages() < PAGEBLOCK_NR_PAGES / 2 {
            return;
        }
        let second = (order > PAGEBLOCK_ORDER).then(|| index.upper_half(PAGEBLOCK_ORDER));
        for pageblock in [Some(index), second].into_iter().flatten() {
            if self.memmap.pageblock(pageblock).migratetype().is_mergeable() {
                self.set_pageblock_migratetype(pageblock, MigrateType::Movable);
            }
        }
    }
}
