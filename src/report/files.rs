//! The files of `/proc`, printed from an allocator.
//!
//! Each borrows the allocator and asks the zones while it prints, one after the other, so that no
//! memory is needed. Its text is the whole file, with the newline at its end.

use super::pagetypeinfo::MOST_COUNTED;
use super::zone_ref::{ZoneRef, ZoneRefs};
use super::{
    BuddyInfoRow, CmaColumn, DeviceColumn, PageTypeInfo, Pageset, Protection, ZoneInfo,
    ZonePageTypes, ZonePages,
};
use crate::alloc::PageAllocator;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{CpuId, NodeId, WatermarkLevel};
use core::fmt;

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// `/proc/buddyinfo`: the free blocks of each order, for the zones that have memory. Empty
    /// before `init`. Printing takes each zone's lock for a moment.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// let sim = Sim::boot(SimConfig::flat(32 << 20))?; // 16 MiB in DMA, 16 in DMA32
    /// let text = sim.buddyinfo().to_string();
    /// assert_eq!(text.lines().count(), 2);
    /// assert!(text.starts_with(
    ///     "Node 0, zone      DMA      1      1      1      1      1      1      1      1      1      1      3 \n\
    ///      Node 0, zone    DMA32 "
    /// ));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buddyinfo(&self) -> BuddyInfo<'_, P> {
        BuddyInfo { zones: self.zone_refs() }
    }

    /// `/proc/pagetypeinfo`: the free blocks and the pageblocks of each migratetype, for the nodes
    /// and zones that have memory. Empty before `init`. CMA has its row and column if the machine
    /// has CMA areas. Printing counts the blocks of each list, 100 000 at most, with the zone's lock held and
    /// interrupts off.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// let sim = Sim::boot(SimConfig::flat(32 << 20))?; // 16 MiB in DMA, 16 in DMA32
    /// let text = sim.pagetypeinfo().to_string();
    /// let lines: Vec<_> = text.lines().collect();
    /// assert_eq!(
    ///     lines[5],
    ///     "Node    0, zone      DMA, type      Movable      0      0      0      0      0      0      0      0      0      1      3 "
    /// );
    /// assert_eq!(
    ///     lines[16],
    ///     "Node 0, zone      DMA            1            7            0            0            0 "
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pagetypeinfo(&self) -> PageTypeInfos<'_, P> {
        PageTypeInfos { zones: self.zone_refs() }
    }

    /// `/proc/zoneinfo`: sizes, watermarks, reserves and counters of every zone, also of empty ones.
    /// Empty before `init`.
    ///
    /// What Linux fills from outside the page allocator is left out, as for [`ZoneInfo`]. There is a
    /// column for the zone `Device`, as on most 64-bit machines; [`ZoneInfos::device`] takes it away.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// let sim = Sim::boot(SimConfig::flat(32 << 20))?; // frame 0 is kept back, as Linux does
    /// let text = sim.zoneinfo().to_string();
    /// assert!(text.starts_with("Node 0, zone      DMA\n  pages free     4095\n        boost    0\n"));
    /// assert!(text.contains("\n  pagesets\n    cpu: 0\n              count: 0\n"));
    /// assert!(text.ends_with("        protection: (0, 0, 0, 0, 0)\n")); // Movable is empty
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zoneinfo(&self) -> ZoneInfos<'_, P> {
        ZoneInfos { zones: self.zone_refs(), device: DeviceColumn::Present }
    }
}

/// The rows of `/proc/buddyinfo`. Made by [`PageAllocator::buddyinfo`]; printed, it is the file.
#[derive(Clone, Copy, Debug)]
pub struct BuddyInfo<'a, P> {
    zones: ZoneRefs<'a, P>,
}

impl<'a, P: Platform> BuddyInfo<'a, P> {
    /// The rows, by node, then by zone type. A zone is asked when its row is taken.
    pub fn rows(&self) -> impl Iterator<Item = BuddyInfoRow> + Clone + use<'a, P> {
        self.zones.populated().map(|zone| zone.buddyinfo())
    }
}

impl<P: Platform> fmt::Display for BuddyInfo<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows().try_for_each(|row| writeln!(f, "{row}"))
    }
}

/// The parts of `/proc/pagetypeinfo`, one for each node. Made by [`PageAllocator::pagetypeinfo`];
/// printed, it is the file.
#[derive(Clone, Copy, Debug)]
pub struct PageTypeInfos<'a, P> {
    zones: ZoneRefs<'a, P>,
}

impl<'a, P: Platform> PageTypeInfos<'a, P> {
    /// The zones that have memory, by node, then by zone type. Counts of free blocks go up to
    /// 100,000, where Linux stops too.
    pub fn rows(&self) -> impl Iterator<Item = (NodeId, ZonePageTypes)> + Clone + use<'a, P> {
        self.zones.populated().map(|zone| (zone.node(), zone.page_types()))
    }

    fn cma(&self) -> CmaColumn {
        let areas = self.zones.populated().any(|zone| zone.cma_pages() != 0);
        if areas { CmaColumn::Present } else { CmaColumn::Absent }
    }

    fn fmt_node(&self, f: &mut fmt::Formatter<'_>, node: NodeId) -> fmt::Result {
        let zones = self.zones.populated().filter(move |zone| zone.node() == node);
        let zones = zones.map(|zone| zone.page_types());
        writeln!(f, "{}", PageTypeInfo { node, zones, cma: self.cma() })
    }
}

impl<P: Platform> fmt::Display for PageTypeInfos<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for node in self.zones.populated().map(|zone| zone.node()) {
            if last != Some(node) {
                last = Some(node);
                self.fmt_node(f, node)?;
            }
        }
        Ok(())
    }
}

/// The zones of `/proc/zoneinfo`. Made by [`PageAllocator::zoneinfo`]; printed, it is the part of
/// the file that the allocator knows.
#[derive(Clone, Copy, Debug)]
pub struct ZoneInfos<'a, P> {
    zones: ZoneRefs<'a, P>,
    device: DeviceColumn,
}

impl<'a, P: Platform> ZoneInfos<'a, P> {
    /// Says whether the reserves have a column for the zone `Device`.
    #[must_use]
    pub fn device(self, device: DeviceColumn) -> Self {
        Self { device, ..self }
    }

    /// The zones, by node, then by type. A zone is asked when it is taken.
    pub fn rows(&self) -> impl Iterator<Item = ZoneInfo<Pagesets<'a, P>>> + Clone + use<'a, P> {
        let device = self.device;
        self.zones.iter().map(move |zone| zone.zoneinfo(device))
    }
}

impl<P: Platform> fmt::Display for ZoneInfos<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows().try_for_each(|zone| writeln!(f, "{zone}"))
    }
}

impl<'a, P: Platform> ZoneRef<'a, P> {
    fn buddyinfo(&self) -> BuddyInfoRow {
        BuddyInfoRow { node: self.node(), zone: self.zone_type(), nr_free: self.nr_free() }
    }

    fn page_types(&self) -> ZonePageTypes {
        ZonePageTypes {
            zone: self.zone_type(),
            nr_free: self.free_blocks_up_to(MOST_COUNTED),
            nr_blocks: self.nr_pageblocks(),
        }
    }

    pub(super) fn protection(&self, device: DeviceColumn) -> Protection {
        let lowmem_reserve = self.snapshot().lowmem_reserve;
        Protection { lowmem_reserve, layout: self.layout(), device }
    }

    fn zoneinfo(&self, device: DeviceColumn) -> ZoneInfo<Pagesets<'a, P>> {
        ZoneInfo {
            node: self.node(),
            zone: self.zone_type(),
            pages: self.pages(),
            protection: self.protection(device),
            numa: self.numa_stat(),
            pagesets: Pagesets(*self),
            start_pfn: self.span().start,
        }
    }

    fn pages(&self) -> ZonePages {
        let now = self.snapshot();
        let boosted = |level| now.watermark[level as usize].saturating_add(now.watermark_boost);
        ZonePages {
            free: now.free_pages,
            boost: now.watermark_boost,
            min: boosted(WatermarkLevel::Min),
            low: boosted(WatermarkLevel::Low),
            high: boosted(WatermarkLevel::High),
            spanned: self.span().len(),
            present: self.present_pages(),
            managed: self.managed_pages(),
            cma: self.cma_pages(),
            free_cma: now.free_cma_pages,
        }
    }
}

/// The rows of each CPU's lists of a zone. A CPU is asked when its row is taken.
#[derive(Debug)]
pub struct Pagesets<'a, P>(ZoneRef<'a, P>);

impl<P> Clone for Pagesets<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Pagesets<'_, P> {}

impl<'a, P: Platform> IntoIterator for Pagesets<'a, P> {
    type Item = Pageset;
    type IntoIter = PagesetRows<'a, P>;

    fn into_iter(self) -> PagesetRows<'a, P> {
        PagesetRows { zone: self.0, next: 0 }
    }
}

/// The iterator over [`Pagesets`].
#[derive(Debug)]
pub struct PagesetRows<'a, P> {
    zone: ZoneRef<'a, P>,
    next: u32,
}

impl<P: Platform> Iterator for PagesetRows<'_, P> {
    type Item = Pageset;

    fn next(&mut self) -> Option<Pageset> {
        let pageset = self.zone.pageset(CpuId::new(self.next))?;
        self.next += 1;
        Some(pageset.pageset())
    }
}
