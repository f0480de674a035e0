//! A zone and its lock.

use super::free_area::FreeAreas;
use super::shared::{ZoneMut, ZoneShared};
use crate::memmap::{FrameIdx, FrameLinks, FreeBlock, Memmap, Pageblock};
use crate::platform::Platform;
use crate::sync::{IrqGuard, IrqLock, IrqLockGuard};
use crate::zone_id::ZoneId;
use crate::{MigrateType, Order, PfnRange};

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
        let result = f(&mut held.zone());
        self.shared.weigh();
        result
    }

    /// The zone before anybody else knows of it.
    pub(crate) fn get_mut<'z>(&'z mut self, memmap: &'z Memmap) -> ZoneMut<'z> {
        ZoneMut::new(&self.shared, self.areas.get_mut(), (memmap, memmap.links()))
    }
}

/// A locked zone. Who changed something gives the lock back by [`release`](Self::release): then what others
/// look at without the lock is weighed. Who did not may drop it.
#[must_use]
pub(crate) struct Held<'z> {
    shared: &'z ZoneShared,
    areas: IrqLockGuard<'z, FreeAreas>,
    memmap: &'z Memmap,
    /// Those of `memmap`.
    links: FrameLinks,
}

impl<'z> Held<'z> {
    /// The zone.
    #[inline(always)]
    pub(crate) fn zone(&mut self) -> ZoneMut<'_> {
        ZoneMut::new(self.shared, &mut self.areas, (self.memmap, self.links))
    }

    /// Frees a block that had one holder, and was in a pageblock of a type that requests have, when it was
    /// looked at before the lock was taken, and gives the lock back. False: that is no longer so; nothing
    /// happened.
    #[inline(always)]
    pub(crate) fn free_sole(
        mut self,
        (index, pageblock): (FrameIdx, &Pageblock),
        order: Order,
    ) -> bool {
        let mut zone = self.zone();
        let Some(migratetype) = zone.type_of_sole((index, pageblock), order) else { return false };
        zone.shared.events.freed.add(order.nr_pages());
        if !zone.is_free_alone(index, order, migratetype) {
            return self.free_with_others(FreeBlock::new(index), order, migratetype);
        }
        zone.free_alone(FreeBlock::new(index), order, migratetype);
        self.release(true)
    }

    /// Its buddy is free, or it is of two pageblocks that are counted apart.
    #[inline(never)]
    fn free_with_others(
        mut self,
        block: FreeBlock,
        order: Order,
        migratetype: MigrateType,
    ) -> bool {
        self.zone().free_with_others(block, order, migratetype);
        self.release(true)
    }

    /// Gives the lock back. The value is handed through.
    ///
    /// By that nothing has to outlive the call of what weighs: no registers are saved for it where it is not
    /// called, as it seldom is.
    #[inline(always)]
    pub(crate) fn release<T>(self, value: T) -> T {
        let Self { shared, areas, .. } = self;
        if shared.is_steady() {
            drop(areas);
            return value;
        }
        weigh_and_release(shared, areas, value)
    }
}

#[cold]
#[inline(never)]
fn weigh_and_release<T>(shared: &ZoneShared, areas: IrqLockGuard<'_, FreeAreas>, value: T) -> T {
    shared.weigh();
    drop(areas);
    value
}
