//! A kernel that has nothing but a cache of pages, which it frees when it is told to.

use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{
    CpuId, Gfp, KswapdWake, NoTrace, NodeId, NodeShrink, Order, Pages, Reclaim, Reclaimed,
    Shortage, ZoneType,
};
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub type Machine = Sim<Cache, NoTrace>;

pub const NODE: NodeId = NodeId::ZERO;

/// What the cache does when it is to shrink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Frees so many pages, and has looked at twice as many.
    Free(usize),
    /// Says that it freed a page and looked at everything, and did nothing.
    Lie,
    /// Looks at everything, and finds nothing.
    Look,
    /// Says that it freed a page, while others take so many.
    Lose(usize),
    /// Mixes pageblocks once more, and frees so many pages.
    Mix(usize),
    /// Has compaction ahead of need try its luck.
    Compact,
    /// Panics.
    Panic,
}

#[derive(Debug)]
pub struct State {
    pub pages: Vec<Pages>,
    pub script: Script,
    pub shrinks: Vec<NodeShrink>,
    pub kswapd_wakes: Vec<KswapdWake>,
    pub kcompactd_wakes: u32,
    /// The frames of DMA32 that the CPU had at hand at each pass.
    pub at_hand: Vec<u32>,
    pub reclaimable: u64,
    /// What compaction ahead of need looked at while kswapd was at work.
    pub scanned_meanwhile: u64,
}

#[derive(Debug)]
pub struct Cache {
    machine: OnceLock<&'static Machine>,
    state: Mutex<State>,
}

/// A machine of so many bytes that lives until the test program ends, since its kernel knows it.
pub fn boot(bytes: u64) -> &'static Machine {
    let mut config = SimConfig::flat(bytes);
    config.tables = Tables::Apart;
    let state = State {
        pages: Vec::new(),
        script: Script::Free(0),
        shrinks: Vec::new(),
        kswapd_wakes: Vec::new(),
        kcompactd_wakes: 0,
        at_hand: Vec::new(),
        reclaimable: 0,
        scanned_meanwhile: u64::MAX,
    };
    let cache = Cache { machine: OnceLock::new(), state: Mutex::new(state) };
    let machine: &_ = Box::leak(Box::new(Sim::boot_with(&config, cache, NoTrace).expect("boots")));
    machine.reclaim().machine.set(machine).expect("it is told once");
    machine
}

impl Cache {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_script(&self, script: Script) {
        self.state().script = script;
    }

    fn machine(&self) -> &'static Machine {
        self.machine.get().expect("it was told")
    }

    /// Reads pages into the cache until there is no memory for more.
    pub fn fill(&self, extra: Gfp) {
        let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN | extra;
        while let Ok(pages) = self.machine().alloc_page(gfp) {
            self.state().pages.push(pages);
        }
        // The last to come are the first to go: these are to be of the zone that is preferred.
        self.state().pages.reverse();
        self.machine().zones().for_each(|zone| zone.reset_watermark_boost());
    }

    /// Others take so many frames.
    fn lose(&self, frames: usize) {
        let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC | Gfp::NOWARN;
        let taken = (0..frames).map_while(|_| self.machine().alloc_page(gfp).ok());
        let taken: Vec<_> = taken.collect();
        self.state().pages.extend(taken);
    }

    /// Drops the pages of which `which` says so.
    pub fn drop_where(&self, which: impl Fn(&Pages) -> bool) {
        let all = std::mem::take(&mut self.state().pages);
        let (dropped, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(which);
        self.state().pages = kept;
        for pages in dropped {
            self.machine().free_pages(pages).expect("the cache's own");
        }
        self.machine().drain_all_pages(None);
    }

    /// What woke kswapd last.
    pub fn last_wake(&self) -> KswapdWake {
        *self.state().kswapd_wakes.last().expect("it was woken")
    }
}

/// The frames of DMA32 that the CPU has at hand.
pub fn at_hand(machine: &Machine) -> u32 {
    let zone = machine.zone(NODE, ZoneType::Dma32).expect("the machine has it");
    zone.pageset(CpuId::BOOT).expect("a CPU").count()
}

/// A wish for a block.
pub fn wish(order: Order, gfp: Gfp) -> KswapdWake {
    let (zone, highest) = (ZoneType::Dma32, ZoneType::Dma32);
    KswapdWake { node: NODE, zone, order, highest, gfp }
}

impl Reclaim for Cache {
    fn wake_kswapd(&self, wake: KswapdWake) {
        self.state().kswapd_wakes.push(wake);
    }

    fn can_migrate(&self) -> bool {
        true
    }

    fn wake_kcompactd(&self, _node: NodeId) {
        self.state().kcompactd_wakes += 1;
    }

    fn reclaimable_pages(&self, _node: NodeId, _zone: ZoneType) -> u64 {
        self.state().reclaimable
    }

    /// What is freed here is freed by kswapd.
    fn direct_reclaim(&self, _: &Shortage) -> Option<Reclaimed> {
        Some(Reclaimed::NOTHING)
    }

    fn shrink_node(&self, shrink: &NodeShrink) -> Reclaimed {
        let at_hand = at_hand(self.machine());
        let freed: Vec<_> = {
            let mut state = self.state();
            state.shrinks.push(*shrink);
            state.at_hand.push(at_hand);
            match state.script {
                Script::Look => return Reclaimed { reclaimed: 0, scanned: u64::MAX },
                Script::Lose(frames) => {
                    drop(state);
                    self.lose(frames);
                    return Reclaimed { reclaimed: 1, scanned: 1 };
                }
                Script::Compact => {
                    drop(state);
                    let compact = self.machine().compact_node_proactively(NODE, 100);
                    self.state().scanned_meanwhile = compact.expect("a node").migrate_scanned;
                    return Reclaimed::NOTHING;
                }
                Script::Lie => return Reclaimed { reclaimed: 1, scanned: u64::MAX },
                Script::Panic => resume_unwind(Box::new("the script")),
                Script::Mix(most) => {
                    drop(state);
                    let take = |_| self.machine().alloc_pages(Gfp::KERNEL, Order::O7).ok();
                    let mixed: Vec<_> = (0..4).filter_map(take).collect();
                    let mut state = self.state();
                    state.pages.splice(..0, mixed);
                    let left = state.pages.len();
                    state.pages.split_off(left - most.min(left))
                }
                Script::Free(most) => {
                    let left = state.pages.len();
                    state.pages.split_off(left - most.min(left))
                }
            }
        };
        let reclaimed = freed.len() as u64;
        for pages in freed {
            self.machine().free_pages(pages).expect("the cache's own");
        }
        Reclaimed { reclaimed, scanned: 2 * reclaimed }
    }
}
