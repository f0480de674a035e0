//! What no recording pins: where this crate differs from Linux on purpose, and what only its own
//! tables know.

extern crate std;

use super::HighAtomicUse;
use crate::MigrateType::{Isolate, Movable, Reclaimable};
use crate::memmap::{Frame, FrameIdx, FrameKind, ListEnd};
use crate::{
    AllocFlags, Extfrag, MigrateType, Movability, Order, Pages, Pfn, PfnRange, RawZone,
    RawZoneConfig,
};
use std::vec;
use std::vec::Vec;

const START: u64 = 0x1000;

/// What the tables' memory holds before.
const DIRT: u8 = 0xa5;

fn range(start: u64, end: u64) -> PfnRange {
    PfnRange::new(Pfn::new(start), Pfn::new(end))
}

/// Runs `f` on a zone of so many frames, `reserved` kept back, and then checks the zone.
pub(super) fn with_zone<A>(
    frames: u64,
    reserved: &[PfnRange],
    f: impl FnOnce(&mut RawZone<'_>) -> A,
) -> A {
    let span = range(START, START + frames);
    let present = [span];
    let config = RawZoneConfig { reserved, ..RawZoneConfig::new(span, &present) };
    let mut memory = vec![DIRT; RawZone::metadata_bytes(&config).unwrap()];
    let mut zone = RawZone::new(&mut memory, &config).unwrap();
    let result = f(&mut zone);
    assert_eq!(zone.verify(), Ok(()));
    result
}

fn free(zone: &mut RawZone<'_>) -> Vec<(u32, MigrateType, u64)> {
    let mut blocks = Vec::new();
    zone.for_each_free(|order, kind, pfn| blocks.push((order.get(), kind, pfn.get())));
    blocks
}

fn take(zone: &mut RawZone<'_>, order: Order, migratetype: MigrateType) -> Pages {
    zone.rmqueue(order, migratetype, AllocFlags::empty()).unwrap()
}

fn take_movable(zone: &mut RawZone<'_>, order: Order) -> Pages {
    let pages = take(zone, order, Movable);
    zone.set_movable(&pages, Movability::Movable).unwrap();
    pages
}

fn isolate(zone: &mut RawZone<'_>, pfn: u64) {
    zone.isolate_pageblock(Pfn::new(pfn), Movable).unwrap();
}

fn unisolate(zone: &mut RawZone<'_>, pfn: u64) {
    zone.unisolate_pageblock(Pfn::new(pfn), Movable).unwrap();
}

fn index(zone: &mut RawZone<'_>, pfn: u64) -> FrameIdx {
    zone.zone().memmap.index_of(Pfn::new(pfn)).unwrap()
}

/// A free largest block of which one pageblock is isolated is halved: the other half stays free,
/// and counts as such. (Linux moves the whole block and counts one half wrongly.)
#[test]
fn isolation_halves_a_free_largest_block() {
    for (isolated, left) in [(0x1000, 0x1200), (0x1200, 0x1000)] {
        with_zone(1024, &[], |zone| {
            isolate(zone, isolated);
            assert_eq!(free(zone), [(9, Movable, left), (9, Isolate, isolated)]);
            assert_eq!(zone.snapshot().free_pages, 512);
            assert_eq!(take(zone, Order::O9, Movable).pfn(), Pfn::new(left));
            assert!(zone.rmqueue(Order::O0, Movable, AllocFlags::empty()).is_none());
        });
    }
}

/// An allocated largest block of which one pageblock was isolated comes back in two, each half to
/// the list of its pageblock. (Linux puts all of it on the list of the first.)
#[test]
fn a_half_isolated_block_comes_back_in_two() {
    for (isolated, left) in [(0x1000, 0x1200), (0x1200, 0x1000)] {
        with_zone(1024, &[], |zone| {
            let pages = take_movable(zone, Order::MAX);
            isolate(zone, isolated);
            assert_eq!(zone.snapshot().free_pages, 0);
            zone.free_pages(pages).unwrap();
            assert_eq!(free(zone), [(9, Movable, left), (9, Isolate, isolated)]);
            assert_eq!(zone.snapshot().free_pages, 512);
        });
    }
}

/// A pageblock given back merges with the free one beside it, but not with an isolated one.
#[test]
fn a_pageblock_given_back_merges() {
    with_zone(2048, &[], |zone| {
        isolate(zone, 0x1000);
        isolate(zone, 0x1200);
        unisolate(zone, 0x1200);
        assert_eq!(free(zone), [(9, Movable, 0x1200), (9, Isolate, 0x1000), (10, Movable, 0x1400)]);
        assert_eq!(zone.snapshot().free_pages, 1536);
        unisolate(zone, 0x1000);
        assert_eq!(free(zone), [(10, Movable, 0x1400), (10, Movable, 0x1000)], "to the tail");
        assert_eq!(zone.snapshot().free_pages, 2048);
    });
}

/// Two isolated pageblocks that were freed into one block are given back one at a time.
#[test]
fn a_merged_isolated_block_is_given_back_by_halves() {
    with_zone(1024, &[], |zone| {
        let [lower, upper] = [(); 2].map(|()| take_movable(zone, Order::O9));
        isolate(zone, 0x1000);
        isolate(zone, 0x1200);
        zone.free_pages(lower).unwrap();
        zone.free_pages(upper).unwrap();
        assert_eq!(free(zone), [(10, Isolate, 0x1000)]);
        unisolate(zone, 0x1000);
        assert_eq!(free(zone), [(9, Movable, 0x1000), (9, Isolate, 0x1200)]);
        assert_eq!(zone.snapshot().free_pages, 512);
        unisolate(zone, 0x1200);
        assert_eq!(free(zone), [(10, Movable, 0x1000)]);
        assert_eq!(zone.snapshot().free_pages, 1024);
    });
}

/// The descriptors of a fresh largest block, and of a section that is reserved as a whole, are not
/// written but for the first. It speaks for the others, and all invariants hold.
#[test]
fn fresh_sections_are_described_by_their_first_frame() {
    let dirty = u64::from_ne_bytes([DIRT; 8]);
    with_zone(2048, &[range(0x1400, 0x1800)], |zone| {
        for (first, inner) in [(0x1000, FrameKind::Tail), (0x1400, FrameKind::Reserved)] {
            let inside = index(zone, first + 0x123);
            let memmap = zone.zone().memmap;
            assert!(memmap.is_pristine(inside));
            assert_eq!(memmap.frame(inside).private(), dirty);
            assert_eq!(memmap.state(inside).kind(), inner);
        }
        assert_eq!(zone.verify(), Ok(()));
        let page = take(zone, Order::O0, Movable);
        let inside = index(zone, 0x1123);
        let memmap = zone.zone().memmap;
        assert!(!memmap.is_pristine(inside));
        assert_eq!(memmap.frame(inside).private(), 0);
        zone.free_pages(page).unwrap();
        assert_eq!(free(zone), [(10, Movable, 0x1000)]);
    });
}

/// The worked example of [`Fallback`](crate::Fallback), as the trace point tells it.
#[test]
fn a_reclaimable_request_takes_the_largest_movable_block() {
    with_zone(2048, &[], |zone| {
        let flags = AllocFlags::empty();
        let taken = zone.zone().rmqueue_buddy(Order::O5, Reclaimable, flags, HighAtomicUse::First);
        let expected = Extfrag {
            pfn: Pfn::new(0x1000),
            alloc_order: Order::O5,
            fallback_order: Order::MAX,
            alloc_migratetype: Reclaimable,
            fallback_migratetype: Movable,
            pageblock_migratetype: Reclaimable,
        };
        assert_eq!(taken.unwrap().extfrag, Some(expected));
        let next = zone.zone().rmqueue_buddy(Order::O5, Reclaimable, flags, HighAtomicUse::First);
        assert_eq!(next.unwrap().extfrag, None, "the rest is RECLAIMABLE's own");
        assert_eq!(zone.snapshot().free_pages, 2048 - 64);
    });
}

/// The same request where only a part of one pageblock is free: all that is free in it moves. The
/// pageblock becomes RECLAIMABLE if half of it is free or may be of that kind, that is, allocated
/// and not known to be movable.
#[test]
fn a_pageblock_mostly_movable_keeps_its_type() {
    for (movability, becomes) in [(Movability::Pinned, Reclaimable), (Movability::Movable, Movable)]
    {
        with_zone(512, &[], |zone| {
            for order in [Order::O8, Order::O7] {
                let pages = take(zone, order, Movable);
                zone.set_movable(&pages, movability).unwrap();
            }
            assert_eq!(free(zone), [(7, Movable, 0x1180)]);
            assert_eq!(take(zone, Order::O5, Reclaimable).pfn(), Pfn::new(0x1180));
            assert_eq!(free(zone), [(5, Reclaimable, 0x11a0), (6, Reclaimable, 0x11c0)]);
            assert_eq!(zone.pageblock_migratetype(Pfn::new(0x1000)), Some(becomes));
        });
    }
}

/// A list can be turned until any of its blocks stands at either end; what was on that side of it goes
/// to the other end, in the same order.
#[test]
fn lists_turn() {
    with_zone(4096, &[], |zone| {
        let mut pages: Vec<_> = (0..40).map(|_| take(zone, Order::ZERO, Movable)).collect();
        pages.sort_by_key(Pages::pfn);
        let single = |pages: &Pages| pages.pfn().get().is_multiple_of(8);
        let (freed, kept): (Vec<_>, Vec<_>) = pages.into_iter().partition(single);
        freed.into_iter().for_each(|pages| zone.free_pages(pages).unwrap());
        let list = |zone: &mut RawZone<'_>| {
            let blocks = free(zone).into_iter().filter(|block| block.0 == 0 && block.1 == Movable);
            blocks.map(|block| block.2).collect::<Vec<_>>()
        };
        let len = list(zone).len();
        assert!(len >= 5);
        for end in [ListEnd::Head, ListEnd::Tail] {
            for at in 0..len {
                let mut expected = list(zone);
                let index = zone.zone().memmap.index_of(Pfn::new(expected[at])).unwrap();
                zone.zone().turn_list(index, end);
                expected.rotate_left(if end == ListEnd::Head { at } else { at + 1 });
                assert_eq!(list(zone), expected);
                let backwards =
                    zone.zone().blocks_from(Order::ZERO, Movable, ListEnd::Tail).count();
                assert_eq!((zone.verify(), backwards), (Ok(()), len));
            }
        }
        kept.into_iter().for_each(|pages| zone.free_pages(pages).unwrap());
    });
}

/// The tables of one zone lie right before those of another, where the descriptors of a section would
/// be that the other has not. No token of the one is taken for one of the other.
#[test]
fn tokens_of_a_zone_close_by_are_strange() {
    let spans = [range(START, START + 1024), range(START, START + 1024)];
    let configs =
        spans.each_ref().map(|span| RawZoneConfig::new(*span, core::slice::from_ref(span)));
    let bytes = configs.each_ref().map(|config| RawZone::metadata_bytes(config).unwrap());
    let mut memory = vec![DIRT; bytes[0] + bytes[1]];
    let (low, high) = memory.split_at_mut(bytes[0]);
    let mut zones = [(low, &configs[0]), (high, &configs[1])]
        .map(|(memory, config)| RawZone::new(memory, config).unwrap());
    let take_all = |zone: &mut RawZone<'_>| -> Vec<Pages> {
        let take = || zone.rmqueue(Order::O0, Movable, AllocFlags::empty());
        core::iter::from_fn(take).collect()
    };
    let tokens = zones.each_mut().map(take_all);
    for (of, tokens) in tokens.iter().enumerate() {
        assert_eq!(tokens.len(), 1024);
        for address in tokens.iter().map(|page| page.name().frame_address()) {
            for (at, zone) in zones.iter_mut().enumerate() {
                let memmap = zone.zone().memmap;
                assert_eq!(memmap.find(address).is_some(), of == at);
                assert_eq!(memmap.find_listed(address).is_some(), of == at);
            }
        }
    }
    let [last, first] = [(0, START + 1023), (1, START)].map(|(zone, pfn)| {
        let index = index(&mut zones[zone], pfn);
        core::ptr::from_ref(zones[zone].zone().memmap.frame(index)).addr()
    });
    assert!(last < first && first - last < 512 * size_of::<Frame>(), "{last:#x} {first:#x}");
}
