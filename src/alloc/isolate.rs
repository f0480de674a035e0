//! Isolation of pageblocks, through the allocator.

use super::PageAllocator;
use crate::memmap::FrameIdx;
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::{IsolateError, ZoneMut};
use crate::{MigrateType, Pfn};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Withdraws the pageblock around a frame from allocation: its free frames can't be allocated
    /// and no longer count as free, and what is freed in it joins them. `migratetype` is CMA for
    /// the owner of a CMA area, else MOVABLE.
    ///
    /// Frames that CPUs keep at hand are not withdrawn: they may be handed out as before. To have these, too,
    /// call [`drain_all_pages`](Self::drain_all_pages) with `Some((node, zone))` afterwards: what is drained
    /// is withdrawn, too.
    ///
    /// It is one pageblock at a time: when one of a range is refused, those before it are the caller's to give
    /// back, as Linux's `start_isolate_page_range` does by itself.
    ///
    /// Takes the zone's lock; does not sleep.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{IsolateError, MigrateType, Pfn};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let (pfn, free) = (Pfn::new(0x2000), sim.nr_free_pages());
    /// sim.isolate_pageblock(pfn, MigrateType::Movable)?;
    /// assert_eq!(sim.nr_free_pages(), free - 512);
    /// let again = sim.isolate_pageblock(pfn, MigrateType::Movable);
    /// assert_eq!(again, Err(IsolateError::AlreadyIsolated(pfn)));
    /// sim.unisolate_pageblock(pfn, MigrateType::Movable)?;
    /// assert_eq!(sim.nr_free_pages(), free);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Why it can't be withdrawn. Before [`init`](Self::init), [`IsolateError::NoSuchFrame`].
    #[doc(alias = "set_migratetype_isolate")]
    #[doc(alias = "start_isolate_page_range")]
    pub fn isolate_pageblock(
        &self,
        pfn: Pfn,
        migratetype: MigrateType,
    ) -> Result<(), IsolateError> {
        self.in_zone_of(pfn, |zone, index| zone.isolate_pageblock(index, migratetype))?
    }

    /// Gives an isolated pageblock back as `migratetype`. Nothing happens if it is not isolated.
    ///
    /// With CMA, the caller answers for it that the pageblock belongs to an area: what it was before is not
    /// kept, nor is it in Linux. If it was CMA and no longer is, or the other way round, and a CPU has frames of
    /// it at hand, the zone's lists of all CPUs are drained first. That does not see a block which is being
    /// freed to a list all the while, since before the pageblock was isolated: such a pageblock has to be
    /// quiet then.
    ///
    /// Takes the zone's lock. Where it drains, context and time are those of
    /// [`drain_all_pages`](Self::drain_all_pages).
    ///
    /// # Errors
    ///
    /// [`IsolateError::NoSuchFrame`], [`IsolateError::IllegalType`]; [`IsolateError::AtHand`] if lists could
    /// not be drained: then the pageblock stays isolated.
    #[doc(alias = "unset_migratetype_isolate")]
    #[doc(alias = "undo_isolate_page_range")]
    pub fn unisolate_pageblock(
        &self,
        pfn: Pfn,
        migratetype: MigrateType,
    ) -> Result<(), IsolateError> {
        let unisolate = || {
            self.in_zone_of(pfn, |zone, index| {
                let id = zone.shared.id;
                (zone.unisolate_pageblock(index, migratetype), (id.node(), id.zone_type()))
            })
        };
        match unisolate()? {
            (Err(IsolateError::AtHand(_)), zone) => {
                self.drain_all_pages(Some(zone));
                unisolate()?.0
            }
            (done, _) => done,
        }
    }

    fn in_zone_of<A>(
        &self,
        pfn: Pfn,
        f: impl FnOnce(&mut ZoneMut<'_>, FrameIdx) -> A,
    ) -> Result<A, IsolateError> {
        let unknown = IsolateError::NoSuchFrame(pfn);
        let machine: &Machine = self.machine().ok_or(unknown)?;
        let index = machine.memmap.index_of(pfn).ok_or(unknown)?;
        let zone = machine.zone(machine.memmap.zone_of(index)).ok_or(unknown)?;
        let irq = IrqGuard::new(&self.platform);
        Ok(zone.with(&machine.memmap, &irq, |zone| f(zone, index)))
    }
}
