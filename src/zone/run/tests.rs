//! Runs are what one block after the other would be: over the borders of pageblocks and sections, up
//! and down, of other types, and cut short.

extern crate std;

use crate::memmap::{FrameIdx, FrameStack, FrameState, FreeBlock};
use crate::zone::ZoneMut;
use crate::zone::buddy::FreeTo;
use crate::zone::tests::with_zone;
use crate::zone::watermark::ZoneSnapshot;
use crate::{AllocFlags, MigrateType, Order, Pfn, RawZone};
use proptest::prelude::*;
use std::vec::Vec;

/// Three sections, the last one cut off inside a pageblock.
const FRAMES: u32 = 2 * 1024 + 600;

/// Blocks that are freed one after the other: the first, which way they go on, how many, and whether
/// they are bound for another type than the others.
type Stretch = (u32, bool, u32, bool);

fn stretch() -> impl Strategy<Value = Stretch> {
    // Close to the borders, where runs end.
    let start = (0..=FRAMES / 512, -20_i32..20)
        .prop_map(|(border, away)| (border * 512).saturating_add_signed(away));
    (start, any::<bool>(), 1_u32..70, prop::bool::weighted(0.2))
}

/// The numbers of the blocks, in the order in which they are freed, each once, and the types that they
/// are bound for.
fn sequence(stretches: &[Stretch], order: Order) -> Vec<(u32, MigrateType)> {
    let mut blocks: Vec<(u32, MigrateType)> = Vec::new();
    for (start, up, count, other) in stretches {
        let kind = if *other { MigrateType::Reclaimable } else { MigrateType::Movable };
        for place in 0..*count {
            let start = start >> order.get();
            let block = if *up { Some(start + place) } else { start.checked_sub(place) };
            let Some(block) = block.filter(|block| *block < FRAMES >> order.get()) else { break };
            if blocks.iter().all(|(known, _)| *known != block) {
                blocks.push((block, kind));
            }
        }
    }
    blocks
}

/// What is free, list by list, and the counts.
type Left = (Vec<(Order, MigrateType, Pfn)>, ZoneSnapshot);

/// Has all of the zone taken, puts blocks on a CPU's list, and has `give_back` empty it.
fn after(
    blocks: &[(u32, MigrateType)],
    order: Order,
    give_back: impl Fn(&mut ZoneMut<'_>, &mut FrameStack),
) -> Left {
    with_zone(u64::from(FRAMES), &[], |raw: &mut RawZone<'_>| {
        let take = || raw.rmqueue(order, MigrateType::Movable, AllocFlags::empty());
        let mut taken: Vec<Pfn> = core::iter::from_fn(take).map(|page| page.pfn()).collect();
        taken.sort_unstable();
        assert_eq!(taken.len(), (FRAMES >> order.get()) as usize);
        let mut zone = raw.zone();
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
        stretches in prop::collection::vec(stretch(), 1..12),
        order in prop::sample::select(&Order::ALL[..4]),
        most in 1_u32..200,
    ) {
        let blocks = sequence(&stretches, order);
        let by_runs = after(&blocks, order, |zone, list| {
            while let Some(block) = list.pop_tail(zone.links) {
                let freed = zone.free_with_next(block, order, (list, most));
                assert!(freed < most + (1 << order.get()));
            }
        });
        let one_by_one = after(&blocks, order, |zone, list| {
            while let Some(block) = list.pop_tail(zone.links) {
                let kind = zone.links.frame(block.index()).state().migratetype();
                zone.free_one_page(block, order, kind, FreeTo::Head);
            }
        });
        assert_eq!(by_runs, one_by_one);
    }
}
