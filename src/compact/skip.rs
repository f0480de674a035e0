//! Forgetting which pageblocks were looked at in vain.

use super::part::Part;
use crate::memmap::{FrameIdx, FrameKind, Memmap};
use crate::reclaim::Reclaim;
use crate::zone::{ZoneShared, last_pageblock};
use crate::{
    MigrateType, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn,
};

/// One in so many frames of a pageblock is looked at.
const SAMPLED: usize = 1 << PAGE_ALLOC_COSTLY_ORDER.get();

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
    if zone.span().is_empty() || !state.wants_flush() {
        return;
    }
    state.flushed();
    let (mut low, mut high) = (first_pageblock(zone), last_pageblock(zone.span()).get());
    let (mut first_source, mut last_target) = (None, None);
    while low < high {
        reclaim.cond_resched();
        let sought = if first_source.is_some() { Sought::Either } else { Sought::Source };
        if clear_skip(memmap, zone, low, sought) && first_source.is_none() {
            first_source = Some(low);
            state.restart_migrate(Pfn::new(low).max(zone.span().start));
        }
        let sought = if last_target.is_some() { Sought::Either } else { Sought::Target };
        if clear_skip(memmap, zone, high, sought) && last_target.is_none() {
            last_target = Some(high);
            state.restart_free(Pfn::new(high));
        }
        low += PAGEBLOCK_NR_PAGES;
        high = high.saturating_sub(PAGEBLOCK_NR_PAGES);
    }
    if first_source.zip(last_target).is_none_or(|(first, last)| first >= last) {
        state.set_migrate(Pfn::new(low).max(zone.span().start));
        state.set_free(Pfn::new(high).max(zone.span().start));
    }
}

fn first_pageblock(zone: &ZoneShared) -> u64 {
    zone.span().start.get() & !(PAGEBLOCK_NR_PAGES - 1)
}

/// Whether the pageblock has what is sought; if so, its bit is cleared.
#[doc(alias = "__reset_isolation_pfn")]
fn clear_skip(memmap: &Memmap, zone: &ZoneShared, start: u64, sought: Sought) -> bool {
    let Some(part) = Part::of(memmap, zone, Pfn::new(start)) else { return false };
    let pageblock = memmap.pageblock(part.first());
    if is_one_allocated(memmap, part.first()) {
        return false;
    }
    if sought == Sought::Either && !pageblock.is_skipped() {
        return true;
    }
    if sought == Sought::Target && pageblock.migratetype() != MigrateType::Movable {
        return false;
    }
    let found = part.every(SAMPLED).any(|index| {
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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{clear_skips, reset_isolation_suitable};
    use crate::memmap::FrameIdx;
    use crate::{
        AllocFlags, MigrateType, Movability, NoReclaim, Order, Pfn, PfnRange, RawZone,
        RawZoneConfig,
    };
    use std::vec;
    use std::vec::Vec;

    const START: u64 = 0x1000;

    /// Bits of pageblocks with something to move and to move to are cleared when they are to be, once,
    /// whether or not the pageblocks lack frames at their ends.
    #[test]
    fn bits_are_cleared_once() {
        let range = |start, end| PfnRange::new(Pfn::new(START + start), Pfn::new(START + end));
        let present = [range(0, 512), range(515, 1531), range(1536, 2048)];
        let config = RawZoneConfig::new(range(0, 2048), &present);
        let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
        let mut zone = RawZone::new(&mut memory, &config).unwrap();
        let take = || zone.rmqueue(Order::ZERO, MigrateType::Movable, AllocFlags::empty());
        let pages: Vec<_> = std::iter::from_fn(take).collect();
        let (even, odd): (Vec<_>, Vec<_>) = pages.into_iter().partition(|p| p.pfn().get() % 16 < 8);
        odd.into_iter().for_each(|pages| zone.free_pages(pages).unwrap());
        for pages in &even {
            zone.set_movable(pages, Movability::Movable).unwrap();
        }
        let zone = zone.zone();
        let indices: Vec<FrameIdx> =
            (0..4).filter_map(|at| zone.memmap.index_of(Pfn::new(START + 512 * at))).collect();
        let skip_all = || indices.iter().for_each(|at| zone.memmap.pageblock(*at).skip());
        let skipped =
            || indices.iter().filter(|at| zone.memmap.pageblock(**at).is_skipped()).count();
        skip_all();
        clear_skips(zone.memmap, zone.shared, &NoReclaim);
        assert_eq!(skipped(), 4, "nobody asked for it");
        zone.shared.compaction.want_flush();
        reset_isolation_suitable(zone.memmap, core::iter::once(zone.shared), &NoReclaim);
        assert_eq!(skipped(), 0);
        assert_eq!(zone.shared.compaction.free().get(), START + 1536);
        skip_all();
        clear_skips(zone.memmap, zone.shared, &NoReclaim);
        assert_eq!(skipped(), 4, "it is done");
    }
}
