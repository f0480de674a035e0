//! What happened on a simulated machine, counted at the trace points.

use crate::trace::{Extfrag, PcpMove, Trace};
use crate::{Gfp, MAX_ORDER, MIGRATE_TYPES, MigrateType, Order, Pfn};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of events, over all CPUs.
#[derive(Debug, Default)]
pub struct SimTrace {
    allocs: [[AtomicU64; MIGRATE_TYPES]; MAX_ORDER],
    failures: [AtomicU64; MAX_ORDER],
    frees: [AtomicU64; MAX_ORDER],
    extfrags: [[AtomicU64; MIGRATE_TYPES]; MIGRATE_TYPES],
    refills: Moves,
    drains: Moves,
}

/// Moves between per-CPU lists and zones in one direction.
#[derive(Debug, Default)]
struct Moves {
    times: AtomicU64,
    frames: AtomicU64,
}

impl Moves {
    fn add(&self, moved: PcpMove) {
        count(&self.times);
        self.frames.fetch_add(moved.frames(), Ordering::Relaxed);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl SimTrace {
    /// Requests of this order and type that were served.
    pub fn allocs(&self, order: Order, migratetype: MigrateType) -> u64 {
        get(&self.allocs[order.index()][migratetype.index()])
    }

    /// Requests of this order that were not served.
    pub fn failures(&self, order: Order) -> u64 {
        get(&self.failures[order.index()])
    }

    /// Blocks of this order that were freed.
    pub fn frees(&self, order: Order) -> u64 {
        get(&self.frees[order.index()])
    }

    /// How often a per-CPU list was filled, and the frames of all that.
    pub fn pcp_refills(&self) -> (u64, u64) {
        (get(&self.refills.times), get(&self.refills.frames))
    }

    /// How often blocks of a per-CPU list went back to their zone, and the frames of all that.
    pub fn pcp_drains(&self) -> (u64, u64) {
        (get(&self.drains.times), get(&self.drains.frames))
    }

    /// Requests of type `to` that were served from memory of type `from`.
    pub fn extfrags(&self, from: MigrateType, to: MigrateType) -> u64 {
        get(&self.extfrags[from.index()][to.index()])
    }
}

impl Trace for SimTrace {
    fn mm_page_alloc(&self, pfn: Option<Pfn>, order: Order, _: Gfp, migratetype: MigrateType) {
        count(match pfn {
            Some(_) => &self.allocs[order.index()][migratetype.index()],
            None => &self.failures[order.index()],
        });
    }

    fn mm_page_free(&self, _: Pfn, order: Order) {
        count(&self.frees[order.index()]);
    }

    fn mm_page_pcpu_refill(&self, moved: PcpMove) {
        self.refills.add(moved);
    }

    fn mm_page_pcpu_drain(&self, moved: PcpMove) {
        self.drains.add(moved);
    }

    fn mm_page_alloc_extfrag(&self, event: Extfrag) {
        let (from, to) = (event.fallback_migratetype, event.alloc_migratetype);
        count(&self.extfrags[from.index()][to.index()]);
    }
}
