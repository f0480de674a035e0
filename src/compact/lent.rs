//! A target while the kernel has its token.

use super::control::Compactor;
use super::targets::Target;
use crate::Pages;
use crate::platform::Platform;
use crate::trace::Trace;
use crate::zone::find_token;
use core::fmt;
use core::mem::ManuallyDrop;

/// A token that is lent to the hook that moves a block. Should the hook panic, what it left here is
/// given back to its zone, as it is when the hook returns.
pub(super) struct Lent<'c, 'a, P: Platform, R, T: Trace> {
    at: &'c Compactor<'a, P, R, T>,
    pub(super) token: Pages,
}

impl<'c, 'a, P: Platform, R, T: Trace> Lent<'c, 'a, P, R, T> {
    pub(super) fn new(at: &'c Compactor<'a, P, R, T>, target: Target) -> Self {
        Self { at, token: at.memmap().token(target.index, target.order) }
    }

    /// The token that the hook left, which is the caller's now.
    pub(super) fn back(self) -> Pages {
        ManuallyDrop::new(self).token.duplicate()
    }
}

impl<P: Platform, R, T: Trace> Drop for Lent<'_, '_, P, R, T> {
    fn drop(&mut self) {
        if let Ok(index) = find_token(self.at.memmap(), &self.token) {
            self.at.put(&self.token, index, None);
        }
    }
}

impl<P: Platform, R, T: Trace> fmt::Debug for Lent<'_, '_, P, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lent").field(&self.token).finish()
    }
}
