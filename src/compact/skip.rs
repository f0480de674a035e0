//! Forgetting which pageblocks were looked at in vain.

use crate::memmap::{FrameIdx, FrameKind, Memmap};
use crate::reclaim::Reclaim;
use crate::zone::{ZoneShared, last_pageblock};
use crate::{
    MigrateType, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn,
};

/// What a pageblock is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sought {
    Source,
    Target,
    Either,
}

/// kswapd goes to sleep: it is a good time to look everywhere again, if the scanners have met since
/// the last time.
pub(crate) fn reset_isolation_suitable<'z>(
    memmap: &Memmap,
    zones: impl Iterator<Item = &'z ZoneShared>,
    reclaim: &impl Reclaim,
) {
    zones.for_each(|zone| clear_skips(memmap, zone, reclaim));
}

/// Clears the bits of pageblocks that have something to move or to move to, and has the scanners
/// start at the outermost of these. Does nothing unless the scanners have met for a request. Others
/// may run meanwhile; no lock is held.
#[doc(alias = "__reset_isolation_suitable")]
pub(super) fn clear_skips(memmap: &Memmap, zone: &ZoneShared, reclaim: &impl Reclaim) {
    let state = &zone.compaction;
    if zone.span.is_empty() || !state.wants_flush() {
        return;
    }
    state.flushed();
    let (mut low, mut high) = (first_pageblock(zone), last_pageblock(zone.span).get());
    let (mut first_source, mut last_target) = (None, None);
    while low < high {
        reclaim.cond_resched();
        let sought = if first_source.is_some() { Sought::Either } else { Sought::Source };
        if clear_skip(memmap, zone, low, sought) && first_source.is_none() {
            first_source = Some(low);
            state.restart_migrate(Pfn::new(low).max(zone.span.start));
        }
        let sought = if last_target.is_some() { Sought::Either } else { Sought::Target };
        if clear_skip(memmap, zone, high, sought) && last_target.is_none() {
            last_target = Some(high);
            state.set_free(Pfn::new(high));
        }
        low += PAGEBLOCK_NR_PAGES;
        high = high.saturating_sub(PAGEBLOCK_NR_PAGES);
    }
    if first_source.zip(last_target).is_none_or(|(first, last)| first >= last) {
        state.set_migrate(Pfn::new(low).max(zone.span.start));
        state.set_free(Pfn::new(high).max(zone.span.start));
    }
}

fn first_pageblock(zone: &ZoneShared) -> u64 {
    zone.span.start.get() & !(PAGEBLOCK_NR_PAGES - 1)
}

/// Whether the pageblock has what is sought; if so, its bit is cleared.
#[doc(alias = "__reset_isolation_pfn")]
fn clear_skip(memmap: &Memmap, zone: &ZoneShared, start: u64, sought: Sought) -> bool {
    let Some(index) = memmap.index_of(Pfn::new(start)) else { return false };
    let (pageblock, state) = (memmap.pageblock(index), memmap.state(index));
    let here = state.kind() != FrameKind::Absent && state.zone() == zone.id;
    if !here || is_one_allocated(memmap, index) {
        return false;
    }
    if sought == Sought::Either && !pageblock.is_skipped() {
        return true;
    }
    if sought == Sought::Target && pageblock.migratetype() != MigrateType::Movable {
        return false;
    }
    let found = samples(index).any(|index| {
        let state = memmap.state(index);
        let source = state.kind() == FrameKind::Allocated && state.may_be_moved();
        let target = state.kind() == FrameKind::Free;
        source && sought != Sought::Target || target && sought != Sought::Source
    });
    if found {
        pageblock.clear_skip();
    }
    found
}

fn is_one_allocated(memmap: &Memmap, index: FrameIdx) -> bool {
    [PAGEBLOCK_ORDER, Order::MAX].into_iter().any(|order| {
        let state = memmap.state(index.align_down(order));
        state.kind() == FrameKind::Allocated && state.order() >= order
    })
}

/// Every eighth frame of the pageblock that starts there.
fn samples(first: FrameIdx) -> impl Iterator<Item = FrameIdx> {
    let step = 1 << PAGE_ALLOC_COSTLY_ORDER.get();
    let frames = 1 << PAGEBLOCK_ORDER.get();
    (0..frames).step_by(step).map(move |frames| first.forward_in_block(frames))
}
