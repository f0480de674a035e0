//! A lock that its CPU takes without a locked instruction.

use super::shim::{AtomicU32, Ordering, light_barrier};

/// Who may use what belongs to one CPU.
///
/// The protocol of [`try_own`](Self::try_own): the CPU writes `busy` and then looks at `request`;
/// a remote drainer writes `request`, makes the CPU pass a memory barrier, and then looks at `busy`.
/// Of the two, at least one sees the other: the CPU goes elsewhere, the drainer waits. What runs on
/// the CPU meanwhile (an interrupt) finds `busy` set and goes elsewhere too; one that comes before
/// `busy` is set is over before the CPU goes on.
///
/// The protocol of [`try_swap`](Self::try_swap): whoever changes `busy` from 0 to 1 has it.
///
/// One lock is used by one of the two protocols only.
#[derive(Debug)]
pub(crate) struct CpuLock {
    busy: AtomicU32,
    request: AtomicU32,
}

impl CpuLock {
    /// Nobody has it.
    pub(crate) fn new() -> Self {
        Self { busy: AtomicU32::new(0), request: AtomicU32::new(0) }
    }

    /// Takes it on its own CPU, from which the caller can't be moved and where nothing else goes on
    /// but interrupts. False: somebody has it, or asks for it.
    #[inline]
    pub(crate) fn try_own(&self) -> bool {
        if !self.try_own_alone() {
            return false;
        }
        if self.request.load(Ordering::Acquire) != 0 {
            self.release();
            return false;
        }
        true
    }

    /// As [`try_own`](Self::try_own), where there is no other CPU.
    #[inline]
    pub(crate) fn try_own_alone(&self) -> bool {
        if self.busy.load(Ordering::Relaxed) != 0 {
            return false;
        }
        self.busy.store(1, Ordering::Relaxed);
        light_barrier();
        true
    }

    /// Takes it, on any CPU. False: somebody has it.
    #[inline]
    pub(crate) fn try_swap(&self) -> bool {
        self.busy.swap(1, Ordering::Acquire) == 0
    }

    /// Gives it back, whichever of the above took it.
    #[inline]
    pub(crate) fn release(&self) {
        self.busy.store(0, Ordering::Release);
    }

    /// Takes it on another CPU than its own. `barrier` makes its own CPU pass a full memory barrier,
    /// `wait` is called while that CPU has it, until it says to give up. False: given up, or
    /// another drainer asks for it.
    pub(crate) fn try_remote(
        &self,
        barrier: impl FnOnce(),
        mut wait: impl FnMut() -> bool,
    ) -> bool {
        if self.request.swap(1, Ordering::Acquire) != 0 {
            return false;
        }
        barrier();
        while self.busy.load(Ordering::Acquire) != 0 {
            if !wait() {
                self.release_remote();
                return false;
            }
        }
        true
    }

    /// Gives back what [`try_remote`](Self::try_remote) took.
    pub(crate) fn release_remote(&self) {
        self.request.store(0, Ordering::Release);
    }
}
