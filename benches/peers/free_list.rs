//! `free-list`: a sorted array of free ranges, under a lock.

use super::memory;
use crate::harness::adaptor::SharedAllocator;
use free_list::{FreeList, PAGE_SIZE, PageLayout, PageRange};
use page_alloc::Order;
use spin::mutex::SpinMutex;

pub(crate) struct Ranges(SpinMutex<FreeList<16>>);

impl SharedAllocator for Ranges {
    const NAME: &'static str = "free-list";
    type Block = PageRange;

    fn boot(frames: u64, _cpus: u32) -> Self {
        let all = PageRange::new(0, memory::bytes(frames)).expect("whole pages");
        let mut list = FreeList::new();
        // SAFETY: the addresses are never used.
        unsafe { list.deallocate(all) }.expect("it was empty");
        Self(SpinMutex::new(list))
    }

    #[inline]
    fn alloc(&self, order: Order) -> Option<PageRange> {
        let size = PAGE_SIZE << order.index();
        let layout = PageLayout::from_size_align(size, size).ok()?;
        self.0.lock().allocate(layout).ok()
    }

    #[inline]
    fn free(&self, block: PageRange) {
        // SAFETY: a block that `alloc` gave; its addresses are never used.
        unsafe { self.0.lock().deallocate(block) }.expect("allocated here");
    }
}
