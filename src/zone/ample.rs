//! Whether a zone has so much memory that a request need not be weighed.

#[cfg(test)]
mod tests;

use super::shared::ZoneShared;
use super::watermark::ZoneView;
use crate::migratetype::AskedType;
use crate::sync::Counter;
use crate::{Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, WatermarkLevel};
use core::ops::Range;
use core::sync::atomic::{AtomicU8, Ordering};

/// The orders for which nothing has to be weighed: the zone keeps its low watermark, boost and all
/// reserves whatever a request's flags are, it has a free block for it, and kswapd need not be told of a
/// boost. Of other orders it says nothing. For the largest order it tells only that there are enough frames
/// ([`has_enough_for`](Self::has_enough_for)): there may be no block.
///
/// Kept up to date by those who hold the zone's lock: a request then looks at one word, which has a pair
/// of cache lines to itself, as it is seldom written. For that it tells no more than four kinds of
/// orders apart, by what a zone comes to that is in use for long: single frames, the others up to the
/// costly order, those up to a pageblock, and the largest.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Ample(AtomicU8);

/// The order above those for which a zone is ample.
const NONE: u8 = 0;
const SINGLE: u8 = 1;
const SMALL: u8 = PAGE_ALLOC_COSTLY_ORDER as u8 + 1;
const LARGE: u8 = PAGEBLOCK_ORDER as u8 + 1;
const LARGEST: u8 = Order::MAX as u8 + 1;

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

    /// Whether it is for requests of this order.
    #[inline(always)]
    pub(crate) fn is_for(&self, order: Order) -> bool {
        order <= PAGEBLOCK_ORDER && self.has_enough_for(order)
    }

    /// The same; for the largest order, which it is never ample for, whether it is but for the block.
    #[inline(always)]
    pub(crate) fn has_enough_for(&self, order: Order) -> bool {
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

/// How many frames may be free for what was last said of a zone to be right still. Only holders of the
/// zone's lock use it.
#[derive(Debug)]
pub(crate) struct Steady {
    from: Counter,
    /// How many numbers from there on.
    numbers: Counter,
}

impl Steady {
    /// None: it has to be looked at.
    pub(super) const fn never() -> Self {
        Self { from: Counter::new(0), numbers: Counter::new(0) }
    }

    #[inline(always)]
    fn has(&self, free: u64) -> bool {
        free.wrapping_sub(self.from.get()) < self.numbers.get()
    }

    fn set(&self, free: Range<u64>) {
        self.from.set(free.start);
        self.numbers.set(free.end.saturating_sub(free.start));
    }

    fn unset(&self) {
        self.numbers.set(0);
    }
}

impl ZoneShared {
    /// Looks again for which orders the zone is ample, before its lock is given back.
    #[inline(always)]
    pub(crate) fn weigh(&self) {
        if !self.is_steady() {
            self.weigh_again();
        }
    }

    /// Whether what was last said is right still.
    #[inline(always)]
    pub(super) fn is_steady(&self) -> bool {
        self.steady.has(self.nr_free.get())
    }

    #[cold]
    #[inline(never)]
    fn weigh_again(&self) {
        let free = self.nr_free.get();
        let [small, large] =
            [&self.ample_above_small, &self.ample_above].map(|above| above.get().saturating_add(1));
        // The limit has room for a pageblock; the largest block takes one more.
        let largest = large.saturating_add(PAGEBLOCK_NR_PAGES);
        let (above, steady) = match self.above_served() {
            _ if free < small => (NONE, 0..small),
            LARGE if free >= largest => (LARGEST, largest..u64::MAX),
            LARGE if free >= large => (LARGE, large..largest),
            // Lists that get blocks make it another one, which nobody notes.
            above => (above.min(SMALL), 0..0),
        };
        self.ample.set(above);
        self.steady.set(steady);
    }

    /// The orders, as bits, of which there are blocks that a request of any type can have.
    #[inline]
    fn orders_served(&self) -> u16 {
        AskedType::ALL.iter().fold(0, |orders, kind| orders | self.nonempty_orders((*kind).into()))
    }

    /// The order above those of which a request of any type can have a block, if there is enough.
    fn above_served(&self) -> u8 {
        match self.orders_served() {
            0..SMALLEST_SMALL => SINGLE,
            SMALLEST_SMALL..SMALLEST_LARGE => SMALL,
            _ => LARGE,
        }
    }

    /// A list of this order lost its last block: it may have been the last of all from which a pageblock
    /// could be had.
    #[inline(always)]
    pub(super) fn weigh_emptied(&self, order: Order) {
        if order >= PAGEBLOCK_ORDER && self.orders_served() < SMALLEST_LARGE {
            self.steady.unset();
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
        // No more than a counter can hold.
        let above = |order: Order| match self.is_boosted() {
            true => u64::MAX,
            false => kept.saturating_add(order.nr_pages()).min(usize::MAX as u64),
        };
        self.ample_above.set(above(PAGEBLOCK_ORDER));
        self.ample_above_small.set(above(PAGE_ALLOC_COSTLY_ORDER));
        self.steady.unset();
    }
}
