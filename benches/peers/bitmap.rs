//! `bitmap-allocator`: a tree of bitmaps, under a lock.

use crate::harness::adaptor::SharedAllocator;
use bitmap_allocator::{BitAlloc, BitAlloc1M};
use page_alloc::Order;
use spin::mutex::SpinMutex;

pub(crate) struct Bitmap(SpinMutex<Box<BitAlloc1M>>);

impl SharedAllocator for Bitmap {
    const NAME: &'static str = "bitmap-allocator";
    type Block = (usize, Order);

    fn boot(frames: u64, _cpus: u32) -> Self {
        let mut bits = Box::new(BitAlloc1M::DEFAULT);
        bits.insert(0..usize::try_from(frames).expect("64 bits"));
        Self(SpinMutex::new(bits))
    }

    #[inline]
    fn alloc(&self, order: Order) -> Option<Self::Block> {
        let mut bits = self.0.lock();
        let start = match order {
            Order::ZERO => bits.alloc(),
            _ => bits.alloc_contiguous(None, 1 << order.index(), order.index()),
        };
        Some((start?, order))
    }

    #[inline]
    fn free(&self, (start, order): Self::Block) {
        let mut bits = self.0.lock();
        let freed = match order {
            Order::ZERO => bits.dealloc(start),
            _ => bits.dealloc_contiguous(start, 1 << order.index()),
        };
        assert!(freed, "allocated here");
    }
}
