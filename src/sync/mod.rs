//! Exclusion: interrupts off, locks that ask for it, and reference counts.

mod beside;
mod counter;
mod cpu_lock;
#[expect(unsafe_code, reason = "puts back the interrupt flag, and lets the code leave its CPU")]
mod guard;
mod latch;
mod lead;
mod lock;
#[expect(unsafe_code, reason = "values reached by who has their lock")]
mod per_cpu;
mod refcount;
mod shim;
mod tally;

pub(crate) use beside::Beside;
pub(crate) use counter::Counter;
pub(crate) use cpu_lock::Gate;
pub(crate) use guard::{CpuGuard, IrqGuard};
pub(crate) use latch::Latch;
pub(crate) use lead::Lead;
pub(crate) use lock::{IrqLock, IrqLockGuard};
pub(crate) use per_cpu::{Own, PerCpu};
pub(crate) use refcount::RefCount;
pub(crate) use tally::Tally;
