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

/// How often the threads are started again if they did not work at once.
const ATTEMPTS: u32 = 20;

/// In less, two threads that start at once may differ much.
const TELLING: Duration = Duration::from_micros(20);

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
/// times that they took. Where other programs keep a CPU busy, the threads may get the other one in
/// turn; then it is done again.
fn together<A: SharedAllocator, S: Send>(
    allocator: &A,
    states: &mut [S],
    work: impl Fn(&mut S) -> Result<(), Failure> + Sync,
) -> Timed {
    let mut spans = started(allocator, states, &work)?;
    for _ in 0..ATTEMPTS {
        if spans.iter().all(|span| span.is_beside(&spans)) {
            break;
        }
        spans = started(allocator, states, &work)?;
    }
    Ok(spans.iter().map(Span::duration).sum::<Duration>() / THREADS)
}

/// Starts the threads, waits for them, and tells when they worked.
fn started<A: SharedAllocator, S: Send>(
    allocator: &A,
    states: &mut [S],
    work: &(impl Fn(&mut S) -> Result<(), Failure> + Sync),
) -> Result<Vec<Span>, Failure> {
    let gate = Gate::new(states.len());
    let timed = |state: &mut S| {
        gate.pass();
        let start = Instant::now();
        work(state)?;
        Ok(Span { start, end: Instant::now() })
    };
    thread::scope(|scope| {
        let start = |(cpu, state)| scope.spawn(move || allocator.on_cpu(cpu, || timed(state)));
        let threads: Vec<_> = (0..).zip(states).map(start).collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|span| span.unwrap_or(Err(Failure::Panicked))).collect()
    })
}

/// When a thread worked.
struct Span {
    start: Instant,
    end: Instant,
}

impl Span {
    fn duration(&self) -> Duration {
        self.end - self.start
    }

    /// Whether all the others worked during most of it, as far as it is long enough to tell.
    fn is_beside(&self, others: &[Self]) -> bool {
        let shared = |other: &Self| {
            self.end.min(other.end).saturating_duration_since(self.start.max(other.start))
        };
        self.duration() < TELLING
            || others.iter().all(|other| shared(other) * 4 >= self.duration() * 3)
    }
}
