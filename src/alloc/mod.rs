//! Allocation and freeing: from a caller's request to frames, and back.

mod bulk;
mod bulk_free;
mod compact;
mod drain;
mod entry;
mod fast;
pub mod flags;
mod free;
mod guard;
mod hotplug;
mod isolate;
mod kswapd;
mod mapped;
mod moved;
mod pcp;
mod quick;
#[expect(unsafe_code, reason = "clears frames, and trusts callers that know frames by number")]
mod raw;
mod refcount;
mod request;
mod reserved;
mod routed;
mod slow;
mod split;
mod tune;

pub use drain::Drained;
pub use free::Refused;
pub use guard::PagesGuard;
pub use hotplug::{HotplugError, OnlineTo, Onlined};
pub use mapped::MappedPages;
pub use reserved::ReleaseError;
pub use tune::TuneError;

use crate::boot::{BootReport, InitError};
use crate::memmap::FixedOr;
use crate::node::{AtHand, Machine, NOTHING_AT_HAND};
use crate::platform::Platform;
use crate::reclaim::{NoReclaim, Reclaim};
use crate::trace::{NoTrace, Trace};
use crate::{AllocError, FreeError, Gfp};
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use spin::Once;

/// The page-frame allocator of one machine.
///
/// Made for a `static`: [`new`](Self::new) is `const`, [`init`](Self::init) gives it the machine's
/// memory. Several can stand side by side; the crate has no global state.
///
/// All methods take `&self` and may be called on any CPU at once, in interrupt handlers that can be masked
/// too, unless they say otherwise.
///
/// Before `init`, those that can fail do so with an `Uninitialized`, if nothing else is wrong with the call;
/// isolation of pageblocks with [`IsolateError::NoSuchFrame`](crate::IsolateError::NoSuchFrame). The others
/// report nothing: no zones, no free frames, `None`, nothing drained; and `verify` finds nothing wrong.
///
/// `P` is the machine below, `R` the kernel above, `T` the trace points.
pub struct PageAllocator<P, R = NoReclaim, T = NoTrace> {
    platform: P,
    reclaim: R,
    trace: T,
    machine: Once<Machine>,
    /// The machine's tables for the quick ways; empty ones, as long as there is no machine.
    at_hand: FixedOr<AtHand>,
    /// The flags that requests may have now.
    gfp_allowed: AtomicU32,
}

impl<P: Platform> PageAllocator<P> {
    /// An allocator without memory, for a kernel without reclaim and tracing.
    pub const fn new(platform: P) -> Self {
        Self::with_hooks(platform, NoReclaim, NoTrace)
    }
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// An allocator without memory.
    pub const fn with_hooks(platform: P, reclaim: R, trace: T) -> Self {
        let gfp_allowed = AtomicU32::new(Gfp::all().bits());
        let at_hand = FixedOr::new(&NOTHING_AT_HAND);
        Self { platform, reclaim, trace, machine: Once::new(), at_hand, gfp_allowed }
    }

    /// The kernel's hooks.
    pub const fn reclaim(&self) -> &R {
        &self.reclaim
    }

    /// The machine's port.
    pub const fn platform(&self) -> &P {
        &self.platform
    }

    /// The trace points.
    pub const fn trace(&self) -> &T {
        &self.trace
    }

    /// Limits the flags of all requests from now on: the others are taken away. A kernel that boots
    /// leaves out [`Gfp::RECLAIM`], [`Gfp::IO`] and [`Gfp::FS`] until it can do these. At first
    /// all are allowed.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// sim.set_gfp_allowed(!Gfp::RECLAIM); // still booting: nobody may sleep
    /// assert!(sim.alloc_page(Gfp::KERNEL).is_ok());
    /// sim.set_gfp_allowed(Gfp::all());
    /// assert_eq!(sim.gfp_allowed(), Gfp::all());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "gfp_allowed_mask")]
    pub fn set_gfp_allowed(&self, allowed: Gfp) {
        self.gfp_allowed.store(allowed.bits(), Ordering::Relaxed);
    }

    /// The flags that requests may have now.
    #[inline]
    pub fn gfp_allowed(&self) -> Gfp {
        Gfp::from_bits_retain(self.gfp_allowed.load(Ordering::Relaxed))
    }

    /// Whether [`init`](Self::init) has succeeded.
    pub fn is_initialized(&self) -> bool {
        self.machine.is_completed()
    }

    #[inline]
    pub(crate) fn machine(&self) -> Option<&Machine> {
        self.machine.get()
    }

    /// The tables that the quick ways use: of no frames and CPUs, before there is a machine.
    #[inline(always)]
    fn at_hand(&self) -> &AtHand {
        self.at_hand.get()
    }

    #[inline]
    fn machine_to_alloc(&self) -> Result<&Machine, AllocError> {
        self.machine().ok_or(AllocError::Uninitialized)
    }

    #[inline]
    fn machine_to_free(&self) -> Result<&Machine, FreeError> {
        self.machine().ok_or(FreeError::Uninitialized)
    }

    /// Sets the machine up once; a second time is an error.
    fn set_machine(
        &self,
        build: impl FnOnce() -> Result<(Machine, BootReport), InitError>,
    ) -> Result<BootReport, InitError> {
        let mut report = Err(InitError::AlreadyInitialized);
        let once = self.machine.try_call_once(|| {
            let (machine, done) = build()?;
            report = Ok(done);
            Ok(machine)
        });
        self.at_hand.set(once?.at_hand);
        report
    }
}

impl<P: fmt::Debug, R: fmt::Debug, T: fmt::Debug> fmt::Debug for PageAllocator<P, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageAllocator")
            .field("platform", &self.platform)
            .field("reclaim", &self.reclaim)
            .field("trace", &self.trace)
            .field("machine", &self.machine.get())
            .finish_non_exhaustive()
    }
}
