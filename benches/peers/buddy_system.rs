//! `buddy_system_allocator`: its frame allocator, a tree of free blocks for each order, under a lock
//! as in its own `LockedFrameAllocator`.

use crate::harness::adaptor::SharedAllocator;
use buddy_system_allocator::FrameAllocator;
use page_alloc::{MAX_ORDER, Order};
use spin::mutex::SpinMutex;

pub(crate) struct Sets(SpinMutex<FrameAllocator<MAX_ORDER>>);

impl SharedAllocator for Sets {
    const NAME: &'static str = "buddy_system_allocator";
    type Block = (usize, Order);

    fn boot(frames: u64, _cpus: u32) -> Self {
        let mut allocator = FrameAllocator::new();
        allocator.add_frame(0, usize::try_from(frames).expect("64 bits"));
        Self(SpinMutex::new(allocator))
    }

    #[inline]
    fn alloc(&self, order: Order) -> Option<Self::Block> {
        Some((self.0.lock().alloc(1 << order.index())?, order))
    }

    #[inline]
    fn free(&self, (start, order): Self::Block) {
        self.0.lock().dealloc(start, 1 << order.index());
    }
}
