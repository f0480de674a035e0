//! What the processors do: they allocate, write to what they have, free it and pass it on, while their
//! timers' handlers do the same.

use crate::cpu::{Cpu, MAX_CPUS};
use crate::frames::FRAMES;
use crate::mark::{self, Marked};
use crate::plant;
use crate::random::Random;
use arrayvec::ArrayVec;
use core::sync::atomic::Ordering;
use page_alloc::{CpuId, Gfp, Order, Pages};
use spin::mutex::SpinMutex;

/// Rounds of each processor.
const ROUNDS: u32 = 60_000;

/// Blocks that a processor has at most.
const HELD: usize = 256;

/// What a handler asks for, each time.
const ORDERS: [Order; 2] = [Order::O0, Order::O2];

/// What a handler holds: few frames. Nobody else looks at it while handlers run.
#[derive(Debug)]
pub(crate) struct Held(SpinMutex<ArrayVec<Marked, 8>>);

impl Held {
    pub(crate) const fn new() -> Self {
        Self(SpinMutex::new(ArrayVec::new_const()))
    }

    /// Frees all.
    pub(crate) fn free_all(&self) {
        self.0.lock().drain(..).for_each(Marked::free);
    }
}

/// Blocks on their way to another processor.
static MAIL: [SpinMutex<ArrayVec<Marked, 16>>; MAX_CPUS] =
    [const { SpinMutex::new(ArrayVec::new_const()) }; MAX_CPUS];

/// An interrupt of the timer: a frame more, or all that there are go back.
pub(crate) fn tick(cpu: &Cpu) {
    cpu.ticks.fetch_add(1, Ordering::Relaxed);
    plant::in_handler();
    let mut held = cpu.held.0.lock();
    if held.remaining_capacity() < ORDERS.len() {
        held.drain(..).for_each(Marked::free);
    }
    for order in ORDERS {
        if let Ok(pages) = FRAMES.alloc_pages(Gfp::ATOMIC | Gfp::NOWARN, order) {
            held.push(Marked::new(pages, mark::HANDLER | Cpu::id().get()));
        }
    }
}

/// One processor's share of the work.
pub(crate) fn stress(cpu: CpuId, cpus: usize) {
    let mut random = Random::new(u64::from(cpu.get()) + 1);
    let mut held: ArrayVec<Marked, HELD> = ArrayVec::new();
    for round in 0..ROUNDS {
        if round == ROUNDS / 4 {
            plant::in_task();
        }
        match random.below(16) {
            0..9 if !held.is_full() => held.extend(request(&mut random, cpu)),
            9..11 if !held.is_empty() => {
                let block = held.swap_remove(random.below(held.len()));
                let other = random.below(cpus);
                let refused = MAIL[other].lock().try_push(block);
                if let Err(full) = refused {
                    full.element().free();
                }
            }
            11 => {
                let mail = core::mem::take(&mut *MAIL[cpu.index()].lock());
                mail.into_iter().for_each(Marked::free);
            }
            12 => bulk(&mut random, cpu),
            13 if random.below(64) == 0 => {
                if random.below(2) == 0 {
                    FRAMES.drain_local_pages(None);
                } else {
                    FRAMES.drain_all_pages(None);
                }
            }
            _ if !held.is_empty() => held.swap_remove(random.below(held.len())).free(),
            _ => {}
        }
    }
    held.into_iter().for_each(Marked::free);
}

/// Frees what was sent to a processor and not taken.
pub(crate) fn clear_mail() {
    for mail in &MAIL {
        core::mem::take(&mut *mail.lock()).into_iter().for_each(Marked::free);
    }
}

/// A block of some order and type; most are small.
fn request(random: &mut Random, cpu: CpuId) -> Option<Marked> {
    let order = match random.below(64) {
        0 => Order::O9,
        1 => Order::O10,
        2..8 => Order::ALL[4 + random.below(4)],
        8..24 => Order::ALL[1 + random.below(3)],
        _ => Order::ZERO,
    };
    let gfp = [Gfp::KERNEL, Gfp::HIGHUSER_MOVABLE, Gfp::KERNEL | Gfp::RECLAIMABLE, Gfp::ATOMIC];
    let gfp = gfp[random.below(gfp.len())] | Gfp::NOWARN | Gfp::NORETRY;
    let pages = FRAMES.alloc_pages(gfp, order).ok()?;
    Some(Marked::new(pages, cpu.get()))
}

/// Many frames in a call, and back in a call.
fn bulk(random: &mut Random, cpu: CpuId) {
    let mut places = [const { None::<Pages> }; 48];
    let wanted = 1 + random.below(places.len());
    let filled = FRAMES.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut places[..wanted]);
    let filled = filled.unwrap_or(0);
    for place in &mut places[..filled] {
        *place = place.take().map(|pages| Marked::new(pages, cpu.get()).into_pages());
    }
    assert_eq!(FRAMES.free_pages_bulk(&mut places), filled);
}
