//! What a block's holders can do with its descriptor: share it, mark it, and use its word.

use super::PageAllocator;
use crate::memmap::Movability;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{FreeError, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Takes another reference to a block: a second token, each to be freed. The block is free when
    /// the last is.
    ///
    /// Each reference holds the whole block, of whatever order, until the last is dropped. In Linux that is so
    /// with `__GFP_COMP` only: of other blocks the first `__free_pages` frees all but the first frame.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let block = sim.alloc_page(Gfp::KERNEL)?;
    /// let second = sim.get_page(&block)?;
    /// assert_eq!(sim.page_count(&block)?, 2);
    /// sim.free_pages(second)?;
    /// assert_eq!(sim.page_count(&block)?, 1);
    /// sim.free_pages(block)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The token is not of this allocator, or there are 2^32 - 1 references already
    /// ([`FreeError::Shared`]).
    pub fn get_page(&self, pages: &Pages) -> Result<Pages, FreeError> {
        let (machine, index) = self.check_token(pages)?;
        if machine.memmap.frame(index).get_page() {
            Ok(pages.duplicate())
        } else {
            Err(FreeError::Shared(pages.pfn()))
        }
    }

    /// The number of references to a block now.
    ///
    /// # Errors
    ///
    /// The token is not of this allocator.
    pub fn page_count(&self, pages: &Pages) -> Result<u32, FreeError> {
        let (machine, index) = self.check_token(pages)?;
        Ok(machine.memmap.frame(index).count.references())
    }

    /// Says whether a block can be moved: Linux's LRU pages, and its movable driver pages. It is
    /// forgotten when the block is freed. Asking for movable memory does not imply it, as far as
    /// fallback and isolation are concerned; compaction tries such blocks too, until they are said to
    /// be [`Movability::Pinned`].
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, MigrateType, Movability, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let page = sim.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::O9)?;
    /// sim.set_movable(&page, Movability::Movable)?;
    /// // Its pageblock can be isolated now: whoever does it moves the page away.
    /// sim.isolate_pageblock(page.pfn(), MigrateType::Movable)?;
    /// sim.unisolate_pageblock(page.pfn(), MigrateType::Movable)?;
    /// sim.free_pages(page)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The token is not of this allocator.
    #[doc(alias = "SetPageLRU")]
    #[doc(alias = "__SetPageMovable")]
    pub fn set_movable(&self, pages: &Pages, movability: Movability) -> Result<(), FreeError> {
        let (machine, index) = self.check_token(pages)?;
        machine.memmap.frame(index).update_state(|state| state.with_movability(movability));
        Ok(())
    }

    /// Whether a block came from the reserves for those that free memory; what is kept in it should
    /// serve that end.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let page = sim.alloc_page(Gfp::KERNEL)?;
    /// assert!(!sim.page_is_pfmemalloc(&page)?);
    /// sim.free_pages(page)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The token is not of this allocator.
    pub fn page_is_pfmemalloc(&self, pages: &Pages) -> Result<bool, FreeError> {
        let (machine, index) = self.check_token(pages)?;
        Ok(machine.memmap.frame(index).state().is_pfmemalloc())
    }

    /// The owner's word of a block: 64 bits for whoever holds it, 0 when it is allocated.
    ///
    /// # Errors
    ///
    /// The token is not of this allocator.
    #[doc(alias = "page_private")]
    pub fn private(&self, pages: &Pages) -> Result<u64, FreeError> {
        let (machine, index) = self.check_token(pages)?;
        Ok(machine.memmap.frame(index).private())
    }

    /// Sets the owner's word of a block. Of holders that set it at once, one wins, perhaps with a
    /// half of each: those that share a block must agree.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let page = sim.alloc_page(Gfp::KERNEL)?;
    /// assert_eq!(sim.private(&page)?, 0);
    /// sim.set_private(&page, 0xffff_8880_1234_5678)?;
    /// assert_eq!(sim.private(&page)?, 0xffff_8880_1234_5678);
    /// sim.free_pages(page)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The token is not of this allocator.
    #[doc(alias = "set_page_private")]
    pub fn set_private(&self, pages: &Pages, value: u64) -> Result<(), FreeError> {
        let (machine, index) = self.check_token(pages)?;
        machine.memmap.frame(index).set_private(value);
        Ok(())
    }
}
