//! A kernel that holds all memory, and frees some when a script says so.

use crate::three_nodes::{NODE_FRAMES, config};
use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{
    Context, Gfp, KswapdWake, MAX_ROUNDS, MigrateMode, Migrated, NoTrace, NodeId, NodeMask,
    NodeReclaimed, NodeShrink, OomVerdict, Order, Pages, Pfn, Reclaim, Reclaimed, Shortage,
    ZoneType,
};
use std::sync::{Mutex, MutexGuard, OnceLock};

pub type Machine = Sim<Kernel, NoTrace>;

/// Passes come back to themselves so often at most.
pub const MOST_DEEP: u32 = 3;

/// Reclaim of a kernel that does without the crate's.
pub type Own = fn(&Shortage) -> Reclaimed;

#[derive(Debug)]
pub struct State {
    pub held: Vec<Pages>,
    /// How many frames of the node a pass frees.
    pub frees: fn(&NodeShrink) -> usize,
    /// Direct reclaim, if it is not the crate's.
    pub own: Option<Own>,
    pub shrinks: Vec<NodeShrink>,
    pub throttled: Vec<(NodeId, Gfp)>,
    /// What a pass says that it freed beside what it did free.
    pub boasts: u64,
    /// Whether others take at once what a pass frees.
    pub steals: bool,
    pub max_rounds: u32,
    pub kills: u32,
    pub verdict: OomVerdict,
    /// How often it was asked to move a block, and had been at each killing.
    pub migrates: u64,
    pub migrates_at_kills: Vec<u64>,
    pub cpuset: Option<NodeMask>,
    pub context: Context,
    /// What the task becomes while it is throttled.
    pub fate: Context,
    pub can_migrate: bool,
    pub reclaimable: u64,
    pub node_reclaimed: Option<NodeReclaimed>,
    /// What a pass asks for itself, and in which context.
    pub asks: Option<(Gfp, Order, Context)>,
    /// So many passes are under way at once, and were at most.
    pub depth: u32,
    pub deepest: u32,
}

/// The kernel of one machine.
#[derive(Debug)]
pub struct Kernel {
    machine: OnceLock<&'static Machine>,
    state: Mutex<State>,
}

/// The machine of [`three_nodes`](crate::three_nodes).
pub fn boot() -> &'static Machine {
    boot_with(config())
}

/// A machine that lives until the test program ends, since its kernel knows it.
pub fn boot_with(mut config: SimConfig) -> &'static Machine {
    config.tables = Tables::Apart;
    let state = State {
        held: Vec::new(),
        frees: |_| 0,
        own: None,
        shrinks: Vec::new(),
        throttled: Vec::new(),
        boasts: 0,
        steals: false,
        max_rounds: MAX_ROUNDS,
        kills: 0,
        verdict: OomVerdict::NothingToKill,
        migrates: 0,
        migrates_at_kills: Vec::new(),
        cpuset: None,
        context: Context::TASK,
        fate: Context::TASK,
        can_migrate: false,
        reclaimable: 0,
        node_reclaimed: None,
        asks: None,
        depth: 0,
        deepest: 0,
    };
    let kernel = Kernel { machine: OnceLock::new(), state: Mutex::new(state) };
    let machine: &_ = Box::leak(Box::new(Sim::boot_with(&config, kernel, NoTrace).expect("boots")));
    machine.reclaim().machine.set(machine).expect("it is told once");
    machine
}

/// The machine, with nothing left.
pub fn boot_full() -> &'static Machine {
    let machine = boot();
    machine.reclaim().fill();
    machine
}

/// The nodes and priorities of the passes, in order, forgotten afterwards.
pub fn passes(machine: &Machine) -> Vec<(usize, u32)> {
    let shrinks = std::mem::take(&mut machine.reclaim().state().shrinks);
    shrinks.iter().map(|shrink| (shrink.node.index(), shrink.priority)).collect()
}

fn home(pages: &Pages) -> u64 {
    pages.pfn().get() / NODE_FRAMES
}

impl Kernel {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test has failed with it")
    }

    fn machine(&self) -> &'static Machine {
        self.machine.get().expect("it was told")
    }

    /// Takes all memory, in single frames, reserves included.
    pub fn fill(&self) {
        let gfp = (Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC | Gfp::NOWARN) - Gfp::DIRECT_RECLAIM;
        while let Ok(pages) = self.machine().alloc_page(gfp) {
            self.state().held.push(pages);
        }
    }

    /// Frees what is held of which `which` says so, up to so many blocks; gives how many.
    pub fn free_where(&self, most: usize, which: impl Fn(&Pages) -> bool) -> u64 {
        let freed: Vec<_> = {
            let mut state = self.state();
            let held = std::mem::take(&mut state.held);
            let (mut freed, mut kept) = (Vec::new(), Vec::new());
            for pages in held {
                let goes = freed.len() < most && which(&pages);
                if goes { &mut freed } else { &mut kept }.push(pages);
            }
            state.held = kept;
            freed
        };
        let number = freed.len() as u64;
        freed.into_iter().for_each(|pages| self.machine().free_pages(pages).expect("its own"));
        number
    }

    /// A pass needs memory itself. It gives up when it has come back to itself too often.
    fn ask(&self) {
        let (asks, context) = {
            let mut state = self.state();
            state.depth += 1;
            state.deepest = state.deepest.max(state.depth);
            (state.asks.filter(|_| state.depth < MOST_DEEP), state.context)
        };
        if let Some((gfp, order, during)) = asks {
            self.state().context = during;
            let taken = self.machine().alloc_pages(gfp | Gfp::NOWARN, order);
            let mut state = self.state();
            state.held.extend(taken);
            state.context = context;
        }
        self.state().depth -= 1;
    }

    /// All that is held is freed: no frame is missing.
    pub fn finish(&self) {
        self.free_where(usize::MAX, |_| true);
        let machine = self.machine();
        machine.drain_all_pages(None);
        assert_eq!(machine.nr_free_pages(), machine.report().managed_pages);
        machine.verify().expect("sound tables");
    }
}

impl Reclaim for Kernel {
    fn context(&self) -> Context {
        self.state().context
    }

    fn wake_kswapd(&self, _wake: KswapdWake) {}

    fn cpusets_enabled(&self) -> bool {
        self.state().cpuset.is_some()
    }

    fn cpuset_mems_allowed(&self) -> NodeMask {
        self.state().cpuset.unwrap_or(NodeMask::ALL)
    }

    fn cpuset_node_allowed(&self, node: NodeId, _gfp: Gfp) -> bool {
        self.cpuset_mems_allowed().contains(node)
    }

    fn node_reclaim_distance(&self) -> Option<u8> {
        self.state().node_reclaimed.map(|_| 10)
    }

    fn node_reclaim(&self, _: NodeId, _: Gfp, _: Order) -> NodeReclaimed {
        self.state().node_reclaimed.unwrap_or(NodeReclaimed::NotScanned)
    }

    fn direct_reclaim(&self, shortage: &Shortage) -> Option<Reclaimed> {
        let own = self.state().own;
        own.map(|own| own(shortage))
    }

    fn throttle_direct_reclaim(&self, node: NodeId, gfp: Gfp) {
        let mut state = self.state();
        state.throttled.push((node, gfp));
        let fate = state.fate;
        state.context |= fate;
    }

    fn reclaimable_pages(&self, _: NodeId, _: ZoneType) -> u64 {
        self.state().reclaimable
    }

    fn can_migrate(&self) -> bool {
        self.state().can_migrate
    }

    fn migrate(&self, _: Pfn, _: &mut Pages, _: MigrateMode, _: Gfp) -> Migrated {
        self.state().migrates += 1;
        Migrated::Busy
    }

    fn shrink_node(&self, shrink: &NodeShrink) -> Reclaimed {
        self.ask();
        let (most, boasts, steals) = {
            let mut state = self.state();
            state.shrinks.push(*shrink);
            ((state.frees)(shrink), state.boasts, state.steals)
        };
        let here = |pages: &Pages| home(pages) == shrink.node.index() as u64;
        let reclaimed = if most == 0 { 0 } else { self.free_where(most, here) };
        if steals {
            self.fill();
        }
        Reclaimed { reclaimed: reclaimed + boasts, scanned: 2 * reclaimed }
    }

    fn max_rounds(&self) -> u32 {
        self.state().max_rounds
    }

    fn out_of_memory(&self, _: &Shortage) -> OomVerdict {
        let mut state = self.state();
        state.kills += 1;
        let migrates = state.migrates;
        state.migrates_at_kills.push(migrates);
        state.verdict
    }
}
