//! A zone and its lock.

use super::free_area::FreeAreas;
use super::shared::{ZoneMut, ZoneShared};
use crate::PfnRange;
use crate::memmap::Memmap;
use crate::platform::Platform;
use crate::sync::{IrqGuard, IrqLock};
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

    /// Runs `f` with the zone locked. No second zone may be locked in it.
    #[inline]
    pub(crate) fn with<P: Platform, R>(
        &self,
        memmap: &Memmap,
        irq: &IrqGuard<'_, P>,
        f: impl FnOnce(&mut ZoneMut<'_>) -> R,
    ) -> R {
        let mut areas = self.areas.lock(irq);
        let result = f(&mut ZoneMut::new(&self.shared, &mut areas, memmap));
        self.shared.weigh();
        result
    }

    /// The zone before anybody else knows of it.
    pub(crate) fn get_mut<'z>(&'z mut self, memmap: &'z Memmap) -> ZoneMut<'z> {
        ZoneMut::new(&self.shared, self.areas.get_mut(), memmap)
    }
}
