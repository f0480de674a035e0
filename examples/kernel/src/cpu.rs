//! A processor: its number, found through its GS register, and what only it has.

use crate::task::Held;
use core::arch::asm;
use core::cell::Cell;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use page_alloc::{Context, CpuId};
use x86_64::VirtAddr;
use x86_64::registers::model_specific::GsBase;

/// Processors that the kernel has room for.
pub(crate) const MAX_CPUS: usize = 16;

/// What belongs to one processor.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Cpu {
    /// Read through GS.
    id: u32,
    /// Barriers that others have asked for, and how many of them were passed.
    asked: AtomicU64,
    passed: AtomicU64,
    /// Interrupts of the timer.
    pub(crate) ticks: AtomicU64,
    /// Frames that were marked here as somebody's, and that lost their marks here.
    pub(crate) marked: AtomicU64,
    pub(crate) unmarked: AtomicU64,
    /// What the timer's handler holds.
    pub(crate) held: Held,
    /// What is running.
    running: Running,
}

/// What a processor is doing. Only it itself looks.
#[derive(Debug)]
struct Running {
    /// Handlers of interrupts, one within the other.
    handlers: Cell<u32>,
    /// Whether its task frees memory.
    frees: Cell<bool>,
}

// SAFETY: see above; a handler leaves it as it was.
unsafe impl Sync for Running {}

static CPUS: [Cpu; MAX_CPUS] = {
    let mut cpus = [const { Cpu::new() }; MAX_CPUS];
    let mut number = 0;
    while number < MAX_CPUS {
        cpus[number].id = number as u32;
        number += 1;
    }
    cpus
};

impl Cpu {
    const fn new() -> Self {
        Self {
            id: 0,
            asked: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            marked: AtomicU64::new(0),
            unmarked: AtomicU64::new(0),
            held: Held::new(),
            running: Running { handlers: Cell::new(0), frees: Cell::new(false) },
        }
    }

    /// The processor of that number.
    pub(crate) fn of(id: CpuId) -> &'static Self {
        &CPUS[id.index()]
    }

    /// The running processor.
    pub(crate) fn current() -> &'static Self {
        Self::of(Self::id())
    }

    /// The running processor's number.
    #[inline]
    pub(crate) fn id() -> CpuId {
        let id: u32;
        // SAFETY: GS leads to this processor's `Cpu`, whose first word never changes.
        unsafe {
            asm!("mov {:e}, gs:[0]", out(reg) id, options(nostack, readonly, preserves_flags))
        };
        CpuId::new(id)
    }

    /// The running processor is this one, from now on.
    pub(crate) fn become_current(&'static self) {
        GsBase::write(VirtAddr::from_ptr(self));
    }

    /// What is running on this processor, which is the running one.
    pub(crate) fn context(&self) -> Context {
        match (self.running.handlers.get(), self.running.frees.get()) {
            (0, false) => Context::TASK,
            (0, true) => Context::MEMALLOC,
            _ => Context::HARDIRQ,
        }
    }

    /// Runs a handler.
    pub(crate) fn handle(&self, handler: impl FnOnce()) {
        self.running.handlers.update(|depth| depth + 1);
        handler();
        self.running.handlers.update(|depth| depth - 1);
    }

    /// Does something that frees memory: its own requests may use the reserves.
    pub(crate) fn while_freeing<A>(&self, work: impl FnOnce() -> A) -> A {
        let before = self.running.frees.replace(true);
        let result = work();
        self.running.frees.set(before);
        result
    }

    /// Waits for so many interrupts of this processor's timer. It is the running one, with interrupts on.
    pub(crate) fn wait_for_ticks(&self, number: u64) {
        let until = self.ticks.load(Ordering::Relaxed) + number;
        while self.ticks.load(Ordering::Relaxed) < until {
            spin_loop();
        }
    }

    /// Asks this processor, by `wake`, to pass a barrier, and waits until it has. Whoever asks
    /// answers meanwhile, as it may have interrupts off.
    pub(crate) fn barrier(&self, wake: impl FnOnce()) {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        wake();
        while self.passed.load(Ordering::SeqCst) < number {
            Self::current().pass_barrier();
            spin_loop();
        }
    }

    /// Passes all barriers that were asked for of this processor, which is the running one.
    pub(crate) fn pass_barrier(&self) {
        let asked = self.asked.load(Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.passed.fetch_max(asked, Ordering::SeqCst);
    }
}
