//! Splitting an allocated block, so that its parts can be freed one by one.

use super::{PageAllocator, Refused};
use crate::memmap::{FrameIdx, Memmap, PagesIter};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::split_allocated;
use crate::{FreeError, Order, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Makes a block into single frames, each an allocated block with one reference, the marks of the
    /// block (movable, pfmemalloc), and an owner's word of 0. Takes time in proportion to the frames.
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
            Ok((memmap, index)) => {
                split_allocated(memmap, index, pages.order(), Order::ZERO);
                Ok(PagesIter::new(&pages))
            }
            Err(reason) => Err(Refused { pages, reason }),
        }
    }

    /// Makes a block into its two halves, the lower one first: again and again, this cuts any
    /// aligned part out of a block in a few steps. They keep its marks, and have owner's words of 0. A single
    /// frame is given back as [`FreeError::WrongOrder`].
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
        let halves = self.check_sole(&pages).and_then(|(memmap, index)| {
            let halves = pages.halves();
            let single = FreeError::WrongOrder { pfn: pages.pfn(), found: pages.order() };
            let (lower, upper) = halves.ok_or(single)?;
            split_allocated(memmap, index, pages.order(), lower.order());
            Ok((lower, upper))
        });
        halves.map_err(|reason| Refused { pages, reason })
    }

    /// The block of a token, if nobody else holds it.
    fn check_sole(&self, pages: &Pages) -> Result<(&Memmap, FrameIdx), FreeError> {
        let (machine, index) = self.check_token(pages)?;
        match machine.memmap.frame(index).count.references() {
            1 => Ok((&machine.memmap, index)),
            _ => Err(FreeError::Shared(pages.pfn())),
        }
    }
}
