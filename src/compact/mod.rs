//! Compaction: movable blocks are moved to the end of a zone, so that the free frames that they
//! leave behind come together.
//!
//! Two scanners go through the zone. The **migrate scanner** starts at the lowest frame and collects
//! allocated blocks that were asked for as MOVABLE, or that the kernel has marked as movable, up to 32
//! frames at a time. The **free
//! scanner** starts at the last pageblock and takes free blocks of MOVABLE and CMA pageblocks as
//! targets. For each pair the kernel is asked to move the contents
//! ([`Reclaim::migrate`](crate::Reclaim::migrate)); then what was left is freed. It is over when the
//! scanners meet, or when the block that is wanted is there.
//!
//! ```text
//!   migrate scanner >>>                              <<< free scanner
//!   | m . u m | . m m . | . . u . | m . . m | . . . . | . . m . |
//! ```
//!
//! Before the free scanner goes on, the free lists of movable memory are looked at for a block in the
//! upper half of what lies between the scanners, best in the upper quarter, whatever its pageblock is
//! marked as. The migrate scanner goes to pageblocks with free blocks of order 3 or more first, near
//! where it is, when an order above that is wanted for movable memory or by kcompactd. Either search
//! looks at a few blocks under the zone's lock, after failures at fewer, and turns the list so that
//! the next one meets others.
//!
//! # Who owns what
//!
//! A target is allocated, with one reference that is the compactor's, from the moment it leaves its
//! list; so the invariants hold at every step, also while the hook runs. The source belongs to
//! whoever has its token. The hook is lent the target's token and swaps it for the source's; what it
//! leaves behind is the compactor's. If that is the target, nothing was moved, and it serves for
//! another block; anything else is freed, by giving one reference back. So no answer can make a
//! frame free that somebody still holds, nor lose one. (A token of another allocator, swapped in by
//! mistake, is dropped, which leaves that allocator's block allocated.)
//!
//! # What is looked at
//!
//! Each zone remembers where its scanners stopped, and each pageblock has a bit that says that
//! looking there was in vain. The bits are forgotten when kswapd goes to sleep after the scanners
//! have met, or after compaction has been put off as long as it can be. Failures put it off: after n
//! in a row only one request in 2^n is served by compaction, up to one in 64.
//!
//! # Differences from Linux 6.1
//!
//! - Blocks of several frames are moved as a whole, where they are smaller than the block wanted and
//!   than a pageblock; Linux 6.1 passes over them, newer ones move them too.
//! - Frames that are left behind go to the zone, not to the CPU's lists.
//! - A pageblock that was found by the free lists (`fast_find_migrateblock`) is looked into although it
//!   was marked when it was found, lest it be found again. Linux 6.1 marks it and then passes over it
//!   for its mark, a mistake that later versions corrected. In one compaction no more pageblocks are
//!   found so than the zone has, whoever clears marks meanwhile.
//! - For blocks of several frames only free blocks that are large enough are taken off the lists
//!   (`fast_isolate_freepages`). If there are none, the free scanner goes on from where it is; for a
//!   single frame it begins anew lower in the zone, as in Linux.
//! - kcompactd begins its searches of the lists anew in each zone; Linux carries the count of those in
//!   vain, and the order to begin with, to the next zone.
//! - Compaction does not wait while too many frames are isolated (`too_many_isolated`): nothing is
//!   taken off a list of the kernel's until the kernel itself moves it, one block at a time. A kernel
//!   that wants fewer moves at once says [`Busy`](crate::Migrated::Busy).
//! - A compaction that waits for nothing does not end because the zone's lock was taken: it holds the
//!   lock for one free block at a time, not for a cluster of frames. Nor because others want to run
//!   (`need_resched`): the hook [`cond_resched`](crate::Reclaim::cond_resched) lets them.
//! - What can't be moved is known by its mark alone. Pages that are not on an LRU list, that are
//!   unevictable or dirty or have more holders than mappings are told from others by the kernel, when
//!   it is asked to move them.
//!
//! # Example
//!
//! ```
//! use page_alloc::sim::{Sim, SimConfig};
//! use page_alloc::{Gfp, MigrateMode, Migrated, Movability, NoTrace, NodeId, Pages, Pfn, Reclaim};
//! use std::collections::HashMap;
//! use std::sync::Mutex;
//!
//! /// Who has which block. A real kernel knows by its page tables and its page cache.
//! #[derive(Default)]
//! struct Kernel(Mutex<HashMap<Pfn, Pages>>);
//!
//! impl Reclaim for Kernel {
//!     fn can_migrate(&self) -> bool {
//!         true
//!     }
//!
//!     fn migrate(&self, from: Pfn, target: &mut Pages, _: MigrateMode, _: Gfp) -> Migrated {
//!         let mut owners = self.0.lock().unwrap();
//!         let Some(mut block) = owners.remove(&from) else { return Migrated::Unmovable };
//!         assert_eq!(block.order(), target.order()); // here all are single frames
//!         // Now the frame is copied, and the page tables are told.
//!         std::mem::swap(&mut block, target);
//!         owners.insert(block.pfn(), block);
//!         Migrated::Done
//!     }
//! }
//!
//! let sim = Sim::boot_with(&SimConfig::flat(64 << 20), Kernel::default(), NoTrace)?;
//! let mut even = Vec::new();
//! while let Ok(page) = sim.alloc_page(Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY) {
//!     sim.set_movable(&page, Movability::Movable)?;
//!     match page.pfn().get() % 2 {
//!         0 => even.push(page),
//!         _ => drop(sim.reclaim().0.lock().unwrap().insert(page.pfn(), page)),
//!     }
//! }
//! for page in even {
//!     sim.free_pages(page)?; // half of the memory is free, in single frames
//! }
//! sim.drain_all_pages(None);
//! let large = || sim.zones().map(|zone| zone.nr_free()[9] + 2 * zone.nr_free()[10]).sum::<u64>();
//! assert_eq!(large(), 0);
//! sim.compact_node(NodeId::ZERO)?;
//! assert!(large() >= 12, "of 31 pageblocks");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aligned;
mod batch;
mod control;
mod fast_sources;
mod fast_targets;
mod finished;
mod lent;
mod list_search;
mod migrate;
mod part;
mod request;
mod run;
mod score;
mod skip;
mod source;
mod stats;
mod suitable;
mod target;
mod targets;
#[cfg(test)]
mod tests;

pub(crate) use control::{Compactor, nr_free};
pub(crate) use request::{CompactRequest, Extent};
pub(crate) use run::ZoneCompacted;
pub use score::FragmentationScore;
pub(crate) use score::score_of_node;
pub(crate) use skip::reset_isolation_suitable;
pub use stats::CompactStats;
pub(crate) use suitable::{Suitability, compact_gap, compaction_suitable, could_compact};

/// So many frames are collected before they are moved.
pub(crate) const COMPACT_CLUSTER_MAX: usize = 32;
