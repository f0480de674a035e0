//! The atomics of the protocols that a model checker runs. `tests/loom.rs` compiles the files of
//! those protocols with a module of this name that has loom's atomics.

pub(crate) use core::sync::atomic::{AtomicIsize, AtomicPtr, AtomicU32, Ordering, fence};

/// Keeps the compiler from moving a later load before an earlier store. The CPU may still: who
/// needs to know that it did not makes it pass a barrier.
#[inline]
pub(crate) fn light_barrier() {
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}
