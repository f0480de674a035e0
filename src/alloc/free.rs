//! Freeing: one reference less, and when it was the last, back to the zone.

#[cfg(test)]
mod tests;

use super::PageAllocator;
use crate::memmap::{FrameIdx, FreeBlock};
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::{block_of_token, find_token};
use crate::{FreeError, Pages};
use core::fmt;

/// A token that an operation did not take, given back whole, with the reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The block, still the caller's.
    pub pages: Pages,
    /// What was found.
    pub reason: FreeError,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl core::error::Error for Refused {}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Gives a reference back; when it was the last, the block is free.
    ///
    /// Does not sleep; may be called in an interrupt.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let free = sim.nr_free_pages();
    /// let block = sim.alloc_pages(Gfp::KERNEL, Order::O4)?;
    /// let shared = sim.get_page(&block)?;
    /// sim.free_pages(block)?; // still held
    /// assert_eq!(sim.nr_free_pages(), free - 16);
    /// sim.free_pages(shared)?;
    /// assert_eq!(sim.nr_free_pages(), free);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A token that is not of this allocator, or whose block is no longer what it says, is given
    /// back. Nothing was changed.
    #[doc(alias = "__free_pages")]
    #[doc(alias = "put_page")]
    #[doc(alias = "put_page_testzero")]
    #[inline]
    pub fn free_pages(&self, pages: Pages) -> Result<(), Refused> {
        if self.quick_free(&pages) { Ok(()) } else { self.put_pages(pages) }
    }

    /// Gives a reference back, whatever the order and the number of holders.
    #[inline(never)]
    fn put_pages(&self, pages: Pages) -> Result<(), Refused> {
        let Some((machine, index)) = self.block_of(&pages) else { return self.refuse(pages) };
        match machine.memmap.frame(index).count.put_testzero() {
            Some(true) => self.free_last(machine, index, pages),
            Some(false) => Ok(()),
            None => Err(Refused { reason: FreeError::NotAllocated(pages.pfn()), pages }),
        }
    }

    /// As [`free_pages`](Self::free_pages), for a block that others may wrongly free at the same
    /// time: one of them is told so.
    pub(super) fn put_contended(&self, pages: Pages) -> Result<(), Refused> {
        let Some((machine, index)) = self.block_of(&pages) else { return self.refuse(pages) };
        match machine.memmap.frame(index).count.put_contended() {
            Some(true) => self.free_last(machine, index, pages),
            Some(false) => Ok(()),
            None => Err(Refused { reason: FreeError::NotAllocated(pages.pfn()), pages }),
        }
    }

    /// The block of a token, if it is of this allocator and the block is what it says.
    #[inline]
    pub(super) fn check_token(&self, pages: &Pages) -> Result<(&Machine, FrameIdx), FreeError> {
        let machine = self.machine_to_free()?;
        let index = find_token(&machine.memmap, pages)?;
        Ok((machine, index))
    }

    /// The block of a token, as [`check_token`](Self::check_token) has it.
    #[inline(always)]
    fn block_of(&self, pages: &Pages) -> Option<(&Machine, FrameIdx)> {
        let machine = self.machine()?;
        Some((machine, block_of_token(&machine.memmap, pages)?))
    }

    /// Gives a token back that has no block, with the reason.
    #[cold]
    #[inline(never)]
    fn refuse(&self, pages: Pages) -> Result<(), Refused> {
        match self.check_token(&pages) {
            Ok(_) => Err(Refused { reason: FreeError::NotAllocated(pages.pfn()), pages }),
            Err(reason) => Err(Refused { pages, reason }),
        }
    }

    /// Frees a block whose last reference is gone.
    #[inline]
    fn free_last(&self, machine: &Machine, index: FrameIdx, pages: Pages) -> Result<(), Refused> {
        self.trace.mm_page_free(pages.pfn(), pages.order());
        let order = pages.order();
        if machine.pcps.takes(order) {
            let state = machine.memmap.frame(index).state();
            if self.free_to_pcplist(machine, index, state, order) {
                return Ok(());
            }
        }
        self.free_to_zone(machine, index, pages)
    }

    /// Frees a block whose last reference is gone to its zone. It is looked at again under the zone's
    /// lock: two that wrongly free the same block by number at once may both have come here.
    #[inline(never)]
    fn free_to_zone(
        &self,
        machine: &Machine,
        index: FrameIdx,
        pages: Pages,
    ) -> Result<(), Refused> {
        let (frame, order) = (machine.memmap.frame(index), pages.order());
        let freed = machine.zone(frame.state().zone()).is_some_and(|zone| {
            let irq = IrqGuard::new(&self.platform);
            zone.with(&machine.memmap, &irq, |zone| {
                let is_allocated = frame.state().is_allocated(order);
                if is_allocated {
                    zone.free_block(FreeBlock::new(index), order);
                }
                is_allocated
            })
        });
        if freed { Ok(()) } else { self.refuse(pages) }
    }
}
