//! The workloads: what is asked of an allocator, again and again.

use super::adaptor::FrameAllocator;
pub(crate) use super::free_order::FreeOrder;
use super::recorder::Recorder;
use super::rng::Rng;
use page_alloc::Order;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Frames of the machines that workloads run on: 256 MiB.
pub(crate) const FRAMES: u64 = 1 << 16;

/// Allocates a block and frees it.
pub(crate) fn pairs<A: FrameAllocator>(allocator: &mut A, order: Order, times: u64) -> Duration {
    let order = black_box(order);
    let start = Instant::now();
    for _ in 0..times {
        let block = allocator.alloc(order).expect("memory");
        allocator.free(block);
    }
    start.elapsed()
}

/// Pairs where nothing else is allocated: blocks are split and merged each time.
pub(crate) fn fresh_pairs<A: FrameAllocator>(recorder: &mut Recorder, group: &str, order: Order) {
    let case = format!("pair order {order}, fresh");
    let boot = || A::boot(FRAMES);
    recorder
        .case((group, &case, A::NAME), 1, boot, |allocator, times| pairs(allocator, order, times));
}

/// Pairs where a block of the order is at hand, whose buddy is allocated: no split, no merge.
pub(crate) fn warm_pairs<A: FrameAllocator>(recorder: &mut Recorder, group: &str, order: Order) {
    let case = format!("pair order {order}, warm");
    let boot = || {
        let mut allocator = A::boot(FRAMES);
        let [buddy, block] = [(); 2].map(|()| allocator.alloc(order).expect("memory"));
        allocator.free(block);
        (allocator, buddy)
    };
    recorder.case((group, &case, A::NAME), 1, boot, |(allocator, _), times| {
        pairs(allocator, order, times)
    });
}

/// Allocates many single frames, then frees them all.
pub(crate) fn batches<A: FrameAllocator>(
    recorder: &mut Recorder,
    group: &str,
    blocks: usize,
    free_order: FreeOrder,
) {
    let case = format!("batch {blocks} order 0, {}", free_order.name());
    let boot = || {
        let batch: Vec<Option<A::Block>> = (0..blocks).map(|_| None).collect();
        (A::boot(FRAMES), batch, free_order.places(blocks))
    };
    let ops = u64::try_from(blocks).expect("64 bits");
    recorder.case((group, &case, A::NAME), ops, boot, |(allocator, batch, places), times| {
        let start = Instant::now();
        for _ in 0..times {
            batch.iter_mut().for_each(|block| *block = allocator.alloc(Order::ZERO));
            for place in places.iter() {
                allocator.free(batch[*place].take().expect("memory"));
            }
        }
        start.elapsed()
    });
}

/// Pairs of order 0 where every other frame is allocated.
pub(crate) fn checkerboard<A: FrameAllocator>(recorder: &mut Recorder, group: &str) {
    let boot = || {
        let mut allocator = A::boot(FRAMES);
        let all: Vec<_> = std::iter::from_fn(|| allocator.alloc(Order::ZERO)).collect();
        for (i, block) in all.into_iter().enumerate() {
            if i % 2 == 0 {
                allocator.free(block);
            }
        }
        allocator
    };
    let name = (group, "pair order 0, checkerboard", A::NAME);
    recorder.case(name, 1, boot, |allocator, times| pairs(allocator, Order::ZERO, times));
}

/// A machine nine tenths full of blocks of many orders, of which one after the other is replaced.
struct Churn<A: FrameAllocator> {
    allocator: A,
    live: Vec<(Order, A::Block)>,
    frames: u64,
    rng: Rng,
}

impl<A: FrameAllocator> Churn<A> {
    fn new() -> Self {
        let (allocator, rng) = (A::boot(FRAMES), Rng::new());
        let mut churn = Self { allocator, live: Vec::new(), frames: 0, rng };
        (0..FRAMES).for_each(|_| churn.step());
        churn
    }

    /// Frees down to nine tenths, then allocates a block; so as many are freed as allocated.
    fn step(&mut self) {
        while self.frames > FRAMES * 9 / 10 {
            let victim = self.rng.below(self.live.len());
            let (order, block) = self.live.swap_remove(victim);
            self.frames -= order.nr_pages();
            self.allocator.free(block);
        }
        let order = self.order();
        if let Some(block) = self.allocator.alloc(order) {
            self.frames += order.nr_pages();
            self.live.push((order, block));
        }
    }

    /// Mostly single frames.
    fn order(&mut self) -> Order {
        match self.rng.below(100) {
            0..80 => Order::O0,
            80..90 => Order::O1,
            90..95 => Order::O2,
            95..99 => Order::O3,
            _ => Order::O4,
        }
    }
}

/// One block freed and one allocated, here and there.
pub(crate) fn churn<A: FrameAllocator>(recorder: &mut Recorder, group: &str) {
    let name = (group, "churn at 90 %", A::NAME);
    recorder.case(name, 1, Churn::<A>::new, |churn, times| {
        let start = Instant::now();
        (0..times).for_each(|_| churn.step());
        start.elapsed()
    });
}
