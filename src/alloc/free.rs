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
use crate::zone::{ZoneMut, check_allocated, find_token};
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

    #[inline(never)]
    fn put_pages(&self, pages: Pages) -> Result<(), Refused> {
        match self.put(&pages) {
            Ok(()) => Ok(()),
            Err(reason) => Err(Refused { pages, reason }),
        }
    }

    fn put(&self, pages: &Pages) -> Result<(), FreeError> {
        let (machine, index) = self.check_token(pages)?;
        let last = machine.memmap.frame(index).count.put_testzero();
        self.free_last(machine, index, pages, last)
    }

    /// As [`free_pages`](Self::free_pages), for a block that others may wrongly free at the same
    /// time: one of them is told so.
    pub(super) fn put_contended(&self, pages: &Pages) -> Result<(), FreeError> {
        let (machine, index) = self.check_token(pages)?;
        let last = machine.memmap.frame(index).count.put_contended();
        self.free_last(machine, index, pages, last)
    }

    /// Frees a block if the reference just given back was the last; there may have been none.
    fn free_last(
        &self,
        machine: &Machine,
        index: FrameIdx,
        pages: &Pages,
        last: Option<bool>,
    ) -> Result<(), FreeError> {
        if last.ok_or(FreeError::NotAllocated(pages.pfn()))? {
            self.trace.mm_page_free(pages.pfn(), pages.order());
            return self.free_unheld(machine, index, pages);
        }
        Ok(())
    }

    /// The block of a token, if it is of this allocator and the block is what it says.
    #[inline]
    pub(super) fn check_token(&self, pages: &Pages) -> Result<(&Machine, FrameIdx), FreeError> {
        let machine = self.machine_to_free()?;
        let index = find_token(&machine.memmap, pages)?;
        Ok((machine, index))
    }

    /// Frees a block whose last reference is gone.
    fn free_unheld(
        &self,
        machine: &Machine,
        index: FrameIdx,
        pages: &Pages,
    ) -> Result<(), FreeError> {
        let state = machine.memmap.frame(index).state();
        let order = pages.order();
        if machine.pcps.takes(order) && self.free_to_pcplist(machine, index, state, order) {
            return Ok(());
        }
        let zone = state.zone();
        let zone = machine.zone(zone).ok_or(FreeError::Foreign(pages.pfn()))?;
        let irq = IrqGuard::new(&self.platform);
        zone.with(&machine.memmap, &irq, |zone| free_one_block(zone, index, pages))
    }
}

/// Frees a block under the zone's lock. It is looked at again: two that wrongly free the same block
/// by number at once may both have come here.
#[inline]
fn free_one_block(zone: &mut ZoneMut<'_>, index: FrameIdx, pages: &Pages) -> Result<(), FreeError> {
    let order = pages.order();
    check_allocated(zone.memmap.frame(index).state(), pages.pfn(), order)?;
    zone.free_block(FreeBlock::new(index), order);
    zone.shared.events.freed.add(order.nr_pages());
    Ok(())
}
