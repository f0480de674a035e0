//! What a simulated machine is made of.

use crate::boot::{BootInfo, MemoryKind, MemoryRegion, NodeRange, Numa, Options, Reservation};
use crate::{NodeId, PcpExclusion, PhysAddr, ZoneLayout};
use std::vec;
use std::vec::Vec;

/// What a simulated machine is made of: a memory map as firmware gives it, nodes, CPUs, and the
/// options of the allocator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SimConfig {
    /// The firmware's memory map.
    pub memory_map: Vec<MemoryRegion>,
    /// What is in use at boot.
    pub reservations: Vec<Reservation>,
    /// CMA areas.
    pub cma: Vec<Reservation>,
    /// Where memory may come later.
    pub hotplug: Vec<NodeRange>,
    /// Which memory belongs to which node; empty: one node.
    pub nodes: Vec<NodeRange>,
    /// How far the nodes are from each other, a row for each; may be empty.
    pub distances: Vec<Vec<u8>>,
    /// The node of each CPU. There is at least one.
    pub cpus: Vec<NodeId>,
    /// The zones.
    pub zones: ZoneLayout,
    /// The allocator's options.
    pub options: Options<'static>,
    /// Whether zeroed frames are really zeroed.
    pub contents: Contents,
    /// Where the allocator's tables lie.
    pub tables: Tables,
    /// What the place of the tables holds before boot; `None`: whatever the host gives.
    pub dirt: Option<u8>,
    /// How per-CPU lists are kept from other CPUs. [`PcpExclusion::Busy`] needs a host with
    /// `membarrier`; on others it is taken for [`PcpExclusion::Swap`].
    pub exclusion: PcpExclusion,
}

/// Where the tables of a simulated machine lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// In the machine's own memory, as a kernel has them.
    Carved,
    /// Outside of it: every frame that is free at boot is the allocator's. For comparisons with
    /// machines whose managed memory is known.
    Apart,
}

/// Whether frames have contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// [`Gfp::ZERO`](crate::Gfp::ZERO) writes to the frames, which then take memory of the host.
    Kept,
    /// It does not: only the allocator itself is looked at.
    Ignored,
}

impl SimConfig {
    /// A machine with this memory map: one node, one CPU, the zones of x86-64.
    #[must_use]
    pub const fn new(memory_map: Vec<MemoryRegion>) -> Self {
        Self {
            memory_map,
            reservations: Vec::new(),
            cma: Vec::new(),
            hotplug: Vec::new(),
            nodes: Vec::new(),
            distances: Vec::new(),
            cpus: Vec::new(),
            zones: ZoneLayout::X86_64,
            options: Options::DEFAULT,
            contents: Contents::Kept,
            tables: Tables::Carved,
            dirt: Some(0xa5),
            exclusion: PcpExclusion::Busy,
        }
    }

    /// A machine with so many bytes of memory from address 0 on, without a hole.
    #[must_use]
    pub fn flat(bytes: u64) -> Self {
        Self::new(vec![MemoryRegion::new(PhysAddr::new(0), bytes, MemoryKind::Usable)])
    }

    /// Lends what `boot` is told to `f`.
    pub fn with_boot_info<A>(&self, f: impl FnOnce(&BootInfo<'_>) -> A) -> A {
        let rows: Vec<&[u8]> = self.distances.iter().map(Vec::as_slice).collect();
        let one_cpu = [NodeId::ZERO];
        let cpus = if self.cpus.is_empty() { &one_cpu[..] } else { &self.cpus };
        let numa = match self.nodes.is_empty() {
            true => Numa::None,
            false => Numa::Ranges { ranges: &self.nodes, distances: &rows, cpus },
        };
        let info = BootInfo::new(&self.memory_map)
            .reservations(&self.reservations)
            .cma(&self.cma)
            .hotplug(&self.hotplug)
            .numa(numa)
            .nr_cpus(u32::try_from(cpus.len()).unwrap_or(u32::MAX))
            .zones(self.zones)
            .options(self.options);
        f(&info)
    }
}
