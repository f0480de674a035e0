//! A block that is freed when it goes out of scope.

use super::{PageAllocator, Refused};
use crate::Pages;
use crate::platform::Platform;
use crate::reclaim::{NoReclaim, Reclaim};
use crate::trace::{NoTrace, Trace};
use core::fmt;

/// A block that its allocator takes back when this value is dropped. Made by
/// [`PageAllocator::guard`].
#[must_use = "dropping this frees the block"]
pub struct PagesGuard<'a, P: Platform, R: Reclaim = NoReclaim, T: Trace = NoTrace> {
    allocator: &'a PageAllocator<P, R, T>,
    pages: Pages,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Makes a block one that is freed when it goes out of scope.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let free = sim.nr_free_pages();
    /// {
    ///     let block = sim.guard(sim.alloc_pages(Gfp::KERNEL, Order::O4)?)?;
    ///     assert_eq!(block.order(), Order::O4);
    ///     assert_eq!(sim.nr_free_pages(), free - 16);
    /// }
    /// assert_eq!(sim.nr_free_pages(), free);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A token that is not of this allocator is given back.
    pub fn guard(&self, pages: Pages) -> Result<PagesGuard<'_, P, R, T>, Refused> {
        match self.check_token(&pages) {
            Ok(_) => Ok(PagesGuard { allocator: self, pages }),
            Err(reason) => Err(Refused { pages, reason }),
        }
    }
}

impl<P: Platform, R: Reclaim, T: Trace> core::ops::Deref for PagesGuard<'_, P, R, T> {
    type Target = Pages;

    fn deref(&self) -> &Pages {
        &self.pages
    }
}

impl<P: Platform, R: Reclaim, T: Trace> Drop for PagesGuard<'_, P, R, T> {
    fn drop(&mut self) {
        // The token was checked when the guard was made, and the block has been held since.
        let freed = self.allocator.free_pages(self.pages.duplicate());
        debug_assert!(freed.is_ok(), "{freed:?}");
    }
}

impl<P: Platform, R: Reclaim, T: Trace> fmt::Debug for PagesGuard<'_, P, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PagesGuard").field(&self.pages).finish()
    }
}
