//! From a firmware memory map to a running allocator.
//!
//! What firmware and boot loader say ([`BootInfo`]) is surveyed first: a [`Survey`] checks it all
//! and answers what is where. It needs no heap and writes no memory, and it takes a map of any
//! length, in any order, however dirty; what it had to ignore is told by [`Survey::dropped`].
//!
//! The steps are `#[inline(never)]`, so that each gives its stack back before the next: a kernel
//! boots with less than 10 KiB of it, when optimised.

mod boot_info;
#[expect(unsafe_code, reason = "takes memory by its address")]
mod build;
mod cma;
mod error;
mod hotplug;
mod memory_map;
mod movable;
mod numa;
mod options;
mod place;
mod reclaimable;
mod report;
mod srat;
mod survey;
mod sweep;
mod tables;

pub use boot_info::BootInfo;
pub use build::metadata_bytes;
pub(crate) use build::{build, build_in, reroute};
pub use error::InitError;
pub use memory_map::{MAX_PHYSMEM_BITS, MemoryKind, MemoryRegion, Reservation};
pub use numa::{LOCAL_DISTANCE, NodeRange, Numa, REMOTE_DISTANCE};
pub use options::{MetadataPlace, Movable, Options};
pub(crate) use reclaimable::Reclaimable;
pub use report::{BootReport, Dropped, Tally};
pub use srat::AcpiTable;
pub use survey::{Survey, ZoneExtent};
pub use sweep::{Run, RunState, Sweep};
