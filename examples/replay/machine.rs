//! The machine that the trace is played on: a simulated one, booted from the map.

use crate::replayer::Machine;
use crate::state::MachineState;
use page_alloc::sim::{Contents, Sim, SimConfig, SimError};
use page_alloc::{
    CpuId, Extfrag, Gfp, MAX_ORDER, MIGRATE_TYPES, MigrateType, Movability, NoReclaim, Order,
    Pages, Trace, UnknownFlag,
};
use std::cell::Cell;
use std::rc::Rc;

/// A number for each migratetype and order.
pub(crate) type ByTypeAndOrder = [[u64; MAX_ORDER]; MIGRATE_TYPES];

/// Requests that were served from memory of another migratetype. They are rare, so the loop does
/// not feel the counting; a `SimTrace` would cost it a locked addition for each event.
#[derive(Debug, Default)]
pub(crate) struct Fallbacks {
    /// By the type of the memory, then by that of the request.
    counts: [[Cell<u64>; MIGRATE_TYPES]; MIGRATE_TYPES],
    /// Those that took the pageblock as a whole over to their type.
    steals: Cell<u64>,
}

impl Fallbacks {
    pub(crate) fn count(&self, from: MigrateType, to: MigrateType) -> u64 {
        self.counts[from.index()][to.index()].get()
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().flatten().map(Cell::get).sum()
    }

    pub(crate) fn steals(&self) -> u64 {
        self.steals.get()
    }
}

impl Trace for Fallbacks {
    fn traces_page_free(&self) -> bool {
        false
    }

    fn mm_page_alloc_extfrag(&self, event: Extfrag) {
        let (from, to) = (event.fallback_migratetype, event.alloc_migratetype);
        self.counts[from.index()][to.index()].update(|count| count + 1);
        self.steals.update(|count| count + u64::from(event.pageblock_migratetype == to));
    }
}

/// A simulated machine without reclaim: what does not fit fails.
///
/// Its frames have no contents, so zeroing costs nothing. Blocks that were asked for as movable are
/// movable: the users of such memory put it on Linux's LRU lists at once, and whether a pageblock is
/// taken over depends on how many of its frames are movable.
pub(crate) struct SimMachine {
    /// Whoever works as one of its CPUs has it, too.
    sim: Rc<Sim<NoReclaim, Fallbacks>>,
    failed: ByTypeAndOrder,
    /// Blocks that the allocator did not take back, or did not split: its defects.
    refusals: u64,
}

impl SimMachine {
    pub(crate) fn boot(mut config: SimConfig) -> Result<Self, SimError> {
        config.contents = Contents::Ignored;
        // Dirt would make the tables of the largest maps real, several GiB of them.
        config.dirt = None;
        let sim = Sim::boot_with(&config, NoReclaim, Fallbacks::default())?;
        Ok(Self { sim: Rc::new(sim), failed: Default::default(), refusals: 0 })
    }

    pub(crate) fn sim(&self) -> &Sim<NoReclaim, Fallbacks> {
        &self.sim
    }

    /// The zones, when no CPU has frames of them at hand.
    pub(crate) fn drained_state(&self) -> MachineState {
        self.sim.drain_all_pages(None);
        self.state()
    }

    pub(crate) fn state(&self) -> MachineState {
        MachineState::new(self.sim.zones())
    }

    /// The type that a request is counted under; flags that no request may have ask for unmovable
    /// memory, in vain.
    pub(crate) fn migratetype(&self, gfp: Gfp) -> MigrateType {
        let asked = gfp.migratetype().unwrap_or(MigrateType::Unmovable);
        self.sim.report().mobility.migratetype(asked)
    }

    /// Requests that were not served.
    pub(crate) fn failed(&self) -> &ByTypeAndOrder {
        &self.failed
    }

    /// `ok`, or what is wrong: by the allocator's own check of its invariants, or because it refused
    /// a block that it had given.
    pub(crate) fn verify(&self) -> String {
        match (self.sim.verify(), self.refusals) {
            (Err(violation), _) => violation.to_string(),
            (Ok(()), 0) => "ok".to_owned(),
            (Ok(()), refusals) => format!("{refusals} blocks were refused"),
        }
    }

    #[cold]
    fn count_failure(&mut self, gfp: Gfp, order: Order) {
        self.failed[self.migratetype(gfp).index()][order.index()] += 1;
    }
}

/// The flags of requests as the machine gets them. There is nothing to wait for where nothing is
/// reclaimed, so a request that must not fail would end the program: here it may, like any other.
pub(crate) fn playable(gfps: &[String]) -> Result<Vec<Gfp>, UnknownFlag<'_>> {
    gfps.iter().map(|text| Gfp::parse(text).map(|gfp| gfp - Gfp::NOFAIL)).collect()
}

impl Machine for SimMachine {
    type Gfp = Gfp;
    type Block = Pages;

    #[inline]
    fn on_cpu(&mut self, cpu: CpuId, work: impl FnOnce(&mut Self)) {
        let sim = Rc::clone(&self.sim);
        sim.on_cpu(cpu, || work(self));
    }

    #[inline]
    fn alloc(&mut self, gfp: Gfp, order: Order) -> Option<Pages> {
        let Ok(pages) = self.sim.alloc_pages(gfp, order) else {
            self.count_failure(gfp, order);
            return None;
        };
        if gfp.contains(Gfp::MOVABLE) {
            let marked = self.sim.set_movable(&pages, Movability::Movable);
            self.refusals += u64::from(marked.is_err());
        }
        Some(pages)
    }

    #[inline]
    fn free(&mut self, block: Pages) {
        let freed = self.sim.free_pages(block);
        self.refusals += u64::from(freed.is_err());
    }

    fn split(&mut self, block: Pages) -> Option<[Pages; 2]> {
        match self.sim.split_in_halves(block) {
            Ok((low, high)) => Some([low, high]),
            Err(_) => {
                self.refusals += 1;
                None
            }
        }
    }
}
