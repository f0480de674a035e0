//! One thread allocates single frames and hands them to another, which frees them.

use super::floor;
use crate::harness::adaptor::{Group, SharedAllocator};
use crate::harness::affinity::pin;
use crate::harness::failure::{Failure, Timed};
use crate::harness::gate::Gate;
use crate::harness::recorder::Recorder;
use crate::harness::ring::{Receiver, Ring, Sender};
use crate::peers::list::for_each_allocator;
use page_alloc::Order;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

const GROUP: Group = Group::new("ring");
const CASE: &str = "one allocates, another frees";
const TOUCHED: &str = "both write to the descriptor, no more";

pub(crate) fn run(recorder: &mut Recorder) {
    passed::<Nothing>(recorder, CASE);
    passed::<Touching>(recorder, TOUCHED);
    for_each_allocator!(passed(recorder, CASE));
}

/// Only the ring is measured: no allocator.
struct Nothing;

impl SharedAllocator for Nothing {
    const NAME: &'static str = floor::NAME;
    type Block = Order;

    fn boot(_: u64, _: u32) -> Self {
        Self
    }

    #[inline]
    fn alloc(&self, order: Order) -> Option<Order> {
        Some(black_box(order))
    }

    #[inline]
    fn free(&self, block: Order) {
        black_box(block);
    }
}

/// Each side writes to the frame's descriptor, of which four share a cache line, as each has to: what
/// the line's way from one CPU to the other costs. Frames are taken in turn.
struct Touching {
    frames: Box<[Descriptor]>,
    next: AtomicUsize,
}

#[repr(align(16))]
struct Descriptor(AtomicU64);

impl Touching {
    /// More than fit into a CPU's first cache, as on the lists of a CPU that takes much.
    const FRAMES: usize = 8192;
}

impl SharedAllocator for Touching {
    const NAME: &'static str = floor::NAME;
    type Block = usize;

    fn boot(_: u64, _: u32) -> Self {
        let frames = (0..Self::FRAMES).map(|_| Descriptor(AtomicU64::new(0))).collect();
        Self { frames, next: AtomicUsize::new(0) }
    }

    #[inline]
    fn alloc(&self, _: Order) -> Option<usize> {
        let index = self.next.load(Ordering::Relaxed);
        self.next.store((index + 1) % Self::FRAMES, Ordering::Relaxed);
        self.frames.get(index)?.0.store(1, Ordering::Relaxed);
        Some(index)
    }

    #[inline]
    fn free(&self, index: usize) {
        self.frames[index].0.store(0, Ordering::Relaxed);
    }
}

fn passed<A: SharedAllocator>(recorder: &mut Recorder, case: &str) {
    let setup = || Ok((A::boot(GROUP.frames, 2), Ring::new()));
    recorder.case((GROUP.name, case, A::NAME), 1, setup, |(allocator, ring), times| {
        pass(allocator, ring, times)
    });
}

/// Passes so many frames; from when both threads are there to the last free.
fn pass<A: SharedAllocator>(allocator: &A, ring: &mut Ring<A::Block>, times: u64) -> Timed {
    let (sender, receiver) = ring.split();
    let gate = Gate::new(2);
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            pin(1);
            gate.pass();
            allocator.on_cpu(1, || send(allocator, sender, times))
        });
        let receiving = scope.spawn(|| {
            pin(0);
            gate.pass();
            let start = Instant::now();
            receive(allocator, receiver, times)?;
            Ok(start.elapsed())
        });
        let sent = sending.join().unwrap_or(Err(Failure::Panicked));
        receiving.join().unwrap_or(Err(Failure::Panicked)).and_then(|time| sent.map(|()| time))
    })
}

fn send<A: SharedAllocator>(
    allocator: &A,
    mut sender: Sender<'_, A::Block>,
    times: u64,
) -> Result<(), Failure> {
    for _ in 0..times {
        sender.send(allocator.alloc(Order::ZERO).ok_or(Failure::NoMemory)?)?;
    }
    Ok(())
}

fn receive<A: SharedAllocator>(
    allocator: &A,
    mut receiver: Receiver<'_, A::Block>,
    times: u64,
) -> Result<(), Failure> {
    for _ in 0..times {
        allocator.free(receiver.receive()?);
    }
    Ok(())
}
