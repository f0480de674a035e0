//! The sweep over physical memory, from the lowest frame to the highest, that joins what firmware
//! and boot loader say into runs of frames.
//!
//! Nothing is sorted or stored. At a byte, every entry of the memory map, every reservation and
//! every NUMA range is asked what it says of it, and where it begins or ends next; up to the
//! nearest of these borders all bytes are alike. So a step costs as much as there are entries, a
//! sweep the square of that, and there is no limit to their number.
//!
//! What holds of a byte: of the entries that cover it the most restrictive; without any, it is
//! absent. Reserved bytes of present memory are reserved. What holds of a frame is the most
//! restrictive state of its bytes, and the node of its first.

use crate::boot::memory_map::{ADDRESS_LIMIT, Bytes};
use crate::boot::numa::{NodeOf, NumaMap};
use crate::boot::{BootInfo, InitError, MemoryKind, MemoryRegion, Reservation};
use crate::{NodeId, Pfn, PfnRange};

/// What may be done with memory that is present, the most restrictive first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunState {
    /// In use, until the kernel frees it.
    Reserved,
    /// Holds what firmware or boot loader left; can be freed later.
    Reclaimable,
    /// To be given to the allocator.
    Free,
}

/// Contiguous frames of one node and one state, as many as there are: the frame before and the one
/// after are absent, or of another node or state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The frames.
    pub range: PfnRange,
    /// Their node.
    pub node: NodeId,
    /// What may be done with them.
    pub state: RunState,
}

/// What is said of a byte, and of all from there up to, not including, `until`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// `None`: absent.
    pub(crate) state: Option<RunState>,
    pub(crate) node: NodeOf,
    pub(crate) until: u64,
}

/// Frames that are alike; the next ones may be so too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) range: PfnRange,
    /// `None`: absent.
    pub(crate) state: Option<RunState>,
    pub(crate) node: NodeId,
}

/// All that is said of memory.
#[derive(Clone, Debug)]
pub(crate) struct Firmware<'a> {
    pub(crate) map: &'a [MemoryRegion],
    pub(crate) numa: NumaMap<'a>,
    pub(crate) page_shift: u32,
    reservations: &'a [Reservation],
    /// Areas that are given to the allocator in a way of their own.
    cma: &'a [Reservation],
    /// The allocator's own tables.
    tables: Option<Bytes>,
    /// The only kind that is reclaimable; `None`: all that can be.
    reclaimed: Option<MemoryKind>,
    /// The frames that are looked at.
    pub(crate) frames: PfnRange,
}

impl<'a> Firmware<'a> {
    pub(crate) fn new(info: &BootInfo<'a>, page_shift: u32) -> Result<Self, InitError> {
        let reservations = info.reservations;
        if let Some(it) = reservations.iter().find(|it| it.length != 0 && it.bytes().is_none()) {
            return Err(InitError::ReservationWraps(*it));
        }
        let end = Pfn::new(ADDRESS_LIMIT.checked_shr(page_shift).unwrap_or(0));
        let frames = PfnRange::new(info.options.first_frame.min(end), end);
        let numa = NumaMap::new(&info.numa, info.nr_cpus)?;
        let map = info.memory_map;
        Ok(Self {
            map,
            numa,
            page_shift,
            reservations,
            cma: &[],
            tables: None,
            reclaimed: None,
            frames,
        })
    }

    /// From now on, reclaimable memory of any other kind is reserved.
    pub(crate) fn reclaim_only(&mut self, kind: MemoryKind) {
        self.reclaimed = Some(kind);
    }

    /// Reserves the CMA areas.
    pub(crate) fn set_cma(&mut self, areas: &'a [Reservation]) {
        self.cma = areas;
    }

    pub(crate) fn cma(&self) -> &'a [Reservation] {
        self.cma
    }

    /// Reserves the place of the allocator's own tables, and of nothing else.
    pub(crate) fn reserve_tables(&mut self, frames: PfnRange) {
        let frames = frames.intersection(self.frames);
        let first = frames.start.start_address(self.page_shift);
        self.tables = Bytes::new(first, frames.len() << self.page_shift);
    }

    /// The addresses of frames that are looked at.
    pub(crate) fn addresses(&self, frames: PfnRange) -> core::ops::Range<u64> {
        let [start, end] = [frames.start, frames.end]
            .map(|pfn| pfn.min(self.frames.end).start_address(self.page_shift).get());
        start..end
    }

    fn reserved(&self) -> impl Iterator<Item = Bytes> {
        let given = self.reservations.iter().chain(self.cma);
        given.filter_map(Reservation::bytes).chain(self.tables)
    }

    fn state_at(&self, address: u64) -> Option<RunState> {
        let covers = |bytes: Option<Bytes>| bytes.is_some_and(|bytes| bytes.contains(address));
        let covering = self.map.iter().filter(|region| covers(region.bytes()));
        let state = covering.map(|region| self.state_of(region.kind)).min().flatten();
        if state.is_some() && self.reserved().any(|bytes| bytes.contains(address)) {
            return Some(RunState::Reserved);
        }
        state
    }

    fn state_of(&self, kind: MemoryKind) -> Option<RunState> {
        match (kind.state(), self.reclaimed) {
            (Some(RunState::Reclaimable), Some(only)) if only != kind => Some(RunState::Reserved),
            (state, _) => state,
        }
    }

    /// Where something begins or ends next above `address`; the limit of addresses if nothing does.
    fn border_above(&self, address: u64) -> u64 {
        let regions = self.map.iter().filter_map(MemoryRegion::bytes);
        let nodes = self.numa.ranges().filter_map(|range| range.bytes());
        regions
            .chain(self.reserved())
            .chain(nodes)
            .fold(ADDRESS_LIMIT, |limit, bytes| bytes.border_above(address, limit))
    }

    /// What is said of the byte at `address`, which is below the limit of addresses.
    pub(crate) fn view(&self, address: u64) -> View {
        View {
            state: self.state_at(address),
            node: self.numa.node_of(address),
            until: self.border_above(address),
        }
    }

    /// The frames from `start` on that are alike, or `start` alone if its bytes are not.
    fn piece(&self, start: Pfn) -> Piece {
        let bytes = self.addresses(PfnRange::new(start, start + 1));
        let View { mut state, node, mut until } = self.view(bytes.start);
        let whole = Pfn::new(until >> self.page_shift);
        if whole > start {
            return Piece { range: PfnRange::new(start, whole), state, node: node.node() };
        }
        while until < bytes.end {
            let view = self.view(until);
            state = state.min(view.state);
            until = view.until;
        }
        Piece { range: PfnRange::new(start, start + 1), state, node: node.node() }
    }

    /// All frames of `range` that are looked at, absent ones too, ascending.
    pub(crate) fn pieces(&self, range: PfnRange) -> Pieces<'_> {
        Pieces { firmware: self, rest: range.intersection(self.frames) }
    }

    /// The runs in `range`, cut at its ends.
    pub(crate) fn sweep(&self, range: PfnRange) -> Sweep<'_> {
        Sweep { pieces: self.pieces(range), ahead: None }
    }
}

/// All frames of a range, in pieces.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<'a> {
    firmware: &'a Firmware<'a>,
    rest: PfnRange,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.rest.is_empty() {
            return None;
        }
        let mut piece = self.firmware.piece(self.rest.start);
        piece.range = piece.range.intersection(self.rest);
        self.rest.start = piece.range.end;
        Some(piece)
    }
}

/// The runs of present memory: ascending, disjoint, and as long as can be.
///
/// ```
/// use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Reservation, RunState, Survey};
/// use page_alloc::PhysAddr;
/// let map = [
///     MemoryRegion::new(PhysAddr::new(0x8000), 0x1000, MemoryKind::Reserved),
///     MemoryRegion::new(PhysAddr::new(0x2000), 0x8000, MemoryKind::Usable),
/// ];
/// let kernel = [Reservation::new("kernel", PhysAddr::new(0x2000), 0x10)];
/// let survey = Survey::new(&BootInfo::new(&map).reservations(&kernel), 12)?;
/// let runs: Vec<_> =
///     survey.runs().map(|run| (run.range.start.get(), run.range.len(), run.state)).collect();
/// assert_eq!(runs, [(2, 1, RunState::Reserved), (3, 5, RunState::Free), (9, 1, RunState::Free)]);
/// # Ok::<(), page_alloc::boot::InitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sweep<'a> {
    pieces: Pieces<'a>,
    /// A run that was begun while looking for the end of the one before.
    ahead: Option<Run>,
}

impl Iterator for Sweep<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let mut run = self.ahead.take();
        for piece in self.pieces.by_ref() {
            let next = piece.state.map(|state| Run { range: piece.range, node: piece.node, state });
            match (&mut run, next) {
                (Some(run), Some(next)) if run.joins(&next) => run.range.end = next.range.end,
                (Some(_), next) => {
                    self.ahead = next;
                    break;
                }
                (None, next) => run = next,
            }
        }
        run
    }
}

impl Run {
    /// Whether `next`, which begins where this run ends, only continues it.
    fn joins(&self, next: &Self) -> bool {
        self.node == next.node && self.state == next.state
    }
}
