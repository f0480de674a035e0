//! Direct compaction, and whether it is worth another round.

use super::{Slow, Step};
use crate::alloc::PageAllocator;
use crate::alloc::flags::gfp_pfmemalloc_flags;
use crate::alloc::request::{Attempt, Dirty};
use crate::memmap::FrameState;
use crate::platform::Platform;
use crate::reclaim::{Compacted, Context, Reclaim};
use crate::trace::{AllocStep, Trace};
use crate::{CompactPriority, CompactResult, Gfp, Order, Pages};

/// So many blocks made by compaction in vain, because others took them, and it gives up.
const MAX_COMPACT_RETRIES: u32 = 16;

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Before anything is freed: orders that are seldom free, and those whose blocks would be taken
    /// from movable memory, are had sooner by compaction. Not where the context opens reserves.
    pub(super) fn compact_first(&self, slow: &mut Slow<'_, '_>) -> Step {
        if !self.may_compact_first(slow) {
            return Step::Retry;
        }
        if let Some(pages) = self.direct_compact(slow, CompactPriority::Async) {
            return Step::Served(pages);
        }
        if slow.is_costly() && slow.gfp.contains(Gfp::NORETRY) {
            if matches!(slow.compacted, CompactResult::Skipped | CompactResult::Deferred) {
                return Step::NoPage;
            }
            slow.priority = CompactPriority::Async;
        }
        Step::Retry
    }

    fn may_compact_first(&self, slow: &Slow<'_, '_>) -> bool {
        let rare = slow.request.order > Order::ZERO && !slow.request.is_movable();
        slow.may_wait()
            && slow.may_compact()
            && (slow.is_costly() || rare)
            && gfp_pfmemalloc_flags(slow.gfp, self.reclaim.context()).is_empty()
    }

    /// After reclaim. Here ends what would rather fail, and what is too large to insist on.
    pub(super) fn compact_and_try(&self, slow: &mut Slow<'_, '_>) -> Step {
        if let Some(pages) = self.direct_compact(slow, slow.priority) {
            return Step::Served(pages);
        }
        let tries_hard = slow.gfp.contains(Gfp::RETRY_MAYFAIL) && slow.may_compact();
        let insists = !slow.is_costly() || tries_hard;
        if slow.gfp.contains(Gfp::NORETRY) || !insists { Step::NoPage } else { Step::Weigh }
    }

    #[doc(alias = "__alloc_pages_direct_compact")]
    fn direct_compact(&self, slow: &mut Slow<'_, '_>, priority: CompactPriority) -> Option<Pages> {
        if slow.request.order == Order::ZERO {
            return None;
        }
        let Compacted { result, captured } = self.try_compact(slow, priority);
        slow.compacted = result;
        if result == CompactResult::Skipped {
            return self.release(captured);
        }
        slow.request.machine.events.compact_stalls.add(1);
        let captured = captured.and_then(|pages| self.accept(slow, pages));
        let pages = captured.or_else(|| self.try_with(slow, slow.flags));
        match &pages {
            Some(pages) => self.compaction_worked(slow, pages),
            None => self.reclaim.cond_resched(),
        }
        pages
    }

    /// Compacts the zones that will do: the kernel itself, or else the crate. Linux asks here even for
    /// requests that may not write, and skips the zones for them.
    fn try_compact(&self, slow: &mut Slow<'_, '_>, priority: CompactPriority) -> Compacted {
        let shortage = slow.shortage();
        if let Some(answer) = self.reclaim.compact(&shortage, slow.flags, priority) {
            return answer;
        }
        if !slow.patience.may_compact() {
            return CompactResult::Deferred.into();
        }
        let (machine, wanted) = (slow.request.machine, (&shortage, slow.request.migratetype));
        let how = (slow.flags, priority);
        let done = self.try_to_compact_pages(machine, slow.zones(), wanted, how);
        if !matches!(done.result, CompactResult::Skipped | CompactResult::Deferred) {
            slow.patience.has_compacted();
        }
        done
    }

    /// Whether compaction would have room if all that can be freed were.
    fn compaction_is_suitable(&self, slow: &Slow<'_, '_>) -> bool {
        let shortage = slow.shortage();
        let answer = self.reclaim.compaction_suitable(&shortage, slow.flags);
        answer.unwrap_or_else(|| {
            let machine = slow.request.machine;
            self.compaction_zonelist_suitable(machine, slow.zones(), &shortage, slow.flags)
        })
    }

    /// A block came free in this zone after compaction.
    #[doc(alias = "compaction_defer_reset")]
    fn compaction_worked(&self, slow: &Slow<'_, '_>, pages: &Pages) {
        let Ok((machine, index)) = self.check_token(pages) else { return };
        let id = machine.memmap.frame(index).state().zone();
        let (node, zone, order) = (id.node(), id.zone_type(), slow.request.order);
        self.compaction_defer_reset(slow.request.machine, id, order);
        self.trace.alloc_step(AllocStep::CompactionWorked { node, zone, order });
    }

    /// Makes a block that the kernel captured ready for the caller; one that is not what was asked
    /// for is freed.
    fn accept(&self, slow: &Slow<'_, '_>, pages: Pages) -> Option<Pages> {
        let Slow { request, gfp, flags, nodemask, .. } = *slow;
        let Ok((machine, index)) = self.check_token(&pages) else {
            return self.release(Some(pages));
        };
        let frame = machine.memmap.frame(index);
        let id = frame.state().zone();
        let fits = pages.order() == request.order
            && frame.count.references() == 1
            && slow.zones().any(|zone| zone == id);
        let (Some(zone), true) = (machine.zone(id), fits) else { return self.release(Some(pages)) };
        frame.hand_out(FrameState::allocated(request.order, id));
        let preferred = slow.preferred.unwrap_or(id);
        let attempt = Attempt { gfp, flags, nodemask, preferred, dirty: Dirty::Ignore };
        Some(self.prepare_new(request, &attempt, zone, index))
    }

    /// Frees what the kernel captured in vain. What is no block of this allocator can't be lost here.
    fn release(&self, captured: Option<Pages>) -> Option<Pages> {
        if let Some(pages) = captured {
            drop(self.free_pages(pages));
        }
        None
    }

    /// Whether to go on compacting, after a reclaim that made progress; perhaps more thoroughly.
    pub(super) fn should_compact_retry(&self, slow: &mut Slow<'_, '_>) -> bool {
        let doomed = self.reclaim.context().contains(Context::FATAL_SIGNAL);
        if slow.request.order == Order::ZERO || !slow.may_compact() || doomed {
            return false;
        }
        if slow.compacted.made_progress() {
            slow.compact_retries += 1;
        }
        if slow.compacted.needs_reclaim() {
            return self.compaction_is_suitable(slow);
        }
        let again = slow.compacted.made_progress() && slow.compact_retries <= slow.most_retries();
        again || slow.compacts_more_thoroughly()
    }
}

impl Slow<'_, '_> {
    /// Moving frames may have to write them.
    #[doc(alias = "gfp_compaction_allowed")]
    pub(super) fn may_compact(&self) -> bool {
        self.gfp.contains(Gfp::IO)
    }

    /// Costly requests give up sooner.
    fn most_retries(&self) -> u32 {
        if self.is_costly() { MAX_COMPACT_RETRIES / 4 } else { MAX_COMPACT_RETRIES }
    }

    /// Raises the priority, if it can be.
    fn compacts_more_thoroughly(&mut self) -> bool {
        let Some(priority) = self.priority.more_thorough(self.request.order) else { return false };
        self.priority = priority;
        self.compact_retries = 0;
        true
    }
}
