//! The slow path: what is done for a request when the first attempt finds nothing.
//!
//! A state machine. Each [`Step`] is one method, which does its work and names the next:
//!
//! ```text
//!             Restart   min watermark, part of the reserves; wakes kswapd
//!                |
//!          CompactFirst   orders that are seldom free: asynchronous compaction, before any reclaim
//!                |          `--> NoPage: would rather fail, and it was in vain
//!   +-------> Retry   reserves of the context; without a cpuset to keep to, any node
//!   |            |          `--> NoPage: may not wait, or frees memory itself
//!   |         Reclaim   direct reclaim; after progress: high-atomic reserve, lists of all CPUs
//!   |            |
//!   |         Compact   direct compaction, more and more thorough
//!   |            |          `--> NoPage: would rather fail
//!   +--------- Weigh   is it worth going on?
//!   |            |
//!   +------ OutOfMemory   kills somebody
//!   |            |
//!   +--------- NoPage   a request that must not fail takes from the reserves, and goes on
//!                |
//!             Failed
//! ```
//!
//! From each but `Weigh` there is a way to `Served`, and from `Retry`, `Weigh` and `NoPage` one to `Restart`, when
//! the task's cpuset has changed, or the zonelist, as memory came to a zone that had none.
//!
//! # It ends
//!
//! `Restart` and `Retry` begin a *round* each, and a request has
//! [`max_rounds`](crate::Reclaim::max_rounds) of them; every other step is done once a round at most.
//! A round is at most nine attempts (walks over the zonelist) and one call each of reclaim, compaction
//! and the out-of-memory killer. Where reclaim is the crate's, it is at most thirteen passes, each with
//! one call for each node, or for large blocks one for each frame that comes free, up to what compaction
//! needs ([`shrink`]). When the rounds are used up the request fails; one that must
//! not fail ends in a panic.
//!
//! As there may be many rounds, by default [`MAX_ROUNDS`](crate::MAX_ROUNDS), they have to be cheap,
//! whatever the hooks say:
//!
//! - A compaction may look at all of a zone, and ask about each block ten times. Linux compacts in each
//!   round as long as reclaim makes progress, or somebody is killed: lies about either would buy 2^16
//!   compactions. Here a request has 49 at once, one more than can be in vain for reasons that pass, and
//!   then one after 1, 3, 7, ... rounds that do without; so at most 48 + log2 of the rounds. Compactions
//!   that are skipped or put off by the zones are not counted, nor are those of a kernel that compacts
//!   by itself.
//! - Progress that is none resets the count of reclaims in vain, so that rounds would only end with
//!   `max_rounds`; and each has the lists of all CPUs drained. An honest reclaim frees frames, and these
//!   are counted, on whichever CPU, also if others take them at once. So a claim of progress is
//!   believed only if some frame of the machine was freed meanwhile; 127 in a row are believed without,
//!   for what is freed later by other means. Then a claim is no progress.
//!
//! That somebody was killed is believed in each round: he may take long to die. A kernel waits in
//! [`out_of_memory`](crate::Reclaim::out_of_memory) for that. ([`patience`])

mod compact;
mod cpuset;
mod oom;
mod patience;
mod reclaim;
mod shrink;
mod state;

use super::PageAllocator;
use super::flags::{gfp_pfmemalloc_flags, gfp_to_alloc_flags, reserve_flags};
use super::request::{Attempt, Dirty, Request};
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::trace::{AllocStep, Attempted, Trace};
use crate::{AllocError, AllocFlags, CompactPriority, Gfp, Pages};
use state::Slow;

/// What is done next for a request.
#[derive(Debug)]
enum Step {
    Restart,
    CompactFirst,
    Retry,
    Reclaim,
    Compact,
    Weigh,
    OutOfMemory,
    NoPage,
    Failed,
    Served(Pages),
}

impl Step {
    /// The request is served, if it is.
    #[inline]
    fn served_or(pages: Option<Pages>, next: Self) -> Self {
        pages.map_or(next, Self::Served)
    }
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Serves a request that the first attempt could not serve.
    ///
    /// # Panics
    ///
    /// When a [`Gfp::NOFAIL`] request that may wait can't be served: there is no error that it could
    /// be given, and nothing that the kernel has done helped.
    #[doc(alias = "__alloc_pages_slowpath")]
    #[cold]
    #[inline(never)]
    pub(super) fn slow_path(&self, request: &Request<'_>) -> Result<Pages, AllocError> {
        let mut slow = Slow::new(request, self.reclaim.max_rounds().max(1));
        let slow = &mut slow;
        let mut step = Step::Restart;
        loop {
            step = match step {
                Step::Restart => self.restart(slow),
                Step::CompactFirst => self.compact_first(slow),
                Step::Retry => self.retry(slow),
                Step::Reclaim => self.reclaim_and_try(slow),
                Step::Compact => self.compact_and_try(slow),
                Step::Weigh => self.weigh(slow),
                Step::OutOfMemory => self.kill_and_try(slow),
                Step::NoPage => self.no_page(slow),
                Step::Failed => return Err(self.fail(slow)),
                Step::Served(pages) => return Ok(pages),
            }
        }
    }

    /// From the beginning: with the caller's nodemask, unless it is forgotten, at the min watermark,
    /// and with that part of the reserves that the flags open.
    fn restart(&self, slow: &mut Slow<'_, '_>) -> Step {
        if !slow.begins_round() {
            return Step::Failed;
        }
        let Request { order, migratetype, .. } = *slow.request;
        slow.compact_retries = 0;
        slow.no_progress = 0;
        slow.priority = CompactPriority::SyncLight;
        slow.cpuset = self.cpuset_generation();
        if slow.request.is_outdated() {
            slow.request.renew();
        }
        slow.flags = gfp_to_alloc_flags(slow.gfp, order, migratetype, self.reclaim.context());
        slow.preferred = slow.request.preferred(slow.nodemask);
        if slow.preferred.is_none() || self.cpuset_has_no_zone(slow) {
            return Step::NoPage;
        }
        self.wake_all_kswapds(slow);
        Step::served_or(self.try_with(slow, slow.flags), Step::CompactFirst)
    }

    /// Once more: with the reserves that the context opens, or without a cpuset to keep to; then the
    /// caller's nodemask no longer counts either.
    fn retry(&self, slow: &mut Slow<'_, '_>) -> Step {
        if self.has_changed(slow) {
            return Step::Restart;
        }
        if !slow.begins_round() {
            return Step::Failed;
        }
        self.wake_all_kswapds(slow);
        let context = self.reclaim.context();
        let reserves = gfp_pfmemalloc_flags(slow.gfp, context);
        if !reserves.is_empty() {
            slow.flags = reserve_flags(reserves, slow.flags, slow.request.migratetype);
        }
        if !slow.flags.contains(AllocFlags::CPUSET) {
            slow.nodemask = None;
            slow.preferred = slow.request.preferred(None);
        }
        let may_reclaim = slow.may_wait() && !context.contains(Context::MEMALLOC);
        let next = if may_reclaim { Step::Reclaim } else { Step::NoPage };
        Step::served_or(self.try_with(slow, slow.flags), next)
    }

    /// Whether to begin anew: there are other nodes to keep to now, or other zones.
    fn has_changed(&self, slow: &mut Slow<'_, '_>) -> bool {
        self.cpuset_has_changed(slow) || slow.request.is_outdated()
    }

    /// Whether it is worth going on: reclaim may bring enough, or compaction may.
    fn weigh(&self, slow: &mut Slow<'_, '_>) -> Step {
        let progress = slow.progress;
        if self.should_reclaim_retry(slow) || progress && self.should_compact_retry(slow) {
            Step::Retry
        } else if self.has_changed(slow) {
            Step::Restart
        } else {
            Step::OutOfMemory
        }
    }

    /// Nothing helped. A request that may wait and must not fail takes from the reserves, or goes on.
    fn no_page(&self, slow: &mut Slow<'_, '_>) -> Step {
        if self.has_changed(slow) {
            return Step::Restart;
        }
        if !slow.must_not_fail() {
            return Step::Failed;
        }
        let pages = self.try_leaving_cpuset(slow, AllocFlags::MIN_RESERVE);
        if pages.is_none() {
            self.reclaim.cond_resched();
        }
        Step::served_or(pages, Step::Retry)
    }

    /// Tells the kernel, and what to tell the caller.
    fn fail(&self, slow: &Slow<'_, '_>) -> AllocError {
        let order = slow.request.order;
        assert!(!slow.must_not_fail(), "NOFAIL request of order {order}: no memory left");
        if slow.is_worth_a_warning() {
            self.reclaim.alloc_failed(&slow.shortage());
        }
        match slow.preferred {
            Some(_) => slow.request.out_of_memory(),
            None => AllocError::NoZone,
        }
    }

    /// Wakes kswapd of each node in the zonelist, once for a run of zones of a node, if the request
    /// may. Zones that have nothing but reserved memory are passed over.
    fn wake_all_kswapds(&self, slow: &Slow<'_, '_>) {
        if !slow.flags.contains(AllocFlags::KSWAPD) {
            return;
        }
        let mut last = None;
        let machine = slow.request.machine;
        let managed = |id| machine.zone(id).is_some_and(|zone| zone.shared.managed.get() > 0);
        for zone in slow.zones() {
            if last != Some(zone.node()) && managed(zone) {
                last = Some(zone.node());
                self.reclaim.wake_kswapd(slow.wake(zone));
            }
        }
    }

    /// One attempt with these flags.
    fn try_with(&self, slow: &Slow<'_, '_>, flags: AllocFlags) -> Option<Pages> {
        self.try_as(slow, slow.gfp, flags)
    }

    /// One attempt with these flags of the allocator and of the caller.
    fn try_as(&self, slow: &Slow<'_, '_>, gfp: Gfp, flags: AllocFlags) -> Option<Pages> {
        let Slow { request, nodemask, .. } = *slow;
        let Some(preferred) = slow.preferred else {
            let Request { order, highest, .. } = *request;
            let (preferred, found) = (None, None);
            let event = Attempted { order, gfp, flags, highest, nodemask, preferred, found };
            self.trace.alloc_step(AllocStep::Attempt(event));
            return None;
        };
        let dirty = Dirty::Ignore;
        self.attempt(request, Attempt { gfp, flags, nodemask, preferred, dirty })
    }
}
