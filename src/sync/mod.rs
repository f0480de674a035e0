//! Exclusion: interrupts off, locks that ask for it, and reference counts.

mod counter;
mod cpu_lock;
mod latch;
#[expect(unsafe_code, reason = "puts the interrupt flag back")]
mod lock;
#[expect(unsafe_code, reason = "values reached by who has their lock")]
mod per_cpu;
#[expect(unsafe_code, reason = "lets the code leave its CPU again")]
mod pin;
mod refcount;
mod shim;

pub(crate) use counter::Counter;
pub(crate) use latch::Latch;
pub(crate) use lock::{IrqGuard, IrqLock};
pub(crate) use per_cpu::PerCpu;
pub(crate) use pin::CpuGuard;
pub(crate) use refcount::RefCount;
