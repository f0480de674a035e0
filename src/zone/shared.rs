//! What is known of a zone without its lock: its size, watermarks and counts.

use super::ample::{Ample, Steady};
use super::compaction::CompactionState;
use super::free_area::FreeAreas;
use crate::memmap::{FrameLinks, FrameState, Memmap, ZoneBits};
use crate::sync::Counter;
use crate::zone::watermark::setup::Watermarks;
use crate::zone::watermark::{ZoneSnapshot, ZoneView};
use crate::zone_id::ZoneId;
use crate::{MAX_NR_ZONES, MigrateType, Mobility, NodeId, Order, PAGEBLOCK_NR_PAGES};
use crate::{Pfn, PfnRange};
use crate::{WatermarkLevel, ZoneType};
use core::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

/// The part of a zone that anybody may read. What changes is changed under the zone's lock, with
/// plain stores; a reader without the lock may see values that no longer, or not yet, fit together.
///
/// What is changed with nearly every block stands first, in one cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ZoneShared {
    pub(crate) nr_free: Counter,
    /// Per migratetype, a bit for each order whose list is not empty.
    nonempty: [AtomicU16; FrameState::TYPES],
    /// How many frames are free while there is nothing to weigh.
    pub(super) steady: Steady,
    /// The name, as state words have it.
    bits: ZoneBits,
    pub(crate) id: ZoneId,
    /// That of `id`.
    node: NodeId,
    pub(crate) events: ZoneEvents,
    pub(crate) nr_free_cma: Counter,
    /// From the first frame to one past the last, holes included.
    span: [AtomicUsize; 2],
    /// Frames that exist.
    pub(crate) present: Counter,
    /// Frames given to the allocator.
    pub(crate) managed: Counter,
    /// Managed frames that belong to CMA areas.
    pub(crate) cma: Counter,
    pub(crate) nr_reserved_highatomic: Counter,
    /// Frames of pageblocks of type CMA: no more of them are free.
    pub(super) cma_typed: Counter,
    /// Isolated pageblocks.
    pub(crate) nr_isolated: Counter,
    /// With more free frames than this there is enough for every request up to a pageblock.
    pub(super) ample_above: Counter,
    /// With more than this, for every one up to the costly order.
    pub(super) ample_above_small: Counter,
    watermarks: [Counter; 3],
    boost: Counter,
    lowmem_reserve: [Counter; MAX_NR_ZONES],
    /// In 1/10000 of the high watermark; 0: no boosting.
    boost_factor: AtomicUsize,
    /// The boost rose since kswapd was last told.
    boosted: AtomicBool,
    ungrouped: AtomicBool,
    reclaim_active: AtomicBool,
    pub(crate) ample: Ample,
    pub(crate) compaction: CompactionState,
}

#[cfg(target_pointer_width = "64")]
static_assertions::const_assert!(
    core::mem::offset_of!(ZoneShared, events) + core::mem::offset_of!(ZoneEvents, freed) == 64
);

/// What happened in a zone, counted under its lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ZoneEvents {
    pub(crate) numa_hit: Counter,
    /// Frames that the zone itself handed out.
    pub(crate) allocated: Counter,
    /// Frames that were freed to the zone itself.
    pub(crate) freed: Counter,
    /// Of the requests that the zone served, hits and misses, those of CPUs of other nodes.
    pub(crate) numa_other: Counter,
    pub(crate) numa_miss: Counter,
    /// Requests that preferred this zone and were served by another node.
    pub(crate) numa_foreign: AtomicUsize,
    /// Requests that preferred another node and were served by per-CPU lists of this zone.
    pub(crate) pcp_miss: AtomicUsize,
    /// Requests served from memory of another migratetype.
    pub(crate) fallbacks: Counter,
}

impl ZoneEvents {
    /// Requests of CPUs of the zone's own node: all that are not of others. Asked under the zone's lock,
    /// as the counts have to fit together.
    pub(crate) fn numa_local(&self) -> u64 {
        let served = self.numa_hit.get().wrapping_add(self.numa_miss.get());
        // As a counter of its own would wrap.
        served.wrapping_sub(self.numa_other.get()) & usize::MAX as u64
    }

    /// Counted without the zone's lock, so with a locked instruction.
    pub(crate) fn add_foreign(&self) {
        self.numa_foreign.fetch_add(1, Ordering::Relaxed);
    }

    /// Counted without the zone's lock.
    pub(crate) fn add_pcp_miss(&self) {
        self.pcp_miss.fetch_add(1, Ordering::Relaxed);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "frame numbers fit the machine word")]
fn word(pfn: Pfn) -> usize {
    pfn.get() as usize
}

impl ZoneShared {
    /// A zone with no frame free and no watermarks.
    pub(crate) fn new(id: ZoneId, span: PfnRange) -> Self {
        Self {
            id,
            bits: id.into(),
            node: id.node(),
            span: [span.start, span.end].map(|pfn| AtomicUsize::new(word(pfn))),
            present: Counter::default(),
            managed: Counter::default(),
            cma: Counter::default(),
            nr_free: Counter::default(),
            nr_free_cma: Counter::default(),
            nr_reserved_highatomic: Counter::default(),
            nr_isolated: Counter::default(),
            nonempty: [const { AtomicU16::new(0) }; FrameState::TYPES],
            watermarks: [const { Counter::new(0) }; 3],
            boost: Counter::default(),
            lowmem_reserve: [const { Counter::new(0) }; MAX_NR_ZONES],
            boost_factor: AtomicUsize::new(0),
            boosted: AtomicBool::new(false),
            steady: Steady::never(),
            ample_above: Counter::new(usize::MAX),
            ample_above_small: Counter::new(usize::MAX),
            cma_typed: Counter::default(),
            ample: Ample::new(),
            ungrouped: AtomicBool::new(false),
            reclaim_active: AtomicBool::new(false),
            compaction: CompactionState::new(span),
            events: ZoneEvents::default(),
        }
    }

    /// Whether the zone has memory, given to the allocator or not.
    #[doc(alias = "populated_zone")]
    pub(crate) fn is_populated(&self) -> bool {
        self.present.get() != 0
    }

    pub(crate) fn zone_type(&self) -> ZoneType {
        self.id.zone_type()
    }

    /// From the first frame to one past the last, holes included. It only ever grows.
    #[inline]
    pub(crate) fn span(&self) -> PfnRange {
        let [start, end] = [0, 1].map(|i| self.span[i].load(Ordering::Relaxed) as u64);
        PfnRange::new(Pfn::new(start), Pfn::new(end))
    }

    /// Frames of the zone come. Who looks meanwhile sees the span of before, or one in between.
    #[doc(alias = "resize_zone_range")]
    pub(super) fn grow_span(&self, frames: PfnRange) {
        let span = self.span();
        let start = if span.is_empty() { frames.start } else { span.start.min(frames.start) };
        self.span[0].store(word(start), Ordering::Relaxed);
        self.span[1].store(word(span.end.max(frames.end)), Ordering::Relaxed);
    }

    /// Whether the frame number lies between the zone's borders; a hole does too.
    pub(crate) fn spans(&self, pfn: Pfn) -> bool {
        self.span().contains(pfn)
    }

    pub(crate) fn set_watermarks(&self, marks: Watermarks) {
        let Watermarks { min, low, high, promo: _ } = marks;
        for (level, pages) in self.watermarks.iter().zip([min, low, high]) {
            level.set(pages);
        }
        self.limits_changed();
    }

    /// The counts as one value; those that change meanwhile may not fit together.
    pub(crate) fn snapshot(&self) -> ZoneSnapshot {
        ZoneSnapshot {
            free_pages: self.free_pages(),
            free_cma_pages: self.free_cma_pages(),
            nr_reserved_highatomic: self.nr_reserved_highatomic(),
            watermark: WatermarkLevel::ALL.map(|level| self.watermark(level)),
            watermark_boost: self.watermark_boost(),
            lowmem_reserve: ZoneType::ALL.map(|zone| self.lowmem_reserve(zone)),
            nonempty_orders: MigrateType::ALL.map(|t| self.nonempty_orders(t)),
        }
    }

    pub(crate) fn set_lowmem_reserves(&self, reserve: [u64; MAX_NR_ZONES]) {
        for (kept, pages) in self.lowmem_reserve.iter().zip(reserve) {
            kept.set(pages);
        }
        self.limits_changed();
    }

    /// The largest of the reserves that requests for higher zones keep.
    pub(super) fn largest_lowmem_reserve(&self) -> u64 {
        self.lowmem_reserve.iter().map(Counter::get).max().unwrap_or(0)
    }

    pub(crate) fn set_boost_factor(&self, factor: u32) {
        self.boost_factor.store(factor as usize, Ordering::Relaxed);
    }

    pub(crate) fn boost_factor(&self) -> u64 {
        self.boost_factor.load(Ordering::Relaxed) as u64
    }

    pub(crate) fn set_mobility(&self, mobility: Mobility) {
        self.ungrouped.store(mobility == Mobility::Disabled, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn mobility(&self) -> Mobility {
        if self.ungrouped.load(Ordering::Relaxed) { Mobility::Disabled } else { Mobility::Grouped }
    }

    /// Counts a request that this zone served: whether its node was the preferred one, and whether
    /// it was that of the running CPU.
    #[doc(alias = "zone_statistics")]
    #[inline]
    pub(crate) fn count_hit(&self, preferred: NodeId, here: NodeId) {
        let events = &self.events;
        if self.node == preferred { &events.numa_hit } else { &events.numa_miss }.add(1);
        if self.node != here {
            events.numa_other.add(1);
        }
    }

    /// Whether memory of the zone is being reclaimed now.
    #[inline]
    pub(crate) fn reclaim_active(&self) -> ReclaimActive {
        match self.reclaim_active.load(Ordering::Relaxed) {
            true => ReclaimActive::Yes,
            false => ReclaimActive::No,
        }
    }

    pub(crate) fn set_reclaim_active(&self, active: ReclaimActive) {
        self.reclaim_active.store(active == ReclaimActive::Yes, Ordering::Relaxed);
    }

    pub(crate) fn set_boost(&self, pages: u64) {
        self.boost.set(pages);
        self.limits_changed();
    }

    /// Adds to the high-atomic reserve.
    pub(crate) fn set_reserved_highatomic(&self, pages: u64) {
        self.nr_reserved_highatomic.set(pages);
        self.limits_changed();
    }

    /// A pageblock's type changes. CMA frames are not for every request.
    pub(super) fn retyped(&self, from: MigrateType, to: MigrateType) {
        let frames = self.cma_typed.get();
        match (from == MigrateType::Cma, to == MigrateType::Cma) {
            (false, true) => self.cma_typed.set(frames.saturating_add(PAGEBLOCK_NR_PAGES)),
            (true, false) => self.cma_typed.set(frames.saturating_sub(PAGEBLOCK_NR_PAGES)),
            (true, true) | (false, false) => return,
        }
        self.limits_changed();
    }

    /// Marks the zone so that kswapd is woken once the lock is dropped.
    pub(crate) fn mark_boosted(&self) {
        self.boosted.store(true, Ordering::Relaxed);
        self.limits_changed();
    }

    #[inline]
    pub(super) fn is_boosted(&self) -> bool {
        self.boosted.load(Ordering::Relaxed)
    }

    /// Whether the zone was marked; the mark is then gone. Who is told so calls
    /// [`limits_changed`](Self::limits_changed) with the lock held.
    #[inline]
    pub(crate) fn take_boosted(&self) -> bool {
        self.is_boosted() && self.boosted.swap(false, Ordering::Relaxed)
    }

    /// Counts a change of the free frames of a list's type; frames of isolated pageblocks are not
    /// counted as free.
    #[inline]
    pub(crate) fn add_free(&self, migratetype: MigrateType, pages: u64) {
        if migratetype == MigrateType::Isolate {
            return;
        }
        self.nr_free.add(pages);
        if migratetype == MigrateType::Cma {
            self.nr_free_cma.add(pages);
        }
    }

    /// The reverse of [`add_free`](Self::add_free).
    #[inline]
    pub(crate) fn sub_free(&self, migratetype: MigrateType, pages: u64) {
        if migratetype == MigrateType::Isolate {
            return;
        }
        self.nr_free.sub(pages);
        if migratetype == MigrateType::Cma {
            self.nr_free_cma.sub(pages);
        }
    }

    /// Notes that the lists of this type and these orders, as bits, got their first block each.
    #[inline]
    pub(super) fn lists_filled(&self, orders: u16, migratetype: MigrateType) {
        let orders = self.nonempty_orders(migratetype) | orders;
        self.nonempty[migratetype.index()].store(orders, Ordering::Relaxed);
    }

    /// Notes that the list of this order, and of the type with this number, lost its last block.
    #[inline]
    pub(crate) fn list_emptied(&self, order: Order, kind: usize) {
        let orders = self.nonempty[kind].load(Ordering::Relaxed) & !(1 << order.get());
        self.nonempty[kind].store(orders, Ordering::Relaxed);
        self.weigh_emptied(order);
    }

    /// The smallest order, from `order` up, that has a block of this type.
    #[inline]
    pub(super) fn smallest_order(&self, order: Order, migratetype: MigrateType) -> Option<Order> {
        // Of no bits it is 16, and the sum no order.
        let above = self.nonempty_orders(migratetype) >> order.get();
        Order::new(order.get() + above.trailing_zeros())
    }
}

impl ZoneView for ZoneShared {
    #[inline]
    fn free_pages(&self) -> u64 {
        self.nr_free.get()
    }

    #[inline]
    fn free_cma_pages(&self) -> u64 {
        self.nr_free_cma.get()
    }

    #[inline]
    fn nr_reserved_highatomic(&self) -> u64 {
        self.nr_reserved_highatomic.get()
    }

    #[inline]
    fn watermark(&self, level: WatermarkLevel) -> u64 {
        self.watermarks[level as usize].get()
    }

    #[inline]
    fn watermark_boost(&self) -> u64 {
        self.boost.get()
    }

    #[inline]
    fn lowmem_reserve(&self, zone: ZoneType) -> u64 {
        self.lowmem_reserve[zone.index()].get()
    }

    #[inline]
    fn nonempty_orders(&self, migratetype: MigrateType) -> u16 {
        self.nonempty[migratetype.index()].load(Ordering::Relaxed)
    }
}

/// One zone under its lock: the lists, and all that they are kept in step with.
///
/// Tier 4's code is methods of this type. It knows no lock and no platform; whoever makes it holds
/// the lock, or owns the zone.
#[derive(Debug)]
pub(crate) struct ZoneMut<'z> {
    pub(crate) shared: &'z ZoneShared,
    pub(crate) areas: &'z mut FreeAreas,
    pub(crate) memmap: &'z Memmap,
    /// Those of `memmap`. Copies, which stay in registers.
    pub(crate) links: FrameLinks,
    pub(super) bits: ZoneBits,
}

impl<'z> ZoneMut<'z> {
    /// The links are those of the memmap.
    #[inline(always)]
    pub(crate) fn new(
        shared: &'z ZoneShared,
        areas: &'z mut FreeAreas,
        (memmap, links): (&'z Memmap, FrameLinks),
    ) -> Self {
        Self { shared, areas, memmap, links, bits: shared.bits }
    }

    /// As [`count_hit`](ZoneShared::count_hit), for a request that preferred this zone's node.
    #[inline]
    pub(crate) fn count_preferred(&self, here: NodeId, order: Order) {
        let events = &self.shared.events;
        events.allocated.add(order.nr_pages());
        events.numa_hit.add(1);
        if self.shared.node != here {
            events.numa_other.add(1);
        }
    }

    /// The same zone once more, for a call that is not inlined: only there must the value be in
    /// memory then.
    #[inline(always)]
    pub(super) fn again(&mut self) -> ZoneMut<'_> {
        ZoneMut { areas: self.areas, ..*self }
    }
}

/// Whether memory of a zone is being reclaimed now: CPUs keep less then.
#[doc(alias = "ZONE_RECLAIM_ACTIVE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReclaimActive {
    /// It is not.
    No,
    /// It is.
    Yes,
}
