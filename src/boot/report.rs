//! What had to be ignored of what firmware said.

use crate::PhysAddr;
use crate::boot::memory_map::ADDRESS_LIMIT;
use crate::boot::numa::NodeOf;
use crate::boot::sweep::{Firmware, Piece};
use crate::boot::{MemoryKind, MemoryRegion, NodeRange, RunState};
use crate::{CpuId, Mobility, NodeMask, Pfn, PfnRange};
use core::fmt;

/// How much of something was found, and where first.
///
/// ```
/// use page_alloc::boot::Tally;
/// assert_eq!(Tally::<u8>::default(), Tally { count: 0, first: None });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally<T> {
    /// How many entries, or how many bytes.
    pub count: u64,
    /// The first of them.
    pub first: Option<T>,
}

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self { count: 0, first: None }
    }
}

impl<T> Tally<T> {
    fn add(&mut self, count: u64, example: T) {
        self.count = self.count.saturating_add(count);
        self.first.get_or_insert(example);
    }
}

/// What had to be ignored of what firmware said. None of it keeps a machine from booting.
///
/// Its `Display` has a line for each kind that was found, and none for a clean map.
///
/// ```
/// use page_alloc::PhysAddr;
/// use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Survey};
/// let map = [
///     MemoryRegion::new(PhysAddr::new(0x1000), 0x9_ec00, MemoryKind::Usable),
///     MemoryRegion::new(PhysAddr::new(0xf_0000), 0, MemoryKind::Reserved),
/// ];
/// let dropped = Survey::new(&BootInfo::new(&map), 12)?.dropped();
/// assert_eq!(dropped.rounded_away.count, 0xc00);
/// assert_eq!(
///     dropped.to_string(),
///     "1 entries of no length: reserved 0xf0000 + 0x0\n\
///      3072 bytes lost to rounding: 0x9f000\n"
/// );
/// # Ok::<(), page_alloc::boot::InitError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Entries of the memory map that have no length.
    pub zero_length: Tally<MemoryRegion>,
    /// Entries of the memory map that go past 2^64. They count for nothing.
    pub wrapping: Tally<MemoryRegion>,
    /// Entries of a kind that the crate does not know. They were taken for reserved.
    pub unknown_kind: Tally<MemoryRegion>,
    /// Entries of memory that go past the limit of physical addresses. What is below is used.
    pub beyond_limit: Tally<MemoryRegion>,
    /// Bytes of memory that share a frame with bytes that are none.
    pub rounded_away: Tally<PhysAddr>,
    /// Bytes of memory that no NUMA range covers. They were given to a node nearby.
    pub outside_numa: Tally<PhysAddr>,
    /// NUMA ranges that no memory lies in, such as those for memory to be plugged in.
    pub numa_without_memory: Tally<NodeRange>,
    /// NUMA ranges that go past 2^64. They count for nothing.
    pub numa_wrapping: Tally<NodeRange>,
    /// CPUs that the SRAT leaves out. They were given nodes in turn.
    pub cpus_without_node: Tally<CpuId>,
}

impl Dropped {
    pub(crate) fn of(firmware: &Firmware<'_>) -> Self {
        let mut dropped = Self::default();
        for region in firmware.map {
            dropped.add_region(*region);
        }
        for range in firmware.numa.ranges() {
            dropped.add_node_range(firmware, range);
        }
        for (cpu, _) in firmware.numa.cpu_nodes().filter(|(_, said)| said.is_none()) {
            dropped.cpus_without_node.add(1, cpu);
        }
        for piece in firmware.pieces(firmware.frames) {
            dropped.add_piece(firmware, piece);
        }
        dropped
    }

    fn add_region(&mut self, region: MemoryRegion) {
        let Some(bytes) = region.bytes() else {
            let tally = if region.length == 0 { &mut self.zero_length } else { &mut self.wrapping };
            return tally.add(1, region);
        };
        if matches!(region.kind, MemoryKind::Unknown(_)) {
            self.unknown_kind.add(1, region);
        }
        if region.kind.state().is_some() && bytes.last >= ADDRESS_LIMIT {
            self.beyond_limit.add(1, region);
        }
    }

    fn add_node_range(&mut self, firmware: &Firmware<'_>, range: NodeRange) {
        match range.bytes() {
            None if range.length != 0 => self.numa_wrapping.add(1, range),
            Some(bytes) if has_memory(firmware, bytes.first, bytes.last) => {}
            _ => self.numa_without_memory.add(1, range),
        }
    }

    /// A piece of several frames is all alike, so that it has one view; only a frame by itself has
    /// more.
    fn add_piece(&mut self, firmware: &Firmware<'_>, piece: Piece) {
        let bytes = firmware.addresses(piece.range);
        let mut at = bytes.start;
        while at < bytes.end {
            let view = firmware.view(at);
            let length = view.until.min(bytes.end) - at;
            if view.state.is_some() {
                self.add_present(length, PhysAddr::new(at), view.node, piece.state);
            }
            at = view.until;
        }
    }

    fn add_present(&mut self, length: u64, at: PhysAddr, node: NodeOf, frame: Option<RunState>) {
        if matches!(node, NodeOf::Guessed(_)) {
            self.outside_numa.add(length, at);
        }
        if frame.is_none() {
            self.rounded_away.add(length, at);
        }
    }
}

/// Whether a present frame holds one of these bytes.
fn has_memory(firmware: &Firmware<'_>, first: u64, last: u64) -> bool {
    let [first, last] = [first, last].map(|byte| byte.min(ADDRESS_LIMIT) >> firmware.page_shift);
    firmware.sweep(PfnRange::new(Pfn::new(first), Pfn::new(last + 1))).next().is_some()
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, self.zero_length, "entries of no length")?;
        line(f, self.wrapping, "entries that go past 2^64")?;
        line(f, self.unknown_kind, "entries of unknown kind")?;
        line(f, self.beyond_limit, "entries past the limit of addresses")?;
        line(f, self.rounded_away, "bytes lost to rounding")?;
        line(f, self.outside_numa, "bytes in no NUMA range")?;
        line(f, self.numa_without_memory, "NUMA ranges without memory")?;
        line(f, self.numa_wrapping, "NUMA ranges that go past 2^64")?;
        line(f, self.cpus_without_node, "CPUs that the SRAT leaves out")
    }
}

fn line<T: fmt::Display>(f: &mut fmt::Formatter<'_>, tally: Tally<T>, what: &str) -> fmt::Result {
    match tally.first {
        Some(first) => writeln!(f, "{} {what}: {first}", tally.count),
        None => Ok(()),
    }
}

/// What [`PageAllocator::init`](crate::PageAllocator::init) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootReport {
    /// From the machine's first frame to its last, holes included.
    pub frames: PfnRange,
    /// Frames that exist.
    pub present_pages: u64,
    /// Frames that were given to the allocator.
    pub managed_pages: u64,
    /// The nodes that there are.
    pub nodes: NodeMask,
    /// Where the tables lie; `None` if they are in memory that was given for them.
    pub metadata: Option<PfnRange>,
    /// The size of the tables.
    pub metadata_bytes: usize,
    /// What all zones together keep free, in KiB.
    pub min_free_kbytes: u64,
    /// Whether pageblocks are grouped by mobility.
    pub mobility: Mobility,
    /// What was ignored of the memory map.
    pub dropped: Dropped,
}

impl fmt::Display for BootReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { present_pages, managed_pages, metadata_bytes, .. } = self;
        writeln!(f, "{present_pages} frames present, {managed_pages} managed")?;
        match self.metadata {
            Some(place) => writeln!(f, "{metadata_bytes} bytes of tables in {place}")?,
            None => writeln!(f, "{metadata_bytes} bytes of tables")?,
        }
        fmt::Display::fmt(&self.dropped, f)
    }
}
