//! What is measured, behind two traits: a workload runs on whatever implements them.

use page_alloc::Order;

/// An allocator of frames that is used by one thread.
pub(crate) trait FrameAllocator: Sized {
    /// What the summary calls it.
    const NAME: &'static str;

    type Block;

    /// An allocator of so many frames, all free but for what it takes itself.
    fn boot(frames: u64) -> Self;

    fn alloc(&mut self, order: Order) -> Option<Self::Block>;

    fn free(&mut self, block: Self::Block);
}

/// An allocator of frames that threads share, each a CPU, with the lock or the lists for each CPU
/// that a kernel would use it with.
pub(crate) trait SharedAllocator: Sized + Sync {
    /// What the summary calls it.
    const NAME: &'static str;

    type Block: Send;

    /// An allocator of so many frames, all free but for what it takes itself, for so many CPUs.
    fn boot(frames: u64, cpus: u32) -> Self;

    /// Does something as a CPU. The thread is CPU 0 if it does not say otherwise.
    fn on_cpu<A>(&self, _cpu: u32, work: impl FnOnce() -> A) -> A {
        work()
    }

    fn alloc(&self, order: Order) -> Option<Self::Block>;

    fn free(&self, block: Self::Block);

    /// Fills the places, which are empty, with single frames, from the first on; how many it could.
    #[inline]
    fn alloc_bulk(&self, places: &mut [Option<Self::Block>]) -> usize {
        let mut served = 0;
        for place in places {
            *place = self.alloc(Order::ZERO);
            if place.is_none() {
                break;
            }
            served += 1;
        }
        served
    }

    /// Frees the single frames in the places.
    #[inline]
    fn free_bulk(&self, places: &mut [Option<Self::Block>]) {
        for block in places.iter_mut().filter_map(Option::take) {
            self.free(block);
        }
    }
}

impl<A: SharedAllocator> FrameAllocator for A {
    const NAME: &'static str = A::NAME;
    type Block = A::Block;

    fn boot(frames: u64) -> Self {
        SharedAllocator::boot(frames, 1)
    }

    #[inline]
    fn alloc(&mut self, order: Order) -> Option<A::Block> {
        SharedAllocator::alloc(self, order)
    }

    #[inline]
    fn free(&mut self, block: A::Block) {
        SharedAllocator::free(self, block);
    }
}

/// A group of cases.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    /// The size of its machines.
    pub(crate) frames: u64,
}

impl Group {
    /// With machines of 4 GiB, where the lists of a CPU have their full size.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, frames: 1 << 20 }
    }

    /// With machines of 256 MiB, which are soon filled.
    pub(crate) const fn small(name: &'static str) -> Self {
        Self { name, frames: 1 << 16 }
    }
}
