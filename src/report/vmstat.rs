//! The lines of `/proc/vmstat` that count frames handed out and freed.

use crate::alloc::PageAllocator;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{MAX_NR_ZONES, ZoneLayout, ZoneType};
use core::fmt;

/// Frames handed out and freed since `init`, on all nodes. Made by [`PageAllocator::vm_events`].
///
/// Every frame counts, whichever way it takes. Linux 6.1 (as first released) counts a free to a
/// per-CPU list as one, whatever its order, and does not count a block that goes past the lists
/// because they are in use; and it counts the frames that boot frees, where this counts from there
/// on. So here what was handed out less what was freed is what callers hold.
///
/// ```
/// use page_alloc::report::VmEvents;
/// use page_alloc::{ZoneLayout, ZoneType};
/// let mut events = VmEvents { pgalloc: [0; 5], pgfree: 6, layout: ZoneLayout::NORMAL_ONLY };
/// events.pgalloc[ZoneType::Normal.index()] = 7;
/// assert_eq!(events.to_string(), "pgalloc_normal 7\npgalloc_movable 0\npgfree 6");
/// ```
#[doc(alias = "vm_event_state")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmEvents {
    /// Frames handed out, by zone type.
    #[doc(alias = "PGALLOC")]
    pub pgalloc: [u64; MAX_NR_ZONES],
    /// Frames freed.
    #[doc(alias = "PGFREE")]
    pub pgfree: u64,
    /// Which zones there are: the others are not printed.
    pub layout: ZoneLayout,
}

/// The end of a line's name for a zone.
const fn suffix(zone: ZoneType) -> &'static str {
    match zone {
        ZoneType::Dma => "dma",
        ZoneType::Dma32 => "dma32",
        ZoneType::Normal => "normal",
        ZoneType::HighMem => "high",
        ZoneType::Movable => "movable",
    }
}

impl fmt::Display for VmEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for zone in ZoneType::ALL.into_iter().filter(|zone| self.layout.has(*zone)) {
            writeln!(f, "pgalloc_{} {}", suffix(zone), self.pgalloc[zone.index()])?;
        }
        write!(f, "pgfree {}", self.pgfree)
    }
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Frames handed out and freed: summed now, over all zones and CPUs. `None` before `init`.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let block = sim.alloc_pages(Gfp::KERNEL, Order::O3)?;
    /// let _page = sim.alloc_page(Gfp::KERNEL | Gfp::DMA)?;
    /// sim.free_pages(block)?;
    /// assert_eq!(
    ///     sim.vm_events().unwrap().to_string(),
    ///     "pgalloc_dma 1\npgalloc_dma32 8\npgalloc_normal 0\npgalloc_movable 0\npgfree 8"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "all_vm_events")]
    pub fn vm_events(&self) -> Option<VmEvents> {
        let layout = self.machine()?.layout;
        let mut events = VmEvents { pgalloc: [0; MAX_NR_ZONES], pgfree: 0, layout };
        for zone in self.zones() {
            let pgalloc = &mut events.pgalloc[zone.zone_type().index()];
            *pgalloc = pgalloc.wrapping_add(zone.pgalloc());
            events.pgfree = events.pgfree.wrapping_add(zone.pgfree());
        }
        Some(events)
    }
}
