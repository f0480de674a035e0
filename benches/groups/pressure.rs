//! When memory is short, or in small pieces.

use crate::harness::adaptor::{FrameAllocator, Group};
use crate::harness::failure::{Failure, Timed};
use crate::harness::mover::Board;
use crate::harness::ours::{Atomic, NAME};
use crate::harness::recorder::Recorder;
use page_alloc::{Order, PAGEBLOCK_ORDER};
use std::hint::black_box;
use std::iter;
use std::time::{Duration, Instant};

const GROUP: Group = Group::small("pressure");

/// Blocks that are made of one board, which has four times as many pageblocks.
const BLOCKS: u64 = 32;

/// In front of a pageblock that comes free, half of its frames are moved.
const MOVED: u64 = PAGEBLOCK_ORDER.nr_pages() / 2;

pub(crate) fn run(recorder: &mut Recorder) {
    atomic_failures(recorder);
    pageblocks(recorder);
    for gib in [1, 4, 16] {
        whole_zones(recorder, gib);
    }
}

/// A request that may not wait, of a machine that has nothing left for it, to the error.
fn atomic_failures(recorder: &mut Recorder) {
    let boot = || {
        let mut machine = Atomic::boot(GROUP.frames);
        let all: Vec<_> = iter::from_fn(|| machine.alloc(Order::ZERO)).collect();
        Ok((machine, all))
    };
    let name = (GROUP.name, "ATOMIC order 0 fails, per request", NAME);
    recorder.case(name, 1, boot, |(machine, _), times| {
        let start = Instant::now();
        let fails = (0..times).all(|_| machine.alloc(black_box(Order::ZERO)).is_none());
        let time = start.elapsed();
        if fails { Ok(time) } else { Err(Failure::Unexpected) }
    });
}

/// Every other frame can be moved, the others are free; requests get pageblocks by compaction. Each
/// board is a new machine, as scanners remember what they saw.
fn pageblocks(recorder: &mut Recorder) {
    let name = (GROUP.name, "order 9 by compaction, per frame moved", NAME);
    recorder.case(
        name,
        MOVED,
        || Ok(()),
        |(), times| {
            let (mut total, mut left) = (Duration::ZERO, times);
            while left > 0 {
                let blocks = left.min(BLOCKS);
                total += some_pageblocks(blocks)?;
                left -= blocks;
            }
            Ok(total)
        },
    );
}

fn some_pageblocks(blocks: u64) -> Timed {
    let mut board = Board::boot(GROUP.frames);
    board.set_up(2);
    let start = Instant::now();
    (0..blocks).try_for_each(|_| board.make(black_box(PAGEBLOCK_ORDER)))?;
    let time = start.elapsed();
    // Targets that lie where a pageblock is made later are moved once more.
    let expected = blocks * MOVED..blocks * MOVED * 2;
    if expected.contains(&board.moved()) { Ok(time) } else { Err(Failure::Unexpected) }
}

/// Every eighth frame can be moved, the others are free; all zones are compacted as far as it goes. As
/// many operations as the machine has frames: the rows of all sizes are to be alike.
fn whole_zones(recorder: &mut Recorder, gib: u64) {
    let frames = gib << 18;
    let case = format!("compaction of {gib} GiB, per frame");
    let boot = || Ok(Board::boot(frames));
    recorder.case((GROUP.name, &case, NAME), frames, boot, |board, times| {
        (0..times).map(|_| whole(board, frames)).sum()
    });
}

fn whole(board: &mut Board, frames: u64) -> Timed {
    board.set_up(8);
    let start = Instant::now();
    let stats = black_box(board.compact());
    let time = start.elapsed();
    // All but those that stand at the end already, an eighth of them.
    let expected = frames / 8 * 6 / 8..frames / 8;
    if expected.contains(&stats.moved) { Ok(time) } else { Err(Failure::Unexpected) }
}
