//! A zone to be compacted, and one compaction of it under way.

use super::aligned::start_of;
use super::batch::Batch;
use super::part::Part;
use super::targets::{Target, Targets};
use super::{COMPACT_CLUSTER_MAX, CompactRequest, CompactStats};
use crate::memmap::{FrameIdx, FrameKind, Memmap};
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::{CompactionState, Zone, ZoneMut};
use crate::{MAX_ORDER, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn};
use core::fmt;

/// A zone, and all that is needed to compact it.
pub(crate) struct Compactor<'a, P, R, T> {
    pub(crate) machine: &'a Machine,
    pub(crate) zone: &'a Zone,
    pub(crate) platform: &'a P,
    pub(crate) reclaim: &'a R,
    pub(crate) trace: &'a T,
    /// Gives back what the running CPU has of the zone.
    pub(crate) drain: &'a dyn Fn(&Zone),
}

impl<P: Platform, R, T> Compactor<'_, P, R, T> {
    /// Runs `f` with the zone locked.
    pub(super) fn locked<A>(&self, f: impl FnOnce(&mut ZoneMut<'_>) -> A) -> A {
        let irq = IrqGuard::new(self.platform);
        self.zone.with(&self.machine.memmap, &irq, f)
    }

    pub(super) fn memmap(&self) -> &Memmap {
        &self.machine.memmap
    }

    /// What the zone remembers.
    pub(super) fn notes(&self) -> &CompactionState {
        &self.zone.shared.compaction
    }

    pub(super) fn nr_free(&self) -> [u64; MAX_ORDER] {
        nr_free(self.zone, self.machine, self.platform)
    }

    /// Lets others run now and then while a scanner passes pageblocks: a zone can be long. No lock is
    /// held.
    pub(super) fn breathe(&self, at: Pfn)
    where
        R: Reclaim,
    {
        let stretch = COMPACT_CLUSTER_MAX as u64 * PAGEBLOCK_NR_PAGES;
        if at.get().is_multiple_of(stretch) {
            self.reclaim.cond_resched();
        }
    }

    /// The first frame that the zone has of the pageblock around that frame number.
    pub(super) fn pageblock_at(&self, pfn: Pfn) -> Option<FrameIdx> {
        Part::of(self.memmap(), &self.zone.shared, pfn).map(Part::first)
    }

    /// Whether one block of that kind covers the pageblock.
    #[doc(alias = "pageblock_skip_persistent")]
    pub(super) fn covers(&self, pageblock: FrameIdx, kind: FrameKind) -> bool {
        [PAGEBLOCK_ORDER, Order::MAX].into_iter().any(|order| {
            let state = self.memmap().state(pageblock.align_down(order));
            state.kind() == kind && state.order() >= order
        })
    }
}

impl<P, R, T> fmt::Debug for Compactor<'_, P, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compactor").field("zone", &self.zone).finish_non_exhaustive()
    }
}

/// The free blocks of a zone, by order.
pub(crate) fn nr_free<P: Platform>(
    zone: &Zone,
    machine: &Machine,
    platform: &P,
) -> [u64; MAX_ORDER] {
    let irq = IrqGuard::new(platform);
    zone.with(&machine.memmap, &irq, |zone| zone.areas.nr_free_by_order())
}

/// A compaction under way.
#[doc(alias = "compact_control")]
#[derive(Debug)]
pub(super) struct Control<'a, P: Platform, R: Reclaim, T: Trace> {
    pub(super) at: &'a Compactor<'a, P, R, T>,
    pub(super) request: CompactRequest,
    /// Where the migrate scanner is.
    pub(super) migrate: Pfn,
    /// Where the free scanner is.
    pub(super) free: Pfn,
    /// Whether the migrate scanner began where nothing was below it.
    pub(super) sees_all: bool,
    /// Whether the migrate scanner goes on in a pageblock of which a part was moved: now it takes all
    /// that is left, and then leaves it alone.
    #[doc(alias = "rescan")]
    pub(super) is_rescan: bool,
    pub(super) batch: Batch,
    pub(super) targets: Targets,
    /// The block wanted, once it has come together.
    pub(super) captured: Option<FrameIdx>,
    pub(super) stats: CompactStats,
}

/// What is left over goes back to the zone, also when a hook has panicked.
impl<P: Platform, R: Reclaim, T: Trace> Drop for Control<'_, P, R, T> {
    fn drop(&mut self) {
        self.release_targets();
        if let (Some(index), Some(order)) = (self.captured.take(), self.request.order) {
            self.at.free_target(Target { index, order });
        }
    }
}

impl<P: Platform, R: Reclaim, T: Trace> Control<'_, P, R, T> {
    /// Whether the scanners are in the same pageblock, or past each other.
    #[doc(alias = "compact_scanners_met")]
    pub(super) fn scanners_met(&self) -> bool {
        start_of(self.free, PAGEBLOCK_ORDER) <= start_of(self.migrate, PAGEBLOCK_ORDER)
    }

    /// Whether the pageblock may be looked at, as far as hints go.
    #[doc(alias = "isolation_suitable")]
    pub(super) fn may_look_at(&self, pageblock: FrameIdx) -> bool {
        !self.request.minds_hints() || !self.at.memmap().pageblock(pageblock).is_skipped()
    }
}
