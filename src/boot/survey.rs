//! The survey of a machine's memory: what firmware says, checked, and cut into nodes and zones.

use crate::boot::movable::{MovableStarts, movable_starts};
use crate::boot::sweep::Firmware;
use crate::boot::{BootInfo, Dropped, InitError, NodeRange, Options, Run, RunState, Sweep};
use crate::{CpuId, MAX_NUMNODES, NodeId, NodeMask, Pfn, PfnRange, ZoneLayout, ZoneType};

/// What a zone of a node has.
///
/// An empty zone has the default value. The span of any other includes holes, and perhaps frames of
/// other nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZoneExtent {
    /// From the zone's first frame to its last, as Linux counts: what the zone's limits and the
    /// node's first and last frame have in common.
    #[doc(alias = "spanned_pages")]
    pub span: PfnRange,
    /// The number of frames of the node in it that are memory.
    #[doc(alias = "present_pages")]
    pub present: u64,
    /// The number of those that are free at boot.
    pub free: u64,
}

/// What is where in a machine's memory.
///
/// A value proves that the boot information was legal: options within their bounds, tables whole,
/// no byte claimed by two nodes, a node for every CPU, and at least one free frame. Answers are
/// computed when asked for, by sweeping over the map; a survey is a few KiB large whatever the
/// machine.
///
/// ```
/// use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Survey};
/// use page_alloc::{NodeId, PhysAddr, ZoneType};
/// let map = [
///     MemoryRegion::new(PhysAddr::new(0), 0x9_fc00, MemoryKind::Usable),
///     MemoryRegion::new(PhysAddr::new(0x10_0000), 0xfee_0000, MemoryKind::Usable),
/// ];
/// let survey = Survey::new(&BootInfo::new(&map), 12)?;
/// let dma = survey.zone(NodeId::ZERO, ZoneType::Dma);
/// assert_eq!((dma.span.len(), dma.present), (4095, 3998));
/// assert_eq!(survey.zone(NodeId::ZERO, ZoneType::Dma32).present, 61408);
/// assert!(survey.zone(NodeId::ZERO, ZoneType::Normal).span.is_empty());
/// # Ok::<(), page_alloc::boot::InitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Survey<'a> {
    pub(super) firmware: Firmware<'a>,
    nr_cpus: u32,
    zones: ZoneLayout,
    options: Options<'a>,
    /// From the first to the last frame of each node.
    nodes: [PfnRange; MAX_NUMNODES],
    /// From the first to the last frame of the machine.
    span: PfnRange,
    movable: MovableStarts,
    /// Where memory may come later.
    pub(super) hotplug: &'a [NodeRange],
}

impl<'a> Survey<'a> {
    /// Checks what firmware says of a machine whose pages have `1 << page_shift` bytes.
    ///
    /// # Errors
    ///
    /// Any [`InitError`] but those about the allocator's own tables and about a second
    /// initialisation.
    #[inline(never)]
    pub fn new(info: &BootInfo<'a>, page_shift: u32) -> Result<Self, InitError> {
        let mut survey = Self::unmeasured(info, page_shift);
        if let Err(error) = survey.as_mut().map_or(Ok(()), |survey| survey.measure(info)) {
            survey = Err(error);
        }
        survey
    }

    /// The first half of [`new`](Self::new), for callers that keep it where it is.
    #[inline(never)]
    pub(super) fn unmeasured(info: &BootInfo<'a>, page_shift: u32) -> Result<Self, InitError> {
        info.options.check()?;
        if info.nr_cpus == 0 {
            return Err(InitError::IllegalOption { name: "nr_cpus", value: 0 });
        }
        Ok(Self {
            firmware: Firmware::new(info, page_shift)?,
            nr_cpus: info.nr_cpus,
            zones: info.zones,
            options: info.options,
            nodes: [PfnRange::default(); MAX_NUMNODES],
            span: PfnRange::default(),
            movable: [None; MAX_NUMNODES],
            hotplug: &[],
        })
    }

    /// The second half of [`new`](Self::new).
    #[inline(never)]
    pub(super) fn measure(&mut self, info: &BootInfo<'a>) -> Result<(), InitError> {
        if !self.runs().any(|run| run.state == RunState::Free) {
            return Err(InitError::NoUsableMemory { nr_regions: info.memory_map.len() });
        }
        self.measure_nodes();
        self.movable = movable_starts(self, info.options.movable);
        self.set_cma(info.cma)?;
        self.set_hotplug(info.hotplug)
    }

    /// Finds the first and last frames.
    #[inline(never)]
    fn measure_nodes(&mut self) {
        for run in self.firmware.sweep(self.firmware.frames) {
            for span in [&mut self.nodes[run.node.index()], &mut self.span] {
                if span.is_empty() {
                    span.start = run.range.start;
                }
                span.end = run.range.end;
            }
        }
    }

    /// Log2 of the page size.
    #[must_use]
    pub const fn page_shift(&self) -> u32 {
        self.firmware.page_shift
    }

    /// The number of CPUs that can ever run.
    #[must_use]
    pub const fn nr_cpus(&self) -> u32 {
        self.nr_cpus
    }

    /// The options, which are legal.
    #[must_use]
    pub const fn options(&self) -> &Options<'a> {
        &self.options
    }

    /// The zones of the machine.
    #[must_use]
    pub const fn zones(&self) -> &ZoneLayout {
        &self.zones
    }

    /// The frames from the machine's first to its last, holes included.
    #[must_use]
    pub const fn frames(&self) -> PfnRange {
        self.span
    }

    /// The present memory, in runs, ascending.
    #[must_use]
    pub fn runs(&self) -> Sweep<'_> {
        self.runs_in(self.firmware.frames)
    }

    /// The present memory of `range`, in runs, ascending; the first and the last are cut at its
    /// ends.
    #[must_use]
    pub fn runs_in(&self, range: PfnRange) -> Sweep<'_> {
        self.firmware.sweep(range)
    }

    /// The present memory of a zone of a node, in runs, ascending.
    pub fn zone_runs(&self, node: NodeId, zone: ZoneType) -> impl Iterator<Item = Run> + Clone {
        self.runs_in(self.zone_limits_in(node, zone)).filter(move |run| run.node == node)
    }

    /// From now on, these frames are reserved: the allocator's own tables lie there.
    ///
    /// They replace those of an earlier call; spans and present memory stay as they are.
    ///
    /// ```
    /// use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, RunState, Survey};
    /// use page_alloc::PhysAddr;
    /// let map = [MemoryRegion::new(PhysAddr::new(0x1000), 0x9000, MemoryKind::Usable)];
    /// let mut survey = Survey::new(&BootInfo::new(&map), 12)?;
    /// let tables = survey.place_metadata(2)?;
    /// survey.reserve_metadata(tables);
    /// let last = survey.runs().last().unwrap();
    /// assert_eq!((last.range, last.state), (tables, RunState::Reserved));
    /// # Ok::<(), page_alloc::boot::InitError>(())
    /// ```
    pub fn reserve_metadata(&mut self, frames: PfnRange) {
        self.firmware.reserve_tables(frames);
    }

    /// What had to be ignored of what firmware said.
    #[must_use]
    #[inline(never)]
    pub fn dropped(&self) -> Dropped {
        Dropped::of(&self.firmware)
    }

    /// The nodes that have memory.
    #[must_use]
    pub fn nodes_with_memory(&self) -> NodeMask {
        NodeMask::ALL.iter().filter(|node| !self.node_span(*node).is_empty()).collect()
    }

    /// The nodes that have CPUs.
    #[must_use]
    pub fn nodes_with_cpus(&self) -> NodeMask {
        let cpus = self.firmware.numa.cpu_nodes();
        cpus.map(|(cpu, said)| said.unwrap_or_else(|| self.node_in_turn(cpu))).collect()
    }

    /// The nodes that have CPUs or memory. Others may be named, by a NUMA range without memory or a
    /// row of distances; they are not there.
    #[doc(alias = "node_online_map")]
    #[must_use]
    pub fn online_nodes(&self) -> NodeMask {
        NodeMask::from_bits(self.nodes_with_cpus().bits() | self.nodes_with_memory().bits())
    }

    /// The frames from the node's first to its last, holes and frames of other nodes included;
    /// empty if the node has no memory.
    #[must_use]
    pub const fn node_span(&self, node: NodeId) -> PfnRange {
        self.nodes[node.index()]
    }

    /// One past the last frame of the node with this index.
    pub(crate) const fn node_end(&self, index: usize) -> Pfn {
        self.nodes[index].end
    }

    /// The number of frames of the node that are memory.
    #[must_use]
    pub fn present_in(&self, node: NodeId) -> u64 {
        let runs = self.runs_in(self.node_span(node)).filter(|run| run.node == node);
        runs.map(|run| run.range.len()).sum()
    }

    /// The node of a CPU. One that the SRAT leaves out gets a node with memory, in turn by its
    /// number.
    ///
    /// # Errors
    ///
    /// [`InitError::CpuWithoutNode`] if there is no such CPU.
    #[doc(alias = "numa_init_array")]
    pub fn cpu_node(&self, cpu: CpuId) -> Result<NodeId, InitError> {
        let said = self.firmware.numa.cpu_node(cpu)?;
        Ok(said.unwrap_or_else(|| self.node_in_turn(cpu)))
    }

    fn node_in_turn(&self, cpu: CpuId) -> NodeId {
        let nodes = self.nodes_with_memory();
        let turn = cpu.index() % nodes.iter().count().max(1);
        nodes.iter().nth(turn).unwrap_or_default()
    }

    /// How far node `to` is from node `from`: 10 for the node itself, 20 if nothing is known.
    #[doc(alias = "node_distance")]
    #[must_use]
    pub fn distance(&self, from: NodeId, to: NodeId) -> u8 {
        self.firmware.numa.distance(from, to)
    }

    /// The frames that zones of this type can have in this machine, the MOVABLE zone left aside;
    /// empty for a type that it has not.
    #[doc(alias = "arch_zone_lowest_possible_pfn")]
    #[doc(alias = "arch_zone_highest_possible_pfn")]
    #[must_use]
    pub fn zone_limits(&self, zone: ZoneType) -> PfnRange {
        let mut start = self.span.start;
        for lower in ZoneType::ALL[..ZoneType::Movable.index()].iter().copied() {
            if !self.zones.has(lower) {
                continue;
            }
            let end = self.zone_end(lower).unwrap_or(self.span.end).min(self.span.end).max(start);
            if lower == zone {
                return PfnRange::new(start, end);
            }
            start = end;
        }
        PfnRange::new(start, start)
    }

    /// One past the last frame of the zones of a type that has a limit; a frame is in the zone of
    /// its first byte.
    pub(crate) fn zone_end(&self, zone: ZoneType) -> Option<Pfn> {
        let end = self.zones.end(zone)?.get();
        Some(Pfn::new(end.div_ceil(1 << self.page_shift())))
    }

    /// The zone type that the MOVABLE zone is cut out of: the highest that has memory.
    #[must_use]
    pub fn movable_zone(&self) -> ZoneType {
        let lower = &ZoneType::ALL[..ZoneType::Movable.index()];
        let highest = lower.iter().rev().find(|zone| !self.zone_limits(**zone).is_empty());
        highest.copied().unwrap_or(ZoneType::Normal)
    }

    /// The frames that the MOVABLE zone can have.
    pub(crate) fn movable_limits(&self) -> PfnRange {
        self.zone_limits(self.movable_zone())
    }

    /// Where the MOVABLE zone begins on the node, if it has one.
    #[doc(alias = "zone_movable_pfn")]
    #[must_use]
    pub const fn movable_start(&self, node: NodeId) -> Option<Pfn> {
        self.movable[node.index()]
    }

    /// The zone type of a frame of the node.
    #[must_use]
    pub fn zone_of(&self, node: NodeId, pfn: Pfn) -> ZoneType {
        match self.movable_start(node) {
            Some(start) if start <= pfn => ZoneType::Movable,
            _ => self.zones.zone_of(pfn.start_address(self.page_shift())),
        }
    }

    /// What the limits of a zone and the span of a node have in common.
    fn zone_limits_in(&self, node: NodeId, zone: ZoneType) -> PfnRange {
        let highest = self.movable_zone();
        let (mut limits, movable) = match zone {
            ZoneType::Movable => (self.zone_limits(highest), self.movable_start(node)),
            _ => (self.zone_limits(zone), self.movable_start(node).filter(|_| zone == highest)),
        };
        match (zone, movable) {
            (ZoneType::Movable, Some(start)) => limits.start = start,
            (ZoneType::Movable, None) => limits.end = limits.start,
            (_, Some(start)) => limits.end = start,
            (_, None) => {}
        }
        limits.intersection(self.node_span(node))
    }

    /// What a zone of a node has.
    #[must_use]
    pub fn zone(&self, node: NodeId, zone: ZoneType) -> ZoneExtent {
        let mut extent = ZoneExtent { span: self.zone_limits_in(node, zone), ..Default::default() };
        for run in self.zone_runs(node, zone) {
            extent.present += run.range.len();
            extent.free += if run.state == RunState::Free { run.range.len() } else { 0 };
        }
        if extent.present == 0 { ZoneExtent::default() } else { extent }
    }
}
