//! The zone alone: free lists and buddies, without watermarks, lock and CPU.

use crate::harness::adaptor::{FrameAllocator, Group};
use crate::harness::failure::Failure;
use crate::harness::free_order::FreeOrder;
use crate::harness::ours::Zone;
use crate::harness::recorder::Recorder;
use crate::workloads::batch::batches;
use crate::workloads::checkerboard::checkerboard;
use crate::workloads::churn::churn;
use crate::workloads::pair::{fresh, warm};
use page_alloc::{AllocFlags, MigrateType, Order};
use std::time::Instant;

const GROUP: Group = Group::small("zone");
const ORDERS: [Order; 5] = [Order::O0, Order::O3, Order::O4, Order::O9, Order::O10];

pub(crate) fn run(recorder: &mut Recorder) {
    for order in ORDERS {
        fresh::<Zone>(recorder, GROUP, order);
        warm::<Zone>(recorder, GROUP, order);
    }
    for blocks in [64, 512] {
        for order in FreeOrder::ALL {
            batches::<Zone>(recorder, GROUP, blocks, order);
        }
    }
    checkerboard::<Zone>(recorder, GROUP);
    churn::<Zone>(recorder, GROUP);
    steal_largest(recorder);
    borrow_smallest(recorder);
}

/// Allocates a block of a type and frees it.
fn pair(zone: &mut Zone, order: Order, migratetype: MigrateType) -> Result<(), Failure> {
    let pages = zone.0.rmqueue(order, migratetype, AllocFlags::empty());
    zone.free(pages.ok_or(Failure::NoMemory)?);
    Ok(())
}

/// Two types in turn ask for the last largest block, which becomes the asker's.
fn steal_largest(recorder: &mut Recorder) {
    let boot = || {
        let mut zone = Zone::boot(GROUP.frames);
        let all_but_one = 1..GROUP.frames / Order::MAX.nr_pages();
        let taken: Option<Vec<_>> = all_but_one.map(|_| zone.alloc(Order::MAX)).collect();
        Ok((zone, taken.ok_or(Failure::NoMemory)?))
    };
    let name = (GROUP.name, "steal a largest block, pair order 0", Zone::NAME);
    recorder.case(name, 2, boot, |(zone, _), times| {
        let start = Instant::now();
        for _ in 0..times {
            pair(zone, Order::ZERO, MigrateType::Unmovable)?;
            pair(zone, Order::ZERO, MigrateType::Movable)?;
        }
        Ok(start.elapsed())
    });
}

/// Movable requests are served by single frames of unmovable pageblocks, which stay unmovable.
fn borrow_smallest(recorder: &mut Recorder) {
    let boot = || {
        let mut zone = Zone::boot(GROUP.frames);
        let unmovable =
            |_| zone.0.rmqueue(Order::ZERO, MigrateType::Unmovable, AllocFlags::empty());
        let all: Vec<_> = (0..GROUP.frames).filter_map(unmovable).collect();
        all.into_iter().step_by(2).for_each(|pages| zone.free(pages));
        Ok(zone)
    };
    let name = (GROUP.name, "borrow a frame, pair order 0", Zone::NAME);
    recorder.case(name, 1, boot, |zone, times| {
        let start = Instant::now();
        (0..times).try_for_each(|_| pair(zone, Order::ZERO, MigrateType::Movable))?;
        Ok(start.elapsed())
    });
}
