//! The machine that the trace is played on.
//!
//! For now it only counts pages: any request is granted while enough are left, wherever they are.

use crate::map::Map;
use crate::replayer::Machine;
use crate::summary::Verdict;
use page_alloc::{CpuId, Order};

/// A machine that knows how many pages are free, and nothing more.
pub(crate) struct PageCounter {
    free_pages: u64,
}

impl PageCounter {
    /// All pages that lie wholly in usable memory are free.
    pub(crate) fn new(map: &Map) -> Self {
        let whole = |bytes: &std::ops::Range<u64>| {
            (bytes.end >> 12).saturating_sub(bytes.start.div_ceil(1 << 12))
        };
        Self { free_pages: map.usable().map(whole).sum() }
    }

    pub(crate) fn free_pages(&self) -> u64 {
        self.free_pages
    }

    /// The check of the invariants: there are none here.
    pub(crate) fn verify(&self) -> Verdict {
        Verdict::Unchecked
    }

    /// Blocks taken from another migratetype: there are no types here.
    pub(crate) fn fallbacks(&self) -> u64 {
        0
    }
}

impl Machine for PageCounter {
    type Gfp = ();
    type Block = Order;

    fn alloc(&mut self, _: CpuId, (): (), order: Order) -> Option<Order> {
        self.free_pages = self.free_pages.checked_sub(order.nr_pages())?;
        Some(order)
    }

    fn free(&mut self, _: CpuId, block: Order) {
        self.free_pages += block.nr_pages();
    }

    fn split(&mut self, block: Order) -> [Order; 2] {
        [block.below().unwrap_or_default(); 2]
    }
}
