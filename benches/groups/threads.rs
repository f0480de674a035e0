//! Two threads at once, each a CPU. What counts is the time of one of them.

use super::floor;
use crate::harness::adaptor::{Group, SharedAllocator};
use crate::harness::affinity::pin;
use crate::harness::failure::{Failure, Patience, Timed};
use crate::harness::free_order::FreeOrder;
use crate::harness::gate::Gate;
use crate::harness::least::Least;
use crate::harness::least_frame::Token;
use crate::harness::port::Port;
use crate::harness::recorder::Recorder;
use crate::peers::list::for_each_allocator;
use crate::workloads::batch::Batch;
use page_alloc::{CpuId, Order, Platform};
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

const GROUP: Group = Group::new("threads");
const THREADS: u32 = 2;
const BATCH: u32 = 512;
const BATCHES: &str = "2 x batch 512 order 0, lifo";

/// How often the threads are started again if they did not work at once.
const ATTEMPTS: u32 = 20;

/// In less, two threads that start at once may differ much.
const TELLING: Duration = Duration::from_micros(20);

pub(crate) fn run(recorder: &mut Recorder) {
    pairs::<Apart>(recorder, Order::O0);
    batches::<Apart>(recorder, BATCHES);
    batches::<SideBySide>(recorder, "2 x batch 512 order 0, lifo, side by side");
    for_each_allocator!(pairs(recorder, Order::O0));
    for_each_allocator!(batches(recorder, BATCHES));
    for_each_allocator!(pairs(recorder, Order::O3));
    for_each_allocator!(pairs(recorder, Order::O9));
}

/// The least that serves, one for each CPU, with no word in common: what two threads cost each other is
/// the processor's. Of the frames, so many are one CPU's, as many the other's, and so on in turn.
struct Lists<const TURN: u32>([Least; THREADS as usize]);

/// One half of the memory for each CPU.
type Apart = Lists<{ 1 << 19 }>;

/// As lists come to have their frames that are filled at the same time, by batches of this size. Four
/// descriptors share a cache line: the first and the last of a batch share theirs with the other CPU's.
type SideBySide = Lists<63>;

impl<const TURN: u32> SharedAllocator for Lists<TURN> {
    const NAME: &'static str = floor::NAME;
    type Block = Token;

    fn boot(frames: u64, cpus: u32) -> Self {
        assert_eq!(cpus, THREADS);
        Self(Least::in_turn(frames, TURN))
    }

    fn on_cpu<A>(&self, cpu: u32, work: impl FnOnce() -> A) -> A {
        Port::on_cpu(CpuId::new(cpu), work)
    }

    #[inline]
    fn alloc(&self, _: Order) -> Option<Token> {
        self.0.get(Port.cpu_id().index())?.get()
    }

    #[inline]
    fn free(&self, token: Token) {
        self.0[Port.cpu_id().index()].put(token);
    }
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

fn batches<A: SharedAllocator>(recorder: &mut Recorder, case: &str) {
    let patience = recorder.patience();
    let setup = || {
        let batches = [(); THREADS as usize].map(|()| Batch::new(BATCH, FreeOrder::Lifo));
        Ok((A::boot(GROUP.frames, THREADS), batches))
    };
    let name = (GROUP.name, case, A::NAME);
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
/// times that they took. Where other programs use the CPUs too, the threads may run one after the
/// other; then it is done again.
fn together<A: SharedAllocator, S: Send>(
    allocator: &A,
    states: &mut [S],
    work: impl Fn(&mut S) -> Result<(), Failure> + Sync,
) -> Timed {
    let mut best = started(allocator, states, &work)?;
    for _ in 0..ATTEMPTS {
        if best.are_at_once() {
            break;
        }
        let next = started(allocator, states, &work)?;
        if next.shared() > best.shared() {
            best = next;
        }
    }
    Ok(best.mean())
}

/// Starts the threads, waits for them, and tells when they worked.
fn started<A: SharedAllocator, S: Send>(
    allocator: &A,
    states: &mut [S],
    work: &(impl Fn(&mut S) -> Result<(), Failure> + Sync),
) -> Result<Spans, Failure> {
    let gate = Gate::new(states.len());
    let timed = |state: &mut S| {
        gate.pass();
        let start = Instant::now();
        work(state)?;
        Ok((start, Instant::now()))
    };
    thread::scope(|scope| {
        let start = |(cpu, state)| {
            scope.spawn(move || {
                pin(cpu);
                allocator.on_cpu(cpu, || timed(state))
            })
        };
        let threads: Vec<_> = (0..).zip(states).map(start).collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|span| span.unwrap_or(Err(Failure::Panicked))).collect::<Result<_, _>>()
    })
    .map(Spans)
}

/// From when to when each thread worked.
struct Spans(Vec<(Instant, Instant)>);

impl Spans {
    fn mean(&self) -> Duration {
        self.0.iter().map(|(start, end)| *end - *start).sum::<Duration>() / THREADS
    }

    /// How long all worked.
    fn shared(&self) -> Duration {
        let start = self.0.iter().map(|(start, _)| *start).max();
        let end = self.0.iter().map(|(_, end)| *end).min();
        start.zip(end).map_or(Duration::ZERO, |(start, end)| end.saturating_duration_since(start))
    }

    /// Whether they worked most of their time beside each other, or too short a time to tell.
    fn are_at_once(&self) -> bool {
        self.mean() < TELLING || self.shared() * 4 > self.mean() * 3
    }
}
