//! Whether a zone has so much memory that a request need not be weighed.

#[cfg(test)]
mod tests;

use super::shared::ZoneShared;
use super::watermark::ZoneView;
use crate::{MIGRATE_PCPTYPES, WatermarkLevel};
use crate::{MigrateType, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER};
use core::sync::atomic::{AtomicU8, Ordering};

/// The orders for which nothing has to be weighed: the zone keeps its low watermark, boost and all
/// reserves whatever a request's flags are, it has a free block for it, and kswapd need not be told of a
/// boost. Of other orders it says nothing.
///
/// Kept up to date by those who hold the zone's lock: a request then looks at one word, which has a pair
/// of cache lines to itself, as it is seldom written. For that it tells no more than three kinds of
/// orders apart, by what a zone comes to that is in use for long: single frames, the others up to the
/// costly order, and those up to a pageblock.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Ample(AtomicU8);

/// The order above those for which a zone is ample.
const NONE: u8 = 0;
const SINGLE: u8 = 1;
const SMALL: u8 = PAGE_ALLOC_COSTLY_ORDER as u8 + 1;
const LARGE: u8 = PAGEBLOCK_ORDER as u8 + 1;

/// From these on are the orders that have blocks, as bits, if a block of the costly order, or a pageblock,
/// can be had.
const SMALLEST_SMALL: u16 = 1 << PAGE_ALLOC_COSTLY_ORDER.get();
const SMALLEST_LARGE: u16 = 1 << PAGEBLOCK_ORDER.get();

/// Of no zone, and never written to.
pub(crate) static NEVER_AMPLE: Ample = Ample::new();

impl Ample {
    /// It is not known to be.
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(NONE))
    }

    /// Whether it is for requests of this order; of the largest it says nothing.
    #[inline(always)]
    pub(crate) fn is_for(&self, order: Order) -> bool {
        (order as u8) < self.get()
    }

    #[inline(always)]
    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Written only when it changes: other CPUs have the line too.
    #[inline]
    fn set(&self, above: u8) {
        if above != self.get() {
            self.0.store(above, Ordering::Relaxed);
        }
    }
}

impl ZoneShared {
    /// Whether the zone is ample ([`Ample`]) for a request that asks for the low watermark; of the
    /// largest order there may be no block.
    #[inline]
    pub(crate) fn is_ample_for(&self, order: Order) -> bool {
        // The limit has room for a pageblock; the largest block takes one more.
        let more =
            || self.nr_free.get().saturating_sub(PAGEBLOCK_NR_PAGES) > self.ample_above.get();
        self.ample.is_for(order.min(PAGEBLOCK_ORDER)) && (order <= PAGEBLOCK_ORDER || more())
    }

    /// Looks again for which orders the zone is ample, before its lock is given back.
    #[inline]
    pub(crate) fn weigh(&self) {
        let free = self.nr_free.get();
        match self.ample.get() {
            // That the last large block went, `weigh_emptied` has noted.
            LARGE if free > self.ample_above.get() => {}
            NONE if free <= self.ample_above_small.get() => {}
            _ => self.weigh_again(),
        }
    }

    #[cold]
    #[inline(never)]
    fn weigh_again(&self) {
        let free = self.nr_free.get();
        self.ample.set(match self.above_served() {
            _ if free <= self.ample_above_small.get() => NONE,
            LARGE if free <= self.ample_above.get() => SMALL,
            above => above,
        });
    }

    /// The order above those of which a request of any type can have a block, if there is enough.
    fn above_served(&self) -> u8 {
        let kinds = MigrateType::ALL.iter().take(MIGRATE_PCPTYPES);
        let orders = kinds.fold(0, |orders, kind| orders | self.nonempty_orders(*kind));
        match orders {
            0..SMALLEST_SMALL => SINGLE,
            SMALLEST_SMALL..SMALLEST_LARGE => SMALL,
            _ => LARGE,
        }
    }

    /// A list of this order lost its last block.
    #[inline]
    pub(super) fn weigh_emptied(&self, order: Order) {
        if order >= PAGEBLOCK_ORDER && self.ample.get() == LARGE {
            self.ample.set(self.above_served());
        }
    }

    /// Watermarks, boost or reserves are others now: so is what [`weigh`](Self::weigh) weighs.
    pub(crate) fn limits_changed(&self) {
        let parts = [
            self.watermark(WatermarkLevel::Low),
            self.watermark_boost(),
            self.largest_lowmem_reserve(),
            self.nr_reserved_highatomic(),
            self.cma_typed.get(),
        ];
        let kept = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(*part));
        let above = |order: Order| match self.is_boosted() {
            true => u64::MAX,
            false => kept.saturating_add(order.nr_pages()),
        };
        self.ample_above.set(above(PAGEBLOCK_ORDER));
        self.ample_above_small.set(above(PAGE_ALLOC_COSTLY_ORDER));
    }
}
