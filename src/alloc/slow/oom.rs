//! The out-of-memory killer, and what requests that must not fail may use.

use super::{Slow, Step};
use crate::alloc::PageAllocator;
use crate::platform::Platform;
use crate::reclaim::{Context, Reclaim};
use crate::trace::Trace;
use crate::{AllocFlags, Gfp, OomVerdict, Pages, ZoneType};

/// The lock of the out-of-memory killer, held.
struct OomLock<'a, R: Reclaim>(&'a R);

impl<'a, R: Reclaim> OomLock<'a, R> {
    fn try_new(reclaim: &'a R) -> Option<Self> {
        reclaim.try_lock_oom().then(|| Self(reclaim))
    }
}

impl<R: Reclaim> Drop for OomLock<'_, R> {
    fn drop(&mut self) {
        self.0.unlock_oom();
    }
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Has the kernel kill somebody, and goes on if it did. A victim that has used its reserves in
    /// vain gives up.
    pub(super) fn kill_and_try(&self, slow: &mut Slow<'_, '_>) -> Step {
        slow.progress = false;
        if let Some(pages) = self.may_oom(slow) {
            return Step::Served(pages);
        }
        let victim = self.reclaim.context().contains(Context::OOM_VICTIM);
        let had_reserves =
            slow.flags.contains(AllocFlags::OOM) || slow.gfp.contains(Gfp::NOMEMALLOC);
        if victim && had_reserves || !slow.progress {
            return Step::NoPage;
        }
        slow.no_progress = 0;
        Step::Retry
    }

    /// With the killer's lock. One attempt at the high watermark comes first: perhaps somebody else
    /// has just killed.
    #[doc(alias = "__alloc_pages_may_oom")]
    fn may_oom(&self, slow: &mut Slow<'_, '_>) -> Option<Pages> {
        let Some(_lock) = OomLock::try_new(&self.reclaim) else {
            slow.progress = true;
            self.reclaim.sleep_tick();
            return None;
        };
        let gfp = (slow.gfp | Gfp::HARDWALL) - Gfp::DIRECT_RECLAIM;
        let flags = AllocFlags::WMARK_HIGH | AllocFlags::CPUSET;
        self.try_as(slow, gfp, flags).or_else(|| self.kill(slow))
    }

    fn kill(&self, slow: &mut Slow<'_, '_>) -> Option<Pages> {
        if !self.is_worth_killing(slow) {
            return None;
        }
        let killed = self.reclaim.out_of_memory(&slow.shortage()) == OomVerdict::Killed;
        let nofail = slow.gfp.contains(Gfp::NOFAIL);
        slow.progress = killed || nofail;
        if nofail { self.try_leaving_cpuset(slow, AllocFlags::NO_WATERMARKS) } else { None }
    }

    /// Killing is for requests that can't be had otherwise, and that it helps: not for large blocks,
    /// not for those who have a way out, not for one node or a low zone alone.
    fn is_worth_killing(&self, slow: &Slow<'_, '_>) -> bool {
        !self.reclaim.context().contains(Context::DUMPS_CORE)
            && !slow.is_costly()
            && !slow.gfp.intersects(Gfp::RETRY_MAYFAIL | Gfp::THISNODE)
            && slow.request.highest >= ZoneType::Normal
    }

    /// With these flags within the cpuset, then anywhere.
    #[doc(alias = "__alloc_pages_cpuset_fallback")]
    pub(super) fn try_leaving_cpuset(
        &self,
        slow: &Slow<'_, '_>,
        flags: AllocFlags,
    ) -> Option<Pages> {
        let within = self.try_with(slow, flags | AllocFlags::CPUSET);
        within.or_else(|| self.try_with(slow, flags))
    }
}
