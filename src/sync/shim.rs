//! The atomics of the protocols that a model checker runs. `tests/loom.rs` compiles the files of
//! those protocols with a module of this name that has loom's atomics.

pub(crate) use core::sync::atomic::{AtomicU32, Ordering, fence};
