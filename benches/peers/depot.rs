//! `frame-alloc`: bitmaps without a lock, with its lists for each CPU and its shared depot above.

use super::memory;
use crate::harness::adaptor::SharedAllocator;
use frame_alloc::{
    CpuId, DepotAllocator, PageSize, PhysRange, PhysicalAllocator, Provenance, RegionInit,
    SummaryBuddyAllocator,
};
use memmap2::MmapMut;
use page_alloc::{MAX_ORDER, Order};
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};

const FRAME: PageSize = PageSize::from_log2(12);

/// The number of CPUs is part of its type.
const CPUS: usize = 2;

/// With two threads it may say that there is no memory though there is; its manual says to retry.
const ATTEMPTS: u32 = 1000;

std::thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

struct ThreadCpu;

impl CpuId for ThreadCpu {
    #[inline]
    fn current_cpu() -> usize {
        CPU.get()
    }
}

/// Physical addresses are the host's.
struct Exposed;

// SAFETY: addresses are those of a mapping whose provenance `Depot::boot` has exposed.
unsafe impl Provenance for Exposed {
    unsafe fn create(phys: usize) -> NonNull<u8> {
        NonNull::new(ptr::with_exposed_provenance_mut(phys)).expect("an address of the mapping")
    }

    unsafe fn destroy<T>(ptr: NonNull<T>) -> usize {
        ptr.as_ptr().expose_provenance()
    }
}

pub(crate) struct Depot {
    allocator: DepotAllocator<SummaryBuddyAllocator<MAX_ORDER, Exposed>, ThreadCpu, CPUS>,
    attempts: u32,
    _memory: MmapMut,
}

impl SharedAllocator for Depot {
    const NAME: &'static str = "frame-alloc";
    type Block = (usize, NonZeroUsize);

    fn boot(frames: u64, cpus: u32) -> Self {
        let (bytes, largest) = (memory::bytes(frames), FRAME.bytes() << Order::MAX.index());
        let mut memory = memory::reserve(bytes + largest);
        let base = memory.as_mut_ptr().expose_provenance().next_multiple_of(largest);
        let allocator = DepotAllocator::new(FRAME, SummaryBuddyAllocator::new(FRAME));
        let usable = [PhysRange { base, len: bytes }];
        // SAFETY: the range lies in the mapping, which lives as long as the allocator.
        unsafe { allocator.try_init(base, bytes, &usable) }.expect("a legal machine");
        Self { allocator, attempts: if cpus > 1 { ATTEMPTS } else { 1 }, _memory: memory }
    }

    fn on_cpu<A>(&self, cpu: u32, work: impl FnOnce() -> A) -> A {
        let before = CPU.replace(cpu as usize);
        let result = work();
        CPU.set(before);
        result
    }

    #[inline]
    fn alloc(&self, order: Order) -> Option<Self::Block> {
        let count = NonZeroUsize::new(1 << order.index())?;
        let mut attempts = 0..self.attempts;
        let start = attempts.find_map(|_| self.allocator.allocate_physical(FRAME, count).ok())?;
        Some((start, count))
    }

    #[inline]
    fn free(&self, (start, count): Self::Block) {
        // SAFETY: a block that `alloc` gave, with its size.
        unsafe { self.allocator.deallocate_physical(FRAME, count, start) };
    }
}
