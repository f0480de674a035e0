//! What a compaction notes, on a machine whose kernel moves nothing.

extern crate std;

use super::control::{Compactor, Control};
use super::{CompactRequest, Extent};
use crate::sim::{Sim, SimConfig, SimPlatform};
use crate::zone::last_pageblock;
use crate::zone_id::ZoneId;
use crate::{
    Gfp, NoReclaim, NoTrace, NodeId, Order, PAGEBLOCK_NR_PAGES, Pages, Pfn, PfnRange, ZoneType,
};
use std::vec::Vec;

type Machine = Sim<NoReclaim, NoTrace>;
type Work<'a> = Compactor<'a, SimPlatform, NoReclaim, NoTrace>;

/// A machine with all frames in use but for those of which `free` says so, by the pageblock of the DMA32
/// zone, counted from its last, and the place in it.
fn machine(free: impl Fn(u64, u64) -> bool) -> (Machine, Vec<Pages>) {
    let sim = Sim::boot_with(&SimConfig::flat(64 << 20), NoReclaim, NoTrace).unwrap();
    let gfp = (Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC | Gfp::NOWARN) - Gfp::DIRECT_RECLAIM;
    let all: Vec<_> = std::iter::from_fn(|| sim.alloc_page(gfp).ok()).collect();
    let span = span(&sim);
    let is_free = |pages: &Pages| {
        let pfn = pages.pfn().get();
        let from_last = last_pageblock(span).get() / PAGEBLOCK_NR_PAGES;
        span.contains(pages.pfn())
            && free(from_last - pfn / PAGEBLOCK_NR_PAGES, pfn % PAGEBLOCK_NR_PAGES)
    };
    let (freed, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(is_free);
    freed.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    sim.drain_all_pages(None);
    (sim, kept)
}

fn span(sim: &Machine) -> PfnRange {
    sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap().span()
}

fn with_compactor<A>(sim: &Machine, zone: ZoneType, work: impl FnOnce(&Work<'_>) -> A) -> A {
    let machine = sim.machine().unwrap();
    let zone = machine.zone(ZoneId::new(NodeId::ZERO, zone)).unwrap();
    let (platform, reclaim, trace) = (sim.platform(), sim.reclaim(), sim.trace());
    work(&Compactor { machine, zone, platform, reclaim, trace, drain: &|_| () })
}

/// A compaction for kcompactd, of a block of order 9, that has just begun.
fn with_control<A>(
    sim: &Machine,
    work: impl FnOnce(&mut Control<'_, SimPlatform, NoReclaim, NoTrace>) -> A,
) -> A {
    with_compactor(sim, ZoneType::Dma32, |compactor| {
        let request = CompactRequest::background(Order::O9, ZoneType::Dma32);
        assert_eq!(request.extent, Extent::Promising);
        work(&mut compactor.begin(request))
    })
}

/// How far a place is below the last pageblock, in pageblocks.
fn below_last(sim: &Machine, pfn: Pfn) -> u64 {
    (last_pageblock(span(sim)).get() - pfn.get()) / PAGEBLOCK_NR_PAGES
}

/// The free scanner of the next compaction starts at the lowest pageblock that was looked at to its end.
/// When something comes back, it starts where that is.
#[test]
fn the_next_compaction_starts_where_this_one_stopped() {
    let (sim, _kept) = machine(|_, place| place.is_multiple_of(16));
    let start = || with_control(&sim, |control| below_last(&sim, control.free));
    for (taken, expected) in [(16, 0), (16, 0), (16, 0), (32, 1)] {
        with_control(&sim, |control| {
            control.isolate_freepages(taken);
            assert_eq!(control.targets.frames(), taken);
            use_up(control);
        });
        assert_eq!(start(), expected);
    }
    with_control(&sim, |control| {
        control.isolate_freepages(48);
        control.at.notes().lower_free(span(&sim).start);
    });
    assert_eq!(start(), 2);
}

/// What was taken is filled, so that it does not come back.
fn use_up(control: &mut Control<'_, SimPlatform, NoReclaim, NoTrace>) {
    while control.targets.pop().is_some() {}
}

/// A search of the lists that meets a block where the scanner would start has seen that pageblock: the
/// next compaction starts below.
#[test]
fn what_the_lists_told_of_is_passed() {
    let (sim, _kept) = machine(|from_last, place| from_last == 0 && place.is_multiple_of(2));
    with_control(&sim, |control| {
        control.search_targets(Order::ZERO, 1);
        assert_eq!(control.targets.frames(), 1);
    });
    // The target was given back, so that there is something again.
    assert_eq!(with_control(&sim, |control| below_last(&sim, control.free)), 0);
    with_control(&sim, |control| {
        control.search_targets(Order::ZERO, 1);
        use_up(control);
    });
    assert_eq!(with_control(&sim, |control| below_last(&sim, control.free)), 1);
}

/// Each search of the lists in vain, for a pageblock to empty or for a target, makes the next one look at
/// half as many blocks.
#[test]
fn searches_in_vain_are_shortened() {
    // In the lower half, where nothing is taken, and without a larger block.
    let (sim, _kept) = machine(|from_last, place| from_last > 16 && place.is_multiple_of(2));
    with_control(&sim, |control| {
        let mut limits = Vec::new();
        for _ in 0..3 {
            limits.push(control.lists.limit());
            control.claim_source();
            limits.push(control.lists.limit());
            control.search_targets(Order::O1, 32);
        }
        assert_eq!(limits, [33, 17, 9, 5, 3, 2]);
        assert_eq!((control.claimed, control.targets.frames()), (None, 0));
    });
}

/// Frees the last frame of a block of order 4 of the DMA zone, for a compaction of some zone that wants
/// such a block; whether that one caught it.
fn catches(of: ZoneType) -> bool {
    let sim = Sim::boot_with(&SimConfig::flat(64 << 20), NoReclaim, NoTrace).unwrap();
    let block = sim.alloc_pages(Gfp::KERNEL | Gfp::DMA, Order::O4).unwrap();
    let mut frames = sim.split_page(block).unwrap();
    let last = frames.next().unwrap();
    frames.for_each(|frame| sim.free_pages(frame).unwrap());
    sim.drain_all_pages(None);
    let free = sim.nr_free_pages();
    let index = sim.machine().unwrap().memmap.index_of(last.pfn()).unwrap();
    let caught = with_compactor(&sim, of, |work| work.put(&last, index, Some(Order::O4)));
    assert_eq!(sim.nr_free_pages(), if caught.is_some() { free - 15 } else { free + 1 });
    caught.is_some()
}

/// Of what a kernel leaves behind, a block is caught for the request only if it is of the zone that is
/// compacted: others may be closed to the request, or have too little.
#[test]
fn a_block_of_another_zone_is_not_caught() {
    assert!(catches(ZoneType::Dma));
    assert!(!catches(ZoneType::Dma32));
}
