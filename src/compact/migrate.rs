//! Moving a batch: a target for each source, and the kernel asked to move what is in it.

use super::batch::Source;
use super::control::{Compactor, Control};
use super::lent::Lent;
use super::request::CompactRequest;
use super::targets::Target;
use crate::memmap::{FrameIdx, FrameState, FreeBlock};
use crate::migration::Migrated;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::{block_of_token, find_token};
use crate::{Order, Pages, Pfn};

/// The kernel is asked so often about a block that it says is busy.
#[doc(alias = "NR_MAX_MIGRATE_PAGES_RETRY")]
const PASSES: u32 = 10;

/// What came of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchEnd {
    /// All of it was moved, or is gone.
    AllMoved,
    /// Some of it stays.
    SomeFailed,
    /// There was no frame to move to.
    #[doc(alias = "ENOMEM")]
    NoTargets,
}

/// What came of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Moved,
    /// It is no longer a block that can be moved: whoever had it freed it.
    Gone,
    Busy,
    Failed,
    NoTarget,
}

impl<P: Platform, R: Reclaim, T: Trace> Control<'_, P, R, T> {
    /// Moves the blocks of the batch, which is empty then.
    #[doc(alias = "migrate_pages")]
    pub(super) fn move_batch(&mut self) -> BatchEnd {
        let mut end = BatchEnd::AllMoved;
        let mut busy = 0;
        for _ in 0..PASSES {
            busy = 0;
            for _ in 0..self.batch.len() {
                let waiting = self.batch.frames();
                let Some(source) = self.batch.pop() else { break };
                let frames = source.order.nr_pages();
                match self.move_block(source, waiting) {
                    Move::Moved => self.stats.moved += frames,
                    Move::Gone => {}
                    Move::Busy => {
                        busy += frames;
                        self.batch.push(source);
                    }
                    Move::Failed => {
                        self.stats.failed += frames;
                        end = BatchEnd::SomeFailed;
                    }
                    Move::NoTarget => {
                        // The rest is not tried.
                        self.stats.failed += busy + frames;
                        self.batch.clear();
                        return BatchEnd::NoTargets;
                    }
                }
            }
        }
        self.stats.failed += busy;
        self.batch.clear();
        if busy > 0 { BatchEnd::SomeFailed } else { end }
    }

    /// Moves a block; `frames` are those of all blocks that wait.
    #[doc(alias = "unmap_and_move")]
    fn move_block(&mut self, source: Source, frames: u64) -> Move {
        self.at.reclaim.cond_resched();
        let memmap = self.at.memmap();
        let Some(from) = memmap.index_of(source.pfn) else { return Move::Gone };
        let state = memmap.state(from);
        if !self.is_movable(state) || state.order() != source.order {
            return Move::Gone;
        }
        let target = match self.target_for(source.order, frames) {
            Some(target) => target,
            None if source.order == Order::ZERO => return Move::NoTarget,
            None => return Move::Failed,
        };
        let frame = memmap.frame(target.index);
        frame.set_private(memmap.frame(from).private());
        frame.set_state(frame.state().as_movable_as(state));
        let (token, answer) = self.ask_to_migrate(source.pfn, target);
        match self.settle(target, from, &token) {
            true => Move::Moved,
            false if answer == Migrated::Busy => Move::Busy,
            false => Move::Failed,
        }
    }

    /// Has the kernel move a block; gives the token that it left.
    fn ask_to_migrate(&self, from: Pfn, target: Target) -> (Pages, Migrated) {
        let CompactRequest { mode, gfp, .. } = self.request;
        let mut lent = Lent::new(self.at, target);
        let answer = self.at.reclaim.migrate(from, &mut lent.token, mode, gfp);
        (lent.back(), answer)
    }

    /// A target of that order. If there is none, the free lists are searched once; then, while there
    /// is none, the free scanner takes more free blocks, as long as there is room for them.
    fn target_for(&mut self, order: Order, frames: u64) -> Option<Target> {
        if let Some(target) = self.targets.take(order, self.at.memmap()) {
            return Some(target);
        }
        if !self.targets.is_full() {
            self.search_targets(order, frames);
        }
        loop {
            if let Some(target) = self.targets.take(order, self.at.memmap()) {
                return Some(target);
            }
            let before = (self.free, self.targets.frames());
            if self.targets.is_full() {
                return None;
            }
            self.isolate_freepages(frames);
            if before == (self.free, self.targets.frames()) {
                return None;
            }
        }
    }

    /// Takes over the token that the hook left. True if it is the source's: the contents were moved.
    fn settle(&mut self, target: Target, from: FrameIdx, token: &Pages) -> bool {
        let memmap = self.at.memmap();
        let Ok(index) = find_token(memmap, token) else { return false };
        let untouched = index == target.index && token.order() == target.order;
        if untouched && memmap.frame(index).count.references() == 1 {
            let state = FrameState::allocated(target.order, self.at.zone.shared.id);
            memmap.frame(index).hand_out(state);
            self.put_target(target);
            return false;
        }
        let wanted = self.request.order.filter(|_| self.captures());
        let captured = self.at.put(token, index, wanted);
        self.captured = self.captured.or(captured);
        index == from && token.order() == target.order
    }

    /// Whether a block of the order wanted is kept when it comes together.
    fn captures(&self) -> bool {
        self.request.is_direct && self.captured.is_none()
    }
}

impl<P: Platform, R, T: Trace> Compactor<'_, P, R, T> {
    /// Gives a reference back; if it was the last, the block goes to its zone, or with its buddies
    /// makes the block that is wanted in this zone.
    pub(super) fn put(
        &self,
        token: &Pages,
        index: FrameIdx,
        wanted: Option<Order>,
    ) -> Option<FrameIdx> {
        if self.memmap().frame(index).count.put_testzero() != Some(true) {
            return None;
        }
        let id = self.memmap().frame(index).state().zone();
        let zone = self.machine.zone(id)?;
        let wanted = wanted.filter(|_| id == self.zone.shared.id);
        self.trace.mm_page_free(token.pfn(), token.order());
        let irq = IrqGuard::new(self.platform);
        zone.with(self.memmap(), &irq, |zone| {
            // Somebody may have freed it by number meanwhile, wrongly.
            block_of_token(zone.memmap, token)?;
            zone.shared.events.freed.add(token.order().nr_pages());
            zone.free_or_capture(FreeBlock::new(index), token.order(), wanted)
        })
    }

    /// Frees a target that was not needed.
    pub(super) fn free_target(&self, target: Target) {
        let Target { index, order } = target;
        self.trace.mm_page_free(self.memmap().pfn_of(index), order);
        self.memmap().frame(index).count.init(0);
        self.locked(|zone| {
            zone.shared.events.freed.add(order.nr_pages());
            zone.free_block(FreeBlock::new(index), order);
        });
    }
}
