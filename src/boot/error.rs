//! Why a machine can't be booted.

use crate::boot::{AcpiTable, MetadataPlace, NodeRange, Reservation};
use crate::{CpuId, MAX_NUMNODES, NodeId, Pfn, PfnRange};
use core::fmt;

/// Why the allocator can't be made from what was given. Nothing was changed.
///
/// ```
/// use page_alloc::PhysAddr;
/// use page_alloc::boot::{BootInfo, InitError, Reservation, Survey};
/// assert_eq!(
///     Survey::new(&BootInfo::new(&[]), 12).unwrap_err(),
///     InitError::NoUsableMemory { nr_regions: 0 }
/// );
/// let wraps = Reservation::new("initrd", PhysAddr::new(u64::MAX), 2);
/// assert_eq!(
///     InitError::ReservationWraps(wraps).to_string(),
///     "reservation initrd 0xffffffffffffffff + 0x2 goes past 2^64"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitError {
    /// The allocator has been initialised before.
    AlreadyInitialized,
    /// The memory map leaves not one free frame.
    NoUsableMemory {
        /// The number of entries of the map.
        nr_regions: usize,
    },
    /// A reservation goes past 2^64, so what it means is unclear.
    ReservationWraps(Reservation),
    /// More frames than the allocator can number.
    TooManyFrames {
        /// The number of frames needed.
        frames: u64,
        /// The most that there can be.
        limit: u64,
    },
    /// No free memory for the allocator's own tables.
    NoRoomForMetadata {
        /// The frames that they need.
        needed: u64,
        /// The most contiguous free frames found there.
        largest: u64,
        /// Where they were to be.
        place: MetadataPlace,
    },
    /// The platform can't reach the place of the tables.
    MetadataUnmapped {
        /// The place.
        place: PfnRange,
    },
    /// The memory given for the tables is too small.
    MetadataTooSmall {
        /// The bytes that they need.
        needed: usize,
        /// The bytes given.
        given: usize,
    },
    /// A CMA area that is not whole pageblocks of free memory in one zone, or meets another.
    IllegalCma(Reservation),
    /// A range for memory that may come later that goes past the limit of addresses, or meets another.
    IllegalHotplug(NodeRange),
    /// Two nodes claim the same memory.
    NumaOverlap(NodeRange, NodeRange),
    /// The SRAT has more proximity domains than there can be nodes; the first that was too much.
    TooManyNodes {
        /// The proximity domain.
        domain: u32,
    },
    /// A row of the distance matrix has not as many columns as the matrix has rows.
    DistancesNotSquare {
        /// The row, from 0.
        row: usize,
        /// The number of its columns.
        columns: usize,
        /// The number of rows of the matrix.
        rows: usize,
    },
    /// More rows in the distance matrix than there can be nodes.
    TooManyDistances {
        /// The number of rows.
        rows: usize,
    },
    /// A distance below 10, or one of a node to itself that is not 10. In a SLIT, nodes are
    /// proximity domains.
    BadDistance {
        /// The node from which is measured.
        from: usize,
        /// The node to which is measured.
        to: usize,
        /// What the matrix says.
        distance: u8,
    },
    /// An ACPI table that is damaged.
    MalformedTable {
        /// Which table.
        table: AcpiTable,
        /// The offset of the bad byte or entry.
        offset: usize,
        /// What is bad there.
        what: &'static str,
    },
    /// Nothing says to which node this CPU belongs.
    CpuWithoutNode(CpuId),
    /// The MOVABLE zone is given two beginnings on a node.
    MovableTwice {
        /// The node.
        node: NodeId,
        /// The second beginning.
        start: Pfn,
    },
    /// An option that is out of its bounds.
    IllegalOption {
        /// The option.
        name: &'static str,
        /// Its value.
        value: u64,
    },
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInitialized => f.write_str("the allocator is initialised already"),
            Self::NoUsableMemory { nr_regions } => {
                write!(f, "no free frame in a memory map of {nr_regions} entries")
            }
            Self::ReservationWraps(it) => write!(f, "reservation {it} goes past 2^64"),
            Self::TooManyFrames { frames, limit } => {
                write!(f, "{frames} frames, of at most {limit}")
            }
            Self::NoRoomForMetadata { needed, largest, place } => {
                write!(f, "no {needed} free frames {place}: at most {largest} in one piece")
            }
            Self::MalformedTable { table, offset, what } => {
                write!(f, "{table} damaged at offset {offset}: {what}")
            }
            Self::MovableTwice { node, start } => {
                write!(f, "node {node}: a second start of MOVABLE, frame {start}")
            }
            Self::IllegalOption { name, value } => write!(f, "{name} can't be {value}"),
            Self::MetadataUnmapped { place } => write!(f, "no address for the tables in {place}"),
            Self::MetadataTooSmall { needed, given } => {
                write!(f, "the tables need {needed} bytes, {given} were given")
            }
            Self::IllegalCma(area) => write!(f, "{area} can't be a CMA area"),
            Self::IllegalHotplug(range) => write!(f, "{range} can't be planned for"),
            Self::NumaOverlap(one, other) => write!(f, "{one} overlaps {other}"),
            Self::TooManyNodes { domain } => {
                write!(f, "proximity domain {domain} is one more than {MAX_NUMNODES} nodes")
            }
            Self::DistancesNotSquare { row, columns, rows } => {
                write!(f, "row {row} of {rows} rows of distances has {columns} columns")
            }
            Self::TooManyDistances { rows } => {
                write!(f, "{rows} rows of distances for at most {MAX_NUMNODES} nodes")
            }
            Self::BadDistance { from, to, distance } => {
                write!(f, "distance {distance} from node {from} to node {to}")
            }
            Self::CpuWithoutNode(cpu) => write!(f, "nothing says to which node CPU {cpu} belongs"),
        }
    }
}

impl core::error::Error for InitError {}
