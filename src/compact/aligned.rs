//! The aligned blocks around a frame number.

use crate::{Order, Pfn};

/// The first frame of the aligned block of that order around a frame.
#[doc(alias = "block_start_pfn")]
pub(super) fn start_of(pfn: Pfn, order: Order) -> Pfn {
    Pfn::new(pfn.get() & !(order.nr_pages() - 1))
}

/// One past the last frame of that block.
#[doc(alias = "block_end_pfn")]
pub(super) fn end_of(pfn: Pfn, order: Order) -> Pfn {
    start_of(pfn, order) + order.nr_pages()
}
