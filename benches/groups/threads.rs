//! Two threads at once, each a CPU. What counts is the time of one of them.

use crate::harness::adaptor::{Group, SharedAllocator};
use crate::harness::failure::{Failure, Patience, Timed};
use crate::harness::gate::Gate;
use crate::harness::recorder::Recorder;
use crate::peers::list::for_each_allocator;
use crate::workloads::batch::{Batch, FreeOrder};
use page_alloc::Order;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

const GROUP: Group = Group::new("threads");
const THREADS: u32 = 2;
const BATCH: u32 = 512;

pub(crate) fn run(recorder: &mut Recorder) {
    for_each_allocator!(pairs(recorder, Order::O0));
    for_each_allocator!(batches(recorder));
    for_each_allocator!(pairs(recorder, Order::O3));
    for_each_allocator!(pairs(recorder, Order::O9));
}

fn pairs<A: SharedAllocator>(recorder: &mut Recorder, order: Order) {
    let case = format!("2 x pair order {order}, fresh");
    let setup = || Ok((A::boot(GROUP.frames, THREADS), [(); THREADS as usize]));
    recorder.case((GROUP.name, &case, A::NAME), 1, setup, |(allocator, threads), times| {
        together(allocator, threads, |()| {
            let order = black_box(order);
            for _ in 0..times {
                let block = allocator.alloc(order).ok_or(Failure::NoMemory)?;
                allocator.free(black_box(block));
            }
            Ok(())
        })
    });
}

fn batches<A: SharedAllocator>(recorder: &mut Recorder) {
    let case = format!("2 x batch {BATCH} order 0, lifo");
    let patience = recorder.patience();
    let setup = || {
        let batches = [(); THREADS as usize].map(|()| Batch::new(BATCH, FreeOrder::Lifo));
        Ok((A::boot(GROUP.frames, THREADS), batches))
    };
    let name = (GROUP.name, &*case, A::NAME);
    recorder.case(name, u64::from(BATCH), setup, |(allocator, batches), times| {
        together(allocator, batches, |batch| rounds(allocator, batch, times, patience))
    });
}

fn rounds<A: SharedAllocator>(
    allocator: &A,
    batch: &mut Batch<A::Block>,
    times: u64,
    patience: Patience,
) -> Result<(), Failure> {
    let deadline = patience.begin();
    (0..times).try_for_each(|_| {
        batch.fill(|| allocator.alloc(Order::ZERO), &deadline)?;
        batch.clear(|block| allocator.free(block), &deadline)
    })
}

/// Runs `work` on a thread for each of the states, each another CPU, all at once; the mean of the
/// times that they took.
fn together<A: SharedAllocator, S: Send>(
    allocator: &A,
    states: &mut [S],
    work: impl Fn(&mut S) -> Result<(), Failure> + Sync,
) -> Timed {
    let gate = Gate::new(states.len());
    let timed = |state: &mut S| {
        gate.pass();
        let start = Instant::now();
        work(state)?;
        Ok(start.elapsed())
    };
    let times: Result<Duration, Failure> = thread::scope(|scope| {
        let start = |(cpu, state)| scope.spawn(move || allocator.on_cpu(cpu, || timed(state)));
        let threads: Vec<_> = (0..).zip(states).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(Failure::Panicked))).sum()
    });
    Ok(times? / THREADS)
}
