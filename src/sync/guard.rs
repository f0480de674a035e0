//! Proofs of where the code runs: that it stays on its CPU, and that interrupts are off.

use crate::CpuId;
use crate::platform::{IrqFlags, PcpExclusion, PinFlags, Platform};
use core::fmt;
use core::marker::PhantomData;

/// Interrupts are off on this CPU while this value lives, and the code stays on the CPU.
///
/// What it proves rests on the promises of [`Platform`]. It does not prove that they were on
/// before: guards nest.
///
/// # Invariants
///
/// `flags` came from `irq_save` on this CPU, and guards are dropped in the reverse of the order in
/// which they were made.
pub(crate) struct IrqGuard<'p, P: Platform> {
    platform: &'p P,
    flags: IrqFlags,
    /// Neither `Send` nor `Sync`: the guard belongs to the CPU that made it.
    not_send: PhantomData<*mut ()>,
}

impl<'p, P: Platform> IrqGuard<'p, P> {
    #[inline]
    pub(crate) fn new(platform: &'p P) -> Self {
        Self { platform, flags: platform.irq_save(), not_send: PhantomData }
    }
}

impl<P: Platform> Drop for IrqGuard<'_, P> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: by the invariant of `IrqGuard`; it is still the same CPU, as the guard is not
        // `Send`.
        unsafe { self.platform.irq_restore(self.flags) }
    }
}

impl<P: Platform> fmt::Debug for IrqGuard<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrqGuard").field("flags", &self.flags).finish_non_exhaustive()
    }
}

/// The code stays on this CPU while this value lives, and no other task runs on it; interrupts may.
/// Where per-CPU lists are kept from others by an atomic swap, it proves nothing of that: only that
/// this was the CPU at some moment, which is all that is needed then.
///
/// # Invariants
///
/// `flags` came from `pin` on this CPU, whose number is `cpu`, and guards are dropped in the reverse
/// of the order in which they were made; except with [`PcpExclusion::Swap`].
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
        let flags = match platform.pcp_exclusion() {
            PcpExclusion::Swap => PinFlags::default(),
            PcpExclusion::Busy | PcpExclusion::SingleCpu => platform.pin(),
        };
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
        if self.platform.pcp_exclusion() == PcpExclusion::Swap {
            return;
        }
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
