//! Splitting an allocated block, so that its parts can be freed one by one.

use super::{PageAllocator, Refused};
use crate::memmap::{Memmap, PagesIter};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::{split_allocated, split_halves};
use crate::{FreeError, Order, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Makes a block into single frames, each an allocated block with one reference. Takes time in
    /// proportion to the frames.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let block = sim.alloc_pages(Gfp::KERNEL, Order::O2)?;
    /// let frames: Vec<_> = sim.split_page(block)?.collect();
    /// assert_eq!(frames.len(), 4);
    /// for frame in frames {
    ///     sim.free_pages(frame)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A token that is not of this allocator, or whose block others hold too
    /// ([`FreeError::Shared`]), is given back.
    pub fn split_page(&self, pages: Pages) -> Result<PagesIter, Refused> {
        match self.check_sole(&pages) {
            Ok(memmap) => {
                split_allocated(memmap, pages.index(), pages.order(), Order::ZERO);
                Ok(PagesIter::new(&pages))
            }
            Err(reason) => Err(Refused { pages, reason }),
        }
    }

    /// Makes a block into its two halves, the lower one first: again and again, this cuts any
    /// aligned part out of a block in a few steps. A single frame is given back as
    /// [`FreeError::WrongOrder`].
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let block = sim.alloc_pages(Gfp::KERNEL, Order::O4)?;
    /// let (lower, upper) = sim.split_in_halves(block)?;
    /// assert_eq!(upper.pfn(), lower.pfn() + 8);
    /// sim.free_pages(upper)?;
    /// sim.free_pages(lower)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`split_page`](Self::split_page).
    pub fn split_in_halves(&self, pages: Pages) -> Result<(Pages, Pages), Refused> {
        let memmap = match self.check_sole(&pages) {
            Ok(memmap) => memmap,
            Err(reason) => return Err(Refused { pages, reason }),
        };
        split_halves(memmap, pages).map_err(|pages| {
            let reason = FreeError::WrongOrder { pfn: pages.pfn(), found: pages.order() };
            Refused { pages, reason }
        })
    }

    /// Whether a block is held by this token alone.
    fn check_sole(&self, pages: &Pages) -> Result<&Memmap, FreeError> {
        let machine = self.check_token(pages)?;
        match machine.memmap.frame(pages.index()).count.references() {
            1 => Ok(&machine.memmap),
            _ => Err(FreeError::Shared(pages.pfn())),
        }
    }
}
