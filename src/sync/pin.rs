//! Staying on a CPU.

use crate::CpuId;
use crate::platform::{PinFlags, Platform};
use core::fmt;
use core::marker::PhantomData;

/// The code stays on this CPU while this value lives, and no other task runs on it; interrupts may.
///
/// # Invariants
///
/// `flags` came from `pin` on this CPU, whose number is `cpu`, and guards are dropped in the reverse
/// of the order in which they were made.
pub(crate) struct CpuGuard<'p, P: Platform> {
    platform: &'p P,
    flags: PinFlags,
    cpu: CpuId,
    /// Neither `Send` nor `Sync`: the guard belongs to the CPU that made it.
    not_send: PhantomData<*mut ()>,
}

impl<'p, P: Platform> CpuGuard<'p, P> {
    #[inline]
    pub(crate) fn new(platform: &'p P) -> Self {
        let flags = platform.pin();
        Self { platform, flags, cpu: platform.cpu_id(), not_send: PhantomData }
    }

    #[inline]
    pub(crate) fn cpu(&self) -> CpuId {
        self.cpu
    }

    #[inline]
    pub(crate) fn platform(&self) -> &'p P {
        self.platform
    }
}

impl<P: Platform> Drop for CpuGuard<'_, P> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: by the invariant of `CpuGuard`; it is still the same CPU, as the guard is not
        // `Send`.
        unsafe { self.platform.unpin(self.flags) }
    }
}

impl<P: Platform> fmt::Debug for CpuGuard<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuGuard").field("cpu", &self.cpu).finish_non_exhaustive()
    }
}
