//! The slow path: what is done for a request when the first attempt finds nothing.
//!
//! 1. Wake kswapd of every node that could serve it, and try at the min watermark, with the part of
//!    the reserves that its flags open.
//! 2. Requests that need not keep to a cpuset, tasks that free memory, and victims of the
//!    out-of-memory killer: try on any node, with the reserves that the context opens.
//! 3. A request that may wait, and does not say that it would rather fail: take back the high-atomic
//!    reserve, pageblock by pageblock, and try again after each.
//! 4. Fail; a request that must not fail goes once more, into reserves, in its cpuset and then
//!    anywhere, and then panics.
//!
//! Reclaim, compaction and the out-of-memory killer have their places between 2 and 4; without
//! them every request ends after a bounded number of attempts.

use super::PageAllocator;
use super::flags::{gfp_pfmemalloc_flags, gfp_to_alloc_flags, reserve_flags};
use super::request::{Attempt, Dirty, Request};
use crate::platform::Platform;
use crate::reclaim::{Context, KswapdWake, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::Force;
use crate::zone_id::ZoneId;
use crate::{AllocError, AllocFlags, Gfp, PAGE_ALLOC_COSTLY_ORDER, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Serves a request that the first attempt could not serve.
    ///
    /// # Panics
    ///
    /// When a [`Gfp::NOFAIL`] request that may wait can't be served: there is no error that it could
    /// be given, and nothing that waiting would change.
    #[doc(alias = "__alloc_pages_slowpath")]
    #[cold]
    pub(super) fn slow_path(&self, request: &Request<'_>) -> Result<Pages, AllocError> {
        let attempt = slow_attempt(request)?;
        if attempt.flags.contains(AllocFlags::KSWAPD) {
            self.wake_all_kswapds(request, &attempt);
        }
        self.attempt(request, attempt)
            .or_else(|| self.attempt_anywhere(request, attempt))
            .or_else(|| self.attempt_with_highatomic(request, attempt))
            .or_else(|| self.attempt_nofail(request, attempt))
            .ok_or_else(|| request.out_of_memory())
    }

    /// Wakes kswapd of each node in the zonelist, once for a run of zones of a node.
    fn wake_all_kswapds(&self, request: &Request<'_>, attempt: &Attempt) {
        let mut last = None;
        for zone in request.zones(attempt) {
            if last != Some(zone.node()) {
                last = Some(zone.node());
                self.wake_kswapd(request, attempt, zone);
            }
        }
    }

    fn wake_kswapd(&self, request: &Request<'_>, attempt: &Attempt, zone: ZoneId) {
        self.reclaim.wake_kswapd(KswapdWake {
            node: zone.node(),
            zone: zone.zone_type(),
            order: request.order,
            highest: request.highest,
            gfp: attempt.gfp,
        });
    }

    /// With the reserves that the context opens, or without a cpuset to keep to: the caller's
    /// nodemask no longer counts either.
    fn attempt_anywhere(&self, request: &Request<'_>, attempt: Attempt) -> Option<Pages> {
        let reserves = gfp_pfmemalloc_flags(attempt.gfp, request.context);
        let flags = match reserves.is_empty() {
            true if attempt.flags.contains(AllocFlags::CPUSET) => return None,
            true => attempt.flags,
            false => reserve_flags(reserves, attempt.flags, request.migratetype),
        };
        let preferred = request.preferred(None)?;
        self.attempt(request, Attempt { flags, nodemask: None, preferred, ..attempt })
    }

    /// Takes the high-atomic reserves back, one pageblock at a time, until there is enough or
    /// nothing left. Every pageblock that is taken back lessens what there is, so this ends.
    fn attempt_with_highatomic(&self, request: &Request<'_>, attempt: Attempt) -> Option<Pages> {
        if !may_unreserve(request, &attempt) {
            return None;
        }
        while self.unreserve_highatomic(request, &attempt) {
            if let Some(pages) = self.attempt(request, attempt) {
                return Some(pages);
            }
        }
        None
    }

    /// Gives a pageblock of the reserve back, of the first zone that has one.
    #[doc(alias = "unreserve_highatomic_pageblock")]
    fn unreserve_highatomic(&self, request: &Request<'_>, attempt: &Attempt) -> bool {
        request.zones(attempt).any(|id| {
            let Some(zone) = request.machine.zone(id) else { return false };
            let irq = IrqGuard::new(&self.platform);
            zone.with(&request.machine.memmap, &irq, |zone| {
                zone.unreserve_highatomic_pageblock(request.migratetype, Force::Yes)
            })
        })
    }

    /// A request that must not fail may use half of the min watermark: first within its cpuset,
    /// then without regard to it.
    #[doc(alias = "__alloc_pages_cpuset_fallback")]
    fn attempt_nofail(&self, request: &Request<'_>, attempt: Attempt) -> Option<Pages> {
        if !attempt.gfp.contains(Gfp::NOFAIL | Gfp::DIRECT_RECLAIM) {
            return None;
        }
        let confined = AllocFlags::MIN_RESERVE | AllocFlags::CPUSET;
        let pages = [confined, AllocFlags::MIN_RESERVE]
            .into_iter()
            .find_map(|flags| self.attempt(request, Attempt { flags, ..attempt }));
        assert!(pages.is_some(), "NOFAIL request of order {}: no memory left", request.order);
        pages
    }
}

/// The slow path's first attempt: with the caller's own nodemask. A request that may wait is not
/// one of atomic context, whatever its flags say.
fn slow_attempt(request: &Request<'_>) -> Result<Attempt, AllocError> {
    let Request { order, migratetype, context, nodemask, .. } = *request;
    let mut gfp = request.gfp;
    if gfp.contains(Gfp::DIRECT_RECLAIM) {
        gfp -= Gfp::ATOMIC_CONTEXT;
    }
    let flags = gfp_to_alloc_flags(gfp, order, migratetype, context);
    let preferred = request.preferred(nodemask).ok_or(AllocError::NoZone)?;
    Ok(Attempt { gfp, flags, nodemask, preferred, dirty: Dirty::Ignore })
}

/// Whether a request goes as far as taking the high-atomic reserves: it may wait, is not itself
/// freeing memory, and neither its flags nor its order say that it would rather fail.
fn may_unreserve(request: &Request<'_>, attempt: &Attempt) -> bool {
    let gfp = attempt.gfp;
    let costly = request.order > PAGE_ALLOC_COSTLY_ORDER;
    gfp.contains(Gfp::DIRECT_RECLAIM)
        && !request.context.contains(Context::MEMALLOC)
        && !gfp.contains(Gfp::NORETRY)
        && (!costly || gfp.contains(Gfp::RETRY_MAYFAIL))
}
