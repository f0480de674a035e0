//! Freeing: one reference less, and when it was the last, back to the zone.

#[cfg(test)]
mod tests;

use super::PageAllocator;
use crate::memmap::{FrameIdx, FrameState, FreeBlock};
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::{IrqGuard, RefCount};
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

/// A block whose last reference is gone.
#[derive(Clone, Copy)]
struct Unheld {
    index: FrameIdx,
    /// As it was when it was found.
    state: FrameState,
}

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
        if self.quick_free(pages.name()) { Ok(()) } else { self.put_pages(pages) }
    }

    /// Gives a reference back, whatever the order and the number of holders.
    #[inline(never)]
    pub(super) fn put_pages(&self, pages: Pages) -> Result<(), Refused> {
        self.put_by_order(pages, |pages| self.trace.mm_page_free(pages.pfn(), pages.order()))
    }

    /// As [`put_pages`](Self::put_pages), where the trace was told already.
    #[cold]
    #[inline(never)]
    pub(super) fn put_told(&self, pages: Pages) -> Result<(), Refused> {
        self.put_by_order(pages, |_| ())
    }

    #[inline(always)]
    fn put_by_order(&self, pages: Pages, tell: impl FnOnce(&Pages)) -> Result<(), Refused> {
        match self.machine() {
            Some(machine) if machine.pcps.takes_back(&pages) => {
                self.put_listed(machine, pages, tell)
            }
            Some(machine) => self.put_unlisted(machine, pages, tell),
            None => self.refuse(pages),
        }
    }

    /// As [`put_pages`](Self::put_pages), for an order that has per-CPU lists.
    #[inline(never)]
    fn put_listed(
        &self,
        machine: &Machine,
        pages: Pages,
        tell: impl FnOnce(&Pages),
    ) -> Result<(), Refused> {
        self.put(machine, pages, (RefCount::put_testzero, tell), Self::free_to_list)
    }

    /// As [`put_pages`](Self::put_pages), for an order that has no per-CPU lists.
    #[inline(never)]
    fn put_unlisted(
        &self,
        machine: &Machine,
        pages: Pages,
        tell: impl FnOnce(&Pages),
    ) -> Result<(), Refused> {
        self.put(machine, pages, (RefCount::put_testzero, tell), Self::free_to_zone)
    }

    /// As [`free_pages`](Self::free_pages), for a block that others may wrongly free at the same
    /// time: one of them is told so.
    pub(super) fn put_contended(&self, pages: Pages) -> Result<(), Refused> {
        let tell = |pages: &Pages| self.trace.mm_page_free(pages.pfn(), pages.order());
        match self.machine() {
            Some(machine) => {
                self.put(machine, pages, (RefCount::put_contended, tell), Self::free_anywhere)
            }
            None => self.refuse(pages),
        }
    }

    /// Gives a reference back, and after the last one, which is told, the block; each in the given way.
    #[inline(always)]
    fn put(
        &self,
        machine: &Machine,
        pages: Pages,
        (put, tell): (impl FnOnce(&RefCount) -> Option<bool>, impl FnOnce(&Pages)),
        free: impl FnOnce(&Self, &Machine, Unheld, Pages) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let memmap = &machine.memmap;
        let Some((index, state)) = block_of_token(memmap, &pages) else {
            return self.refuse(pages);
        };
        match put(&memmap.frame(index).count) {
            Some(true) => {
                tell(&pages);
                free(self, machine, Unheld { index, state }, pages)
            }
            Some(false) => Ok(()),
            None => self.refuse(pages),
        }
    }

    /// The block of a token, if it is of this allocator and the block is what it says.
    #[inline]
    pub(super) fn check_token(&self, pages: &Pages) -> Result<(&Machine, FrameIdx), FreeError> {
        let machine = self.machine_to_free()?;
        let index = find_token(&machine.memmap, pages)?;
        Ok((machine, index))
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

    /// Frees a block to the running CPU's lists; to its zone if they are in use.
    #[inline(always)]
    fn free_to_list(&self, machine: &Machine, block: Unheld, pages: Pages) -> Result<(), Refused> {
        match self.free_to_pcplist(machine, block.index, block.state, pages.order()) {
            true => Ok(()),
            false => self.free_past_lists(machine, block, pages),
        }
    }

    /// Frees a block to the running CPU's lists if its order has any, else to its zone.
    #[inline(never)]
    fn free_anywhere(&self, machine: &Machine, block: Unheld, pages: Pages) -> Result<(), Refused> {
        match machine.pcps.takes_back(&pages) {
            true => self.free_to_list(machine, block, pages),
            false => self.free_past_lists(machine, block, pages),
        }
    }

    #[inline(never)]
    fn free_past_lists(
        &self,
        machine: &Machine,
        block: Unheld,
        pages: Pages,
    ) -> Result<(), Refused> {
        self.free_to_zone(machine, block, pages)
    }

    #[inline(always)]
    fn free_to_zone(
        &self,
        machine: &Machine,
        Unheld { index, state }: Unheld,
        pages: Pages,
    ) -> Result<(), Refused> {
        let Some(zone) = machine.zone(state.zone()) else { return self.refuse(pages) };
        let (memmap, irq, order) = (&machine.memmap, IrqGuard::new(&self.platform), pages.order());
        // It is looked at again under the lock: two that wrongly free the same block by number at once may
        // both have come here.
        let is_allocated = zone.with(memmap, &irq, |zone| {
            let is_allocated = memmap.frame(index).state().is_block_of(pages.name());
            if is_allocated {
                zone.shared.events.freed.add(order.nr_pages());
                zone.free_block(FreeBlock::new(index), order);
            }
            is_allocated
        });
        drop(irq);
        if is_allocated { Ok(()) } else { self.refuse(pages) }
    }
}
