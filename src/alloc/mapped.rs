//! A block with the address at which the kernel reaches it.

use crate::Pages;
use core::sync::atomic::{AtomicPtr, Ordering};

/// An allocated block, and where the kernel has it mapped.
///
/// The address is valid as long as the block is allocated, by the promise of
/// [`Platform::phys_to_virt`](crate::Platform::phys_to_virt).
#[derive(Debug)]
#[must_use = "dropping this loses the frames"]
pub struct MappedPages {
    pages: Pages,
    /// Never changed: the type is one that may go to other threads with the token.
    address: AtomicPtr<u8>,
}

impl MappedPages {
    pub(super) fn new(pages: Pages, address: *mut u8) -> Self {
        Self { pages, address: AtomicPtr::new(address) }
    }

    /// The first byte of the block.
    #[doc(alias = "page_address")]
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.address.load(Ordering::Relaxed)
    }

    /// The block.
    pub const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The token alone, to be freed.
    pub fn into_pages(self) -> Pages {
        self.pages
    }
}
