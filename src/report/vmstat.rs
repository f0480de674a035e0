//! The lines of `/proc/vmstat` that count frames handed out and freed, and what compaction did.

use super::CompactEvents;
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
/// Compaction takes free frames, which counts as handing them out, and frees those that are left of
/// a move, and what it took in vain. Linux counts only these frees.
///
/// ```
/// use page_alloc::report::{CompactEvents, VmEvents};
/// use page_alloc::{ZoneLayout, ZoneType};
/// let (layout, compact) = (ZoneLayout::NORMAL_ONLY, CompactEvents::default());
/// let mut events = VmEvents { pgalloc: [0; 5], pgfree: 6, compact, layout };
/// events.pgalloc[ZoneType::Normal.index()] = 7;
/// assert!(events.to_string().starts_with("pgalloc_normal 7\npgalloc_movable 0\npgfree 6\n"));
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
    /// What compaction did.
    pub compact: CompactEvents,
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
        write!(f, "pgfree {}\n{}", self.pgfree, self.compact)
    }
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Frames handed out and freed, and what compaction did: summed now, over all zones and CPUs.
    /// `None` before `init`.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let block = sim.alloc_pages(Gfp::KERNEL, Order::O3)?;
    /// let _page = sim.alloc_page(Gfp::KERNEL | Gfp::DMA)?;
    /// sim.free_pages(block)?;
    /// let lines = sim.vm_events().unwrap().to_string();
    /// let lines: Vec<_> = lines.lines().take(5).collect();
    /// assert_eq!(
    ///     lines,
    ///     ["pgalloc_dma 1", "pgalloc_dma32 8", "pgalloc_normal 0", "pgalloc_movable 0", "pgfree 8"]
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "all_vm_events")]
    pub fn vm_events(&self) -> Option<VmEvents> {
        let machine = self.machine()?;
        let (layout, compact) = (machine.layout, CompactEvents::of(machine));
        let mut events = VmEvents { pgalloc: [0; MAX_NR_ZONES], pgfree: 0, compact, layout };
        for zone in self.zones() {
            let pgalloc = &mut events.pgalloc[zone.zone_type().index()];
            *pgalloc = pgalloc.wrapping_add(zone.pgalloc());
            events.pgfree = events.pgfree.wrapping_add(zone.pgfree());
        }
        Some(events)
    }
}
