//! Fallback: serving a request from memory of another migratetype, and making that memory its own.
//!
//! When the lists of the wanted type are empty, the largest block of another type is taken over: a
//! big theft now rather than many small ones that each mix a pageblock. A request for movable
//! memory that may not keep the whole pageblock takes the smallest block instead.

use super::free_area::FreeHead;
use super::shared::ZoneMut;
use super::watermark::ZoneView;
use crate::{
    AllocFlags, Extfrag, MigrateType, Mobility, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER,
    WatermarkLevel,
};

/// The memory that a request takes over when its own type has run out.
///
/// An example: a RECLAIMABLE request of order 5, and all memory is MOVABLE. The largest block goes
/// first, so this takes 1024 frames. Both pageblocks of it become RECLAIMABLE; the request gets
/// the first 32 frames, and the rest waits on RECLAIMABLE's own lists for the next such requests.
///
/// ```
/// use page_alloc::{AllocFlags, Fallback, MigrateType, Order, Pfn, PfnRange, Takeover};
/// use page_alloc::{RawZone, RawZoneConfig};
///
/// let span = PfnRange::new(Pfn::new(0x1000), Pfn::new(0x1800)); // two largest blocks
/// let present = [span];
/// let config = RawZoneConfig::new(span, &present);
/// let mut memory = vec![0; RawZone::metadata_bytes(&config)?];
/// let mut zone = RawZone::new(&mut memory, &config)?;
///
/// let fallback = zone.find_suitable_fallback(Order::MAX, MigrateType::Reclaimable);
/// let expected = Fallback { migratetype: MigrateType::Movable, takeover: Takeover::Pageblock };
/// assert_eq!(fallback, Some(expected));
///
/// let take = AllocFlags::empty();
/// let pages = zone.rmqueue(Order::O5, MigrateType::Reclaimable, take).unwrap();
/// assert_eq!(pages.pfn(), Pfn::new(0x1000));
///
/// let type_at = |pfn| zone.pageblock_migratetype(Pfn::new(pfn)).unwrap();
/// assert_eq!([type_at(0x1000), type_at(0x1200)], [MigrateType::Reclaimable; 2]);
/// assert_eq!([type_at(0x1400), type_at(0x1600)], [MigrateType::Movable; 2]);
///
/// let mut free = Vec::new();
/// zone.for_each_free(|order, migratetype, pfn| free.push((order.get(), migratetype, pfn.get())));
/// use MigrateType::{Movable, Reclaimable};
/// assert_eq!(
///     free,
///     [
///         (5, Reclaimable, 0x1020),
///         (6, Reclaimable, 0x1040),
///         (7, Reclaimable, 0x1080),
///         (8, Reclaimable, 0x1100),
///         (9, Reclaimable, 0x1200),
///         (10, Movable, 0x1400),
///     ]
/// );
/// # Ok::<(), page_alloc::RawZoneError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The type whose list has a block.
    pub migratetype: MigrateType,
    /// Whether the whole pageblock may be taken over.
    pub takeover: Takeover,
}

/// How much a fallback may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// The whole pageblock, if enough of it is free or alike.
    Pageblock,
    /// This block only.
    Block,
}

/// Whether a request of `start_type` that takes a block of this order may take its whole
/// pageblock: a large block is worth it, and kernel memory would spread otherwise.
#[doc(alias = "can_steal_fallback")]
fn takeover(order: Order, start_type: MigrateType, mobility: Mobility) -> Takeover {
    let kernel = matches!(start_type, MigrateType::Reclaimable | MigrateType::Unmovable);
    let large = order.get() >= PAGEBLOCK_ORDER.get() / 2;
    if large || kernel || mobility == Mobility::Disabled {
        Takeover::Pageblock
    } else {
        Takeover::Block
    }
}

/// The migratetypes to fall back to that have blocks, as a bit for each order.
fn fallback_orders(zone: &impl ZoneView, start_type: MigrateType) -> u16 {
    start_type.fallbacks().iter().fold(0, |orders, other| orders | zone.nonempty_orders(*other))
}

impl ZoneMut<'_> {
    /// The first type, in the order of the fallback table, that has a block of this order, and
    /// whether its pageblock may be taken over. (Linux's `only_stealable` asks for a result with
    /// [`Takeover::Pageblock`]: that depends on the request alone, not on the type found.)
    pub(crate) fn find_suitable_fallback(
        &self,
        order: Order,
        start_type: MigrateType,
    ) -> Option<Fallback> {
        let has_block = |t: &MigrateType| self.shared.nonempty_orders(*t) >> order.get() & 1 != 0;
        let migratetype = start_type.fallbacks().iter().copied().find(has_block)?;
        let takeover = takeover(order, start_type, self.shared.mobility());
        Some(Fallback { migratetype, takeover })
    }

    /// Takes over memory of another type for a request of `start_type`; afterwards the lists of
    /// that type have a block of the order. Tells what was taken, `None` if there is nothing to
    /// take.
    #[doc(alias = "__rmqueue_fallback")]
    #[cold]
    pub(super) fn rmqueue_fallback(
        &mut self,
        order: Order,
        start_type: MigrateType,
        flags: AllocFlags,
    ) -> Option<Extfrag> {
        let orders = fallback_orders(self.shared, start_type);
        let min_order = match flags.contains(AllocFlags::NOFRAGMENT) {
            true => order.max(PAGEBLOCK_ORDER),
            false => order,
        };
        let largest = Order::new(orders.checked_ilog2()?).filter(|o| *o >= min_order)?;
        let mut current = largest;
        let mut fallback = self.find_suitable_fallback(current, start_type)?;
        let smaller_will_do = start_type == MigrateType::Movable && current > order;
        if fallback.takeover == Takeover::Block && smaller_will_do {
            let smallest = (orders >> order.get()).trailing_zeros() + order.get();
            current = Order::new(smallest)?;
            fallback = self.find_suitable_fallback(current, start_type)?;
        }
        let head = self.first(current, fallback.migratetype)?;
        let pfn = self.memmap.pfn_of(head.index());
        let index = head.index();
        self.steal_suitable_fallback(head, start_type, flags, fallback.takeover);
        self.shared.events.fallbacks.add(1);
        Some(Extfrag {
            pfn,
            alloc_order: order,
            fallback_order: current,
            alloc_migratetype: start_type,
            fallback_migratetype: fallback.migratetype,
            pageblock_migratetype: self.memmap.pageblock(index).migratetype(),
        })
    }

    /// Moves a block of another type, and where it pays the rest of its pageblock, to the lists of
    /// `start_type`.
    fn steal_suitable_fallback(
        &mut self,
        head: FreeHead,
        start_type: MigrateType,
        flags: AllocFlags,
        takeover: Takeover,
    ) {
        let index = head.index();
        let old_type = self.memmap.pageblock(index).migratetype();
        if old_type == MigrateType::HighAtomic {
            return self.move_to_free_list(head, start_type);
        }
        if head.order() >= PAGEBLOCK_ORDER {
            self.set_pageblocks(index, head.order(), start_type);
            return self.move_to_free_list(head, start_type);
        }
        if self.boost_watermark() && flags.contains(AllocFlags::KSWAPD) {
            self.shared.mark_boosted();
        }
        if takeover == Takeover::Block {
            return self.move_to_free_list(head, start_type);
        }
        let moved = self.move_freepages_block(index, start_type);
        if moved.free == 0 {
            return self.move_to_free_list(head, start_type);
        }
        let alike = match (start_type, old_type) {
            (MigrateType::Movable, _) => moved.movable,
            (_, MigrateType::Movable) => PAGEBLOCK_NR_PAGES - (moved.free + moved.movable),
            _ => 0,
        };
        let mostly_ours = moved.free + alike >= PAGEBLOCK_NR_PAGES / 2;
        if mostly_ours || self.shared.mobility() == Mobility::Disabled {
            self.set_pageblock_migratetype(index, start_type);
        }
    }

    /// Raises the watermarks for a while, so that kswapd frees memory before the next theft. True
    /// if they were raised.
    ///
    /// By a pageblock at a time, at most to the larger of a pageblock and the boost factor's share
    /// of the high watermark; not in a zone of fewer than four pageblocks.
    fn boost_watermark(&mut self) -> bool {
        let factor = self.shared.boost_factor();
        if factor == 0 || PAGEBLOCK_NR_PAGES * 4 > self.shared.managed.get() {
            return false;
        }
        let high = self.shared.watermark(WatermarkLevel::High);
        let share = u128::from(high) * u128::from(factor) / 10_000;
        let max_boost = u64::try_from(share).unwrap_or(u64::MAX);
        if max_boost == 0 {
            return false;
        }
        let boost = self.shared.watermark_boost() + PAGEBLOCK_NR_PAGES;
        self.shared.set_boost(boost.min(max_boost.max(PAGEBLOCK_NR_PAGES)));
        true
    }
}
