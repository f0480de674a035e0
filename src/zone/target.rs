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
    /// min watermark kept, and counts it as such; one reference to it is the caller's. A pageblock of
    /// which half is taken becomes MOVABLE, as that is what will fill it. Isolated pageblocks are left
    /// alone.
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
        let mark = self.shared.watermark(WatermarkLevel::Min).saturating_add(order.nr_pages());
        if !zone_watermark_ok(self.shared, Order::ZERO, mark, ZoneType::Dma, AllocFlags::CMA) {
            return Err(NotIsolated::TooFewFree);
        }
        let block = self.remove(head);
        self.shared.sub_free(list_type, order.nr_pages());
        self.shared.events.allocated.add(order.nr_pages());
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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::NotIsolated;
    use crate::memmap::FreeBlock;
    use crate::zone::watermark::setup::Watermarks;
    use crate::{AllocFlags, MigrateType, Order, Pfn, PfnRange, RawZone, RawZoneConfig};
    use std::vec;

    const START: u64 = 0x1000;

    fn with_zone(min: u64, f: impl FnOnce(&mut RawZone<'_>)) {
        let span = PfnRange::new(Pfn::new(START), Pfn::new(START + 2048));
        let present = [span];
        let watermarks = Watermarks { min, low: min, high: min, promo: min };
        let config = RawZoneConfig { watermarks, ..RawZoneConfig::new(span, &present) };
        let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
        let mut zone = RawZone::new(&mut memory, &config).unwrap();
        f(&mut zone);
        zone.verify().unwrap();
    }

    /// A free block leaves its list and its count, and comes back; a frame that heads none gives
    /// nothing.
    #[test]
    fn a_free_block_is_taken() {
        with_zone(0, |zone| {
            let mut zone = zone.zone();
            let first = zone.memmap.index_of(Pfn::new(START)).unwrap();
            let inner = zone.memmap.index_of(Pfn::new(START + 8)).unwrap();
            assert_eq!(zone.isolate_free_block(inner), Err(NotIsolated::NotFree));
            assert_eq!(zone.isolate_free_block(first), Ok((first, Order::MAX)));
            assert_eq!(zone.isolate_free_block(first), Err(NotIsolated::NotFree));
            assert_eq!(zone.shared.snapshot().free_pages, 1024);
            zone.memmap.frame(first).count.init(0);
            zone.free_block(FreeBlock::new(first), Order::MAX);
            assert_eq!(zone.shared.snapshot().free_pages, 2048);
        });
    }

    /// The min watermark is kept, with room for the block once more.
    #[test]
    fn the_min_watermark_is_kept() {
        for (min, taken) in [(1023, true), (1024, false)] {
            with_zone(min, |zone| {
                let mut zone = zone.zone();
                let first = zone.memmap.index_of(Pfn::new(START)).unwrap();
                let expected = if taken { Ok(()) } else { Err(NotIsolated::TooFewFree) };
                assert_eq!(zone.isolate_free_block(first).map(|_| ()), expected, "min {min}");
            });
        }
    }

    /// A pageblock of which half is taken becomes MOVABLE; of which less is, it stays what it is.
    #[test]
    fn half_a_pageblock_claims_it() {
        for (order, claimed) in [(Order::O8, true), (Order::O7, false)] {
            with_zone(0, |zone| {
                let small = zone.rmqueue(order, MigrateType::Unmovable, AllocFlags::empty());
                let small = small.unwrap();
                let buddy = Pfn::new(small.pfn().get() ^ order.nr_pages());
                let before = zone.pageblock_migratetype(buddy);
                assert_eq!(before, Some(MigrateType::Unmovable));
                let index = zone.zone().memmap.index_of(buddy).unwrap();
                assert_eq!(zone.zone().isolate_free_block(index), Ok((index, order)));
                let expected = if claimed { MigrateType::Movable } else { MigrateType::Unmovable };
                assert_eq!(zone.pageblock_migratetype(buddy), Some(expected), "{order}");
            });
        }
    }
}
