//! A kernel that knows who has which block, and what is in it.

use crate::liar::Lie;
use crate::random::Random;
use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{
    AllocFlags, CompactPriority, CompactResult, Compacted, Context, Gfp, MigrateMode, Migrated,
    Movability, NodeId, Order, PAGEBLOCK_NR_PAGES, Pages, Pfn, Reclaim, Shortage, Trace,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

pub type Machine = Sim<Kernel, Watcher>;

/// Notes what is freed, once it is told to.
#[derive(Debug, Default)]
pub struct Watcher(Mutex<Option<Vec<(Pfn, Order)>>>);

impl Watcher {
    /// Begins anew; what was noted before.
    pub fn watch(&self) -> Vec<(Pfn, Order)> {
        let mut noted = self.0.lock().expect("no test has failed with it");
        noted.replace(Vec::new()).unwrap_or_default()
    }
}

impl Trace for Watcher {
    fn mm_page_free(&self, pfn: Pfn, order: Order) {
        if let Some(noted) = &mut *self.0.lock().expect("no test has failed with it") {
            noted.push((pfn, order));
        }
    }
}

/// Whoever has a block, and what he wrote into each of its frames.
#[derive(Debug)]
pub struct Owner {
    pub pages: Pages,
    pub tag: u64,
    pub movable: bool,
}

/// How the kernel answers when it is to move a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It moves it.
    Honest,
    /// Of three times, it moves it once, is busy once, and says once that it can't be.
    Moody,
    /// It is never ready.
    Busy,
    /// It says and does anything.
    Liar,
}

#[derive(Debug)]
pub struct State {
    pub owners: BTreeMap<u64, Owner>,
    /// What is in each frame.
    pub contents: Vec<u64>,
    pub policy: Policy,
    pub random: Random,
    pub asked: Vec<(Pfn, Order, MigrateMode)>,
    /// What the last move might do.
    pub allowed: Gfp,
    pub moved: u64,
    /// No other CPU is at work, so that the tables can be looked at at any time.
    pub is_alone: bool,
    /// The next request that wants compaction gets this block freed instead.
    pub spare: Option<Pages>,
    tags: u64,
}

/// The kernel of one machine.
#[derive(Debug)]
pub struct Kernel {
    machine: OnceLock<&'static Machine>,
    state: Mutex<State>,
    /// How often others were let run.
    pub rescheds: AtomicU64,
    /// What somebody else does when a block is to be moved next.
    pub intruder: Mutex<Option<fn(&Machine)>>,
    /// Nothing can be moved at all.
    pub is_rigid: AtomicBool,
    /// What runs, by its bits.
    context: AtomicU32,
    pub kcompactd_wakes: Mutex<Vec<NodeId>>,
}

/// A machine of so many bytes, without a hole.
pub fn boot(bytes: u64, seed: u64) -> &'static Machine {
    let mut config = SimConfig::flat(bytes);
    config.cpus = vec![NodeId::ZERO; 2];
    boot_with(config, bytes, seed)
}

/// A machine that lives until the test program ends, since its kernel knows it. Its memory ends at
/// that address.
pub fn boot_with(mut config: SimConfig, end: u64, seed: u64) -> &'static Machine {
    config.tables = Tables::Apart;
    let frames = usize::try_from(end >> 12).expect("a small machine");
    let state = State {
        owners: BTreeMap::new(),
        contents: vec![0; frames],
        policy: Policy::Honest,
        random: Random::new(seed),
        asked: Vec::new(),
        allowed: Gfp::empty(),
        moved: 0,
        is_alone: true,
        spare: None,
        tags: 0,
    };
    let kernel = Kernel {
        machine: OnceLock::new(),
        state: Mutex::new(state),
        rescheds: AtomicU64::new(0),
        intruder: Mutex::default(),
        is_rigid: AtomicBool::new(false),
        context: AtomicU32::new(0),
        kcompactd_wakes: Mutex::default(),
    };
    let sim = Sim::boot_with(&config, kernel, Watcher::default()).expect("boots");
    let machine: &_ = Box::leak(Box::new(sim));
    machine.reclaim().machine.set(machine).expect("it is told once");
    machine
}

fn frames(pages: &Pages) -> std::ops::Range<usize> {
    let number = |pfn: Pfn| usize::try_from(pfn.get()).expect("a small machine");
    number(pages.range().start)..number(pages.range().end)
}

impl State {
    /// Writes what its owner has to say into a block.
    pub fn write(&mut self, pages: &Pages, tag: u64) {
        self.contents[frames(pages)].fill(tag);
    }

    /// Somebody has this block from now on.
    pub fn own(&mut self, pages: Pages, movable: bool) {
        self.tags += 1;
        let tag = self.tags;
        self.write(&pages, tag);
        let pfn = pages.pfn().get();
        let before = self.owners.insert(pfn, Owner { pages, tag, movable });
        assert!(before.is_none(), "block {pfn:#x} was given to two");
    }

    /// Moves a block as a kernel does: copies it and swaps the tokens.
    pub fn relocate(&mut self, from: Pfn, target: &mut Pages) {
        let mut owner = self.owners.remove(&from.get()).expect("somebody has it");
        self.write(target, owner.tag);
        std::mem::swap(&mut owner.pages, target);
        self.owners.insert(owner.pages.pfn().get(), owner);
        self.moved += 1;
    }
}

impl Kernel {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test has failed with it")
    }

    pub fn machine(&self) -> &'static Machine {
        self.machine.get().expect("it was told")
    }

    /// From now on, this runs; what ran before.
    pub fn set_context(&self, context: Context) -> Context {
        Context::from_bits_retain(self.context.swap(context.bits(), Ordering::Relaxed))
    }

    pub fn set_policy(&self, policy: Policy) {
        self.state().policy = policy;
    }

    /// Allocates a block for somebody; false if there is none.
    pub fn alloc(&self, order: Order, movable: bool) -> bool {
        let gfp = if movable { Gfp::HIGHUSER_MOVABLE } else { Gfp::KERNEL };
        self.alloc_as(gfp | Gfp::NORETRY | Gfp::NOWARN, order, movable)
    }

    /// Allocates single frames of movable memory until there is none, reserves included.
    pub fn fill(&self, movable: bool) {
        while self.alloc_as(Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC, Order::O0, movable) {}
    }

    fn alloc_as(&self, gfp: Gfp, order: Order, movable: bool) -> bool {
        let Ok(pages) = self.machine().alloc_pages(gfp, order) else { return false };
        // Of those that can be moved, half are only known by what they were asked for as.
        let said = match (movable, self.state().tags.is_multiple_of(2)) {
            (true, true) => Some(Movability::Movable),
            (true, false) => None,
            (false, _) => Some(Movability::Pinned),
        };
        if let Some(movability) = said {
            self.machine().set_movable(&pages, movability).expect("a token");
        }
        self.state().own(pages, movable);
        true
    }

    /// Frees the block of whoever has the first one at or after that frame, or the first one of all.
    pub fn free_near(&self, pfn: u64) -> Order {
        let owner = {
            let mut state = self.state();
            let found = state.owners.range(pfn..).next().or_else(|| state.owners.iter().next());
            let pfn = *found.expect("somebody has something").0;
            state.owners.remove(&pfn).expect("found")
        };
        let order = owner.pages.order();
        self.machine().free_pages(owner.pages).expect("its owner frees it");
        order
    }

    /// From now on these blocks can't be moved.
    pub fn pin_where(&self, which: impl Fn(&Owner) -> bool) {
        for owner in self.state().owners.values_mut().filter(|owner| which(owner)) {
            owner.movable = false;
            self.machine().set_movable(&owner.pages, Movability::Pinned).expect("a token");
        }
    }

    /// The blocks that can't be moved: where they are, and whose.
    pub fn pinned(&self) -> Vec<(u64, u64)> {
        let state = self.state();
        let pinned = state.owners.iter().filter(|(_, owner)| !owner.movable);
        pinned.map(|(pfn, owner)| (*pfn, owner.tag)).collect()
    }

    /// Frees all blocks of which `which` says so.
    pub fn free_where(&self, which: impl Fn(&Owner) -> bool) {
        let freed: Vec<_> = {
            let mut state = self.state();
            let pfns = state.owners.iter().filter(|(_, owner)| which(owner)).map(|(pfn, _)| *pfn);
            let pfns: Vec<_> = pfns.collect();
            pfns.into_iter().filter_map(|pfn| state.owners.remove(&pfn)).collect()
        };
        for owner in freed {
            self.machine().free_pages(owner.pages).expect("its owner frees it");
        }
    }

    /// Everybody finds what he wrote, every frame is free or somebody's, and the tables are sound.
    pub fn check(&self) {
        let machine = self.machine();
        machine.drain_all_pages(None);
        machine.verify().expect("sound tables");
        let state = self.state();
        for owner in state.owners.values() {
            let found = &state.contents[frames(&owner.pages)];
            assert!(found.iter().all(|tag| *tag == owner.tag), "{owner:?} found {found:?}");
        }
        let owned: u64 = state.owners.values().map(|owner| owner.pages.order().nr_pages()).sum();
        assert_eq!(machine.nr_free_pages() + owned, machine.report().managed_pages);
    }

    /// Frees everything, and looks whether all of it came back.
    pub fn finish(&self) {
        self.check();
        self.free_where(|_| true);
        self.check();
        let machine = self.machine();
        let free: u64 = machine.zones().map(|zone| zone.nr_free()[Order::MAX.index()]).sum();
        let largest: u64 = machine.zones().map(|zone| zone.managed_pages() / 1024).sum();
        assert!(free + 2 >= largest, "{free} of {largest} largest blocks");
    }

    /// The pageblocks without a block that can't be moved, by number.
    pub fn clean_pageblocks(&self) -> Vec<u64> {
        let state = self.state();
        let all = state.contents.len() as u64 / PAGEBLOCK_NR_PAGES;
        let pinned = state.owners.values().filter(|owner| !owner.movable);
        let tainted: Vec<_> =
            pinned.map(|owner| owner.pages.pfn().get() / PAGEBLOCK_NR_PAGES).collect();
        (0..all).filter(|pageblock| tainted.binary_search(pageblock).is_err()).collect()
    }

    /// The free pageblocks, by number.
    pub fn free_pageblocks(&self) -> Vec<u64> {
        let mut free = Vec::new();
        for zone in self.machine().zones() {
            zone.for_each_free(|order, _, pfn| {
                let first = pfn.get() / PAGEBLOCK_NR_PAGES;
                free.extend(first..first + order.nr_pages() / PAGEBLOCK_NR_PAGES);
            });
        }
        free.sort_unstable();
        free
    }
}

impl Reclaim for Kernel {
    fn context(&self) -> Context {
        Context::from_bits_retain(self.context.load(Ordering::Relaxed))
    }

    fn can_migrate(&self) -> bool {
        !self.is_rigid.load(Ordering::Relaxed)
    }

    fn compact(&self, _: &Shortage, _: AllocFlags, _: CompactPriority) -> Option<Compacted> {
        let spare = self.state().spare.take()?;
        self.machine().free_pages(spare).expect("the kernel's own");
        Some(CompactResult::Success.into())
    }

    fn cond_resched(&self) {
        // Nobody holds a zone's lock, or this waits for ever.
        let free: u64 = self.machine().zones().map(|zone| zone.nr_free()[0]).sum();
        assert!(free <= self.machine().report().managed_pages);
        self.rescheds.fetch_add(1, Ordering::Relaxed);
    }

    fn migrate(&self, from: Pfn, target: &mut Pages, mode: MigrateMode, gfp: Gfp) -> Migrated {
        let intruder = self.intruder.lock().expect("no test has failed with it").take();
        if let Some(intruder) = intruder {
            intruder(self.machine());
        }
        let mut state = self.state();
        state.asked.push((from, target.order(), mode));
        state.allowed = gfp;
        if state.is_alone && state.asked.len().is_multiple_of(512) {
            self.machine().verify().expect("sound tables while a block is moved");
        }
        let fits = |owner: &Owner| owner.movable && owner.pages.order() == target.order();
        if !state.owners.get(&from.get()).is_some_and(fits) {
            return Migrated::Unmovable;
        }
        let mood = match state.policy {
            Policy::Honest => 0,
            Policy::Moody => state.random.below(3),
            Policy::Busy => 1,
            Policy::Liar => {
                let lie = Lie::pick(&mut state.random);
                return lie.tell(self.machine(), &mut state, from, target);
            }
        };
        match mood {
            0 => {
                state.relocate(from, target);
                Migrated::Done
            }
            1 => Migrated::Busy,
            _ => Migrated::Unmovable,
        }
    }

    fn wake_kcompactd(&self, node: NodeId) {
        self.kcompactd_wakes.lock().expect("no test has failed with it").push(node);
    }
}
