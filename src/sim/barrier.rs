//! A memory barrier on all CPUs of the host: Linux's `membarrier`.

#[cfg(target_os = "linux")]
mod host {
    fn membarrier(command: libc::c_int) -> bool {
        let (flags, cpu): (libc::c_uint, libc::c_int) = (0, 0);
        // SAFETY: the call reads and writes no memory of this program.
        unsafe { libc::syscall(libc::SYS_membarrier, command, flags, cpu) == 0 }
    }

    /// Says that this program will ask for barriers; false if the host has none.
    pub(in crate::sim) fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    /// Makes every running thread of this program pass a full memory barrier; those that don't run
    /// pass one before they run again.
    ///
    /// # Panics
    ///
    /// If the host refuses, which it does not after [`register`].
    pub(in crate::sim) fn barrier() {
        assert!(membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED), "membarrier failed");
    }
}

#[cfg(not(target_os = "linux"))]
mod host {
    /// There is no such call.
    pub(in crate::sim) fn register() -> bool {
        false
    }

    /// Never called.
    ///
    /// # Panics
    ///
    /// Always.
    pub(in crate::sim) fn barrier() {
        panic!("the host has no barrier for other threads");
    }
}

pub(super) use host::{barrier, register};
