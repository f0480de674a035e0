//! Who is measured beside each other: this crate, and the page allocators of the registry.
//!
//! Left out:
//!
//! - `osdk-frame-allocator` 0.19: its only interface is that of `ostd`, which needs nightly features
//!   and runs as a kernel only.
//! - `LLFree`: not in the registry.
//! - `ruvix-physmem` 0.1: remembers at most 1024 free blocks of an order, so it can't hold 4 GiB.
//! - `ax-allocator` 0.5 and `axallocator` 0.2: their page allocator is `bitmap-allocator` in an
//!   address range.
//! - `buddy-alloc` 0.6, `rlsf` 0.2: heaps of bytes, not of frames.
//!
//! Peers get what is fastest for them: the lock that the floor measures, and no interrupts to turn
//! off, which this crate does on every call; no largest block above this crate's, where that can be
//! chosen.

/// Calls a workload, a function that is generic over a `SharedAllocator`, for this crate and for
/// each peer in turn.
macro_rules! for_each_allocator {
    ($workload:ident $arguments:tt) => {
        $workload::<$crate::harness::ours::Machine> $arguments;
        $workload::<$crate::peers::depot::Depot> $arguments;
        $workload::<$crate::peers::free_list::Ranges> $arguments;
        $workload::<$crate::peers::buddy_system::Sets> $arguments;
        $workload::<$crate::peers::bitmap::Bitmap> $arguments;
        $workload::<$crate::peers::buddy_slab::Buddy> $arguments;
    };
}

pub(crate) use for_each_allocator;
