//! What comes of direct reclaim, and whether it is worth another round.

use super::{Slow, Step};
use crate::alloc::PageAllocator;
use crate::kswapd::MAX_RECLAIM_RETRIES;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::{AllocStep, Trace};
use crate::zone::watermark::{ZoneView, zone_watermark_ok};
use crate::zone::{Force, Zone};
use crate::{Pages, WatermarkLevel};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Has memory freed, and tries again if that is said to be done.
    pub(super) fn reclaim_and_try(&self, slow: &mut Slow<'_, '_>) -> Step {
        self.reclaim.cond_resched();
        let machine = slow.request.machine;
        let before = machine.frames_freed();
        let claimed = self.perform_reclaim(slow).reclaimed > 0;
        slow.progress = claimed && slow.patience.believes(before, machine.frames_freed());
        self.reclaim.cond_resched();
        let pages = if slow.progress { self.try_reclaimed(slow) } else { None };
        Step::served_or(pages, Step::Compact)
    }

    /// Frames came free. If none of them helps, they may have been kept back: in the high-atomic
    /// reserve, or on CPUs' lists.
    #[doc(alias = "__alloc_pages_direct_reclaim")]
    fn try_reclaimed(&self, slow: &Slow<'_, '_>) -> Option<Pages> {
        self.try_with(slow, slow.flags).or_else(|| {
            self.unreserve_highatomic(slow, Force::No);
            self.drain_all_pages(None);
            self.trace.alloc_step(AllocStep::Drain);
            self.try_with(slow, slow.flags)
        })
    }

    /// Whether to go on reclaiming: it has not been in vain too often, and with all that can be freed
    /// some zone could serve the request. Before the answer is no, the whole high-atomic reserve is
    /// given back, pageblock by pageblock.
    pub(super) fn should_reclaim_retry(&self, slow: &mut Slow<'_, '_>) -> bool {
        if slow.progress && !slow.is_costly() {
            slow.no_progress = 0;
        } else {
            slow.no_progress += 1;
        }
        let hopeful = slow.no_progress <= MAX_RECLAIM_RETRIES && {
            let hopeful = self.reclaim_could_suffice(slow);
            self.let_others_run();
            hopeful
        };
        hopeful || self.unreserve_highatomic(slow, Force::Yes)
    }

    /// Whether some zone would keep its min watermark if all that can be freed were.
    fn reclaim_could_suffice(&self, slow: &Slow<'_, '_>) -> bool {
        slow.zones().any(|id| {
            let reclaimable = self.reclaim.reclaimable_pages(id.node(), id.zone_type());
            let zone = slow.request.machine.zone(id);
            zone.is_some_and(|zone| could_serve(slow, zone, reclaimable))
        })
    }

    fn let_others_run(&self) {
        match self.reclaim.context().contains(Context::WORKER) {
            true => self.reclaim.sleep_tick(),
            false => self.reclaim.cond_resched(),
        }
    }

    /// Gives a pageblock of the high-atomic reserve back, of the first zone that has one. True if
    /// frames came free by that: each pageblock that is given back lessens the reserve.
    #[doc(alias = "unreserve_highatomic_pageblock")]
    fn unreserve_highatomic(&self, slow: &Slow<'_, '_>, force: Force) -> bool {
        let machine = slow.request.machine;
        let moved = slow.zones().any(|id| {
            let Some(zone) = machine.zone(id) else { return false };
            let irq = IrqGuard::new(&self.platform);
            zone.with(&machine.memmap, &irq, |zone| {
                zone.unreserve_highatomic_pageblock(slow.request.migratetype, force)
            })
        });
        let last_too = force == Force::Yes;
        self.trace.alloc_step(AllocStep::Unreserve { last_too, moved });
        moved
    }
}

/// Whether a zone would keep its min watermark if it had so many frames more.
fn could_serve(slow: &Slow<'_, '_>, zone: &Zone, more: u64) -> bool {
    let mut view = zone.shared.snapshot();
    view.free_pages = view.free_pages.saturating_add(more);
    let mark = view.watermark(WatermarkLevel::Min).saturating_add(view.watermark_boost);
    let (order, highest) = (slow.request.order, slow.request.highest);
    zone_watermark_ok(&view, order, mark, highest, slow.flags)
}
