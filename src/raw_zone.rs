//! One zone alone: the buddy allocator without nodes, CPUs or locks.
//!
//! For a kernel with one zone and a lock of its own, for boot stages, and for looking at the
//! decisions of the zone one by one.

use crate::alloc::Refused;
use crate::memmap::{
    FrameIdx, FreeBlock, LentMemmap, MemmapPlan, Movability, PagesIter, TABLE_ALIGN,
};
use crate::verify::{self, Violation};
use crate::zone::watermark::ZoneSnapshot;
use crate::zone::watermark::setup::Watermarks;
use crate::zone::{
    Describer, Fallback, Force, FreeAreas, Giving, HighAtomicUse, IsolateError, ZoneMut,
    ZoneShared, block_of_token, find_token, no_such_block, split_allocated,
};
use crate::zone_id::ZoneId;
use crate::{
    AllocFlags, FreeError, MigrateType, Mobility, NodeId, Order, PAGEBLOCK_NR_PAGES, Pages, Pfn,
    PfnRange, ZoneType,
};
use core::fmt;

/// What a [`RawZone`] is made of.
///
/// Ranges are ascending and disjoint; `present` lies in `span`, `reserved` and `cma` in `present`.
#[derive(Clone, Copy, Debug)]
pub struct RawZoneConfig<'a> {
    /// From the zone's first frame to one past its last, holes included.
    pub span: PfnRange,
    /// The frames that exist.
    pub present: &'a [PfnRange],
    /// Those that the allocator does not get.
    pub reserved: &'a [PfnRange],
    /// Areas of whole pageblocks that become CMA, given after all other memory.
    pub cma: &'a [PfnRange],
    /// Frames to keep back; only the high one matters here, as it limits the boost.
    pub watermarks: Watermarks,
    /// How far a fallback may raise the watermarks, in 1/10000 of the high one; Linux has 15000.
    pub watermark_boost_factor: u32,
    /// Whether pageblocks are grouped by mobility; Linux stops when there are few of them.
    pub mobility: Mobility,
}

impl<'a> RawZoneConfig<'a> {
    /// A zone of these frames, nothing reserved, without watermarks.
    #[must_use]
    pub const fn new(span: PfnRange, present: &'a [PfnRange]) -> Self {
        Self {
            span,
            present,
            reserved: &[],
            cma: &[],
            watermarks: Watermarks { min: 0, low: 0, high: 0, promo: 0 },
            watermark_boost_factor: 15_000,
            mobility: Mobility::Grouped,
        }
    }
}

/// Why a [`RawZone`] can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawZoneError {
    /// No frame is present.
    Empty,
    /// This range starts before the end of the one before it, or is empty.
    NotAscending(PfnRange),
    /// This range is not within the span, or (reserved, CMA) not within present memory.
    Outside(PfnRange),
    /// A CMA area that is not made of whole pageblocks, or is reserved.
    NotPageblocks(PfnRange),
    /// Watermarks that do not ascend from min over low to high.
    WatermarksOutOfOrder(Watermarks),
    /// More frames than 32-bit indices can name.
    TooManyFrames,
    /// The memory for the tables is too small; the bytes needed.
    NoRoom(usize),
}

impl fmt::Display for RawZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the zone has no frame"),
            Self::NotAscending(range) => write!(f, "{range} is empty or out of order"),
            Self::Outside(range) => write!(f, "{range} is outside the zone's memory"),
            Self::NotPageblocks(range) => write!(f, "{range} can't be a CMA area"),
            Self::WatermarksOutOfOrder(Watermarks { min, low, high, .. }) => {
                write!(f, "the watermarks {min}, {low} and {high} do not ascend")
            }
            Self::TooManyFrames => f.write_str("more frames than can be named"),
            Self::NoRoom(bytes) => write!(f, "the tables need {bytes} bytes"),
        }
    }
}

impl core::error::Error for RawZoneError {}

/// One zone, owned: every decision of the zone's free lists, and nothing else. No watermark is
/// checked, except where Linux's own code below the check does.
///
/// ```
/// use page_alloc::{AllocFlags, MigrateType, Order, Pfn, PfnRange, RawZone, RawZoneConfig};
///
/// let span = PfnRange::new(Pfn::new(0x1000), Pfn::new(0x2000)); // 16 MiB at 16 MiB
/// let present = [span];
/// let config = RawZoneConfig::new(span, &present);
/// let mut memory = vec![0; RawZone::metadata_bytes(&config)?];
/// let mut zone = RawZone::new(&mut memory, &config)?;
///
/// let pages = zone.rmqueue(Order::O3, MigrateType::Movable, AllocFlags::empty()).unwrap();
/// assert_eq!(pages.pfn(), Pfn::new(0x1000)); // the lowest frames go first
/// assert_eq!(zone.snapshot().free_pages, 4096 - 8);
/// zone.free_pages(pages)?;
/// assert_eq!(zone.snapshot().free_pages, 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RawZone<'m> {
    shared: ZoneShared,
    areas: FreeAreas,
    memmap: LentMemmap<'m>,
}

impl<'m> RawZone<'m> {
    /// The bytes that [`new`](Self::new) needs.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn metadata_bytes(config: &RawZoneConfig<'_>) -> Result<usize, RawZoneError> {
        let bytes = plan(config)?.bytes().and_then(|bytes| bytes.checked_add(TABLE_ALIGN));
        bytes.ok_or(RawZoneError::TooManyFrames)
    }

    /// Makes the zone, with its tables in `memory`, whatever that holds now.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration, or that `memory` is too small.
    pub fn new(memory: &'m mut [u8], config: &RawZoneConfig<'_>) -> Result<Self, RawZoneError> {
        let plan = plan(config)?;
        let ranges = config.present.iter().copied();
        let memmap = LentMemmap::build(memory, &plan, ranges);
        let memmap = match memmap {
            Ok(memmap) => memmap,
            Err(_) => return Err(RawZoneError::NoRoom(Self::metadata_bytes(config)?)),
        };
        let id = ZoneId::new(NodeId::ZERO, ZoneType::Normal);
        let mut zone =
            Self { shared: ZoneShared::new(id, config.span), areas: FreeAreas::EMPTY, memmap };
        zone.populate(config);
        zone.set_limits(config);
        Ok(zone)
    }

    fn populate(&mut self, config: &RawZoneConfig<'_>) {
        let mut zone =
            ZoneMut::new(&self.shared, &mut self.areas, (&self.memmap, self.memmap.links()));
        let mut describer = Describer::new(&self.memmap);
        for (range, giving) in pieces(config) {
            zone.give(&mut describer, range, giving);
        }
        for area in config.cma {
            let mut start = area.start;
            while start < area.end {
                if let Some(index) = self.memmap.index_of(start) {
                    zone.init_cma_pageblock(index);
                }
                start = start + PAGEBLOCK_NR_PAGES;
            }
        }
    }

    fn set_limits(&mut self, config: &RawZoneConfig<'_>) {
        self.shared.set_watermarks(config.watermarks);
        self.shared.set_boost_factor(config.watermark_boost_factor);
        self.shared.set_mobility(config.mobility);
    }

    pub(crate) fn zone(&mut self) -> ZoneMut<'_> {
        ZoneMut::new(&self.shared, &mut self.areas, (&self.memmap, self.memmap.links()))
    }

    /// Takes a block for a request of this type. Above order 0, a request with
    /// [`AllocFlags::HIGHATOMIC`] goes to the high-atomic reserve first.
    #[doc(alias = "rmqueue_buddy")]
    #[inline]
    pub fn rmqueue(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<Pages> {
        match self.zone().rmqueue_at_hand(order, migratetype, flags) {
            Some(index) => Some(self.memmap.token(index, order)),
            None => self.rmqueue_any(order, migratetype, flags),
        }
    }

    #[inline(never)]
    fn rmqueue_any(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<Pages> {
        let mut zone = self.zone();
        let index = match zone.rmqueue_split(order, migratetype, flags) {
            Some(index) => index,
            None => zone.rmqueue_buddy(order, migratetype, flags, HighAtomicUse::First)?.index,
        };
        Some(self.memmap.token(index, order))
    }

    /// Frees a block, to the lists of its pageblock's present type.
    ///
    /// # Errors
    ///
    /// A token that is not of this zone, or whose block is not what it says, is given back.
    #[doc(alias = "free_one_page")]
    #[inline]
    pub fn free_pages(&mut self, pages: Pages) -> Result<(), Refused> {
        let Some((index, _)) = block_of_token(&self.memmap, &pages) else {
            return self.refuse(pages);
        };
        self.memmap.frame(index).count.init(0); // a zone alone knows no second reference
        let (mut zone, order) = (self.zone(), pages.order());
        let migratetype = zone.memmap.pageblock(index).migratetype();
        if !zone.is_free_alone(index, order, migratetype) {
            return self.free_with_others(index, order, migratetype);
        }
        zone.free_alone(FreeBlock::new(index), order, migratetype);
        Ok(())
    }

    #[inline(never)]
    fn free_with_others(
        &mut self,
        index: FrameIdx,
        order: Order,
        migratetype: MigrateType,
    ) -> Result<(), Refused> {
        self.zone().free_with_others(FreeBlock::new(index), order, migratetype);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, pages: Pages) -> Result<(), Refused> {
        Err(Refused { reason: no_such_block(&self.memmap, &pages), pages })
    }

    fn index_of(&self, pages: &Pages) -> Result<FrameIdx, FreeError> {
        find_token(&self.memmap, pages)
    }

    /// Says whether a block can be moved. It is forgotten when the block is freed.
    ///
    /// # Errors
    ///
    /// The token is not of this zone.
    pub fn set_movable(&mut self, pages: &Pages, movability: Movability) -> Result<(), FreeError> {
        let frame = self.memmap.frame(self.index_of(pages)?);
        frame.set_state(frame.state().with_movability(movability));
        Ok(())
    }

    /// Makes a block into single frames, each allocated.
    ///
    /// # Errors
    ///
    /// A token that is not of this zone is given back.
    pub fn split_page(&mut self, pages: Pages) -> Result<PagesIter, Refused> {
        match self.index_of(&pages) {
            Ok(index) => {
                split_allocated(&self.memmap, index, pages.order(), Order::ZERO);
                Ok(PagesIter::new(&pages))
            }
            Err(reason) => Err(Refused { pages, reason }),
        }
    }

    /// The type whose memory of this order a request of `start_type` would take when its own has
    /// run out, and whether with the whole pageblock. Linux's `only_stealable` is a filter for
    /// [`Takeover::Pageblock`](crate::Takeover::Pageblock).
    #[must_use]
    pub fn find_suitable_fallback(
        &mut self,
        order: Order,
        start_type: MigrateType,
    ) -> Option<Fallback> {
        self.zone().find_suitable_fallback(order, start_type)
    }

    /// Adds the pageblock of an allocated block to the high-atomic reserve, if the reserve has room
    /// for it (a hundredth of the zone).
    ///
    /// # Errors
    ///
    /// The token is not of this zone.
    #[doc(alias = "reserve_highatomic_pageblock")]
    pub fn reserve_highatomic(&mut self, pages: &Pages) -> Result<(), FreeError> {
        let index = self.index_of(pages)?;
        self.zone().reserve_highatomic_pageblock(index);
        Ok(())
    }

    /// Gives one pageblock of the high-atomic reserve back for a request of this type. True if
    /// free frames moved.
    #[doc(alias = "unreserve_highatomic_pageblock")]
    pub fn unreserve_highatomic(&mut self, migratetype: MigrateType, force: Force) -> bool {
        self.zone().unreserve_highatomic_pageblock(migratetype, force)
    }

    /// Ends the boost of the watermarks, as kswapd does when it has freed enough.
    pub fn reset_watermark_boost(&mut self) {
        self.shared.set_boost(0);
    }

    /// Whether the boost rose for a request that may wake kswapd, since this was last asked.
    pub fn take_boosted(&mut self) -> bool {
        self.shared.take_boosted()
    }

    /// Withdraws the pageblock around a frame from allocation. `migratetype` is CMA for the owner
    /// of a CMA area, else MOVABLE.
    ///
    /// # Errors
    ///
    /// Why it can't be withdrawn.
    #[doc(alias = "set_migratetype_isolate")]
    pub fn isolate_pageblock(
        &mut self,
        pfn: Pfn,
        migratetype: MigrateType,
    ) -> Result<(), IsolateError> {
        let index = self.memmap.index_of(pfn).ok_or(IsolateError::NoSuchFrame(pfn))?;
        self.zone().isolate_pageblock(index, migratetype)
    }

    /// Gives an isolated pageblock back as `migratetype`. Nothing happens if it is not isolated.
    ///
    /// # Errors
    ///
    /// [`IsolateError::NoSuchFrame`], [`IsolateError::IllegalType`].
    #[doc(alias = "unset_migratetype_isolate")]
    pub fn unisolate_pageblock(
        &mut self,
        pfn: Pfn,
        migratetype: MigrateType,
    ) -> Result<(), IsolateError> {
        let index = self.memmap.index_of(pfn).ok_or(IsolateError::NoSuchFrame(pfn))?;
        self.zone().unisolate_pageblock(index, migratetype)
    }

    /// The migratetype of the pageblock around a frame; `None` where no memory is mapped.
    #[doc(alias = "get_pageblock_migratetype")]
    #[must_use]
    pub fn pageblock_migratetype(&self, pfn: Pfn) -> Option<MigrateType> {
        self.memmap.index_of(pfn).map(|index| self.memmap.pageblock(index).migratetype())
    }

    /// The counts of the zone.
    #[must_use]
    pub fn snapshot(&self) -> ZoneSnapshot {
        self.shared.snapshot()
    }

    /// Calls `f` for every free block: order by order, type by type, each list from its head.
    pub fn for_each_free(&mut self, mut f: impl FnMut(Order, MigrateType, Pfn)) {
        let zone = self.zone();
        for order in Order::ALL {
            for migratetype in MigrateType::ALL {
                for index in zone.blocks(order, migratetype) {
                    f(order, migratetype, zone.memmap.pfn_of(index));
                }
            }
        }
    }

    /// Checks the invariants of the zone, frame by frame.
    ///
    /// # Errors
    ///
    /// The first violation found: a defect of this crate, or of the code that writes to its tables.
    pub fn verify(&mut self) -> Result<(), Violation> {
        verify::zone(&self.zone(), 0)
    }
}

fn plan(config: &RawZoneConfig<'_>) -> Result<MemmapPlan, RawZoneError> {
    check(config)?;
    MemmapPlan::new(config.present.iter().copied()).ok_or(RawZoneError::TooManyFrames)
}

fn check(config: &RawZoneConfig<'_>) -> Result<(), RawZoneError> {
    ascending(config.present)?;
    ascending(config.reserved)?;
    ascending(config.cma)?;
    let within = |outer: &[PfnRange], range: &PfnRange| {
        outer.iter().any(|o| o.intersection(*range) == *range)
    };
    if let Some(range) = config.present.iter().find(|range| !within(&[config.span], range)) {
        return Err(RawZoneError::Outside(*range));
    }
    let parts = config.reserved.iter().chain(config.cma);
    if let Some(range) = parts.clone().find(|range| !within(config.present, range)) {
        return Err(RawZoneError::Outside(*range));
    }
    let odd = |area: &&PfnRange| {
        let aligned = |pfn: Pfn| pfn.get().is_multiple_of(PAGEBLOCK_NR_PAGES);
        let reserved = config.reserved.iter().any(|r| !r.intersection(**area).is_empty());
        !aligned(area.start) || !aligned(area.end) || reserved
    };
    if let Some(area) = config.cma.iter().find(odd) {
        return Err(RawZoneError::NotPageblocks(*area));
    }
    let Watermarks { min, low, high, .. } = config.watermarks;
    if !(min <= low && low <= high) {
        return Err(RawZoneError::WatermarksOutOfOrder(config.watermarks));
    }
    if config.present.is_empty() { Err(RawZoneError::Empty) } else { Ok(()) }
}

fn ascending(ranges: &[PfnRange]) -> Result<(), RawZoneError> {
    let mut end = Pfn::new(0);
    for range in ranges {
        if range.is_empty() || range.start < end {
            return Err(RawZoneError::NotAscending(*range));
        }
        end = range.end;
    }
    Ok(())
}

/// The present memory cut at the borders of what is reserved or CMA, ascending.
fn pieces<'a>(config: &RawZoneConfig<'a>) -> impl Iterator<Item = (PfnRange, Giving)> + use<'a> {
    let (present, reserved, cma) = (config.present, config.reserved, config.cma);
    let kept = move || reserved.iter().chain(cma);
    present.iter().flat_map(move |range| {
        let mut start = range.start;
        core::iter::from_fn(move || {
            if start >= range.end {
                return None;
            }
            let inside = kept().any(|r| r.contains(start));
            let borders = kept().flat_map(|r| [r.start, r.end]).filter(|border| *border > start);
            let end = borders.min().map_or(range.end, |border| border.min(range.end));
            let piece = PfnRange::new(start, end);
            start = end;
            Some((piece, if inside { Giving::Reserved } else { Giving::Free }))
        })
    })
}
