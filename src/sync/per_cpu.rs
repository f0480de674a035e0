//! Values that belong to one CPU each.

use super::cpu_lock::{CpuLock, Gate, Holding};
use super::guard::CpuGuard;
use crate::CpuId;
use crate::platform::{PcpExclusion, Platform};
use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// How often a drainer looks again before it gives up on a list that is in use.
const MAX_WAITS: u32 = 1 << 20;

/// A value that belongs to one CPU: that CPU uses it often and cheaply, others seldom. With a gate, at
/// which that CPU may look in place of the lock's limit.
///
/// # Invariants
///
/// The value is reached only by who has the lock, and the lock is taken by the protocol that the
/// platform names, the same at every call by the contract of [`Platform`].
pub(crate) struct PerCpu<T, G> {
    gate: G,
    lock: CpuLock,
    value: UnsafeCell<T>,
}

// SAFETY: by the invariant of `PerCpu` the value is used by one at a time.
unsafe impl<T: Send, G: Sync> Sync for PerCpu<T, G> {}

impl<T, G: Gate> PerCpu<T, G> {
    pub(crate) fn new(owner: CpuId, gate: G, value: T) -> Self {
        Self { gate, lock: CpuLock::new(owner.get()), value: UnsafeCell::new(value) }
    }

    /// The value, for its own CPU, on which `here` holds the code. `None`: an interrupt came while
    /// it was in use, or another CPU uses it, or it is of another CPU.
    #[inline(always)]
    pub(crate) fn own<'a, P: Platform>(
        &'a self,
        here: &'a CpuGuard<'_, P>,
    ) -> Option<Own<'a, T, G>> {
        let holding = match here.platform().pcp_exclusion() {
            PcpExclusion::Swap => self.lock.try_swap(),
            PcpExclusion::Busy => self.lock.try_own(here.cpu().get()),
            PcpExclusion::SingleCpu => self.lock.try_own_alone(),
        }?;
        Some(Own { owner: self, holding })
    }

    /// As [`own`](Self::own), for who passes the gate then.
    #[inline(always)]
    pub(crate) fn own_past<'a, P: Platform>(
        &'a self,
        here: &'a CpuGuard<'_, P>,
        asked: G::Asked,
    ) -> Option<Own<'a, T, G>> {
        if here.platform().pcp_exclusion() != PcpExclusion::Busy {
            return if self.gate.passes(asked) { self.own(here) } else { None };
        }
        let holding = self.lock.take_own(here.cpu().get())?;
        if self.gate.passes(asked) {
            // INVARIANT: nobody passes a shut gate, so a drainer that asks sees that the lock is taken.
            return Some(Own { owner: self, holding });
        }
        core::hint::cold_path();
        self.lock.release(holding);
        None
    }

    /// As [`own`](Self::own), if the amount then is below the limit; with the amount.
    #[inline(always)]
    pub(crate) fn own_below<'a, P: Platform>(
        &'a self,
        here: &'a CpuGuard<'_, P>,
        amount: impl FnOnce() -> u32,
    ) -> Option<(Own<'a, T, G>, u32)> {
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
    pub(crate) fn remote<P: Platform>(&self, platform: &P) -> Option<Remote<'_, T, G>> {
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
                let asked = self.lock.try_remote(&self.gate, barrier, wait);
                return asked.then(|| Remote::asked(self));
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

impl<T, G: Gate> fmt::Debug for PerCpu<T, G> {
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
pub(crate) struct Own<'a, T, G: Gate> {
    owner: &'a PerCpu<T, G>,
    holding: Holding,
}

impl<T, G: Gate> Deref for Own<'_, T, G> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the invariants of `Own` and `PerCpu`.
        unsafe { &*self.owner.value.get() }
    }
}

impl<T, G: Gate> DerefMut for Own<'_, T, G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the invariants of `Own` and `PerCpu`.
        unsafe { &mut *self.owner.value.get() }
    }
}

impl<T, G: Gate> Drop for Own<'_, T, G> {
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
pub(crate) struct Remote<'a, T, G: Gate> {
    owner: &'a PerCpu<T, G>,
    /// `None`: it was asked for.
    holding: Option<Holding>,
}

impl<'a, T, G: Gate> Remote<'a, T, G> {
    /// Of who asked for the value and has it.
    fn asked(owner: &'a PerCpu<T, G>) -> Self {
        Self { owner, holding: None }
    }
}

impl<T, G: Gate> Deref for Remote<'_, T, G> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the invariants of `Remote` and `PerCpu`.
        unsafe { &*self.owner.value.get() }
    }
}

impl<T, G: Gate> DerefMut for Remote<'_, T, G> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the invariants of `Remote` and `PerCpu`.
        unsafe { &mut *self.owner.value.get() }
    }
}

impl<T, G: Gate> Drop for Remote<'_, T, G> {
    fn drop(&mut self) {
        match self.holding {
            Some(holding) => self.owner.lock.release(holding),
            None => self.owner.lock.release_remote(&self.owner.gate),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::PerCpu;
    use crate::platform::{IrqFlags, PcpExclusion, Platform};
    use crate::sync::CpuGuard;
    use crate::sync::Gate;
    use crate::{CpuId, PhysAddr};
    use core::cell::Cell;

    #[derive(Default)]
    struct Door(Cell<bool>);

    impl Gate for Door {
        type Asked = bool;

        fn passes(&self, asked: bool) -> bool {
            asked && !self.0.get()
        }

        fn shut(&self) {
            self.0.set(true);
        }

        fn open(&self) {
            self.0.set(false);
        }
    }

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
            let value = PerCpu::new(CpuId::BOOT, Door::default(), 7);
            let here = CpuGuard::new(&port);
            let held = value.remote(&port).expect("nobody has it");
            for _ in 0..2 {
                assert!(value.remote(&port).is_none());
                assert!(value.own(&here).is_none());
                assert!(value.own_past(&here, true).is_none());
            }
            assert_eq!(*held, 7);
            drop(held);
            assert!(value.own(&here).is_some());
            assert!(value.own_past(&here, false).is_none());
            assert!(value.own_past(&here, true).is_some());
            assert!(value.remote(&port).is_some());
        }
    }
}
