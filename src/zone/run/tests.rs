//! Runs are what one block after the other would be: over the borders of pageblocks and sections, up
//! and down, of other types, and cut short.

extern crate std;

use super::Direction;
use crate::memmap::{FrameIdx, FrameStack, FrameState, FreeBlock};
use crate::zone::ZoneMut;
use crate::zone::buddy::FreeTo;
use crate::zone::tests::with_zone;
use crate::zone::watermark::ZoneSnapshot;
use crate::{
    AllocFlags, MigrateType, Movability, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pages, Pfn,
    RawZone,
};
use proptest::prelude::*;
use std::vec::Vec;

/// Three sections, the last one cut off inside a pageblock.
const FRAMES: u32 = 2 * 1024 + 600;

/// Blocks that are freed one after the other: the first, which way they go on, how many, and the type
/// that they are bound for.
type Stretch = (u32, bool, u32, MigrateType);

fn stretch() -> impl Strategy<Value = Stretch> {
    // Close to the borders, where runs end.
    let start = (0..=FRAMES / 512, -20_i32..20)
        .prop_map(|(border, away)| (border * 512).saturating_add_signed(away));
    let kind = prop_oneof![
        4 => Just(MigrateType::Movable),
        1 => Just(MigrateType::Reclaimable),
        1 => Just(MigrateType::Unmovable),
        1 => Just(MigrateType::HighAtomic),
    ];
    (start, any::<bool>(), prop_oneof![Just(1), 1_u32..70], kind)
}

/// The pageblock that is of type CMA.
const CMA: u32 = 2;

/// The numbers of the blocks, in the order in which they are freed, each once, and the types that they
/// are bound for.
fn sequence(stretches: &[Stretch], order: Order) -> Vec<(u32, MigrateType)> {
    let mut blocks: Vec<(u32, MigrateType)> = Vec::new();
    for (start, up, count, kind) in stretches {
        for place in 0..*count {
            let start = start >> order.get();
            let block = if *up { Some(start + place) } else { start.checked_sub(place) };
            let Some(block) = block.filter(|block| *block < FRAMES >> order.get()) else { break };
            let is_cma = block << order.get() >> PAGEBLOCK_ORDER.get() == CMA;
            let kind = if is_cma { MigrateType::Cma } else { *kind };
            if blocks.iter().all(|(known, _)| *known != block) {
                blocks.push((block, kind));
            }
        }
    }
    blocks
}

/// What is free, list by list, and the counts.
type Left = (Vec<(Order, MigrateType, Pfn)>, ZoneSnapshot);

/// Has all of the zone taken, some pageblocks isolated, puts blocks on a CPU's list, and has `give_back`
/// empty it.
fn after(
    (blocks, isolated): (&[(u32, MigrateType)], &[u64]),
    order: Order,
    give_back: impl Fn(&mut ZoneMut<'_>, &mut FrameStack),
) -> Left {
    with_zone(u64::from(FRAMES), &[], |raw: &mut RawZone<'_>| {
        let take = || raw.rmqueue(order, MigrateType::Movable, AllocFlags::empty());
        let pages: Vec<Pages> = core::iter::from_fn(take).collect();
        let mut movable = |page| raw.set_movable(page, Movability::Movable);
        pages.iter().for_each(|page| movable(page).unwrap());
        let mut taken: Vec<Pfn> = pages.iter().map(Pages::pfn).collect();
        taken.sort_unstable();
        assert_eq!(taken.len(), (FRAMES >> order.get()) as usize);
        let pageblock = |number| Pfn::new(taken[0].get() + number * PAGEBLOCK_NR_PAGES);
        for number in isolated {
            raw.isolate_pageblock(pageblock(*number), MigrateType::Movable).unwrap();
        }
        let mut zone = raw.zone();
        let cma = zone.memmap.index_of(pageblock(CMA.into())).unwrap();
        zone.set_pageblock_migratetype(cma, MigrateType::Cma);
        let (memmap, links, mut list) = (zone.memmap, zone.links, FrameStack::EMPTY);
        for (block, kind) in blocks {
            let index: FrameIdx = memmap.index_of(taken[*block as usize]).unwrap();
            links.frame(index).set_state(FrameState::cached(order, *kind, zone.bits));
            list.push(links, (FreeBlock::new(index), links.frame(index)));
        }
        give_back(&mut zone, &mut list);
        assert!(list.head().is_none());
        let mut free = Vec::new();
        raw.for_each_free(|order, kind, pfn| free.push((order, kind, pfn)));
        (free, raw.snapshot())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same lists in the same order, and the same counts; and no run has more frames than were asked
    /// for, but for the last block.
    #[test]
    fn a_run_is_one_after_the_other(
        stretches in prop::collection::vec(stretch(), 1..24),
        order in prop_oneof![4 => prop::sample::select(&Order::ALL[..4]), 1 => Just(PAGEBLOCK_ORDER)],
        most in 1_u32..200,
        isolated in prop::sample::select(&[&[] as &[u64], &[], &[0], &[1, 3]]),
    ) {
        let blocks = sequence(&stretches, order);
        let by_runs = after((&blocks, isolated), order, |zone, list| {
            while list.head().is_some() {
                let freed = zone.free_from_end(list, order, most);
                assert!((freed >= most || list.head().is_none()) && freed < most + (1 << order.get()));
            }
        });
        let one_by_one = after((&blocks, isolated), order, |zone, list| {
            let mut end = list.end(zone.links);
            while let Some(block) = end.pop() {
                let noted = zone.links.frame(block.index()).state().migratetype();
                let now = zone.memmap.pageblock(block.index()).migratetype();
                let kind = if isolated.is_empty() { noted } else { now };
                zone.free_one_page(block, order, kind, FreeTo::Head);
            }
        });
        assert_eq!(by_runs, one_by_one);
    }
}

/// Only the two blocks beside a block are beside it.
#[test]
fn which_blocks_are_beside() {
    for order in Order::ALL {
        let size = 1_i32 << order.get();
        for distance in (-5000..5000).chain([i32::MIN, i32::MAX, i32::MIN + size, i32::MAX - size])
        {
            let expected = match distance {
                up if up == size => Some(Direction::Up),
                down if down == -size => Some(Direction::Down),
                _ => None,
            };
            assert_eq!(
                Direction::of(distance.cast_unsigned(), order),
                expected,
                "{order} {distance}"
            );
        }
    }
}
