//! A kernel whose blocks compaction moves: it can lie about everything, and panic in any call.

use crate::dice::Dice;
use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange};
use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{
    Context, Gfp, KswapdWake, MigrateMode, Migrated, Movability, NoTrace, NodeId, NodeMask,
    NodeReclaimed, NodeShrink, OomVerdict, Order, Pages, Pfn, PhysAddr, Reclaim, Reclaimed,
    Shortage, ZoneLayout, ZoneType,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::rc::{Rc, Weak};

pub type Machine = Sim<Mover, NoTrace>;

/// A node has so many frames.
pub const NODE_FRAMES: u64 = 2048;

/// Requests in the middle of a hook must not lead back to it.
const INNER: Gfp = Gfp::NOWAIT;

/// How often hooks were asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    pub migrates: u64,
    pub shrinks: u64,
    pub kills: u64,
}

/// The kernel of one machine.
#[derive(Debug)]
pub struct Mover {
    pub dice: Dice,
    pub lies: Cell<bool>,
    pub max_rounds: Cell<u32>,
    pub asked: Cell<Asked>,
    /// Calls of hooks until one panics.
    pub fuse: Cell<Option<u64>>,
    /// How many hooks may be under way at once that have called the allocator, and how many are.
    pub most_nested: Cell<u32>,
    nested: Cell<u32>,
    /// How often hooks still meddle.
    pub meddling: Cell<u32>,
    /// Pageblocks that were isolated.
    pub isolated: RefCell<Vec<Pfn>>,
    machine: RefCell<Weak<Machine>>,
    /// All tokens, by first frame; there are several of a block that has several references.
    held: RefCell<BTreeMap<u64, Vec<Pages>>>,
    locked: Cell<bool>,
}

pub fn node(number: u32) -> NodeId {
    NodeId::new(number).expect("a node")
}

/// Memory of one type, or of two: then the lower half of a zone becomes UNMOVABLE.
pub const KINDS: [&[Gfp]; 2] = [&[Gfp::HIGHUSER_MOVABLE], &[Gfp::KERNEL, Gfp::HIGHUSER_MOVABLE]];

/// Two nodes of 8 MiB with a CPU each; the first has two zones.
pub fn boot(seed: u64) -> Rc<Machine> {
    let bytes = NODE_FRAMES << 12;
    let base = |number: u64| PhysAddr::new(number * bytes);
    let usable = |at| MemoryRegion::new(base(at), bytes, MemoryKind::Usable);
    let mut config = SimConfig::new((0..2).map(usable).collect());
    config.nodes = (0..2).map(|at| NodeRange::new(node(at), base(at.into()), bytes)).collect();
    config.cpus = (0..2).map(node).collect();
    config.zones = ZoneLayout::new(Some(PhysAddr::new(0)), Some(PhysAddr::new(1024 << 12)), None);
    config.options.first_frame = Pfn::new(0);
    config.tables = Tables::Apart;
    let kernel = Mover {
        dice: Dice::new(seed),
        lies: Cell::new(false),
        max_rounds: Cell::new(8),
        asked: Cell::default(),
        fuse: Cell::new(None),
        most_nested: Cell::new(1),
        nested: Cell::new(0),
        meddling: Cell::new(0),
        isolated: RefCell::default(),
        machine: RefCell::default(),
        held: RefCell::default(),
        locked: Cell::new(false),
    };
    let machine = Rc::new(Sim::boot_with(&config, kernel, NoTrace).expect("a legal machine"));
    *machine.reclaim().machine.borrow_mut() = Rc::downgrade(&machine);
    machine
}

impl Mover {
    /// True once in so many times, if it lies.
    fn lies_once_in(&self, times: u64) -> bool {
        self.lies.get() && self.dice.below(times) == 0
    }

    fn machine(&self) -> Rc<Machine> {
        self.machine.borrow().upgrade().expect("a machine that runs")
    }

    fn count(&self, add: impl FnOnce(&mut Asked)) {
        if self.nested.get() == 0 {
            let mut asked = self.asked.get();
            add(&mut asked);
            self.asked.set(asked);
        }
    }

    /// Burns the fuse; perhaps does what it had better not.
    fn called(&self) {
        if self.meddling.get() > 0 && self.dice.one_in(16) {
            self.nest(|machine| {
                self.meddling.set(self.meddling.get() - 1);
                self.meddle(machine);
            });
        }
        if let Some(left) = self.fuse.get() {
            self.fuse.set(left.checked_sub(1));
            if left == 0 {
                // A panic, without a word.
                resume_unwind(Box::new("the fuse"));
            }
        }
    }

    pub fn keep(&self, pages: Pages) {
        self.held.borrow_mut().entry(pages.pfn().get()).or_default().push(pages);
    }

    /// Takes a token of the block that starts there.
    fn take_at(&self, pfn: u64) -> Option<Pages> {
        let mut held = self.held.borrow_mut();
        let tokens = held.get_mut(&pfn)?;
        let token = tokens.pop();
        if tokens.is_empty() {
            held.remove(&pfn);
        }
        token
    }

    /// Takes a token of some block.
    pub fn take_any(&self) -> Option<Pages> {
        let from = self.dice.below(2 * NODE_FRAMES);
        let pfn = {
            let held = self.held.borrow();
            *held.range(from..).next().or_else(|| held.iter().next())?.0
        };
        self.take_at(pfn)
    }

    /// Splits a block, if it is one that can be, into halves.
    pub fn split_any(&self) {
        let Some(pages) = self.take_any() else { return };
        match self.machine().split_in_halves(pages) {
            Ok((low, high)) => [low, high].into_iter().for_each(|half| self.keep(half)),
            Err(refused) => self.keep(refused.pages),
        }
    }

    pub fn free_any(&self) -> bool {
        let taken = self.take_any();
        let found = taken.is_some();
        taken.into_iter().for_each(|pages| self.free(pages));
        found
    }

    fn free(&self, pages: Pages) {
        self.machine().free_pages(pages).expect("a token that is held");
    }

    /// Takes all memory in small blocks asked for with these flags; most are said to be movable.
    pub fn fill(&self, kinds: &[Gfp]) {
        let machine = self.machine();
        for kind in kinds.iter().cycle() {
            let gfp = (*kind | Gfp::MEMALLOC | Gfp::NOWARN) - Gfp::DIRECT_RECLAIM;
            let order = if self.dice.below(4) == 0 { Order::O1 } else { Order::O0 };
            let taken = machine.alloc_pages(gfp, order).or_else(|_| machine.alloc_page(gfp));
            let Ok(pages) = taken else { break };
            if self.dice.below(16) > 0 {
                machine.set_movable(&pages, Movability::Movable).expect("a token");
            }
            self.keep(pages);
        }
    }

    /// The tables are sound; every frame is free or held, and what is held can be freed.
    pub fn finish(&self) {
        let machine = self.machine();
        self.lies.set(false);
        self.fuse.set(None);
        self.meddling.set(0);
        self.give_isolated_back(&machine);
        let held = self.held.take();
        held.into_values().flatten().for_each(|pages| self.free(pages));
        machine.drain_all_pages(None);
        assert_eq!(machine.nr_free_pages(), machine.report().managed_pages);
        assert_eq!(machine.verify(), Ok(()));
    }

    /// Runs what may lead to hooks, unless too many hooks do so already.
    fn nest(&self, f: impl FnOnce(&Machine)) {
        let depth = self.nested.get();
        if depth < self.most_nested.get() {
            self.nested.set(depth + 1);
            f(&self.machine());
            self.nested.set(depth);
        }
    }

    fn relocate(&self, from: Pfn, target: &mut Pages) -> Migrated {
        let Some(mut block) = self.take_at(from.get()) else { return Migrated::Unmovable };
        let movable = block.order() == target.order();
        if movable {
            std::mem::swap(&mut block, target);
        }
        self.keep(block);
        if movable { Migrated::Done } else { Migrated::Unmovable }
    }

    /// Keeps the target, and leaves another block.
    fn leave(&self, target: &mut Pages, other: Option<Pages>) {
        if let Some(other) = other {
            self.keep(std::mem::replace(target, other));
        }
    }

    fn lie(&self, from: Pfn, target: &mut Pages) -> Migrated {
        match self.dice.below(10) {
            0 => {} // nothing is done
            1 => self.leave(target, self.take_any()),
            2 => {
                let order = if target.order() == Order::O0 { Order::O2 } else { Order::O0 };
                self.leave(target, self.machine().alloc_pages(INNER, order).ok());
            }
            3 => self.leave(target, self.machine().alloc_page(INNER).ok()),
            4 => self.take_at(from.get()).into_iter().for_each(|pages| self.free(pages)),
            5 => {
                self.take_at(from.get()).into_iter().for_each(|pages| self.free(pages));
                self.leave(target, self.take_any());
            }
            6 => self.keep(self.machine().get_page(target).expect("a token")),
            7 => {
                self.relocate(from, target);
                let second = self.take_any().inspect(|pages| {
                    self.keep(self.machine().get_page(pages).expect("a token"));
                });
                self.leave(target, second);
            }
            8 => self.nest(|machine| {
                machine.compact_node(node(0)).expect("a node");
            }),
            _ => {
                self.relocate(from, target);
            }
        }
        match self.dice.below(3) {
            0 => Migrated::Done,
            1 => Migrated::Busy,
            _ => Migrated::Unmovable,
        }
    }
}

impl Reclaim for Mover {
    fn context(&self) -> Context {
        self.called();
        let fatal = self.lies_once_in(32);
        if fatal { Context::FATAL_SIGNAL } else { Context::TASK }
    }

    fn wake_kswapd(&self, wake: KswapdWake) {
        self.called();
        self.machine().wakeup_kswapd(&wake);
    }

    fn cpusets_enabled(&self) -> bool {
        self.called();
        self.lies_once_in(2)
    }

    fn cpuset_mems_allowed(&self) -> NodeMask {
        self.called();
        NodeMask::from_bits(self.dice.below(8))
    }

    fn cpuset_node_allowed(&self, _: NodeId, _: Gfp) -> bool {
        self.called();
        !self.lies_once_in(3)
    }

    fn cpuset_generation(&self) -> u32 {
        self.called();
        u32::from(self.lies_once_in(8))
    }

    fn node_reclaim_distance(&self) -> Option<u8> {
        self.called();
        Some(10)
    }

    fn node_reclaim(&self, _: NodeId, _: Gfp, _: Order) -> NodeReclaimed {
        self.called();
        if self.lies_once_in(2) { NodeReclaimed::Success } else { NodeReclaimed::NotScanned }
    }

    fn throttle_direct_reclaim(&self, _: NodeId, _: Gfp) {
        self.called();
    }

    fn reclaimable_pages(&self, _: NodeId, _: ZoneType) -> u64 {
        self.called();
        if self.lies_once_in(2) { u64::MAX } else { 1 }
    }

    fn can_migrate(&self) -> bool {
        self.called();
        !self.lies_once_in(16)
    }

    fn migrate(&self, from: Pfn, target: &mut Pages, mode: MigrateMode, _: Gfp) -> Migrated {
        self.count(|asked| asked.migrates += 1);
        self.called();
        if self.asked.get().migrates.is_multiple_of(512) {
            self.machine().verify().expect("sound tables while a block is moved");
        }
        let answer = match self.lies.get() {
            true => self.lie(from, target),
            // All is in use for a while: so it comes to moves that wait, of many blocks at a time.
            false if mode == MigrateMode::Async => Migrated::Busy,
            false => self.relocate(from, target),
        };
        self.called();
        answer
    }

    fn wake_kcompactd(&self, _: NodeId) {
        self.called();
    }

    fn shrink_node(&self, shrink: &NodeShrink) -> Reclaimed {
        self.count(|asked| asked.shrinks += 1);
        self.called();
        let freed = u64::from(shrink.priority.is_multiple_of(4) && self.free_any());
        let reclaimed = if self.lies_once_in(2) { u64::MAX } else { freed };
        Reclaimed { reclaimed, scanned: 1 }
    }

    fn try_lock_oom(&self) -> bool {
        self.called();
        let taken = !self.locked.replace(true);
        assert!(taken || self.nested.get() > 0, "a request takes the lock once at a time");
        taken
    }

    fn unlock_oom(&self) {
        assert!(self.locked.replace(false), "it is given back once");
    }

    fn out_of_memory(&self, _: &Shortage) -> OomVerdict {
        self.count(|asked| asked.kills += 1);
        self.called();
        if self.lies_once_in(2) { OomVerdict::Killed } else { OomVerdict::NothingToKill }
    }

    fn cond_resched(&self) {
        self.called();
    }

    fn max_rounds(&self) -> u32 {
        self.max_rounds.get()
    }
}
