//! A block with the address at which the kernel reaches it.

use crate::Pages;

/// An allocated block, and where the kernel has it mapped.
///
/// The address is valid as long as the block is allocated, by the promise of
/// [`Platform::phys_to_virt`](crate::Platform::phys_to_virt).
#[derive(Debug)]
#[must_use = "dropping this loses the frames"]
pub struct MappedPages {
    pages: Pages,
    address: *mut u8,
}

impl MappedPages {
    pub(super) fn new(pages: Pages, address: *mut u8) -> Self {
        Self { pages, address }
    }

    /// The first byte of the block.
    #[doc(alias = "page_address")]
    #[must_use]
    pub const fn as_ptr(&self) -> *mut u8 {
        self.address
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
