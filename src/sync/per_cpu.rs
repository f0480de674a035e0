//! Values that belong to one CPU each.

use super::cpu_lock::{CpuLock, Holding};
use super::guard::CpuGuard;
use crate::CpuId;
use crate::platform::{PcpExclusion, Platform};
use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// How often a drainer looks again before it gives up on a list that is in use.
const MAX_WAITS: u32 = 1 << 20;

/// A value that belongs to one CPU: that CPU uses it often and cheaply, others seldom.
///
/// # Invariants
///
/// The value is reached only by who has the lock, and the lock is taken by the protocol that the
/// platform names, the same at every call by the contract of [`Platform`].
pub(crate) struct PerCpu<T> {
    lock: CpuLock,
    value: UnsafeCell<T>,
}

// SAFETY: by the invariant of `PerCpu` the value is used by one at a time.
unsafe impl<T: Send> Sync for PerCpu<T> {}

impl<T> PerCpu<T> {
    pub(crate) fn new(owner: CpuId, value: T) -> Self {
        Self { lock: CpuLock::new(owner.get()), value: UnsafeCell::new(value) }
    }

    /// The value, for its own CPU, on which `here` holds the code. `None`: an interrupt came while
    /// it was in use, or another CPU uses it, or it is of another CPU.
    #[inline(always)]
    pub(crate) fn own<'a, P: Platform>(&'a self, here: &'a CpuGuard<'_, P>) -> Option<Own<'a, T>> {
        let holding = match here.platform().pcp_exclusion() {
            PcpExclusion::Swap => self.lock.try_swap(),
            PcpExclusion::Busy => self.lock.try_own(here.cpu().get()),
            PcpExclusion::SingleCpu => self.lock.try_own_alone(),
        }?;
        Some(Own { owner: self, holding })
    }

    /// As [`own`](Self::own), if the amount then is below the limit; with the amount.
    #[inline(always)]
    pub(crate) fn own_below<'a, P: Platform>(
        &'a self,
        here: &'a CpuGuard<'_, P>,
        amount: impl FnOnce() -> u32,
    ) -> Option<(Own<'a, T>, u32)> {
        if here.platform().pcp_exclusion() == PcpExclusion::Busy {
            let (holding, amount) = self.lock.try_own_below(here.cpu().get(), amount)?;
            return Some((Own { owner: self, holding }, amount));
        }
        let own = self.own(here)?;
        let amount = amount();
        self.lock.has_room(amount).then_some((own, amount))
    }

    /// A number that an amount is compared with ([`own_below`](Self::own_below)).
    #[inline]
    pub(crate) fn limit(&self) -> u32 {
        self.lock.limit()
    }

    /// Sets that number; anybody may.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.lock.set_limit(limit);
    }

    /// The value, for another CPU than its own. `None`: given up.
    ///
    /// Waits while its CPU uses it: that CPU must be able to go on, so not with interrupts off.
    pub(crate) fn remote<P: Platform>(&self, platform: &P) -> Option<Remote<'_, T>> {
        let mut waits = 0;
        let mut wait = || {
            waits += 1;
            platform.relax();
            waits < MAX_WAITS
        };
        let exclusion = platform.pcp_exclusion();
        let holding = match exclusion {
            PcpExclusion::Swap => loop {
                let holding = self.lock.try_swap();
                if holding.is_some() || !wait() {
                    break holding;
                }
            },
            PcpExclusion::Busy => {
                let barrier = || platform.barrier_on(self.owner());
                return self.lock.try_remote(barrier, wait).then(|| Remote::asked(self));
            }
            PcpExclusion::SingleCpu => self.lock.try_own_alone(),
        };
        Some(Remote { owner: self, holding: Some(holding?) })
    }

    /// The CPU that it belongs to.
    pub(crate) fn owner(&self) -> CpuId {
        CpuId::new(self.lock.owner())
    }
}

impl<T> fmt::Debug for PerCpu<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpu").field("owner", &self.owner()).finish_non_exhaustive()
    }
}

/// The value in use on its own CPU.
///
/// # Invariants
///
/// Whoever has one has the lock.
#[derive(Debug)]
pub(crate) struct Own<'a, T> {
    owner: &'a PerCpu<T>,
    holding: Holding,
}

impl<T> Deref for Own<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the invariants of `Own` and `PerCpu`.
        unsafe { &*self.owner.value.get() }
    }
}

impl<T> DerefMut for Own<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the invariants of `Own` and `PerCpu`.
        unsafe { &mut *self.owner.value.get() }
    }
}

impl<T> Drop for Own<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.owner.lock.release(self.holding);
    }
}

/// The value in use by a CPU that it does not belong to.
///
/// # Invariants
///
/// Whoever has one has the lock.
#[derive(Debug)]
pub(crate) struct Remote<'a, T> {
    owner: &'a PerCpu<T>,
    /// `None`: it was asked for.
    holding: Option<Holding>,
}

impl<'a, T> Remote<'a, T> {
    /// Of who asked for the value and has it.
    fn asked(owner: &'a PerCpu<T>) -> Self {
        Self { owner, holding: None }
    }
}

impl<T> Deref for Remote<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the invariants of `Remote` and `PerCpu`.
        unsafe { &*self.owner.value.get() }
    }
}

impl<T> DerefMut for Remote<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the invariants of `Remote` and `PerCpu`.
        unsafe { &mut *self.owner.value.get() }
    }
}

impl<T> Drop for Remote<'_, T> {
    fn drop(&mut self) {
        match self.holding {
            Some(holding) => self.owner.lock.release(holding),
            None => self.owner.lock.release_remote(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::PerCpu;
    use crate::platform::{IrqFlags, PcpExclusion, Platform};
    use crate::sync::CpuGuard;
    use crate::{CpuId, PhysAddr};

    /// One thread as two CPUs: it drains as another CPU than its own.
    struct Port(PcpExclusion);

    // SAFETY: one thread, no interrupts, no memory: by that the contract of `Platform` holds.
    unsafe impl Platform for Port {
        fn irq_save(&self) -> IrqFlags {
            IrqFlags(0)
        }

        unsafe fn irq_restore(&self, _: IrqFlags) {}

        fn phys_to_virt(&self, _: PhysAddr) -> *mut u8 {
            core::ptr::null_mut()
        }

        fn pcp_exclusion(&self) -> PcpExclusion {
            self.0
        }

        fn barrier_on(&self, _: CpuId) {}
    }

    /// Whoever comes while a drainer has the value goes away empty-handed, as often as it comes, and
    /// leaves the drainer what it has.
    #[test]
    fn a_drainer_keeps_the_value_until_it_is_done() {
        for port in [Port(PcpExclusion::Swap), Port(PcpExclusion::Busy)] {
            let value = PerCpu::new(CpuId::BOOT, 7);
            let here = CpuGuard::new(&port);
            let held = value.remote(&port).expect("nobody has it");
            for _ in 0..2 {
                assert!(value.remote(&port).is_none());
                assert!(value.own(&here).is_none());
            }
            assert_eq!(*held, 7);
            drop(held);
            assert!(value.own(&here).is_some());
            assert!(value.remote(&port).is_some());
        }
    }
}
