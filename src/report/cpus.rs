//! The CPUs as text: what each has at hand, and what went through its lists.

use crate::alloc::PageAllocator;
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{CpuId, NodeId};
use core::fmt;

/// One CPU's lists, of all zones together.
///
/// ```
/// use page_alloc::report::CpuRow;
/// use page_alloc::{CpuId, NodeId};
///
/// let row = CpuRow { cpu: CpuId::BOOT, node: NodeId::ZERO, count: 62, pgalloc: 9, pgfree: 8 };
/// assert_eq!(row.to_string(), "CPU 0, node 0, count 62, pgalloc 9, pgfree 8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuRow {
    /// The CPU.
    pub cpu: CpuId,
    /// The node that it was put on.
    pub node: NodeId,
    /// Free frames on its lists.
    pub count: u64,
    /// Frames that were handed out from its lists since `init`. What it got straight from a zone, as
    /// most large blocks, counts for the zone alone ([`ZoneRef::pgalloc`](super::ZoneRef::pgalloc)).
    #[doc(alias = "PGALLOC")]
    pub pgalloc: u64,
    /// Frames that were freed to its lists since `init`.
    #[doc(alias = "PGFREE")]
    pub pgfree: u64,
}

impl fmt::Display for CpuRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, node, count, pgalloc, pgfree } = self;
        write!(f, "CPU {cpu}, node {node}, count {count}, pgalloc {pgalloc}, pgfree {pgfree}")
    }
}

/// The lists of all CPUs. Made by [`PageAllocator::cpus`]; printed, it is a line for each.
#[derive(Clone, Copy, Debug)]
pub struct CpuRows<'a> {
    machine: Option<&'a Machine>,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// What each CPU has at hand and what went through its lists, CPU by CPU; none before `init`. For
    /// one zone there is [`ZoneRef::pagesets`](super::ZoneRef::pagesets).
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(1 << 30))?;
    /// let page = sim.alloc_page(Gfp::KERNEL)?;
    /// let text = sim.cpus().to_string(); // a batch came, a frame of it went
    /// assert_eq!(text, "CPU 0, node 0, count 62, pgalloc 1, pgfree 0\n");
    /// sim.free_pages(page)?;
    /// assert_eq!(sim.cpus().rows().map(|row| row.pgfree).sum::<u64>(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cpus(&self) -> CpuRows<'_> {
        CpuRows { machine: self.machine() }
    }
}

impl<'a> CpuRows<'a> {
    /// The rows, by CPU. Its lists are looked at when its row is taken.
    pub fn rows(&self) -> impl Iterator<Item = CpuRow> + Clone + use<'a> {
        self.machine.into_iter().flat_map(|machine| {
            let cpus = (0..).zip(machine.cpus.as_slice());
            cpus.map(move |(cpu, at)| CpuRow::of(machine, CpuId::new(cpu), at.node))
        })
    }
}

impl CpuRow {
    /// Sums the lists of every zone.
    fn of(machine: &Machine, cpu: CpuId, node: NodeId) -> Self {
        let zones = machine.online_zones().map(|zone| zone.shared.id);
        let lists = zones.filter_map(|zone| machine.pcps.get(cpu, zone));
        let empty = Self { cpu, node, count: 0, pgalloc: 0, pgfree: 0 };
        lists.fold(empty, |sum, pcp| Self {
            count: sum.count + u64::from(pcp.count()),
            pgalloc: sum.pgalloc.wrapping_add(pcp.frames_allocated()),
            pgfree: sum.pgfree.wrapping_add(pcp.frames_freed()),
            ..sum
        })
    }
}

impl fmt::Display for CpuRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows().try_for_each(|row| writeln!(f, "{row}"))
    }
}
