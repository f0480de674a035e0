//! The physical page-frame allocator of Linux, for kernels written in Rust.
//!
//! [`PageAllocator`] gives a kernel the page allocator of Linux 6.1: NUMA nodes, zones, buddy lists
//! for each migratetype, watermarks and reserves, zonelists, fallback. It needs no heap, and it
//! decides exactly as Linux does. What depends on the machine is behind [`Platform`], what depends
//! on the kernel behind [`Reclaim`], and [`Trace`] watches.
//!
//! ```
//! use page_alloc::sim::{Sim, SimConfig}; // a simulated machine (feature `std`)
//! use page_alloc::{AllocError, Gfp, Order};
//!
//! let sim = Sim::boot(SimConfig::flat(64 << 20))?; // boots a `PageAllocator` on 64 MiB
//! let free = sim.nr_free_pages();
//!
//! let block = sim.alloc_pages(Gfp::KERNEL, Order::O4)?;
//! assert_eq!(block.range().len(), 16);
//! assert_eq!(sim.nr_free_pages(), free - 16);
//! sim.free_pages(block)?;
//!
//! assert_eq!(sim.alloc_page(Gfp::DMA | Gfp::DMA32).unwrap_err(), AllocError::IllegalGfp(Gfp::DMA | Gfp::DMA32));
//! assert_eq!(sim.nr_free_pages(), free);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to begin
//!
//! - To port it: [`Platform`], three methods; then [`PageAllocator::init`] with a [`boot::BootInfo`].
//! - To allocate: [`PageAllocator::alloc_pages`], flags in [`Gfp`]; to free:
//!   [`PageAllocator::free_pages`]. A block is a [`Pages`] token.
//! - Memory that comes later: [`PageAllocator::free_reserved_area`], [`PageAllocator::free_reclaimable`],
//!   [`PageAllocator::add_memory`].
//! - To look: [`PageAllocator::zones`], [`report`], [`PageAllocator::verify`].
//! - To test a policy on the host: the module `sim` (feature `std`).
//! - One zone, a lock of your own: [`RawZone`].
//! - With other crates (page tables, heaps, boot loaders): [`integrations`].
//!
//! # Tiers
//!
//! | tier | modules |
//! |---|---|
//! | 0 words | frame numbers, [`Order`], [`Gfp`], [`MigrateType`], [`ZoneType`], [`NodeId`], errors |
//! | 1 seams | [`Platform`], [`Trace`] |
//! | 2 sync | interrupts off, locks, values of one CPU, reference counts |
//! | 3 memmap | frame descriptors, sections, lists, [`Pages`]; [`Reclaim`], the seam that speaks of them |
//! | 4 [`zone`] | free areas, fallback, watermarks, isolation |
//! | 5 [`node`] | zonelists, per-CPU lists, the machine |
//! | 6 [`boot`], [`verify`] | from a memory map to a machine; the invariants |
//! | 6 [`compact`], [`kswapd`] | moving blocks together; keeping memory free |
//! | 7 [`alloc`] | requests, attempts, slow path, frees |
//! | 8 [`report`], `sim` | texts of /proc; the simulator |
//! | 8 [`integrations`] | adaptors to other crates |
//!
//! # Lock order
//!
//! Staying on a CPU, that CPU's lists of a zone, interrupts off, one zone. No code takes the lists of a
//! second zone or a second zone's lock, and no hook is called with any of them held. Allocation and
//! freeing may be called in interrupt handlers, but not in handlers that can't be masked.
//!
//! # Invariants
//!
//! What holds of every zone while nobody holds its lock. Comments cite the numbers, and [`verify`]
//! checks them one by one.
//!
//! - **I1** A link word is 0 or the index of a frame of the same memmap.
//! - **I2** A block is on one list at most. A frame marked free heads a block on a list, and every
//!   block on a list is marked free; whoever took it off holds the only token for it.
//! - **I3** A block starts at a multiple of its size and lies in one zone; its frames but the first
//!   are marked as inside a block of that zone. Frames that are only planned for are of no zone.
//! - **I4** Below the order of a pageblock, two buddies are never both free as a whole: they are
//!   one block. (From a pageblock up, Linux leaves them apart when their types were changed while
//!   they were free, and so does this crate.)
//! - **I5** The count of blocks of an order is the length of its lists, and the count of free
//!   frames is the sum over all lists but those of isolated pageblocks.
//! - **I6** Every managed frame is free, on a per-CPU list, or allocated, and an allocated block has
//!   a holder; several, only if it is marked as one that has had several.
//! - **I7** A free block is on the list of the order and migratetype that its state word names.
//! - **I8** The min watermark is not above the low one, nor the low one above the high one.
//!
//! - **I9** A frame marked cached heads a block on the per-CPU list that its state names, and every
//!   block there is marked so; a CPU's count of a zone's frames is that of its lists.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "std")]
extern crate std;

// Tier 0: words.
mod alloc_flags;
mod compact_priority;
mod compact_result;
mod error;
mod gfp;
mod migratetype;
mod migration;
mod node_id;
mod node_shrink;
mod order;
mod pfn;
mod shortage;
mod zone_id;
mod zone_type;

// Tier 1: seams.
#[expect(unsafe_code, reason = "the contract that a port signs")]
mod platform;
mod trace;

// Tier 2: exclusion.
mod sync;

// Tier 3: frames and blocks, and the seam that speaks of blocks.
mod memmap;
mod reclaim;

// Tier 4: one zone.
pub mod zone;

// Tier 5: nodes.
pub mod node;

// Tier 6: booting, checking, keeping memory free and together.
pub mod boot;
pub mod compact;
pub mod kswapd;
pub mod verify;

// Tier 7: the allocator.
pub mod alloc;
mod raw_zone;

// Tier 8: looking in; adaptors to other crates.
pub mod integrations;
pub mod report;
#[cfg(feature = "std")]
#[cfg_attr(docsrs, doc(cfg(feature = "std")))]
pub mod sim;

pub use alloc::{MappedPages, PageAllocator, PagesGuard, Refused};
pub use alloc_flags::{AllocFlags, WatermarkLevel};
pub use compact_priority::CompactPriority;
pub use compact_result::CompactResult;
pub use error::{AllocError, FreeError};
pub use gfp::{Gfp, UnknownFlag};
pub use memmap::{Movability, Pages, PagesIter};
pub use migratetype::{MIGRATE_PCPTYPES, MIGRATE_TYPES, MigrateType, Mobility};
pub use migration::{MigrateMode, Migrated};
pub use node_id::{CpuId, MAX_NUMNODES, NodeId, NodeMask};
pub use node_shrink::{NodeShrink, Reclaimer};
pub use order::{
    MAX_ORDER, Order, OrderTooLarge, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER,
};
pub use pfn::{Pfn, PfnRange, PhysAddr};
pub use platform::{IrqFlags, PcpExclusion, PinFlags, Platform};
pub use raw_zone::{RawZone, RawZoneConfig, RawZoneError};
pub use reclaim::{Compacted, Context, KswapdWake, MAX_ROUNDS, NoReclaim, NodeReclaimed, Reclaim};
pub use shortage::{OomVerdict, Reclaimed, Shortage};
pub use trace::{AllocStep, Attempted, Extfrag, NoTrace, PcpMove, Trace, ZoneTried};
pub use zone::{Fallback, Force, IsolateError, Takeover};
pub use zone_type::{MAX_NR_ZONES, ZoneLayout, ZoneType};

/// The programs of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So do those of the way from a kernel to this allocator.
#[cfg(doctest)]
#[doc = include_str!("../docs/porting.md")]
struct Porting;
