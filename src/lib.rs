//! The physical page-frame allocator of Linux, for kernels written in Rust.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "std")]
extern crate std;

// Tier 0: words.
mod alloc_flags;
mod error;
mod gfp;
mod migratetype;
mod node_id;
mod order;
mod pfn;
mod zone_id;
mod zone_type;

// Tier 1: seams.
#[expect(unsafe_code, reason = "the contract that a port signs")]
mod platform;
mod reclaim;
mod trace;

// Tier 2: exclusion.
mod sync;

// Tier 3: frames and blocks.
mod memmap;

// Tier 4: one zone.
pub mod zone;

// Tier 5: nodes.
pub mod node;

// Tier 6: booting, and checking.
pub mod boot;
pub mod verify;

// Tier 7: the allocator.
pub mod alloc;
mod raw_zone;

// Tier 8: looking in.
pub mod report;
#[cfg(feature = "std")]
#[cfg_attr(docsrs, doc(cfg(feature = "std")))]
pub mod sim;

pub use alloc::{MappedPages, PageAllocator, PagesGuard, Refused};
pub use alloc_flags::{AllocFlags, WatermarkLevel};
pub use error::{AllocError, FreeError};
pub use gfp::{Gfp, UnknownFlag};
pub use memmap::{Movability, Pages, PagesIter};
pub use migratetype::{MIGRATE_PCPTYPES, MIGRATE_TYPES, MigrateType, Mobility};
pub use node_id::{CpuId, MAX_NUMNODES, NodeId, NodeMask};
pub use order::{MAX_ORDER, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER};
pub use pfn::{Pfn, PfnRange, PhysAddr};
pub use platform::{IrqFlags, Platform};
pub use raw_zone::{RawZone, RawZoneConfig, RawZoneError};
pub use reclaim::{Context, KswapdWake, NoReclaim, NodeReclaimed, Reclaim};
pub use trace::{Extfrag, NoTrace, Trace};
pub use zone::{Fallback, Force, IsolateError, Takeover};
pub use zone_type::{MAX_NR_ZONES, ZoneLayout, ZoneType};
