//! A zone and its lock.

use super::free_area::FreeAreas;
use super::shared::{ZoneMut, ZoneShared};
use crate::PfnRange;
use crate::memmap::{FrameLinks, Memmap};
use crate::platform::Platform;
use crate::sync::{IrqGuard, IrqLock, IrqLockGuard};
use crate::zone_id::ZoneId;

/// One zone of an allocator: what anybody may read, and the lists under the zone's lock.
#[doc(alias = "struct zone")]
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Zone {
    pub(crate) shared: ZoneShared,
    areas: IrqLock<FreeAreas>,
}

impl Zone {
    /// An empty zone that spans these frames.
    pub(crate) fn new(id: ZoneId, span: PfnRange) -> Self {
        Self { shared: ZoneShared::new(id, span), areas: IrqLock::new(FreeAreas::EMPTY) }
    }

    /// Locks the zone. No second zone may be locked before it is given back.
    #[inline(always)]
    pub(crate) fn hold<'z, P: Platform>(
        &'z self,
        memmap: &'z Memmap,
        irq: &'z IrqGuard<'_, P>,
    ) -> Held<'z> {
        // Before the lock is waited for.
        let links = memmap.links();
        Held { shared: &self.shared, areas: self.areas.lock(irq), memmap, links }
    }

    /// Runs `f` with the zone locked, as [`hold`](Self::hold) has it.
    #[inline]
    pub(crate) fn with<P: Platform, R>(
        &self,
        memmap: &Memmap,
        irq: &IrqGuard<'_, P>,
        f: impl FnOnce(&mut ZoneMut<'_>) -> R,
    ) -> R {
        let mut held = self.hold(memmap, irq);
        f(&mut held.zone())
    }

    /// The zone before anybody else knows of it.
    pub(crate) fn get_mut<'z>(&'z mut self, memmap: &'z Memmap) -> ZoneMut<'z> {
        ZoneMut::new(&self.shared, self.areas.get_mut(), (memmap, memmap.links()))
    }
}

/// A locked zone, until this is dropped.
pub(crate) struct Held<'z> {
    shared: &'z ZoneShared,
    areas: IrqLockGuard<'z, FreeAreas>,
    memmap: &'z Memmap,
    /// Those of `memmap`.
    links: FrameLinks,
}

impl Held<'_> {
    /// The zone.
    #[inline(always)]
    pub(crate) fn zone(&mut self) -> ZoneMut<'_> {
        ZoneMut::new(self.shared, &mut self.areas, (self.memmap, self.links))
    }
}

impl Drop for Held<'_> {
    /// What others look at without the lock is weighed, then the lock is given back.
    #[inline(always)]
    fn drop(&mut self) {
        self.shared.weigh();
    }
}
