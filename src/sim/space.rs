//! Address space of the host.

use super::SimError;
#[cfg(unix)]
use memmap2::UncheckedAdvice::DontNeed;
use memmap2::{MmapOptions, MmapRaw};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Address space of the host, whose pages become real when they are written to. It is given back when this is
/// dropped, unless it is to be kept.
#[derive(Debug)]
pub(super) struct Space {
    /// There, until it is dropped.
    mapping: Option<MmapRaw>,
    kept: AtomicBool,
}

impl Space {
    /// Reserves so many bytes.
    pub(super) fn reserve(bytes: usize) -> Result<Self, SimError> {
        let mapping = MmapOptions::new().len(bytes.max(1)).no_reserve_swap().map_anon();
        let mapping = mapping.map_err(|error| SimError::Host(bytes, error))?;
        Ok(Self { mapping: Some(MmapRaw::from(mapping)), kept: AtomicBool::new(false) })
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.mapping.as_ref().map_or(ptr::null_mut(), MmapRaw::as_mut_ptr)
    }

    pub(super) fn len(&self) -> usize {
        self.mapping.as_ref().map_or(0, MmapRaw::len)
    }

    /// When this is dropped, the host gets its pages back, but nobody gets the addresses until the program ends.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        if *self.kept.get_mut()
            && let Some(mapping) = self.mapping.take()
        {
            // SAFETY: the contents are lost, and by the contract of `Platform` nobody but the machine that is
            // dropped here has looked at them.
            #[cfg(unix)]
            let _not_on_all_hosts = unsafe { mapping.unchecked_advise(DontNeed) };
            mem::forget(mapping);
        }
    }
}
