//! The slow path: what is done for a request when the first attempt finds nothing.
//!
//! 1. Wake kswapd of every node that could serve it, and try at the min watermark, with the part of
//!    the reserves that its flags open.
//! 2. Tasks that free memory, and victims of the out-of-memory killer: try with all reserves, or
//!    more of them, on any node.
//! 3. A request that may wait: give the high-atomic reserve back, and try again.
//! 4. Fail; a request that must not fail goes once more, into reserves, and then panics.
//!
//! Reclaim, compaction and the out-of-memory killer have their places between 2 and 4; without
//! them every request ends after a fixed number of attempts.

use super::PageAllocator;
use super::flags::{gfp_pfmemalloc_flags, gfp_to_alloc_flags, reserve_flags};
use super::request::{Attempt, Dirty, Request};
use crate::platform::Platform;
use crate::reclaim::{KswapdWake, Reclaim};
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::Force;
use crate::zone_id::ZoneId;
use crate::{AllocError, AllocFlags, Gfp, Pages};

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
        let preferred = request.preferred(request.nodemask).ok_or(AllocError::NoZone)?;
        let Request { gfp, order, migratetype, context, nodemask, .. } = *request;
        let flags = gfp_to_alloc_flags(gfp, order, migratetype, context);
        let attempt = Attempt { gfp, flags, nodemask, preferred, dirty: Dirty::Ignore };
        if flags.contains(AllocFlags::KSWAPD) {
            self.wake_all_kswapds(request, &attempt);
        }
        self.attempt(request, attempt)
            .or_else(|| self.attempt_with_reserves(request, attempt))
            .or_else(|| self.attempt_after_unreserve(request, attempt))
            .or_else(|| self.last_attempt(request, attempt))
            .ok_or_else(|| request.out_of_memory())
    }

    /// Wakes kswapd of each node in the zonelist, once for a run of zones of a node.
    fn wake_all_kswapds(&self, request: &Request<'_>, attempt: &Attempt) {
        let mut last = None;
        for zone in request.zones(attempt) {
            if last != Some(zone.node()) {
                last = Some(zone.node());
                self.wake_kswapd(request, zone);
            }
        }
    }

    fn wake_kswapd(&self, request: &Request<'_>, zone: ZoneId) {
        self.reclaim.wake_kswapd(KswapdWake {
            node: zone.node(),
            zone: zone.zone_type(),
            order: request.order,
            highest: request.highest,
            gfp: request.gfp,
        });
    }

    /// With the reserves that the context opens; the caller's nodemask no longer counts.
    fn attempt_with_reserves(&self, request: &Request<'_>, attempt: Attempt) -> Option<Pages> {
        let reserves = gfp_pfmemalloc_flags(request.gfp, request.context);
        if reserves.is_empty() {
            return None;
        }
        let flags = reserve_flags(reserves, attempt.flags, request.migratetype);
        let preferred = request.preferred(None)?;
        self.attempt(request, Attempt { flags, nodemask: None, preferred, ..attempt })
    }

    /// After every zone has given its high-atomic reserve back, if any did.
    fn attempt_after_unreserve(&self, request: &Request<'_>, attempt: Attempt) -> Option<Pages> {
        let may_wait = request.gfp.contains(Gfp::DIRECT_RECLAIM);
        if !may_wait || !self.unreserve_highatomic(request, &attempt) {
            return None;
        }
        self.attempt(request, attempt)
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

    /// A request that must not fail may use half of the min watermark.
    fn last_attempt(&self, request: &Request<'_>, attempt: Attempt) -> Option<Pages> {
        let must = Gfp::NOFAIL | Gfp::DIRECT_RECLAIM;
        if !request.gfp.contains(must) {
            return None;
        }
        let flags = attempt.flags | AllocFlags::MIN_RESERVE;
        let pages = self.attempt(request, Attempt { flags, ..attempt });
        assert!(pages.is_some(), "NOFAIL request of order {}: no memory left", request.order);
        pages
    }
}
