//! A look at one zone of an allocator.

use super::{NumaStat, PagesetRef};
use crate::alloc::PageAllocator;
use crate::memmap::FrameKind;
use crate::node::Machine;
use crate::node::pcp::Pcp;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::verify::{self, Violation};
use crate::zone::watermark::ZoneSnapshot;
use crate::zone::{Zone, ZoneMut};
use crate::zone_id::ZoneId;
use crate::{
    CpuId, MAX_ORDER, MIGRATE_TYPES, MigrateType, NodeId, Order, PAGEBLOCK_NR_PAGES, Pfn, PfnRange,
    ZoneLayout, ZoneType,
};
use core::fmt;
use core::sync::atomic::Ordering;

/// One zone of an allocator, to look at.
///
/// Made by [`PageAllocator::zone`] and [`PageAllocator::zones`]. What it tells may be stale when it
/// is read, unless nothing else uses the allocator.
pub struct ZoneRef<'a, P> {
    zone: &'a Zone,
    machine: &'a Machine,
    platform: &'a P,
}

impl<P> Clone for ZoneRef<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for ZoneRef<'_, P> {}

impl<'a, P> ZoneRef<'a, P> {
    pub(super) fn new(zone: &'a Zone, machine: &'a Machine, platform: &'a P) -> Self {
        Self { zone, machine, platform }
    }
}

/// The zones of an allocator, to be walked as often as wanted.
pub(super) struct ZoneRefs<'a, P> {
    machine: Option<&'a Machine>,
    platform: &'a P,
}

impl<'a, P> ZoneRefs<'a, P> {
    pub(super) fn iter(&self) -> impl Iterator<Item = ZoneRef<'a, P>> + Clone + use<'a, P> {
        let platform = self.platform;
        self.machine.into_iter().flat_map(move |machine| {
            machine.online_zones().map(move |zone| ZoneRef { zone, machine, platform })
        })
    }

    /// Those that have memory.
    pub(super) fn populated(&self) -> impl Iterator<Item = ZoneRef<'a, P>> + Clone + use<'a, P> {
        self.iter().filter(|zone| zone.zone.shared.is_populated())
    }
}

impl<P> Clone for ZoneRefs<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for ZoneRefs<'_, P> {}

impl<P> fmt::Debug for ZoneRefs<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// The zone of that type on that node; `None` if the machine has no such zone, or before
    /// `init`. A zone without memory is a zone.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{NodeId, Pfn, ZoneType};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let dma = sim.zone(NodeId::ZERO, ZoneType::Dma).unwrap();
    /// assert_eq!(dma.span().end, Pfn::new(0x1000));
    /// assert!(sim.zone(NodeId::ZERO, ZoneType::HighMem).is_none()); // not on x86-64
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zone(&self, node: NodeId, zone: ZoneType) -> Option<ZoneRef<'_, P>> {
        self.zones().find(|it| it.node() == node && it.zone_type() == zone)
    }

    /// The zones of all nodes, node by node, from the lowest type up; none before `init`. Zones
    /// without memory are among them, those of types that the layout lacks are not.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let zones: Vec<_> = sim.zones().map(|zone| zone.zone_type().to_string()).collect();
    /// assert_eq!(zones, ["DMA", "DMA32", "Normal", "Movable"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zones(&self) -> impl Iterator<Item = ZoneRef<'_, P>> {
        self.zone_refs().iter()
    }

    pub(super) fn zone_refs(&self) -> ZoneRefs<'_, P> {
        ZoneRefs { machine: self.machine(), platform: self.platform() }
    }

    /// Checks every invariant of every zone, frame by frame. Before `init` there is nothing to
    /// check.
    ///
    /// Waits for the lists of other CPUs, as [`drain_all_pages`](Self::drain_all_pages) does: not to be called
    /// in an interrupt, nor with interrupts off. Then it holds the lock of one zone after the other for as long
    /// as it looks at it. Blocks that their owners split or share meanwhile may be reported, so nothing else
    /// should use the allocator.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// assert_eq!(sim.verify(), Ok(()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first violation: a defect of this crate, or of code that wrote to its tables. I9, "a CPU's lists are
    /// in use", says only that they could not be looked at.
    pub fn verify(&self) -> Result<(), Violation> {
        self.zones().try_for_each(|zone| zone.verify())
    }

    /// Free frames of all zones, without those of isolated pageblocks and of per-CPU lists.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "global_zone_page_state")]
    pub fn nr_free_pages(&self) -> u64 {
        self.zones().map(|zone| zone.snapshot().free_pages).sum()
    }
}

impl<'a, P: Platform> ZoneRef<'a, P> {
    fn id(&self) -> ZoneId {
        self.zone.shared.id
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.id().node()
    }

    /// The type.
    #[must_use]
    pub fn zone_type(&self) -> ZoneType {
        self.id().zone_type()
    }

    /// From the first frame to one past the last, holes and frames of other nodes included.
    #[doc(alias = "spanned_pages")]
    #[must_use]
    pub fn span(&self) -> PfnRange {
        self.zone.shared.span()
    }

    /// Frames that exist.
    #[must_use]
    pub fn present_pages(&self) -> u64 {
        self.zone.shared.present.get()
    }

    /// Frames that were given to the allocator.
    #[doc(alias = "zone_managed_pages")]
    #[must_use]
    pub fn managed_pages(&self) -> u64 {
        self.zone.shared.managed.get()
    }

    /// Managed frames in CMA areas.
    #[doc(alias = "zone_cma_pages")]
    #[must_use]
    pub fn cma_pages(&self) -> u64 {
        self.zone.shared.cma.get()
    }

    /// Free frames, watermarks and reserves.
    #[must_use]
    pub fn snapshot(&self) -> ZoneSnapshot {
        self.zone.shared.snapshot()
    }

    /// Requests served from memory of another migratetype, since `init`.
    #[must_use]
    pub fn nr_fallbacks(&self) -> u64 {
        self.zone.shared.events.fallbacks.get()
    }

    /// Frames handed out since `init`. What moves between the zone and per-CPU
    /// lists does not count.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, NodeId, Order, ZoneType};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let block = sim.alloc_pages(Gfp::KERNEL, Order::O4)?;
    /// let _page = sim.alloc_page(Gfp::KERNEL)?;
    /// sim.free_pages(block)?;
    /// let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    /// assert_eq!((zone.pgalloc(), zone.pgfree()), (17, 16));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "PGALLOC")]
    #[must_use]
    pub fn pgalloc(&self) -> u64 {
        let lists = self.machine.pcps.of_zone(self.id()).map(Pcp::frames_allocated);
        lists.fold(self.zone.shared.events.allocated.get(), u64::wrapping_add)
    }

    /// Frames freed since `init`; see [`pgalloc`](Self::pgalloc).
    #[doc(alias = "PGFREE")]
    #[must_use]
    pub fn pgfree(&self) -> u64 {
        self.machine.frames_freed_of(self.zone)
    }

    /// Where requests that preferred this zone, or were served by it, came from and went to, since
    /// `init`. Nobody interleaves yet. Takes the zone's lock.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, NodeId, ZoneType};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let _page = sim.alloc_page(Gfp::KERNEL)?;
    /// let stat = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap().numa_stat();
    /// assert_eq!((stat.hit, stat.local, stat.miss), (1, 1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "zone_statistics")]
    #[must_use]
    pub fn numa_stat(&self) -> NumaStat {
        let stat = self.with(|zone| {
            let events = &zone.shared.events;
            NumaStat {
                hit: events.numa_hit.get(),
                miss: events.numa_miss.get(),
                foreign: events.numa_foreign.load(Ordering::Relaxed) as u64,
                interleave: 0,
                local: events.numa_local(),
                other: events.numa_other.get(),
            }
        });
        self.with_pcp_events(stat)
    }

    /// Adds the requests that the per-CPU lists served, which count them by CPU alone.
    fn with_pcp_events(&self, mut stat: NumaStat) -> NumaStat {
        for pcp in self.machine.pcps.of_zone(self.id()) {
            let served = pcp.nr_allocated();
            stat.hit += served;
            match self.machine.cpu_to_node(pcp.lists.owner()) == self.node() {
                true => stat.local += served,
                false => stat.other += served,
            }
        }
        let missed = self.zone.shared.events.pcp_miss.load(Ordering::Relaxed) as u64;
        stat.hit = stat.hit.saturating_sub(missed);
        stat.miss += missed;
        stat
    }

    /// Free blocks of each order.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{NodeId, Order, ZoneType};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let dma32 = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    /// let free = dma32.nr_free();
    /// assert!(free[Order::MAX.index()] >= 11); // 48 MiB in blocks of 4, less the tables
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn nr_free(&self) -> [u64; MAX_ORDER] {
        self.with(|zone| zone.areas.nr_free_by_order())
    }

    /// Free blocks of each order on the lists of one type. Walks these lists, however long, with the zone's
    /// lock held and interrupts off.
    #[must_use]
    pub fn nr_free_of(&self, migratetype: MigrateType) -> [u64; MAX_ORDER] {
        self.with(|zone| Order::ALL.map(|order| zone.blocks(order, migratetype).count() as u64))
    }

    /// Calls `f` for every free block: order by order, type by type, each list from its head.
    ///
    /// The zone is locked meanwhile: `f` must not use the allocator.
    pub fn for_each_free(&self, mut f: impl FnMut(Order, MigrateType, Pfn)) {
        self.with(|zone| {
            for order in Order::ALL {
                for migratetype in MigrateType::ALL {
                    for index in zone.blocks(order, migratetype) {
                        f(order, migratetype, zone.memmap.pfn_of(index));
                    }
                }
            }
        });
    }

    /// The migratetype of the pageblock around a frame; `None` where no memory is mapped.
    #[doc(alias = "get_pageblock_migratetype")]
    #[must_use]
    pub fn pageblock_migratetype(&self, pfn: Pfn) -> Option<MigrateType> {
        let memmap = &self.machine.memmap;
        memmap.index_of(pfn).map(|index| memmap.pageblock(index).migratetype())
    }

    /// The number of pageblocks of each type, indexed by migratetype. As Linux does, this looks at
    /// every 512th frame of the span, and counts its pageblock if the frame is present and the
    /// zone's. The lock is not taken.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{MigrateType, NodeId, ZoneType};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let dma32 = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    /// assert_eq!(dma32.nr_pageblocks()[MigrateType::Movable.index()], 24); // 48 MiB
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "pagetypeinfo_showblockcount_print")]
    #[must_use]
    pub fn nr_pageblocks(&self) -> [u64; MIGRATE_TYPES] {
        let mut counts = [0; MIGRATE_TYPES];
        let mut pfn = self.span().start;
        while pfn < self.span().end {
            if let Some(migratetype) = self.own_pageblock(pfn) {
                counts[migratetype.index()] += 1;
            }
            pfn = pfn + PAGEBLOCK_NR_PAGES;
        }
        counts
    }

    /// The migratetype of the pageblock around a frame of this zone.
    fn own_pageblock(&self, pfn: Pfn) -> Option<MigrateType> {
        let memmap = &self.machine.memmap;
        let index = memmap.index_of(pfn)?;
        let state = memmap.state(index);
        let own = state.kind() != FrameKind::Absent && state.zone() == self.id();
        own.then(|| memmap.pageblock(index).migratetype())
    }

    /// Free blocks by migratetype and order, each number not above `most`.
    pub(super) fn free_blocks_up_to(&self, most: u64) -> [[u64; MAX_ORDER]; MIGRATE_TYPES] {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let count =
            |order, kind| self.with(|zone| zone.blocks(order, kind).take(most).count() as u64);
        MigrateType::ALL.map(|kind| Order::ALL.map(|order| count(order, kind)))
    }

    /// Each CPU's lists of the zone, by CPU; none if there are no per-CPU lists.
    pub fn pagesets(&self) -> impl Iterator<Item = PagesetRef<'a, P>> + Clone + use<'a, P> {
        let Self { zone, machine, platform } = *self;
        let pcps = machine.pcps.of_zone(zone.shared.id);
        pcps.map(move |pcp| PagesetRef::new(pcp, &machine.memmap, platform))
    }

    /// The running CPU's lists of the zone.
    pub(super) fn own_pageset(&self) -> Option<PagesetRef<'a, P>> {
        self.pageset(self.platform.cpu_id())
    }

    /// A CPU's lists of the zone.
    #[must_use]
    pub fn pageset(&self, cpu: CpuId) -> Option<PagesetRef<'a, P>> {
        let Self { zone, machine, platform } = *self;
        let pcp = machine.pcps.get(cpu, zone.shared.id)?;
        Some(PagesetRef::new(pcp, &machine.memmap, platform))
    }

    pub(super) fn layout(&self) -> ZoneLayout {
        self.machine.layout
    }

    /// Ends the boost of the watermarks: kswapd does that when it has freed as much.
    pub fn reset_watermark_boost(&self) {
        self.with(|zone| zone.shared.set_boost(0));
    }

    /// Checks every invariant of the zone; see [`PageAllocator::verify`], for the context too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify(&self) -> Result<(), Violation> {
        let mut cached = 0;
        for pageset in self.pagesets() {
            cached += pageset.verify(self.id())?;
        }
        self.with(|zone| verify::zone(zone, cached))
    }

    pub(crate) fn with<A>(&self, f: impl FnOnce(&mut ZoneMut<'_>) -> A) -> A {
        let irq = IrqGuard::new(self.platform);
        self.zone.with(&self.machine.memmap, &irq, f)
    }
}

impl<P> fmt::Debug for ZoneRef<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ZoneRef").field(&self.zone.shared.id).finish()
    }
}
