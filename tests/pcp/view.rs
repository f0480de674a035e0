//! All that can be seen of an allocator with per-CPU lists, as values to compare.

use page_alloc::node::pcp::PcpList;
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::report::{NumaStat, ZoneRef};
use page_alloc::sim::{Sim, SimPlatform};
use page_alloc::zone::watermark::ZoneSnapshot;
use page_alloc::{CpuId, MigrateType, Order, Pfn, Reclaim, Trace};

/// The lists of one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListsView {
    pub cpu: CpuId,
    pub count: u32,
    pub limits: PcpLimits,
    pub free_factor: u32,
    pub blocks: Vec<(PcpList, Pfn, MigrateType)>,
}

/// A zone's own lists and types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeView {
    pub snapshot: ZoneSnapshot,
    pub free: Vec<(Order, MigrateType, Pfn)>,
    pub pageblocks: Vec<Option<MigrateType>>,
    pub fallbacks: u64,
}

/// A zone, and what CPUs have of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneView {
    pub free: FreeView,
    pub numa: NumaStat,
    pub lists: Vec<ListsView>,
}

pub fn free_of(zone: &ZoneRef<'_, SimPlatform>) -> FreeView {
    let mut free = Vec::new();
    zone.for_each_free(|order, kind, pfn| free.push((order, kind, pfn)));
    let starts = (zone.span().start.get()..zone.span().end.get()).step_by(512);
    FreeView {
        snapshot: zone.snapshot(),
        free,
        pageblocks: starts.map(|pfn| zone.pageblock_migratetype(Pfn::new(pfn))).collect(),
        fallbacks: zone.nr_fallbacks(),
    }
}

pub fn lists_of(zone: &ZoneRef<'_, SimPlatform>) -> Vec<ListsView> {
    let view = |pageset: page_alloc::report::PagesetRef<'_, SimPlatform>| {
        let mut blocks = Vec::new();
        let looked = pageset.for_each(|list, pfn, kind| blocks.push((list, pfn, kind)));
        looked.expect("nobody uses the lists");
        ListsView {
            cpu: pageset.cpu(),
            count: pageset.count(),
            limits: pageset.limits(),
            free_factor: pageset.free_factor(),
            blocks,
        }
    };
    zone.pagesets().map(view).collect()
}

/// Every zone with memory. The allocator must be sound, too.
pub fn view<R: Reclaim, T: Trace>(sim: &Sim<R, T>) -> Vec<ZoneView> {
    assert_eq!(sim.verify(), Ok(()));
    let zones = sim.zones().filter(|zone| zone.present_pages() > 0);
    let one = |zone: ZoneRef<'_, SimPlatform>| ZoneView {
        free: free_of(&zone),
        numa: zone.numa_stat(),
        lists: lists_of(&zone),
    };
    zones.map(one).collect()
}
