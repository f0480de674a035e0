//! Many blocks at once are what one after the other would be: CMA, fallback and all.

extern crate std;

use crate::memmap::{FrameStack, FrameState, FreeBlock};
use crate::zone::ExtfragLog;
use crate::zone::ZoneMut;
use crate::zone::watermark::ZoneSnapshot;
use crate::zone::watermark::setup::Watermarks;
use crate::{
    AllocFlags, Extfrag, MigrateType, Movability, Order, Pages, Pfn, PfnRange, RawZone,
    RawZoneConfig,
};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const fn range(start: u64, end: u64) -> PfnRange {
    PfnRange::new(Pfn::new(start), Pfn::new(end))
}

/// A zone that ends inside a pageblock, with two CMA areas.
const SPAN: PfnRange = range(0x1000, 0x2710);
const AREAS: [PfnRange; 2] = [range(0x1600, 0x1800), range(0x1c00, 0x2000)];

/// One step before the refill: what fragments the zone.
#[derive(Clone, Copy, Debug)]
enum Step {
    Take(Order, MigrateType, AllocFlags),
    Free(usize),
    SetMovable(usize),
}

/// What a request of a type may have: CMA only if it is movable.
fn flags_of(kind: MigrateType, more: AllocFlags) -> AllocFlags {
    match kind {
        MigrateType::Movable => more,
        _ => more - AllocFlags::CMA,
    }
}

fn flags() -> impl Strategy<Value = AllocFlags> {
    let flags = |(cma, kswapd, nofragment)| {
        let flag = |on: bool, flag| if on { flag } else { AllocFlags::empty() };
        flag(cma, AllocFlags::CMA)
            | flag(kswapd, AllocFlags::KSWAPD)
            | flag(nofragment, AllocFlags::NOFRAGMENT)
    };
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(flags)
}

fn kind() -> impl Strategy<Value = MigrateType> {
    prop::sample::select(&MigrateType::ALL[..3])
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        3 => prop::sample::select(&Order::ALL[..4]),
        1 => prop::sample::select(&Order::ALL[..]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (order(), kind(), flags())
            .prop_map(|(order, kind, flags)| Step::Take(order, kind, flags_of(kind, flags))),
        4 => any::<usize>().prop_map(Step::Free),
        1 => any::<usize>().prop_map(Step::SetMovable),
    ]
}

/// Runs `f` on the zone that a history leaves.
fn after<A>(history: &[Step], f: impl FnOnce(&mut RawZone<'_>) -> A) -> A {
    let watermarks = Watermarks { min: 20, low: 25, high: 30, promo: 35 };
    let present = [SPAN];
    let config = RawZoneConfig { cma: &AREAS, watermarks, ..RawZoneConfig::new(SPAN, &present) };
    let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
    let mut zone = RawZone::new(&mut memory, &config).unwrap();
    let mut held: Vec<Pages> = Vec::new();
    for step in history {
        let some = held.len().max(1);
        match *step {
            Step::Take(order, kind, flags) => held.extend(zone.rmqueue(order, kind, flags)),
            Step::Free(_) | Step::SetMovable(_) if held.is_empty() => {}
            Step::Free(pick) => zone.free_pages(held.swap_remove(pick % some)).unwrap(),
            Step::SetMovable(pick) => {
                zone.set_movable(&held[pick % some], Movability::Movable).unwrap();
            }
        }
    }
    f(&mut zone)
}

/// A block that was taken, and the type that it will go back to.
type Block = (Pfn, MigrateType);

/// Takes as a refill does.
fn at_once(
    zone: &mut ZoneMut<'_>,
    (order, kind, flags): (Order, MigrateType, AllocFlags),
    count: u32,
) -> (Vec<Block>, Vec<Extfrag>) {
    let (memmap, links, mut list) = (zone.memmap, zone.links, FrameStack::EMPTY);
    let mut log = ExtfragLog::default();
    let taken = zone.rmqueue_bulk((order, kind), count, (flags, &mut log), &mut list.end(links));
    let state = |index| links.frame(index).state();
    let blocks: Vec<_> = list.iter(links).collect();
    assert_eq!(taken as usize, blocks.len());
    let described = |index| FrameState::cached(order, state(index).migratetype(), zone.bits);
    assert!(blocks.iter().all(|index| state(*index) == described(*index)));
    let mut end = list.end(links);
    let from_the_end = core::iter::from_fn(|| end.pop()).map(FreeBlock::into_index);
    assert!(from_the_end.eq(blocks.iter().rev().copied()));
    let told = |index| {
        let kind = state(index).migratetype();
        zone.set_allocated(FreeBlock::new(index), order);
        (memmap.pfn_of(index), kind)
    };
    (blocks.into_iter().map(told).collect(), log.events().collect())
}

/// Takes one after the other; the free frames are counted down when all are taken, as Linux does.
fn one_by_one(
    zone: &mut ZoneMut<'_>,
    (order, kind, flags): (Order, MigrateType, AllocFlags),
    count: u32,
) -> (Vec<Block>, Vec<Extfrag>) {
    let (mut blocks, mut events) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut event = None;
        let Some((block, list)) = zone.rmqueue(order, kind, flags, &mut event) else { break };
        events.extend(event);
        if list == MigrateType::Cma {
            zone.shared.nr_free_cma.sub(order.nr_pages());
        }
        let index = zone.set_allocated(block, order);
        blocks.push((zone.memmap.pfn_of(index), list));
    }
    zone.shared.nr_free.sub(order.nr_pages() * blocks.len() as u64);
    (blocks, events)
}

/// What is left: counts, whether kswapd is to be told, and every free list.
type Left = (ZoneSnapshot, bool, Vec<(Order, MigrateType, Pfn)>);

fn left(zone: &mut RawZone<'_>) -> Left {
    assert_eq!(zone.verify(), Ok(()));
    let mut free = Vec::new();
    zone.for_each_free(|order, kind, pfn| free.push((order, kind, pfn)));
    (zone.snapshot(), zone.take_boosted(), free)
}

fn compare(history: &[Step], request: (Order, MigrateType, AllocFlags), count: u32) -> u32 {
    let (found, left_over) =
        after(history, |zone| (at_once(&mut zone.zone(), request, count), left(zone)));
    let (expected, left_as_expected) =
        after(history, |zone| (one_by_one(&mut zone.zone(), request, count), left(zone)));
    assert_eq!(found.0, expected.0);
    assert!(
        expected.1.starts_with(&found.1) && found.1.len() == expected.1.len().min(ExtfragLog::MOST)
    );
    assert_eq!(left_over, left_as_expected);
    u32::try_from(found.0.len()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same blocks in the same order, bound for the same lists, with the same takeovers told,
    /// and the same left, whatever state the zone is in.
    #[test]
    fn a_refill_takes_what_single_requests_would(
        history in prop::collection::vec(step(), 0..120),
        order in order(),
        kind in kind(),
        flags in flags(),
        count in prop_oneof![1_u32..10, 1_u32..400],
    ) {
        compare(&history, (order, kind, flags_of(kind, flags)), count);
    }
}

/// A fresh zone until nothing is left, for each order up to a pageblock and each type: through CMA,
/// where it is free for the request, and through takeovers.
#[test]
fn a_refill_of_all_there_is() {
    for order in Order::ALL.into_iter().filter(|order| *order < Order::MAX) {
        for kind in MigrateType::ALL.into_iter().take(3) {
            for flags in [AllocFlags::empty(), AllocFlags::CMA] {
                let flags = flags_of(kind, flags);
                let taken = compare(&[], (order, kind, flags), u32::MAX);
                let frames = 0x1710 - if flags.is_empty() { 0x600 } else { 0 };
                assert_eq!(taken, frames >> order.get(), "{order} {kind} {flags:?}");
            }
        }
    }
}

/// Of a list with 32 single blocks: fewer, all, and more than there are, of all orders that have lists.
#[test]
fn a_refill_from_single_blocks() {
    for order in &Order::ALL[..4] {
        let request = (*order, MigrateType::Movable, AllocFlags::empty());
        let take = (0..64).map(|_| Step::Take(request.0, request.1, request.2));
        // From the last on, so that those before it keep their places.
        let every_other = (0..32).map(|block| Step::Free(63 - 2 * block));
        let history: Vec<_> = take.chain(every_other).collect();
        for count in [1, 2, 31, 32, 33, 70] {
            assert_eq!(compare(&history, request, count), count);
        }
    }
}

/// While more than half of what is free is CMA, a movable refill takes that first, and goes on with
/// it: the free frames are not counted down meanwhile, the free CMA frames are.
#[test]
fn a_movable_refill_weighs_cma_once_for_all() {
    let kernel = (0..7).map(|_| Step::Take(Order::O9, MigrateType::Unmovable, AllocFlags::empty()));
    let history: Vec<_> = kernel.collect();
    let request = (Order::O0, MigrateType::Movable, AllocFlags::CMA);
    let (blocks, _) = after(&history, |zone| at_once(&mut zone.zone(), request, 500));
    let of_cma = blocks.iter().take_while(|(_, kind)| *kind == MigrateType::Cma).count();
    // 2320 frames are free, 1536 of them CMA, until 1160 of them are left.
    assert_eq!(of_cma, 1536 - 1160);
    assert!(blocks[of_cma..].iter().all(|(_, kind)| *kind == MigrateType::Movable));
    assert_eq!(compare(&history, request, 500), 500);
}
