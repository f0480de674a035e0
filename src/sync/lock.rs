//! Locks that interrupt handlers may take too: held only with interrupts off.

use super::guard::IrqGuard;
use crate::platform::Platform;
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// The lock while it is held.
pub(crate) type IrqLockGuard<'a, T> = SpinMutexGuard<'a, T>;

/// A spin lock that asks for an [`IrqGuard`] as proof that no handler can run into it.
#[derive(Debug)]
pub(crate) struct IrqLock<T>(SpinMutex<T>);

impl<T> IrqLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(SpinMutex::new(value))
    }

    /// Takes the lock; it is given back before interrupts come on again.
    #[inline(always)]
    pub(crate) fn lock<'a, P: Platform>(
        &'a self,
        _irq: &'a IrqGuard<'_, P>,
    ) -> IrqLockGuard<'a, T> {
        self.0.lock()
    }

    /// The value, of which nobody else knows yet.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}
