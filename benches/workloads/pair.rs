//! A block is allocated and freed, again and again.

use crate::harness::adaptor::{FrameAllocator, Group};
use crate::harness::failure::{Failure, Timed};
use crate::harness::recorder::Recorder;
use page_alloc::Order;
use std::hint::black_box;
use std::time::Instant;

/// Allocates a block and frees it, so many times.
pub(crate) fn pairs<A: FrameAllocator>(allocator: &mut A, order: Order, times: u64) -> Timed {
    let order = black_box(order);
    let start = Instant::now();
    for _ in 0..times {
        let block = allocator.alloc(order).ok_or(Failure::NoMemory)?;
        allocator.free(black_box(block));
    }
    Ok(start.elapsed())
}

/// Pairs where nothing else is allocated: without lists for each CPU, blocks are split and merged
/// each time.
pub(crate) fn fresh<A: FrameAllocator>(recorder: &mut Recorder, group: Group, order: Order) {
    let case = format!("pair order {order}, fresh");
    let boot = || Ok(A::boot(group.frames));
    recorder.case((group.name, &case, A::NAME), 1, boot, |allocator, times| {
        pairs(allocator, order, times)
    });
}

/// Pairs where a block of the order is at hand, whose buddy is allocated: no split, no merge.
pub(crate) fn warm<A: FrameAllocator>(recorder: &mut Recorder, group: Group, order: Order) {
    let case = format!("pair order {order}, warm");
    let boot = || {
        let mut allocator = A::boot(group.frames);
        let buddy = allocator.alloc(order).ok_or(Failure::NoMemory)?;
        let block = allocator.alloc(order).ok_or(Failure::NoMemory)?;
        allocator.free(block);
        Ok((allocator, buddy))
    };
    recorder.case((group.name, &case, A::NAME), 1, boot, |(allocator, _), times| {
        pairs(allocator, order, times)
    });
}
