//! The doors for those who know frames by number: boot, page tables, C. Here the caller's word
//! counts, so here is what is unsafe.

use super::PageAllocator;
use crate::boot::{self, BootInfo, BootReport, InitError};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::find_allocated;
use crate::{FreeError, Order, Pages, Pfn};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Gives the allocator its machine: surveys the memory map, carves the tables out of it, and
    /// frees what is free. Tells what was done and what had to be ignored.
    ///
    /// The work is proportional to the number of largest blocks (4 MiB with 4 KiB pages).
    ///
    /// # Safety
    ///
    /// - Every byte of the map that is usable and not reserved is memory that works and that nobody
    ///   else uses, now and as long as the allocator lives.
    /// - [`Platform::phys_to_virt`] reaches the place of the tables
    ///   ([`Options::metadata`](crate::boot::Options::metadata)).
    ///
    /// # Errors
    ///
    /// What is wrong with the information; [`InitError::AlreadyInitialized`] the second time. No
    /// memory was written to, and a new attempt is possible.
    #[doc(alias = "mm_init")]
    #[doc(alias = "free_area_init")]
    pub unsafe fn init(&self, info: &BootInfo<'_>) -> Result<BootReport, InitError> {
        self.set_machine(|| {
            // SAFETY: the contract of `init` is the same.
            unsafe { boot::build(info, &self.platform) }
        })
    }

    /// As [`init`](Self::init), with the tables in `memory`, whatever it holds now.
    /// [`boot::metadata_bytes`] tells how much is needed.
    ///
    /// # Safety
    ///
    /// As for `init`; `memory` is not part of the map's free memory.
    ///
    /// # Errors
    ///
    /// As for `init`.
    pub unsafe fn init_in(
        &self,
        info: &BootInfo<'_>,
        memory: &'static mut [u8],
    ) -> Result<BootReport, InitError> {
        self.set_machine(|| boot::build_in(info, P::PAGE_SHIFT, memory))
    }

    /// The token of an allocated block that is known by number: the reverse of
    /// [`Pages::into_raw`].
    ///
    /// # Safety
    ///
    /// The caller owns a reference to the block, and gives it to the token.
    ///
    /// # Errors
    ///
    /// What is there instead of an allocated block of that order.
    pub unsafe fn pages_from_raw(&self, pfn: Pfn, order: Order) -> Result<Pages, FreeError> {
        let index = find_allocated(&self.machine_to_free()?.memmap, pfn, order)?;
        Ok(Pages::new(pfn, index, order))
    }

    /// Frees a block that is known by number.
    ///
    /// The call is checked: the frame must head an allocated block of that order. A frame freed
    /// twice is found as long as it has not been allocated again.
    ///
    /// # Safety
    ///
    /// If there is an allocated block of that order, the caller owns a reference to it.
    ///
    /// # Errors
    ///
    /// What is there instead. Nothing was changed.
    #[doc(alias = "__free_pages")]
    pub unsafe fn free_pages_raw(&self, pfn: Pfn, order: Order) -> Result<(), FreeError> {
        // SAFETY: the caller owns a reference, if the block is there: the contract of
        // `free_pages_raw`.
        let pages = unsafe { self.pages_from_raw(pfn, order)? };
        self.free_pages(pages).map_err(|refused| refused.reason)
    }

    /// Fills a block with zeroes.
    pub(super) fn clear(&self, pages: &Pages) {
        let start = pages.pfn().start_address(P::PAGE_SHIFT);
        let bytes = (1_usize << P::PAGE_SHIFT) << pages.order().get();
        // SAFETY: by the invariant of `Pages` the block is the caller's, and as it was just taken
        // off a list (I2), nobody else knows of it.
        unsafe { self.platform().clear_pages(start, bytes) }
    }
}
