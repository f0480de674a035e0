//! A look at one CPU's lists of one zone.

use super::Pageset;
use crate::memmap::Memmap;
use crate::node::pcp::limits::PcpLimits;
use crate::node::pcp::{Pcp, PcpIndex, PcpList, PcpLists};
use crate::platform::Platform;
use crate::sync::CpuGuard;
use crate::verify::{self, Violation};
use crate::zone_id::ZoneId;
use crate::{CpuId, MigrateType, Pfn};
use core::fmt;
use core::ops::RangeInclusive;

/// One CPU's lists of one zone, to look at. Made by [`ZoneRef::pagesets`](super::ZoneRef::pagesets).
///
/// ```
/// use page_alloc::node::pcp::limits::PcpLimits;
/// # use page_alloc::sim::{Sim, SimConfig};
/// use page_alloc::{CpuId, Gfp, NodeId, ZoneType};
/// # let sim = Sim::boot(SimConfig::flat(1 << 30))?;
/// let page = sim.alloc_page(Gfp::KERNEL)?;
/// let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
/// let mine = zone.pageset(CpuId::BOOT).unwrap();
/// assert_eq!(mine.count(), 62);
/// assert_eq!(mine.limits().batch, 63);
/// let mut next = None;
/// mine.for_each(|_, pfn, _| next = next.or(Some(pfn))).unwrap();
/// assert_eq!(next, Some(page.pfn() + 1)); // served in the order of addresses
/// # sim.free_pages(page)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PagesetRef<'a, P> {
    pcp: &'a Pcp,
    memmap: &'a Memmap,
    platform: &'a P,
}

impl<P> Clone for PagesetRef<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for PagesetRef<'_, P> {}

impl<'a, P: Platform> PagesetRef<'a, P> {
    pub(super) fn new(pcp: &'a Pcp, memmap: &'a Memmap, platform: &'a P) -> Self {
        Self { pcp, memmap, platform }
    }

    /// The CPU.
    #[must_use]
    pub fn cpu(&self) -> CpuId {
        self.pcp.lists.owner()
    }

    /// Frames on the lists.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.pcp.count()
    }

    /// How many frames may be on them, and how many move at once.
    #[must_use]
    pub fn limits(&self) -> PcpLimits {
        self.pcp.limits()
    }

    /// Where `high` may move ([`PcpHigh::Adaptive`]): one number where it is fixed.
    ///
    /// [`PcpHigh::Adaptive`]: crate::node::pcp::PcpHigh::Adaptive
    #[doc(alias = "high_min")]
    #[doc(alias = "high_max")]
    #[must_use]
    pub fn high_range(&self) -> RangeInclusive<u32> {
        self.pcp.high_range()
    }

    /// How often in a row a batch was given back with nothing allocated in between; it halves with
    /// each allocation.
    #[must_use]
    pub fn free_factor(&self) -> u32 {
        self.pcp.free_factor()
    }

    /// The row of `/proc/zoneinfo`.
    #[must_use]
    pub fn pageset(&self) -> Pageset {
        let PcpLimits { batch, high } = self.limits();
        let [count, high, batch] = [self.count(), high, batch].map(u64::from);
        Pageset { cpu: self.cpu().get(), count, high, batch }
    }

    /// Calls `f` for every block on the lists, list by list, each from its head, with the type to
    /// whose free list it will go. `None`: the lists are in use.
    ///
    /// The lists are locked meanwhile: `f` must not use the allocator. Waits as
    /// [`drain_all_pages`](crate::PageAllocator::drain_all_pages) does for lists of another CPU.
    #[must_use]
    pub fn for_each(&self, mut f: impl FnMut(PcpList, Pfn, MigrateType)) -> Option<()> {
        self.with_lists(|lists| {
            for index in PcpIndex::all() {
                for block in lists.list(index).iter(self.memmap.links()) {
                    let migratetype = self.memmap.frame(block).state().migratetype();
                    f(index.to_list(), self.memmap.pfn_of(block), migratetype);
                }
            }
        })
    }

    /// Checks the lists. Gives the number of blocks.
    pub(super) fn verify(&self, zone: ZoneId) -> Result<usize, Violation> {
        let checked = self.with_lists(|lists| verify::pcp(zone, self.memmap, self.pcp, lists));
        checked.unwrap_or_else(|| Err(Violation::in_use(zone)))
    }

    /// Runs `f` on the lists, whosever they are.
    fn with_lists<A>(&self, f: impl FnOnce(&PcpLists) -> A) -> Option<A> {
        let here = CpuGuard::new(self.platform);
        if here.cpu() == self.cpu() {
            return self.pcp.lists.own(&here).map(|lists| f(&lists));
        }
        drop(here);
        self.pcp.lists.remote(self.platform).map(|lists| f(&lists))
    }
}

impl<P> fmt::Debug for PagesetRef<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagesetRef").field("pcp", &self.pcp).finish_non_exhaustive()
    }
}
