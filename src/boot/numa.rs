//! Which memory and which CPU belongs to which node, and how far the nodes are from each other.

use crate::boot::InitError;
use crate::boot::memory_map::Bytes;
use crate::boot::srat::{Affinity, Slit, Srat};
use crate::{CpuId, MAX_NUMNODES, NodeId, PhysAddr};
use core::fmt;

/// The distance of a node to itself. Distances are relative to it: 20 is twice as slow.
pub const LOCAL_DISTANCE: u8 = 10;

/// The distance between two nodes of which nothing is known.
pub const REMOTE_DISTANCE: u8 = 20;

/// Memory that belongs to a node, if it exists.
///
/// ```
/// use page_alloc::boot::NodeRange;
/// use page_alloc::{NodeId, PhysAddr};
/// let range = NodeRange::new(NodeId::ZERO, PhysAddr::new(0), 0xa_0000);
/// assert_eq!(range.to_string(), "node 0 0x0 + 0xa0000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeRange {
    /// The node.
    pub node: NodeId,
    /// The first byte.
    pub base: PhysAddr,
    /// The number of bytes.
    pub length: u64,
}

impl NodeRange {
    /// Of no length: a slot that is not filled yet.
    pub const EMPTY: Self = Self::new(NodeId::ZERO, PhysAddr::new(0), 0);

    /// `length` bytes of `node` at `base`.
    #[must_use]
    pub const fn new(node: NodeId, base: PhysAddr, length: u64) -> Self {
        Self { node, base, length }
    }

    /// The bytes; `None` if there are none, or if they would go past 2^64.
    pub(crate) const fn bytes(&self) -> Option<Bytes> {
        Bytes::new(self.base, self.length)
    }

    /// Whether this and `other` give the same byte to two nodes.
    fn disputes(&self, other: &Self) -> bool {
        let (Some(mine), Some(others)) = (self.bytes(), other.bytes()) else { return false };
        self.node != other.node && mine.overlaps(others)
    }
}

impl fmt::Display for NodeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} {} + {:#x}", self.node, self.base, self.length)
    }
}

/// What is known of NUMA nodes.
///
/// Nodes may have memory alone or CPUs alone. Usable memory that no range covers goes to the node
/// of the nearest range below, or if there is none, to that of the lowest range. Ranges of no
/// length, and those that would go past 2^64, count for nothing.
///
/// ```
/// use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, NodeRange, Numa, Survey};
/// use page_alloc::{CpuId, NodeId, PhysAddr};
/// let map = [MemoryRegion::new(PhysAddr::new(0), 0x20_0000, MemoryKind::Usable)];
/// let [zero, one] = [0, 1].map(|node| NodeId::new(node).unwrap());
/// let numa = Numa::Ranges {
///     ranges: &[
///         NodeRange::new(zero, PhysAddr::new(0), 0x10_0000),
///         NodeRange::new(one, PhysAddr::new(0x10_0000), 0x10_0000),
///     ],
///     distances: &[&[10, 21], &[21, 10]],
///     cpus: &[zero, one],
/// };
/// let info = BootInfo::new(&map).nr_cpus(2).numa(numa);
/// let survey = Survey::new(&info, 12)?;
/// assert_eq!(survey.cpu_node(CpuId::new(1))?, one);
/// assert_eq!(survey.distance(zero, one), 21);
/// # Ok::<(), page_alloc::boot::InitError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numa<'a> {
    /// One node, 0, with all memory and all CPUs.
    #[default]
    None,
    /// As the kernel says.
    Ranges {
        /// The memory of each node, in any order; a node may have several ranges.
        ranges: &'a [NodeRange],
        /// `distances[a][b]`: how far node `b` is from node `a`, at least 10, and 10 for a node
        /// itself. May be empty; nodes that it leaves out are 20 from any other.
        distances: &'a [&'a [u8]],
        /// The node of each CPU, by [`CpuId`].
        cpus: &'a [NodeId],
    },
    /// As the ACPI tables say. Nodes are numbered by proximity domain, in the order in which the
    /// SRAT first names them, CPUs before memory, as Linux does. Entries for memory that may be
    /// plugged in later need no memory behind them.
    Acpi {
        /// The SRAT, from its header on.
        srat: &'a [u8],
        /// The SLIT; without it, nodes are 20 from each other.
        slit: Option<&'a [u8]>,
        /// The local APIC id of each CPU, by [`CpuId`]. CPUs that the SRAT leaves out are put on the
        /// nodes with memory, in turn by CPU number, as Linux does.
        cpu_apic_ids: &'a [u32],
    },
}

impl<'a> Numa<'a> {
    /// The memory that the SRAT says can be plugged in, with the node that it will belong to: for
    /// [`BootInfo::hotplug`](crate::boot::BootInfo::hotplug). Some of it may be there from the beginning.
    /// A kernel without a heap takes as many as it has room for. Plain lists say nothing of it.
    ///
    /// ```
    /// use page_alloc::boot::Numa;
    /// assert_eq!(Numa::None.hot_pluggable()?.count(), 0);
    /// # Ok::<(), page_alloc::boot::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A SRAT that is damaged, or has more domains than there can be nodes.
    #[doc(alias = "ACPI_SRAT_MEM_HOT_PLUGGABLE")]
    pub fn hot_pluggable(&self) -> Result<impl Iterator<Item = NodeRange> + use<'a>, InitError> {
        let acpi = match *self {
            Numa::Acpi { srat, cpu_apic_ids, .. } => {
                let srat = Srat::parse(srat)?;
                let domains = Domains::number(&srat)?;
                Some(Acpi { srat, slit: None, cpu_apic_ids, domains })
            }
            Numa::None | Numa::Ranges { .. } => None,
        };
        Ok(acpi.into_iter().flat_map(Acpi::hot_pluggable))
    }
}

/// Refuses a distance that can't be one.
pub(crate) fn check_distance(from: usize, to: usize, distance: u8) -> Result<(), InitError> {
    if distance < LOCAL_DISTANCE || (from == to && distance != LOCAL_DISTANCE) {
        return Err(InitError::BadDistance { from, to, distance });
    }
    Ok(())
}

fn check_matrix(distances: &[&[u8]]) -> Result<(), InitError> {
    let rows = distances.len();
    if rows > MAX_NUMNODES {
        return Err(InitError::TooManyDistances { rows });
    }
    for (from, row) in distances.iter().enumerate() {
        if row.len() != rows {
            return Err(InitError::DistancesNotSquare { row: from, columns: row.len(), rows });
        }
        for (to, distance) in row.iter().enumerate() {
            check_distance(from, to, *distance)?;
        }
    }
    Ok(())
}

/// Which proximity domain each node is.
#[derive(Clone, Copy, Debug)]
struct Domains {
    domains: [u32; MAX_NUMNODES],
    nr_nodes: usize,
}

impl Domains {
    /// Numbers the domains of a SRAT: in its order, those of CPUs before those of memory.
    fn number(srat: &Srat<'_>) -> Result<Self, InitError> {
        let mut nodes = Self { domains: [0; MAX_NUMNODES], nr_nodes: 0 };
        for affinity in srat.affinities() {
            if let Affinity::Cpu { domain, .. } = affinity {
                nodes.add(domain)?;
            }
        }
        for affinity in srat.affinities() {
            if let Affinity::Memory { domain, .. } = affinity {
                nodes.add(domain)?;
            }
        }
        Ok(nodes)
    }

    fn add(&mut self, domain: u32) -> Result<(), InitError> {
        if self.node(domain).is_some() {
            return Ok(());
        }
        let place =
            self.domains.get_mut(self.nr_nodes).ok_or(InitError::TooManyNodes { domain })?;
        *place = domain;
        self.nr_nodes += 1;
        Ok(())
    }

    #[doc(alias = "pxm_to_node")]
    fn node(&self, domain: u32) -> Option<NodeId> {
        let index = self.domains[..self.nr_nodes].iter().position(|other| *other == domain)?;
        NodeId::new(u32::try_from(index).ok()?)
    }

    #[doc(alias = "node_to_pxm")]
    fn domain(&self, node: NodeId) -> Option<u32> {
        self.domains[..self.nr_nodes].get(node.index()).copied()
    }
}

/// ACPI tables that have been checked.
#[derive(Clone, Copy, Debug)]
struct Acpi<'a> {
    srat: Srat<'a>,
    slit: Option<Slit<'a>>,
    cpu_apic_ids: &'a [u32],
    domains: Domains,
}

impl<'a> Acpi<'a> {
    fn ranges(&self) -> impl Iterator<Item = NodeRange> {
        self.srat.affinities().filter_map(|affinity| match affinity {
            Affinity::Memory { domain, base, length, .. } => {
                Some(NodeRange::new(self.domains.node(domain)?, base, length))
            }
            Affinity::Cpu { .. } => None,
        })
    }

    fn hot_pluggable(self) -> impl Iterator<Item = NodeRange> + use<'a> {
        self.srat.affinities().filter_map(move |affinity| match affinity {
            Affinity::Memory { domain, base, length, hot_pluggable: true } => {
                Some(NodeRange::new(self.domains.node(domain)?, base, length))
            }
            Affinity::Memory { .. } | Affinity::Cpu { .. } => None,
        })
    }

    /// The node of a CPU: `None` if it has no APIC id, `Some(None)` if the SRAT leaves that out.
    fn cpu_node(&self, cpu: CpuId) -> Option<Option<NodeId>> {
        let wanted = *self.cpu_apic_ids.get(cpu.index())?;
        Some(self.srat.affinities().find_map(|affinity| match affinity {
            Affinity::Cpu { domain, apic_id } if apic_id == wanted => self.domains.node(domain),
            _ => None,
        }))
    }

    fn distance(&self, from: NodeId, to: NodeId) -> Option<u8> {
        self.slit?.distance(self.domains.domain(from)?, self.domains.domain(to)?)
    }
}

/// The node of a byte, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeOf {
    /// A range says so, or there is but one node.
    Said(NodeId),
    /// No range covers the byte.
    Guessed(NodeId),
}

impl NodeOf {
    pub(crate) const fn node(self) -> NodeId {
        match self {
            Self::Said(node) | Self::Guessed(node) => node,
        }
    }
}

/// What is known of nodes, checked: no two nodes claim the same byte, distances are legal, and
/// every CPU has a node or an APIC id.
#[derive(Clone, Debug)]
pub(crate) struct NumaMap<'a> {
    ranges: &'a [NodeRange],
    distances: &'a [&'a [u8]],
    cpus: &'a [NodeId],
    acpi: Option<Acpi<'a>>,
    nr_cpus: u32,
    /// [`Numa::None`]: all is node 0.
    flat: bool,
}

impl<'a> NumaMap<'a> {
    pub(crate) fn new(numa: &Numa<'a>, nr_cpus: u32) -> Result<Self, InitError> {
        let flat = matches!(numa, Numa::None);
        let mut map = Self { ranges: &[], distances: &[], cpus: &[], acpi: None, nr_cpus, flat };
        match *numa {
            Numa::None => return Ok(map),
            Numa::Ranges { ranges, distances, cpus } => {
                check_matrix(distances)?;
                (map.ranges, map.distances, map.cpus) = (ranges, distances, cpus);
            }
            Numa::Acpi { srat, slit, cpu_apic_ids } => {
                let srat = Srat::parse(srat)?;
                let slit = slit.map(Slit::parse).transpose()?;
                let domains = Domains::number(&srat)?;
                map.acpi = Some(Acpi { srat, slit, cpu_apic_ids, domains });
            }
        }
        map.check_ranges()?;
        map.cpus().try_for_each(|cpu| map.cpu_node(cpu).map(|_| ()))?;
        Ok(map)
    }

    fn check_ranges(&self) -> Result<(), InitError> {
        for (index, range) in self.ranges().enumerate() {
            if let Some(other) = self.ranges().take(index).find(|other| range.disputes(other)) {
                return Err(InitError::NumaOverlap(other, range));
            }
        }
        Ok(())
    }

    fn cpus(&self) -> impl Iterator<Item = CpuId> + use<> {
        (0..self.nr_cpus).map(CpuId::new)
    }

    /// The memory of all nodes, as it was given.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = NodeRange> {
        let acpi = self.acpi.iter().flat_map(Acpi::ranges);
        self.ranges.iter().copied().chain(acpi)
    }

    /// The node of a byte.
    pub(crate) fn node_of(&self, address: u64) -> NodeOf {
        if self.flat {
            return NodeOf::Said(NodeId::ZERO);
        }
        let (mut below, mut lowest) = (None, None);
        for range in self.ranges() {
            let Some(bytes) = range.bytes() else { continue };
            if bytes.contains(address) {
                return NodeOf::Said(range.node);
            }
            if bytes.last < address && below.is_none_or(|(last, _)| last < bytes.last) {
                below = Some((bytes.last, range.node));
            }
            if lowest.is_none_or(|(first, _)| bytes.first < first) {
                lowest = Some((bytes.first, range.node));
            }
        }
        NodeOf::Guessed(below.or(lowest).map_or(NodeId::ZERO, |(_, node)| node))
    }

    /// The node that a CPU is said to be on, `None` if the SRAT leaves it out.
    pub(crate) fn cpu_node(&self, cpu: CpuId) -> Result<Option<NodeId>, InitError> {
        let known = cpu.index() < usize::try_from(self.nr_cpus).unwrap_or(usize::MAX);
        let said = match &self.acpi {
            _ if self.flat => Some(Some(NodeId::ZERO)),
            Some(acpi) => acpi.cpu_node(cpu),
            None => self.cpus.get(cpu.index()).copied().map(Some),
        };
        said.filter(|_| known).ok_or(InitError::CpuWithoutNode(cpu))
    }

    /// The CPUs, each with the node that it is said to be on.
    pub(crate) fn cpu_nodes(&self) -> impl Iterator<Item = (CpuId, Option<NodeId>)> {
        // Of a flat machine, the boot CPU speaks for all.
        let cpus = self.cpus().take(if self.flat { 1 } else { usize::MAX });
        cpus.filter_map(|cpu| Some((cpu, self.cpu_node(cpu).ok()?)))
    }

    pub(crate) fn distance(&self, from: NodeId, to: NodeId) -> u8 {
        let known = match &self.acpi {
            Some(acpi) => acpi.distance(from, to),
            None => self.distances.get(from.index()).and_then(|row| row.get(to.index())).copied(),
        };
        let default = if from == to { LOCAL_DISTANCE } else { REMOTE_DISTANCE };
        known.unwrap_or(default)
    }
}
