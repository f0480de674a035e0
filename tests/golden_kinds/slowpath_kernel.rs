//! The kernel of a recorded request: gives the recorded answers, and writes down what it was asked.

use crate::port::{KINDS, ZoneId};
use crate::sim_machine::TYPES;
use crate::slowpath_case::{Answer, COMPACT_RESULTS, Case, Effect, NODE_RECLAIMS};
use crate::slowpath_log::{Log, Watcher, kind, letters, mask, zone_name};
use page_alloc::sim::Sim;
use page_alloc::{
    AllocFlags, CompactPriority, CompactResult, Compacted, Context, Gfp, KswapdWake, MAX_ROUNDS,
    NodeId, NodeMask, NodeReclaimed, OomVerdict, Order, Pages, Reclaim, Reclaimed, Shortage,
    ZoneType,
};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};

pub type Machine = Sim<Kernel, Watcher>;

/// Linux's limit for node reclaim.
const RECLAIM_DISTANCE: u8 = 30;

/// A kernel that answers by a script.
#[derive(Debug)]
pub struct Kernel {
    pub log: Rc<RefCell<Log>>,
    pub case: RefCell<Case>,
    /// Allocated blocks, by first frame.
    pub held: RefCell<HashMap<u64, Pages>>,
    machine: RefCell<Weak<Machine>>,
    /// How often the task's nodes have changed.
    generation: Cell<u32>,
    /// Whether a request runs, and not what leads to it.
    pub asked: Cell<bool>,
}

impl Kernel {
    pub fn new(case: Case, log: Rc<RefCell<Log>>) -> Self {
        Self {
            log,
            case: RefCell::new(case),
            held: RefCell::default(),
            machine: RefCell::default(),
            generation: Cell::new(0),
            asked: Cell::new(false),
        }
    }

    /// Tells it of the machine whose blocks it frees.
    pub fn know(&self, machine: &Rc<Machine>) {
        *self.machine.borrow_mut() = Rc::downgrade(machine);
    }

    pub fn free(&self, pfn: u64, order: u32) {
        let pages = self.take(pfn);
        assert_eq!(pages.order().get(), order, "the block at {pfn}");
        let machine = self.machine.borrow().upgrade().expect("a machine that runs");
        machine.free_pages(pages).expect("an allocated block");
    }

    fn take(&self, pfn: u64) -> Pages {
        self.held.borrow_mut().remove(&pfn).expect("the block is held")
    }

    /// What happens before an answer; gives the block that compaction captured, if it did.
    fn happen(&self, effects: Vec<Effect>) -> Option<Pages> {
        let mut captured = None;
        for effect in effects {
            match effect {
                Effect::Free(pfn, order) => self.free(pfn, order),
                Effect::Capture(pfn) => captured = Some(self.take(pfn)),
                Effect::Lru(zone, pages) => {
                    self.case.borrow_mut().lru.insert(zone, pages);
                }
                Effect::Mems(nodes) => {
                    let mut case = self.case.borrow_mut();
                    case.cpuset.as_mut().expect("cpusets are on").mems = nodes;
                    self.generation.set(self.generation.get() + 1);
                }
                Effect::Victim => self.case.borrow_mut().context |= Context::OOM_VICTIM,
                Effect::Sigkill => self.case.borrow_mut().context |= Context::FATAL_SIGNAL,
            }
        }
        captured
    }

    /// The next answer, after what happens before it.
    fn answer<A>(
        &self,
        of: impl FnOnce(&mut Case) -> &mut VecDeque<Answer<A>>,
        default: A,
    ) -> (A, Option<Pages>) {
        let next = of(&mut self.case.borrow_mut()).pop_front();
        match next {
            Some(Answer { answer, effects }) => (answer, self.happen(effects)),
            None => (default, None),
        }
    }

    fn step(&self, text: &str) {
        if self.asked.get() {
            self.log.borrow_mut().step(text);
        }
    }

    /// The step of a hook that is told of the request.
    fn shortage(&self, hook: &str, shortage: &Shortage, answer: impl std::fmt::Display) {
        let text = self.log.borrow().shortage(shortage);
        self.step(&format!("{hook} {text} -> {answer}"));
    }
}

/// The port's name of a zone.
fn id_of(node: NodeId, zone: ZoneType) -> ZoneId {
    let kind = TYPES.iter().position(|kind| *kind == zone).unwrap_or(KINDS.len());
    (u32::try_from(node.index()).expect("a small number"), kind)
}

fn name_of<A: PartialEq>(names: &[(&'static str, A)], answer: &A) -> &'static str {
    let found = names.iter().find(|(_, named)| named == answer);
    found.map_or("?", |(name, _)| name)
}

impl Reclaim for Kernel {
    fn context(&self) -> Context {
        if self.asked.get() { self.case.borrow().context } else { Context::TASK }
    }

    /// Some of the recorded requests may not wait where they say that they do.
    fn may_sleep(&self) -> bool {
        true
    }

    fn wake_kswapd(&self, wake: KswapdWake) {
        self.log.borrow_mut().wake(wake);
    }

    fn cpusets_enabled(&self) -> bool {
        self.asked.get() && self.case.borrow().cpuset.is_some()
    }

    fn cpuset_mems_allowed(&self) -> NodeMask {
        self.case.borrow().cpuset.map_or(NodeMask::ALL, |cpuset| cpuset.mems)
    }

    fn cpuset_node_allowed(&self, node: NodeId, gfp: Gfp) -> bool {
        let case = self.case.borrow();
        let cpuset = case.cpuset.expect("cpusets are on");
        let allowed = case.context.in_interrupt()
            || cpuset.mems.contains(node)
            || case.context.contains(Context::OOM_VICTIM)
            || !gfp.contains(Gfp::HARDWALL) && (case.exiting || cpuset.hard.contains(node));
        self.log.borrow_mut().inner(&format!("cpuset {node} -> {}", u8::from(allowed)));
        allowed
    }

    fn node_dirty_ok(&self, node: NodeId) -> bool {
        let ok = !self.case.borrow().over_dirty.contains(node);
        self.log.borrow_mut().inner(&format!("dirty_ok {node} -> {}", u8::from(ok)));
        ok
    }

    fn node_reclaim_distance(&self) -> Option<u8> {
        (self.asked.get() && self.case.borrow().node_reclaim).then_some(RECLAIM_DISTANCE)
    }

    fn node_reclaim(&self, node: NodeId, gfp: Gfp, order: Order) -> NodeReclaimed {
        let (answer, _) = self.answer(|case| &mut case.node_reclaims, NodeReclaimed::NotScanned);
        let mut log = self.log.borrow_mut();
        let (gfp, name) = (log.gfp(gfp), name_of(&NODE_RECLAIMS, &answer));
        log.inner(&format!("node_reclaim {node} order={order} gfp{gfp} -> {name}"));
        answer
    }

    fn cpuset_generation(&self) -> u32 {
        self.generation.get()
    }

    fn cpuset_meets(&self, nodes: NodeMask) -> bool {
        let meets = !nodes.intersection(self.cpuset_mems_allowed()).is_empty();
        self.step(&format!("maskok -> {}", u8::from(meets)));
        meets
    }

    fn cpusets_insane(&self) -> bool {
        self.case.borrow().cpuset.is_some_and(|cpuset| cpuset.insane)
    }

    fn direct_reclaim(&self, shortage: &Shortage) -> Option<Reclaimed> {
        let (reclaimed, _) = self.answer(|case| &mut case.reclaim, 0);
        self.shortage("reclaim", shortage, reclaimed);
        Some(Reclaimed { reclaimed, scanned: reclaimed })
    }

    fn reclaimable_pages(&self, node: NodeId, zone: ZoneType) -> u64 {
        let id = id_of(node, zone);
        let pages = self.case.borrow().lru.get(&id).copied().unwrap_or(0);
        self.step(&format!("lru {} -> {pages}", zone_name(node, zone)));
        pages
    }

    fn compact(
        &self,
        shortage: &Shortage,
        flags: AllocFlags,
        priority: CompactPriority,
    ) -> Option<Compacted> {
        let (result, captured) = self.answer(|case| &mut case.compact, CompactResult::Skipped);
        let priority = match priority {
            CompactPriority::SyncFull => "full",
            CompactPriority::SyncLight => "light",
            CompactPriority::Async => "async",
        };
        let frame = captured.as_ref().map(|pages| format!(" captured={}", pages.pfn().get()));
        self.step(&format!(
            "compact order={} flags={} prio={priority} hz={} mask={} gfp{} -> {}{}",
            shortage.order,
            letters(flags),
            kind(shortage.highest),
            mask(shortage.nodemask),
            self.log.borrow().gfp(shortage.gfp),
            name_of(&COMPACT_RESULTS, &result),
            frame.unwrap_or_default(),
        ));
        Some(Compacted { result, captured })
    }

    fn compaction_suitable(&self, shortage: &Shortage, flags: AllocFlags) -> Option<bool> {
        let suitable = self.case.borrow_mut().suitable.pop_front().unwrap_or(false);
        self.step(&format!(
            "suitable order={} flags={} hz={} mask={} -> {}",
            shortage.order,
            letters(flags),
            kind(shortage.highest),
            mask(shortage.nodemask),
            u8::from(suitable),
        ));
        Some(suitable)
    }

    fn try_lock_oom(&self) -> bool {
        let (got, _) = self.answer(|case| &mut case.oom_lock, true);
        self.step(&format!("oomlock -> {}", u8::from(got)));
        got
    }

    fn out_of_memory(&self, shortage: &Shortage) -> OomVerdict {
        let (killed, _) = self.answer(|case| &mut case.oom, false);
        self.shortage("oom", shortage, u8::from(killed));
        if killed { OomVerdict::Killed } else { OomVerdict::NothingToKill }
    }

    fn cond_resched(&self) {
        self.step("resched");
    }

    fn sleep_tick(&self) {
        self.step("sleep 1");
    }

    fn alloc_failed(&self, _: &Shortage) {
        self.step("warn");
    }

    fn max_rounds(&self) -> u32 {
        self.case.borrow().rounds.unwrap_or(MAX_ROUNDS)
    }
}
