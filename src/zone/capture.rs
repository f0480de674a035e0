//! Freeing a block for somebody who waits for a larger one: when the larger one comes together, he
//! gets it before it is on any list.

use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameState, FreeBlock};
use crate::{MigrateType, Order, PAGEBLOCK_ORDER};

impl ZoneMut<'_> {
    /// Frees a block as [`free_block`](Self::free_block) does; but if it completes one of order
    /// `wanted`, that one is marked as allocated and given.
    #[doc(alias = "compaction_capture")]
    pub(crate) fn free_or_capture(
        &mut self,
        block: FreeBlock,
        order: Order,
        wanted: Option<Order>,
    ) -> Option<FrameIdx> {
        match wanted {
            Some(wanted) if self.completes(block.index(), order, wanted) => {
                Some(self.capture(block, order, wanted))
            }
            _ => {
                self.free_block(block, order);
                None
            }
        }
    }

    /// Whether the block and its free buddies are one of order `wanted`, which may be captured: not
    /// CMA or isolated memory, nor a small part of a MOVABLE pageblock.
    fn completes(&self, index: FrameIdx, order: Order, wanted: Order) -> bool {
        let migratetype = self.memmap.pageblock(index).migratetype();
        let kept = match migratetype {
            MigrateType::Cma | MigrateType::Isolate => true,
            MigrateType::Movable => wanted < PAGEBLOCK_ORDER,
            _ => false,
        };
        let joins = |order: Order| {
            self.find_buddy(index.align_down(order), order).is_some_and(|buddy| {
                order < PAGEBLOCK_ORDER || self.may_merge(buddy.index(), migratetype)
            })
        };
        !kept && order <= wanted && orders_between(order, wanted).all(joins)
    }

    fn capture(&mut self, block: FreeBlock, order: Order, wanted: Order) -> FrameIdx {
        let index = block.into_index();
        self.memmap.frame(index).set_state(FrameState::tail(self.shared.id));
        for order in orders_between(order, wanted) {
            let Some(buddy) = self.find_buddy(index.align_down(order), order) else { continue };
            let list_type = buddy.migratetype();
            let _joined = self.remove(buddy).into_index();
            self.shared.sub_free(list_type, order.nr_pages());
        }
        self.shared.events.allocated.add(wanted.nr_pages());
        self.set_allocated(FreeBlock::new(index.align_down(wanted)), wanted)
    }
}

/// The orders from `low` up, without `high`.
fn orders_between(low: Order, high: Order) -> impl Iterator<Item = Order> {
    low.and_above().take_while(move |order| *order < high)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use crate::memmap::{FrameIdx, FreeBlock};
    use crate::zone::ZoneMut;
    use crate::{AllocFlags, MigrateType, Order, Pages, Pfn, PfnRange, RawZone, RawZoneConfig};
    use std::vec;
    use std::vec::Vec;

    const START: u64 = 0x1000;

    fn with_zone(f: impl FnOnce(&mut RawZone<'_>)) {
        let span = PfnRange::new(Pfn::new(START), Pfn::new(START + 2048));
        let present = [span];
        let config = RawZoneConfig::new(span, &present);
        let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
        f(&mut RawZone::new(&mut memory, &config).unwrap());
    }

    /// Takes the first so many frames of the zone one by one.
    fn take(zone: &mut RawZone<'_>, frames: usize, migratetype: MigrateType) -> Vec<Pages> {
        let take = || zone.rmqueue(Order::ZERO, migratetype, AllocFlags::empty());
        std::iter::from_fn(take).take(frames).collect()
    }

    fn index(zone: &ZoneMut<'_>, pages: &Pages) -> FrameIdx {
        zone.memmap.index_of(pages.pfn()).unwrap()
    }

    /// Frees a frame for somebody who wants a block.
    fn free_for(zone: &mut RawZone<'_>, pages: &Pages, wanted: Order) -> Option<Pages> {
        let mut zone = zone.zone();
        let index = index(&zone, pages);
        zone.memmap.frame(index).count.init(0);
        let captured = zone.free_or_capture(FreeBlock::new(index), Order::ZERO, Some(wanted))?;
        Some(zone.memmap.token(captured, wanted))
    }

    /// The last frame of a pageblock completes it, and it never gets on a list.
    #[test]
    fn the_last_frame_completes_the_block() {
        with_zone(|zone| {
            let mut pages = take(zone, 1024, MigrateType::Movable);
            let free = zone.snapshot().free_pages;
            let last = pages.remove(777);
            for pages in pages.drain(512..) {
                assert_eq!(free_for(zone, &pages, Order::O9), None);
            }
            assert_eq!(zone.snapshot().free_pages, free + 511);
            let block = free_for(zone, &last, Order::O9).unwrap();
            assert_eq!((block.pfn(), block.order()), (Pfn::new(START + 512), Order::O9));
            assert_eq!(zone.snapshot().free_pages, free);
            zone.verify().unwrap();
            zone.free_pages(block).unwrap();
            pages.into_iter().for_each(|pages| zone.free_pages(pages).unwrap());
            zone.verify().unwrap();
            assert_eq!(zone.snapshot().free_pages, 2048);
        });
    }

    /// A part of a MOVABLE pageblock is not captured: it would be mixed. One of a pageblock of
    /// another type is.
    #[test]
    fn parts_of_movable_pageblocks_are_left() {
        for (migratetype, captures) in
            [(MigrateType::Movable, false), (MigrateType::Unmovable, true)]
        {
            with_zone(|zone| {
                let pages = take(zone, 512, migratetype);
                let blocks: Vec<_> =
                    pages[..32].iter().filter_map(|p| free_for(zone, p, Order::O5)).collect();
                assert_eq!(blocks.len(), usize::from(captures), "{migratetype}");
                zone.verify().unwrap();
            });
        }
    }

    /// An isolated pageblock gives nothing.
    #[test]
    fn isolated_frames_are_left() {
        with_zone(|zone| {
            let pages = take(zone, 512, MigrateType::Movable);
            for pages in &pages {
                zone.set_movable(pages, crate::Movability::Movable).unwrap();
            }
            zone.isolate_pageblock(Pfn::new(START), MigrateType::Movable).unwrap();
            assert!(pages.iter().all(|p| free_for(zone, p, Order::O9).is_none()));
            zone.verify().unwrap();
        });
    }
}
