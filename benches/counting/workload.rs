//! What is counted: each function sets up, warms up, and does so many rounds.

use crate::harness::adaptor::{FrameAllocator, SharedAllocator};
use crate::harness::free_order::FreeOrder;
use crate::harness::mover::Board;
use crate::harness::ours::Atomic;
use page_alloc::sim::{Contents, Sim, SimConfig};
use page_alloc::{NoReclaim, NoTrace, Order, PAGEBLOCK_ORDER};
use std::hint::black_box;

/// Frames of the machines and zones that workloads run on: 4 GiB.
const FRAMES: u64 = 1 << 20;

/// Rounds before the counted ones: after them every frame in use has been used before.
const WARM_UP: u64 = 2;

fn repeat(rounds: u64, round: impl FnMut(u64)) {
    (0..WARM_UP + rounds).for_each(round);
}

fn pairs<A: FrameAllocator>(allocator: &mut A, order: Order, rounds: u64) {
    let order = black_box(order);
    repeat(rounds, |_| {
        let block = allocator.alloc(order).expect("memory");
        allocator.free(block);
    });
}

/// Allocates a block and frees it; nothing else is allocated, so it is split and merged each time.
pub(crate) fn fresh_pairs<A: FrameAllocator>(order: Order, rounds: u64) {
    pairs(&mut A::boot(FRAMES), order, rounds);
}

/// The same where a block of the order is at hand, whose buddy is allocated: no split, no merge.
pub(crate) fn warm_pairs<A: FrameAllocator>(order: Order, rounds: u64) {
    let mut allocator = A::boot(FRAMES);
    let [_buddy, block] = [(); 2].map(|()| allocator.alloc(order).expect("memory"));
    allocator.free(block);
    pairs(&mut allocator, order, rounds);
}

/// The same with single frames, where every other frame is in use.
pub(crate) fn checkerboard_pairs<A: FrameAllocator>(rounds: u64) {
    let mut allocator = A::boot(SMALL);
    let all: Vec<_> = std::iter::from_fn(|| allocator.alloc(Order::ZERO)).collect();
    let (mut kept, mut turn) = (Vec::with_capacity(all.len()), 0);
    for block in all {
        turn ^= 1;
        match turn {
            0 => kept.push(block),
            _ => allocator.free(block),
        }
    }
    pairs(&mut allocator, Order::ZERO, rounds);
    drop(kept);
}

/// Allocates many single frames, then frees them all.
pub(crate) fn batches<A: FrameAllocator>(blocks: usize, free_order: FreeOrder, rounds: u64) {
    let mut allocator = A::boot(FRAMES);
    let mut batch: Vec<Option<A::Block>> = (0..blocks).map(|_| None).collect();
    let places = free_order.places(blocks);
    repeat(rounds, |_| {
        batch.iter_mut().for_each(|block| *block = allocator.alloc(Order::ZERO));
        for place in &places {
            allocator.free(batch[*place].take().expect("memory"));
        }
    });
}

/// Asks for many single frames in one call, and gives them back in one.
pub(crate) fn bulks<A: SharedAllocator>(blocks: usize, rounds: u64) {
    let allocator = <A as SharedAllocator>::boot(FRAMES, 1);
    let mut places: Vec<Option<A::Block>> = (0..blocks).map(|_| None).collect();
    repeat(rounds, |_| {
        assert_eq!(allocator.alloc_bulk(&mut places), blocks);
        allocator.free_bulk(&mut places);
    });
}

/// A machine on which so many single frames, given back since, have been in use.
fn used<A: FrameAllocator>(frames: u64) -> A {
    let mut allocator = A::boot(FRAMES);
    let all: Vec<_> = (0..frames).map(|_| allocator.alloc(Order::ZERO).expect("memory")).collect();
    all.into_iter().for_each(|block| allocator.free(block));
    allocator
}

/// Allocates a single frame, and keeps it. At most `most` rounds.
pub(crate) fn allocs<A: FrameAllocator>(most: u64, rounds: u64) {
    let mut allocator: A = used(most + WARM_UP);
    let mut kept = Vec::with_capacity(usize::try_from(most + WARM_UP).expect("64 bits"));
    repeat(rounds, |_| kept.push(allocator.alloc(Order::ZERO).expect("memory")));
}

/// Frees a single frame, the oldest one. At most `most` rounds.
pub(crate) fn frees<A: FrameAllocator>(most: u64, rounds: u64) {
    let mut allocator: A = used(most + WARM_UP);
    let all = (0..most + WARM_UP).map(|_| allocator.alloc(Order::ZERO).expect("memory"));
    let mut all = all.collect::<Vec<_>>().into_iter();
    repeat(rounds, |_| allocator.free(all.next().expect("enough of them")));
}

/// Boots a machine of so many bytes without a hole. The place of its tables holds whatever the host
/// gives, and is not written before boot: filling it would be most of the count.
pub(crate) fn boots(bytes: u64, rounds: u64) {
    let mut config = SimConfig::flat(bytes);
    config.contents = Contents::Ignored;
    config.dirt = None;
    repeat(rounds, |_| {
        black_box(Sim::boot_with(&config, NoReclaim, NoTrace).expect("a legal machine"));
    });
}

/// Frames of the machines that are full, or half full: 256 MiB.
const SMALL: u64 = 1 << 16;

/// Asks for a frame, from where nothing may sleep, when there is none left for such requests.
pub(crate) fn failures(rounds: u64) {
    let mut allocator = Atomic::boot(SMALL);
    let all: Vec<_> = std::iter::from_fn(|| allocator.alloc(Order::ZERO)).collect();
    repeat(rounds, |_| assert!(black_box(allocator.alloc(Order::ZERO)).is_none()));
    drop(all);
}

/// Makes a pageblock by compaction, where every other frame is in use, by what can be moved.
pub(crate) fn compactions(rounds: u64) {
    let mut board = Board::boot(SMALL);
    board.set_up(2);
    repeat(rounds, |_| board.make(black_box(PAGEBLOCK_ORDER)).expect("every second frame is free"));
    // Targets that lie where a pageblock is made later are moved once more: those of a search that
    // waits for nothing, which looks at every 32nd frame at first, lie far apart.
    let least = (WARM_UP + rounds) * PAGEBLOCK_ORDER.nr_pages() / 2;
    let moved = board.moved();
    assert!((least..2 * least).contains(&moved), "{moved} moved, {least} at least");
}
