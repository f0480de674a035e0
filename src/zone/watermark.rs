//! Watermarks: the free memory that a zone keeps back, and the check that a request keeps to it.
//!
//! A zone keeps three: below *min* only privileged requests are served, below *low* kswapd is woken,
//! above *high* it sleeps. A fourth, *promo*, above which there is room for pages that are moved to faster
//! memory, is for the kernel. [`setup`] calculates them from the sizes of all zones. Here is the check that
//! runs at every allocation.
//!
//! A zone passes for a request of an order when what is free and usable exceeds the mark:
//!
//! ```text
//!   free - (2^order - 1) - high-atomic reserve - CMA  >  allowed mark + lowmem reserve
//! ```
//!
//! The high-atomic reserve counts as usable for requests with one of
//! [`AllocFlags::RESERVES`], CMA for those with [`AllocFlags::CMA`];
//! [`allowed_mark`] lowers the mark for privileged requests; the lowmem reserve is what this zone
//! keeps back from requests that could have been served from a higher one. For an order above 0,
//! a block that is large enough must be free too.
//!
//! Where Linux calculates with signed numbers, this is unsigned and saturating. The result is the
//! same: the right side is never negative, so a left side below 0 fails like one of 0.

pub mod setup;

pub use setup::Watermarks;

use crate::{AllocFlags, Gfp, MIGRATE_TYPES, MigrateType, Order, WatermarkLevel, ZoneType};

/// What the check reads of a zone. Counts are in frames. An order-0 check reads
/// [`free_pages`](Self::free_pages) and the lowmem reserve, the two next counters only where the
/// flags ask for it, and nothing else.
///
/// Counters may be stale; then the answer is.
pub trait ZoneView {
    /// The free frames outside isolated pageblocks.
    #[doc(alias = "NR_FREE_PAGES")]
    fn free_pages(&self) -> u64;

    /// Those of them that are CMA memory.
    #[doc(alias = "NR_FREE_CMA_PAGES")]
    fn free_cma_pages(&self) -> u64;

    /// The frames of the pageblocks reserved for high-order requests that can't wait.
    fn nr_reserved_highatomic(&self) -> u64;

    /// The watermark, without the boost.
    fn watermark(&self, level: WatermarkLevel) -> u64;

    /// What is temporarily added to all watermarks.
    fn watermark_boost(&self) -> u64;

    /// What the zone keeps back from requests whose highest zone type is `highest`.
    fn lowmem_reserve(&self, highest: ZoneType) -> u64;

    /// Bit o is set when the free list of order o and this type is not empty.
    fn nonempty_orders(&self, migratetype: MigrateType) -> u16;
}

/// The values of a zone at one moment, for reports, tests and experiments with policies.
///
/// ```
/// use page_alloc::zone::watermark::{ZoneSnapshot, zone_watermark_ok};
/// use page_alloc::{AllocFlags, MigrateType, Order, ZoneType};
///
/// let mut zone = ZoneSnapshot { free_pages: 1000, ..Default::default() };
/// zone.lowmem_reserve[ZoneType::Movable.index()] = 700;
/// zone.nonempty_orders[MigrateType::Unmovable.index()] = 0b11;
///
/// let ok = |order, highest| {
///     zone_watermark_ok(&zone, order, 375, highest, AllocFlags::WMARK_LOW)
/// };
/// assert!(ok(Order::O0, ZoneType::Normal));
/// assert!(!ok(Order::O0, ZoneType::Movable), "1000 is not above 375 + 700");
/// assert!(ok(Order::O1, ZoneType::Normal));
/// assert!(!ok(Order::O2, ZoneType::Normal), "no block of order 2");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZoneSnapshot {
    /// [`ZoneView::free_pages`].
    pub free_pages: u64,
    /// [`ZoneView::free_cma_pages`].
    pub free_cma_pages: u64,
    /// [`ZoneView::nr_reserved_highatomic`].
    pub nr_reserved_highatomic: u64,
    /// [`ZoneView::watermark`], by level.
    pub watermark: [u64; WatermarkLevel::ALL.len()],
    /// [`ZoneView::watermark_boost`].
    pub watermark_boost: u64,
    /// [`ZoneView::lowmem_reserve`], by zone type.
    pub lowmem_reserve: [u64; ZoneType::ALL.len()],
    /// [`ZoneView::nonempty_orders`], by migratetype.
    pub nonempty_orders: [u16; MIGRATE_TYPES],
}

impl ZoneView for ZoneSnapshot {
    fn free_pages(&self) -> u64 {
        self.free_pages
    }

    fn free_cma_pages(&self) -> u64 {
        self.free_cma_pages
    }

    fn nr_reserved_highatomic(&self) -> u64 {
        self.nr_reserved_highatomic
    }

    fn watermark(&self, level: WatermarkLevel) -> u64 {
        self.watermark[level as usize]
    }

    fn watermark_boost(&self) -> u64 {
        self.watermark_boost
    }

    fn lowmem_reserve(&self, highest: ZoneType) -> u64 {
        self.lowmem_reserve[highest.index()]
    }

    fn nonempty_orders(&self, migratetype: MigrateType) -> u16 {
        self.nonempty_orders[migratetype.index()]
    }
}

/// The mark that a request has to keep when an ordinary one has to keep `mark`: about half with
/// `MIN_RESERVE`, three eighths with `NON_BLOCK` too, and half of what is left with `OOM`. Other
/// flags change nothing, `NON_BLOCK` alone included.
///
/// ```
/// use page_alloc::{AllocFlags, zone::watermark::allowed_mark};
/// assert_eq!(allowed_mark(1000, AllocFlags::WMARK_MIN), 1000);
/// assert_eq!(allowed_mark(1000, AllocFlags::MIN_RESERVE), 500);
/// assert_eq!(allowed_mark(1000, AllocFlags::MIN_RESERVE | AllocFlags::NON_BLOCK), 375);
/// assert_eq!(allowed_mark(1000, AllocFlags::OOM), 500);
/// assert_eq!(allowed_mark(1001, AllocFlags::MIN_RESERVE), 501, "1001 less 500");
/// ```
#[inline]
#[must_use]
pub const fn allowed_mark(mark: u64, flags: AllocFlags) -> u64 {
    let mut allowed = mark;
    if flags.contains(AllocFlags::MIN_RESERVE) {
        allowed -= allowed / 2;
        if flags.contains(AllocFlags::NON_BLOCK) {
            allowed -= allowed / 4;
        }
    }
    if flags.contains(AllocFlags::OOM) {
        allowed -= allowed / 2;
    }
    allowed
}

/// Whether the zone keeps `mark` when it serves a request of this order whose highest zone type is
/// `highest`. The module's page has the formula.
///
/// `mark` is given separately from the flags, since callers check against other marks than the
/// zone's own; [`AllocFlags::NO_WATERMARKS`] and the level in the flags are not looked at.
///
/// ```
/// use page_alloc::zone::watermark::{ZoneSnapshot, zone_watermark_ok};
/// use page_alloc::{AllocFlags, Order, ZoneType};
/// let zone = ZoneSnapshot { free_pages: 100, free_cma_pages: 60, ..Default::default() };
/// let ok = |mark, flags| zone_watermark_ok(&zone, Order::O0, mark, ZoneType::Normal, flags);
/// assert!(ok(39, AllocFlags::empty()));
/// assert!(!ok(40, AllocFlags::empty()), "40 frames are free beside CMA: not more than 40");
/// assert!(ok(40, AllocFlags::CMA));
/// ```
#[doc(alias = "__zone_watermark_ok")]
#[inline]
#[must_use]
pub fn zone_watermark_ok<Z: ZoneView + ?Sized>(
    zone: &Z,
    order: Order,
    mark: u64,
    highest: ZoneType,
    flags: AllocFlags,
) -> bool {
    let usable = zone.free_pages().saturating_sub(unusable_free(zone, order, flags));
    let needed = allowed_mark(mark, flags).saturating_add(zone.lowmem_reserve(highest));
    usable > needed && (order == Order::ZERO || has_block(zone, order, flags))
}

/// [`zone_watermark_ok`] as the allocation path asks it, with one exception: an order-0 request
/// with [`Gfp::ATOMIC_CONTEXT`] that asks for the min watermark need not keep the boost.
///
/// ```
/// use page_alloc::zone::watermark::{ZoneSnapshot, zone_watermark_fast};
/// use page_alloc::{AllocFlags, Gfp, Order, ZoneType};
/// let zone = ZoneSnapshot {
///     free_pages: 400,
///     watermark: [300, 375, 450],
///     watermark_boost: 512,
///     ..Default::default()
/// };
/// let ok = |gfp| {
///     zone_watermark_fast(&zone, Order::O0, 812, ZoneType::Normal, AllocFlags::WMARK_MIN, gfp)
/// };
/// assert!(!ok(Gfp::NOWAIT));
/// assert!(ok(Gfp::ATOMIC));
/// ```
#[inline]
#[must_use]
pub fn zone_watermark_fast<Z: ZoneView + ?Sized>(
    zone: &Z,
    order: Order,
    mark: u64,
    highest: ZoneType,
    flags: AllocFlags,
    gfp: Gfp,
) -> bool {
    zone_watermark_ok(zone, order, mark, highest, flags)
        || order == Order::ZERO
            && gfp.contains(Gfp::ATOMIC_CONTEXT)
            && ok_without_boost(zone, highest, flags)
}

/// Whether a frame may be taken when the boost is left aside.
#[cold]
fn ok_without_boost<Z: ZoneView + ?Sized>(zone: &Z, highest: ZoneType, flags: AllocFlags) -> bool {
    if flags.watermark_level() != WatermarkLevel::Min || zone.watermark_boost() == 0 {
        return false;
    }
    let min = zone.watermark(WatermarkLevel::Min);
    zone_watermark_ok(zone, Order::ZERO, min, highest, flags)
}

/// The free frames that this request can't use, and all but one of those that it asks for.
#[doc(alias = "__zone_watermark_unusable_free")]
#[inline]
fn unusable_free<Z: ZoneView + ?Sized>(zone: &Z, order: Order, flags: AllocFlags) -> u64 {
    let mut unusable = order.nr_pages() - 1;
    if !flags.intersects(AllocFlags::RESERVES) {
        unusable = unusable.saturating_add(zone.nr_reserved_highatomic());
    }
    if !flags.contains(AllocFlags::CMA) {
        unusable = unusable.saturating_add(zone.free_cma_pages());
    }
    unusable
}

/// Whether a block of at least this order is free on a list that the request may use.
fn has_block<Z: ZoneView + ?Sized>(zone: &Z, order: Order, flags: AllocFlags) -> bool {
    use MigrateType::{Cma, HighAtomic, Movable, Reclaimable, Unmovable};
    let free = |migratetype| zone.nonempty_orders(migratetype) >> order.get() != 0;
    free(Movable)
        || free(Unmovable)
        || free(Reclaimable)
        || flags.contains(AllocFlags::CMA) && free(Cma)
        || flags.intersects(AllocFlags::HIGHATOMIC.union(AllocFlags::OOM)) && free(HighAtomic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMAL: ZoneType = ZoneType::Normal;

    /// Values at the ends of the range neither overflow nor let a request through.
    #[test]
    fn extreme_values() {
        let zone = ZoneSnapshot {
            free_pages: u64::MAX,
            free_cma_pages: u64::MAX,
            nr_reserved_highatomic: u64::MAX,
            watermark: [u64::MAX; 3],
            watermark_boost: u64::MAX,
            lowmem_reserve: [u64::MAX; 5],
            nonempty_orders: [u16::MAX; MIGRATE_TYPES],
        };
        for order in Order::ALL {
            for flags in [AllocFlags::empty(), AllocFlags::all()] {
                assert!(!zone_watermark_ok(&zone, order, u64::MAX, NORMAL, flags));
                assert!(!zone_watermark_fast(&zone, order, 0, NORMAL, flags, Gfp::ATOMIC));
            }
        }
    }

    /// An empty zone serves nobody, even at mark 0 with all reserves open.
    #[test]
    fn empty_zone() {
        let zone = ZoneSnapshot::default();
        for order in Order::ALL {
            assert!(!zone_watermark_ok(&zone, order, 0, NORMAL, AllocFlags::all()));
        }
    }

    /// A free block on a list that the request may not use does not help it.
    #[test]
    fn blocks_count_by_list() {
        let cases = [
            (MigrateType::Cma, AllocFlags::CMA),
            (MigrateType::HighAtomic, AllocFlags::HIGHATOMIC),
            (MigrateType::HighAtomic, AllocFlags::OOM),
        ];
        for (migratetype, flag) in cases {
            let mut zone = ZoneSnapshot { free_pages: 4096, ..ZoneSnapshot::default() };
            zone.nonempty_orders[migratetype.index()] = 1 << 5;
            let ok = |order, flags| zone_watermark_ok(&zone, order, 0, NORMAL, flags);
            assert!(ok(Order::O0, AllocFlags::empty()), "order 0 looks at no list");
            assert!(!ok(Order::O5, AllocFlags::empty()));
            assert!(ok(Order::O5, flag) && ok(Order::O1, flag));
            assert!(!ok(Order::O6, flag));
        }
        let mut isolated = ZoneSnapshot { free_pages: 4096, ..ZoneSnapshot::default() };
        isolated.nonempty_orders[MigrateType::Isolate.index()] = u16::MAX;
        assert!(!zone_watermark_ok(&isolated, Order::O1, 0, NORMAL, AllocFlags::all()));
    }

    /// The boost is dropped for order 0 and the min watermark only.
    #[test]
    fn boost_is_kept_elsewhere() {
        let zone = ZoneSnapshot {
            free_pages: 400,
            watermark: [300; 3],
            watermark_boost: 512,
            nonempty_orders: [1 << 4; MIGRATE_TYPES],
            ..ZoneSnapshot::default()
        };
        let ok = |order, flags| zone_watermark_fast(&zone, order, 812, NORMAL, flags, Gfp::ATOMIC);
        assert!(ok(Order::O0, AllocFlags::WMARK_MIN));
        assert!(!ok(Order::O0, AllocFlags::WMARK_LOW));
        assert!(!ok(Order::O1, AllocFlags::WMARK_MIN));
    }
}
