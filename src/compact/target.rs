//! The free scanner: it takes free blocks, from the high end of the zone downwards.

use super::aligned::{end_of, start_of};
use super::control::Control;
use super::targets::Target;
use super::{COMPACT_CLUSTER_MAX, Extent};
use crate::memmap::{FrameIdx, FrameKind};
use crate::migration::MigrateMode;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::NotIsolated;
use crate::{MigrateType, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn};

impl<P: Platform, R: Reclaim, T: Trace> Control<'_, P, R, T> {
    /// Takes free blocks until there are as many frames as are to be moved, or the scanners meet.
    pub(super) fn isolate_freepages(&mut self, wanted: u64) {
        let low = end_of(self.migrate, PAGEBLOCK_ORDER);
        let mut start = start_of(self.free, PAGEBLOCK_ORDER);
        let mut from = self.free;
        let mut stride = match self.request.mode {
            MigrateMode::Async => COMPACT_CLUSTER_MAX as u64,
            MigrateMode::SyncLight | MigrateMode::Sync => 1,
        };
        while start >= low {
            self.at.breathe(start);
            if let Some(pageblock) = self.target_at(start) {
                let before = self.targets.frames();
                let end = (start + PAGEBLOCK_NR_PAGES).min(self.at.zone.shared.span().end);
                from = self.isolate_in((from, end), stride, wanted);
                if from == end {
                    self.skip_target(pageblock, start);
                }
                if from < end || self.targets.frames() >= wanted {
                    break;
                }
                stride = match self.targets.frames() > before {
                    true => 1,
                    false => (2 * stride).min(COMPACT_CLUSTER_MAX as u64),
                };
            }
            let Some(below) = start.get().checked_sub(PAGEBLOCK_NR_PAGES) else { break };
            start = Pfn::new(below);
            from = start;
        }
        self.free = self.restart_at(from, start);
    }

    /// Where the free scanner goes on: a pageblock that it has been through is done.
    fn restart_at(&self, from: Pfn, start: Pfn) -> Pfn {
        let end = (start + PAGEBLOCK_NR_PAGES).min(self.at.zone.shared.span().end);
        let done = from >= end;
        if done { Pfn::new(start.get().saturating_sub(PAGEBLOCK_NR_PAGES)) } else { from }
    }

    /// The pageblock that starts there, if its free blocks may be filled.
    #[doc(alias = "suitable_migration_target")]
    fn target_at(&self, start: Pfn) -> Option<FrameIdx> {
        let pageblock = self.at.pageblock_at(start)?;
        if self.at.covers(pageblock, FrameKind::Free) || !self.may_look_at(pageblock) {
            return None;
        }
        let migratetype = self.at.memmap().pageblock(pageblock).migratetype();
        let movable = matches!(migratetype, MigrateType::Movable | MigrateType::Cma);
        (movable || self.request.extent == Extent::Everything).then_some(pageblock)
    }

    /// The pageblock that starts there has nothing more to give.
    #[doc(alias = "update_pageblock_skip")]
    fn skip_target(&self, pageblock: FrameIdx, start: Pfn) {
        self.at.memmap().pageblock(pageblock).skip();
        self.at.notes().lower_free(start);
    }

    /// Takes free blocks between two frames of a pageblock, passing over `stride` - 1 frames after each
    /// block that it looks at; gives where it stopped.
    #[doc(alias = "isolate_freepages_block")]
    pub(super) fn isolate_in(&mut self, (start, end): (Pfn, Pfn), stride: u64, wanted: u64) -> Pfn {
        let mut pfn = start.max(self.at.zone.shared.span().start);
        while pfn < end {
            self.stats.free_scanned += 1;
            let (free, frames) = self.free_at(pfn);
            let Some(index) = free else {
                pfn = pfn + (frames - 1 + stride);
                continue;
            };
            match self.at.locked(|zone| zone.isolate_free_block(index)) {
                Ok((index, order)) => {
                    self.stats.isolated += order.nr_pages();
                    self.put_target(Target { index, order });
                    pfn = pfn + order.nr_pages();
                    if self.targets.frames() >= wanted || self.targets.is_full() {
                        break;
                    }
                    pfn = pfn + (stride - 1);
                }
                Err(NotIsolated::NotFree) => pfn = pfn + stride,
                Err(NotIsolated::TooFewFree) => break,
            }
        }
        pfn.min(end)
    }

    /// The frame of that number if it heads a free block; and how many frames it stands for.
    fn free_at(&self, pfn: Pfn) -> (Option<FrameIdx>, u64) {
        let memmap = self.at.memmap();
        let Some(index) = memmap.index_of(pfn) else { return (None, 1) };
        let state = memmap.state(index);
        match state.kind() {
            FrameKind::Free => (Some(index), state.order().nr_pages()),
            FrameKind::Allocated | FrameKind::Cached => (None, state.order().nr_pages()),
            FrameKind::Absent | FrameKind::Reserved | FrameKind::Tail => (None, 1),
        }
    }

    /// Keeps a target; where there is no place, it is freed.
    pub(super) fn put_target(&mut self, target: Target) {
        if let Some(target) = self.targets.push(target) {
            self.at.free_target(target);
        }
    }

    /// Frees all targets that are left. The free scanner starts no lower than the highest of them
    /// next time.
    #[doc(alias = "release_freepages")]
    pub(super) fn release_targets(&mut self) {
        let mut highest = Pfn::new(0);
        while let Some(target) = self.targets.pop() {
            highest = highest.max(self.at.memmap().pfn_of(target.index));
            self.at.free_target(target);
        }
        if highest > Pfn::new(0) {
            self.at.notes().raise_free(start_of(highest, PAGEBLOCK_ORDER));
        }
    }
}
