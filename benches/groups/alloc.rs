//! The whole allocator on one CPU: requests, watermarks, the lock, and the zone.
//!
//! Another allocator is measured beside it by an implementation of `FrameAllocator` and a line in
//! [`run`].

use crate::harness::adaptor::{FrameAllocator, Machine};
use crate::harness::recorder::Recorder;
use crate::harness::workload::{FreeOrder, batches, checkerboard, churn, fresh_pairs, warm_pairs};
use page_alloc::Order;

const GROUP: &str = "alloc";

pub(crate) fn run(recorder: &mut Recorder) {
    all::<Machine>(recorder);
}

fn all<A: FrameAllocator>(recorder: &mut Recorder) {
    for order in [Order::O0, Order::O3, Order::O9] {
        fresh_pairs::<A>(recorder, GROUP, order);
        warm_pairs::<A>(recorder, GROUP, order);
    }
    for blocks in [64, 512, 4096] {
        for order in FreeOrder::ALL {
            batches::<A>(recorder, GROUP, blocks, order);
        }
    }
    checkerboard::<A>(recorder, GROUP);
    churn::<A>(recorder, GROUP);
}
