//! `buddy-slab-allocator`: its page allocator, a buddy allocator with a descriptor for each frame,
//! under a lock. Its blocks are aligned in the array of frames, not as addresses.

use super::memory;
use crate::harness::adaptor::SharedAllocator;
use buddy_slab_allocator::BuddyAllocator;
use memmap2::MmapMut;
use page_alloc::Order;
use spin::mutex::SpinMutex;

const FRAME: usize = 4096;

pub(crate) struct Buddy {
    allocator: SpinMutex<BuddyAllocator<FRAME>>,
    _memory: MmapMut,
}

impl SharedAllocator for Buddy {
    const NAME: &'static str = "buddy-slab-allocator";
    type Block = (usize, Order);

    fn boot(frames: u64, _cpus: u32) -> Self {
        let mut memory = memory::reserve(memory::bytes(frames));
        let mut allocator = BuddyAllocator::new();
        // SAFETY: the mapping lives as long as the allocator, and nobody else uses it.
        unsafe { allocator.init(&mut memory) }.expect("room enough");
        Self { allocator: SpinMutex::new(allocator), _memory: memory }
    }

    #[inline]
    fn alloc(&self, order: Order) -> Option<Self::Block> {
        let start = self.allocator.lock().alloc_pages(1 << order.index(), FRAME).ok()?;
        Some((start, order))
    }

    #[inline]
    fn free(&self, (start, order): Self::Block) {
        self.allocator.lock().dealloc_pages(start, 1 << order.index());
    }
}
