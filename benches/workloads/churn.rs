//! A machine nine tenths full of blocks of many orders, of which one after the other is replaced.

use crate::harness::adaptor::{FrameAllocator, Group};
use crate::harness::failure::{Deadline, Failure};
use crate::harness::recorder::Recorder;
use crate::harness::rng::Rng;
use page_alloc::Order;
use std::time::Instant;

struct Churn<A: FrameAllocator> {
    allocator: A,
    live: Vec<(Order, A::Block)>,
    /// How many frames these have.
    frames: u64,
    most: u64,
    rng: Rng,
}

impl<A: FrameAllocator> Churn<A> {
    /// Steps until all is mixed.
    fn new(frames: u64, deadline: &Deadline) -> Result<Self, Failure> {
        let (allocator, rng, most) = (A::boot(frames), Rng::new(), frames * 9 / 10);
        let mut churn = Self { allocator, live: Vec::new(), frames: 0, most, rng };
        for number in 0..frames {
            churn.step();
            deadline.check_after(number)?;
        }
        Ok(churn)
    }

    /// Frees down to nine tenths, then allocates a block; so as many are freed as allocated.
    fn step(&mut self) {
        while self.frames > self.most {
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
pub(crate) fn churn<A: FrameAllocator>(recorder: &mut Recorder, group: Group) {
    let patience = recorder.patience();
    let name = (group.name, "churn at 90 %", A::NAME);
    let setup = || Churn::<A>::new(group.frames, &patience.begin());
    recorder.case(name, 1, setup, |churn, times| {
        let start = Instant::now();
        (0..times).for_each(|_| churn.step());
        Ok(start.elapsed())
    });
}
