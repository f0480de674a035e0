//! Locks that interrupt handlers may take too: held only with interrupts off.

use crate::platform::{IrqFlags, Platform};
use core::fmt;
use core::marker::PhantomData;
use spin::mutex::{SpinMutex, SpinMutexGuard};

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

/// A spin lock that asks for an [`IrqGuard`] as proof that no handler can run into it.
#[derive(Debug)]
pub(crate) struct IrqLock<T>(SpinMutex<T>);

impl<T> IrqLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(SpinMutex::new(value))
    }

    /// Takes the lock; it is given back before interrupts come on again.
    #[inline]
    pub(crate) fn lock<'a, P: Platform>(
        &'a self,
        _irq: &'a IrqGuard<'_, P>,
    ) -> SpinMutexGuard<'a, T> {
        self.0.lock()
    }

    /// The value, of which nobody else knows yet.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}
