//! Exclusion: interrupts off, locks that ask for it, and reference counts.

mod counter;
mod latch;
#[expect(unsafe_code, reason = "puts the interrupt flag back")]
mod lock;
mod refcount;
mod shim;

pub(crate) use counter::Counter;
pub(crate) use latch::Latch;
pub(crate) use lock::{IrqGuard, IrqLock};
pub(crate) use refcount::RefCount;
