//! Every other frame is allocated.

use super::pair::pairs;
use crate::harness::adaptor::{FrameAllocator, Group};
use crate::harness::failure::{Deadline, Failure};
use crate::harness::recorder::Recorder;
use page_alloc::Order;
use std::iter;

/// Pairs of order 0 where every other frame is allocated.
pub(crate) fn checkerboard<A: FrameAllocator>(recorder: &mut Recorder, group: Group) {
    let patience = recorder.patience();
    let name = (group.name, "pair order 0, checkerboard", A::NAME);
    let boot = || board::<A>(group.frames, &patience.begin());
    recorder.case(name, 1, boot, |allocator, times| pairs(allocator, Order::ZERO, times));
}

fn board<A: FrameAllocator>(frames: u64, deadline: &Deadline) -> Result<A, Failure> {
    let mut allocator = A::boot(frames);
    let mut all = Vec::new();
    for (number, block) in (0..).zip(iter::from_fn(|| allocator.alloc(Order::ZERO))) {
        deadline.check_after(number)?;
        all.push(block);
    }
    for (number, block) in (0..).zip(all.into_iter().step_by(2)) {
        allocator.free(block);
        deadline.check_after(number)?;
    }
    Ok(allocator)
}
