//! Rows that come to the end of a list or are taken off it, against one block after the other.

extern crate std;

use super::FrameStack;
use crate::memmap::{
    FrameIdx, FrameLinks, FrameState, FreeBlock, LentMemmap, MemmapPlan, TABLE_ALIGN,
};
use crate::zone_id::ZoneId;
use crate::{MigrateType, NodeId, Order, Pfn, PfnRange, ZoneType};
use std::vec;
use std::vec::Vec;

/// What a block on the list is described by: as most are, or of another type.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Usual,
    Other,
}

use Kind::{Other, Usual};

fn zone() -> ZoneId {
    ZoneId::new(NodeId::ZERO, ZoneType::Normal)
}

impl Kind {
    fn state(self) -> FrameState {
        let migratetype = match self {
            Usual => MigrateType::Movable,
            Other => MigrateType::HighAtomic,
        };
        FrameState::cached(Order::ZERO, migratetype, zone())
    }
}

/// Runs `f` on descriptors that held anything before, with the first frame of a section.
fn with_links<A>(f: impl FnOnce(FrameLinks, FrameIdx) -> A) -> A {
    let range = PfnRange::new(Pfn::new(0), Pfn::new(1024));
    let plan = MemmapPlan::new([range].into_iter()).expect("a section");
    let mut memory = vec![0xa5; plan.bytes().expect("a size") + TABLE_ALIGN];
    let memmap = LentMemmap::build(&mut memory, &plan, [range].into_iter()).expect("enough memory");
    let first = memmap.first_frames().next().expect("a section");
    f(memmap.links(), first)
}

/// The frames of a list, taken one by one from its end. From its head it is the same list.
fn from_the_end(mut stack: FrameStack, links: FrameLinks, first: FrameIdx) -> Vec<u32> {
    let forward: Vec<FrameIdx> = stack.iter(links).collect();
    let mut rest: Vec<FrameIdx> = Vec::new();
    let mut end = stack.end(links);
    rest.extend(core::iter::from_fn(|| end.pop()).map(FreeBlock::into_index));
    drop(end);
    assert!(stack.head().is_none());
    assert!(rest.iter().rev().eq(&forward), "{forward:?}");
    rest.into_iter().map(|index| index.offset_in(first)).collect()
}

/// A list of blocks that begin at these frames, from its end; what is left of it, from its end, once a
/// row was taken, and how many blocks those were.
fn left(list: &[(u32, Kind)], (from, step): (u32, i32), most: u32) -> (u32, Vec<u32>) {
    with_links(|links, first| {
        let at = |frame: u32| first.forward_in_block(frame);
        let mut stack = FrameStack::EMPTY;
        for (frame, kind) in list {
            links.frame(at(*frame)).set_state(kind.state());
            stack.push(links, (FreeBlock::new(at(*frame)), links.frame(at(*frame))));
        }
        let inner = FrameState::tail(zone());
        let states = (Usual.state(), inner);
        let taken = stack.end(links).take_row((at(from), step.cast_unsigned()), states, most);
        for (place, (frame, kind)) in list.iter().enumerate() {
            let now = if place < taken as usize { inner } else { kind.state() };
            assert_eq!(links.frame(at(*frame)).state(), now, "{list:?}");
        }
        (taken, from_the_end(stack, links, first))
    })
}

/// A row ends with the list, where a block is not beside the last one or on its other side, where it is
/// described otherwise, and when there are enough.
#[test]
fn where_a_row_ends() {
    let usual = |frames: &[u32]| frames.iter().map(|frame| (*frame, Usual)).collect::<Vec<_>>();
    let none: [u32; 0] = [];
    assert_eq!(left(&usual(&[5, 6, 7]), (4, 1), 9), (3, none.to_vec()));
    assert_eq!(left(&usual(&[5, 6, 7]), (4, 1), 3), (3, none.to_vec()));
    assert_eq!(left(&usual(&[5, 6, 7]), (4, 1), 2), (2, vec![7]));
    assert_eq!(left(&usual(&[5, 6, 7]), (4, 1), 0), (0, vec![5, 6, 7]));
    assert_eq!(left(&usual(&[5, 6, 8, 9]), (4, 1), 9), (2, vec![8, 9]));
    assert_eq!(left(&usual(&[5, 6, 5 - 2]), (4, 1), 9), (2, vec![3]));
    assert_eq!(left(&usual(&[3, 2, 1, 0]), (4, -1), 9), (4, none.to_vec()));
    assert_eq!(left(&usual(&[3, 2, 7]), (4, -1), 9), (2, vec![7]));
    assert_eq!(left(&usual(&[12, 20, 28, 32]), (4, 8), 9), (3, vec![32]));
    assert_eq!(left(&usual(&[6]), (4, 1), 9), (0, vec![6]));
    assert_eq!(left(&usual(&[5]), (4, 1), 9), (1, none.to_vec()));
    assert_eq!(left(&[], (4, 1), 9), (0, none.to_vec()));
    assert_eq!(left(&[(5, Usual), (6, Other), (7, Usual)], (4, 1), 9), (1, vec![6, 7]));
    assert_eq!(left(&[(5, Other), (6, Usual)], (4, 1), 9), (0, vec![5, 6]));
}

/// Whatever is on the list, a row is what would be taken one by one.
#[test]
fn a_row_is_one_after_the_other() {
    let steps = [1, -1, 2, 3];
    for word in 0..4_usize.pow(5) {
        let (mut list, mut frame) = (Vec::new(), 100_u32);
        for place in 0..5 {
            frame = frame.wrapping_add_signed(steps[word / 4_usize.pow(place) % 4]);
            let kind = if word.is_multiple_of(7 + place as usize) { Other } else { Usual };
            match list.iter().any(|(other, _)| *other == frame) {
                true => break,
                false => list.push((frame, kind)),
            }
        }
        for step in [1, -1, 2] {
            for most in 0..4 {
                let mut expected: Vec<u32> = list.iter().map(|(frame, _)| *frame).collect();
                let mut next = 100_u32.wrapping_add_signed(step);
                let row = list.iter().take(most).take_while(|(frame, kind)| {
                    let fits = *frame == next && *kind == Usual;
                    next = next.wrapping_add_signed(step);
                    fits
                });
                let count = row.count();
                expected.drain(..count);
                let taken = left(&list, (100, step), u32::try_from(most).unwrap());
                assert_eq!(taken, (u32::try_from(count).unwrap(), expected), "{list:?} {step}");
            }
        }
    }
}

/// Steps from the end lead over all blocks to the head, and stay there; that of a single block is itself.
#[test]
fn steps_towards_the_head_end_there() {
    with_links(|links, first| {
        let at = |frame: u32| first.forward_in_block(frame);
        let mut stack = FrameStack::EMPTY;
        assert_eq!(stack.end(links).last(), None);
        for (blocks, frame) in (1..).zip([9, 4, 700]) {
            stack.push(links, (FreeBlock::new(at(frame)), links.frame(at(frame))));
            let end = stack.end(links);
            let steps = std::iter::successors(end.last(), |block| Some(end.towards_head(*block)));
            let passed: Vec<u32> = steps.take(5).map(|block| block.offset_in(first)).collect();
            let expected = [9, 4, 700].into_iter().take(blocks);
            let expected: Vec<u32> = expected.chain([frame; 5]).take(5).collect();
            assert_eq!(passed, expected);
        }
    });
}

/// Rows come to the end of the list in the order of their frames, each described by its word, and
/// nothing else is written.
#[test]
fn rows_come_to_the_end() {
    let rows = [(512, 1, 7, Usual), (64, 8, 3, Other), (32, 1, 1, Usual)];
    with_links(|links, first| {
        let at = |frame: u32| first.forward_in_block(frame);
        let before: Vec<FrameState> =
            (0..1024).map(|frame| links.frame(at(frame)).state()).collect();
        let (mut stack, mut expected) = (FrameStack::EMPTY, Vec::new());
        for (start, step, blocks, kind) in rows {
            stack.end(links).push_row((at(start), step), (kind.state(), blocks));
            expected.extend((0..blocks).map(|block| (start + block * step, kind.state())));
        }
        for frame in 0..1024 {
            let told = expected.iter().find(|(other, _)| *other == frame);
            let state = told.map_or(before[frame as usize], |(_, state)| *state);
            assert_eq!(links.frame(at(frame)).state(), state, "{frame}");
        }
        let expected: Vec<u32> = expected.iter().rev().map(|(frame, _)| *frame).collect();
        assert_eq!(from_the_end(stack, links, first), expected);
    });
}
