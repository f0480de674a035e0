//! Cpusets that change, or don't fit, while a request is in the slow path.

use super::Slow;
use crate::Gfp;
use crate::alloc::PageAllocator;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    pub(super) fn cpuset_generation(&self) -> u32 {
        if self.reclaim.cpusets_enabled() { self.reclaim.cpuset_generation() } else { 0 }
    }

    /// Whether the task's cpuset has nothing but movable memory, and this is another request, which
    /// must keep to it.
    #[doc(alias = "cpusets_insane_config")]
    pub(super) fn cpuset_has_no_zone(&self, slow: &Slow<'_, '_>) -> bool {
        self.reclaim.cpusets_enabled()
            && self.reclaim.cpusets_insane()
            && slow.gfp.contains(Gfp::HARDWALL)
            && slow.request.preferred(Some(self.reclaim.cpuset_mems_allowed())).is_none()
    }

    /// Whether to begin anew, because the task's nodes are no longer those with which it began, or
    /// because they have none in common with the nodemask, which is forgotten then.
    #[doc(alias = "check_retry_cpuset")]
    pub(super) fn cpuset_has_changed(&self, slow: &mut Slow<'_, '_>) -> bool {
        if !self.reclaim.cpusets_enabled() {
            return false;
        }
        if let Some(nodes) = slow.nodemask
            && !self.reclaim.cpuset_meets(nodes)
        {
            slow.nodemask = None;
            return true;
        }
        self.reclaim.cpuset_generation() != slow.cpuset
    }
}
