//! When a compaction is over.

use super::control::Control;
use super::score::score_of_zone;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::trace::Trace;
use crate::zone::watermark::ZoneView;
use crate::zone::{Takeover, ZoneMut};
use crate::{CompactResult, MigrateType, Order, PAGEBLOCK_NR_PAGES};

impl<P: Platform, R: Reclaim, T: Trace> Control<'_, P, R, T> {
    /// How it ended, if it has.
    #[doc(alias = "compact_finished")]
    pub(super) fn finished(&self) -> Option<CompactResult> {
        if self.scanners_met() {
            return Some(self.end_of_zone());
        }
        if let Some(enough) = self.request.enough {
            return self.finished_ahead_of_need(enough);
        }
        let order = self.request.order?;
        // A pageblock is always finished, lest the next request has to take another.
        if !self.migrate.get().is_multiple_of(PAGEBLOCK_NR_PAGES) {
            return None;
        }
        let migratetype = self.request.migratetype;
        if self.at.locked(|zone| has_block_for(zone, order, migratetype)) {
            return Some(CompactResult::Success);
        }
        self.interrupted()
    }

    /// The scanners have met: the next compaction starts anew.
    fn end_of_zone(&self) -> CompactResult {
        let notes = self.at.notes();
        notes.reset_positions(self.at.zone.shared.span());
        if self.request.is_direct {
            notes.want_flush();
        }
        if self.sees_all { CompactResult::Complete } else { CompactResult::PartialSkipped }
    }

    /// Nobody waits: it is over when the zone is good enough, or when kswapd is at work.
    fn finished_ahead_of_need(&self, enough: u32) -> Option<CompactResult> {
        let node = self.at.zone.shared.id.node();
        if self.at.machine.node(node).is_some_and(|node| node.kswapd.is_running()) {
            return Some(CompactResult::PartialSkipped);
        }
        if score_of_zone(&self.at.nr_free()) <= enough {
            return Some(CompactResult::Success);
        }
        self.interrupted()
    }

    fn interrupted(&self) -> Option<CompactResult> {
        let doomed = self.at.reclaim.context().contains(Context::FATAL_SIGNAL);
        doomed.then_some(CompactResult::Contended)
    }
}

/// Whether a request of the order and type would find a block now: on its own lists, or on one that
/// it may take over with its pageblock.
fn has_block_for(zone: &ZoneMut<'_>, order: Order, migratetype: MigrateType) -> bool {
    let on_list = |t| zone.shared.nonempty_orders(t) >> order.get() != 0;
    let stolen = |order: Order| {
        let fallback = zone.find_suitable_fallback(order, migratetype);
        fallback.is_some_and(|fallback| fallback.takeover == Takeover::Pageblock)
    };
    on_list(migratetype)
        || migratetype == MigrateType::Movable && on_list(MigrateType::Cma)
        || order.and_above().any(stolen)
}
