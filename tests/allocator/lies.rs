//! A kernel that lies: whatever the hooks answer, every request ends within its rounds, and no frame
//! is lost or given twice.

use crate::dice::Dice;
use page_alloc::node::pcp::PcpOrders;
use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{
    AllocFlags, AllocStep, CompactPriority, CompactResult, Compacted, Context, Gfp, NodeId,
    NodeMask, NodeReclaimed, OomVerdict, Order, Pages, Reclaim, Reclaimed, Shortage, Trace,
    ZoneLayout, ZoneType,
};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

const BYTES: u64 = 16 << 20;

/// What was done for one request.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    attempts: u32,
    reclaims: u32,
    compactions: u32,
    kills: u32,
    /// All other questions of the slow path.
    questions: u32,
}

#[derive(Debug, Default)]
struct Watcher(Rc<Cell<Counts>>);

fn count(counts: &Cell<Counts>, add: impl FnOnce(&mut Counts)) {
    let mut new = counts.get();
    add(&mut new);
    counts.set(new);
}

impl Trace for Watcher {
    fn alloc_step(&self, step: AllocStep) {
        if let AllocStep::Attempt(_) = step {
            count(&self.0, |counts| counts.attempts += 1);
        }
    }
}

type Machine = Sim<Liar, Watcher>;

/// Answers at random, frees what is held at random, and hands out blocks that nobody asked for.
#[derive(Debug)]
struct Liar {
    dice: Dice,
    max_rounds: u32,
    counts: Rc<Cell<Counts>>,
    machine: RefCell<Weak<Machine>>,
    /// What was allocated: who lies about memory still can't lose it.
    held: RefCell<Vec<Pages>>,
    locked: Cell<bool>,
}

impl Liar {
    fn one_of<A: Copy>(&self, answers: &[A]) -> A {
        answers[self.dice.place(answers.len())]
    }

    fn asked(&self) {
        count(&self.counts, |counts| counts.questions += 1);
    }

    fn take(&self) -> Option<Pages> {
        let mut held = self.held.borrow_mut();
        if held.is_empty() {
            return None;
        }
        let pick = self.dice.place(held.len());
        Some(held.swap_remove(pick))
    }

    fn machine(&self) -> Rc<Machine> {
        self.machine.borrow().upgrade().expect("a machine that runs")
    }

    /// Sometimes something is freed indeed.
    fn perhaps_free(&self) {
        if self.dice.one_in(4)
            && let Some(pages) = self.take()
        {
            self.machine().free_pages(pages).expect("an allocated block");
        }
    }

    /// A block of any order, or one that has another holder.
    fn perhaps_capture(&self) -> Option<Pages> {
        let pages = (self.dice.one_in(3)).then(|| self.take()).flatten()?;
        if self.dice.one_in(4) {
            let second = self.machine().get_page(&pages).expect("an allocated block");
            self.held.borrow_mut().push(second);
        }
        Some(pages)
    }
}

impl Reclaim for Liar {
    fn context(&self) -> Context {
        let all = Context::all() - Context::NMI;
        all.iter().filter(|_| self.dice.one_in(8)).collect()
    }

    fn may_sleep(&self) -> bool {
        true
    }

    fn cpusets_enabled(&self) -> bool {
        self.dice.one_in(2)
    }

    fn cpuset_mems_allowed(&self) -> NodeMask {
        NodeMask::from_bits(self.dice.below(u64::MAX))
    }

    fn cpuset_node_allowed(&self, _: NodeId, _: Gfp) -> bool {
        self.dice.one_in(2)
    }

    fn node_reclaim_distance(&self) -> Option<u8> {
        (self.dice.one_in(2)).then_some(255)
    }

    fn node_reclaim(&self, _: NodeId, _: Gfp, _: Order) -> NodeReclaimed {
        self.perhaps_free();
        self.one_of(&[NodeReclaimed::Full, NodeReclaimed::Some, NodeReclaimed::Success])
    }

    fn cpuset_generation(&self) -> u32 {
        self.asked();
        u32::from(self.dice.one_in(8))
    }

    fn cpusets_insane(&self) -> bool {
        self.asked();
        self.dice.one_in(4)
    }

    fn direct_reclaim(&self, _: &Shortage) -> Option<Reclaimed> {
        count(&self.counts, |counts| counts.reclaims += 1);
        self.perhaps_free();
        Some(Reclaimed { reclaimed: self.one_of(&[0, 1, u64::MAX]), scanned: 0 })
    }

    fn reclaimable_pages(&self, _: NodeId, _: ZoneType) -> u64 {
        self.asked();
        self.one_of(&[0, 1000, u64::MAX])
    }

    fn compact(&self, _: &Shortage, _: AllocFlags, _: CompactPriority) -> Option<Compacted> {
        count(&self.counts, |counts| counts.compactions += 1);
        self.perhaps_free();
        let result = self.one_of(&[
            CompactResult::Skipped,
            CompactResult::Deferred,
            CompactResult::Complete,
            CompactResult::Contended,
            CompactResult::Success,
        ]);
        Some(Compacted { result, captured: self.perhaps_capture() })
    }

    fn compaction_suitable(&self, _: &Shortage, _: AllocFlags) -> Option<bool> {
        self.asked();
        self.one_of(&[None, Some(false), Some(true)])
    }

    fn try_lock_oom(&self) -> bool {
        self.asked();
        assert!(!self.locked.get(), "a request takes the lock once at a time");
        self.locked.set(self.dice.one_in(2));
        self.locked.get()
    }

    fn unlock_oom(&self) {
        assert!(self.locked.replace(false), "it is given back once");
    }

    fn out_of_memory(&self, _: &Shortage) -> OomVerdict {
        assert!(self.locked.get(), "nobody is killed without the lock");
        count(&self.counts, |counts| counts.kills += 1);
        self.perhaps_free();
        self.one_of(&[OomVerdict::Killed, OomVerdict::Killed, OomVerdict::NothingToKill])
    }

    fn max_rounds(&self) -> u32 {
        self.max_rounds
    }
}

fn boot(seed: u64, max_rounds: u32, orders: PcpOrders) -> Rc<Machine> {
    let mut config = SimConfig::flat(BYTES);
    config.zones = ZoneLayout::NORMAL_ONLY;
    config.options.pcp = orders;
    config.tables = Tables::Apart;
    let counts = Rc::new(Cell::default());
    let liar = Liar {
        dice: Dice::new(seed),
        max_rounds,
        counts: Rc::clone(&counts),
        machine: RefCell::default(),
        held: RefCell::default(),
        locked: Cell::new(false),
    };
    let machine = Rc::new(Sim::boot_with(&config, liar, Watcher(counts)).expect("a legal machine"));
    *machine.reclaim().machine.borrow_mut() = Rc::downgrade(&machine);
    machine
}

/// Makes a request; one that must not fail may end in the panic that is documented, and no other.
fn request(machine: &Machine, gfp: Gfp, order: Order, mask: Option<NodeMask>) {
    let attempt = || machine.alloc_pages_nodemask(gfp, order, NodeId::ZERO, mask);
    match catch_unwind(AssertUnwindSafe(attempt)) {
        Ok(Ok(pages)) => {
            assert_eq!((pages.order(), machine.page_count(&pages)), (order, Ok(1)));
            machine.reclaim().held.borrow_mut().push(pages);
        }
        Ok(Err(_)) => {}
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map_or("", String::as_str);
            let documented = format!("NOFAIL request of order {order}: no memory left");
            assert_eq!(message, documented);
            assert!(gfp.contains(Gfp::NOFAIL | Gfp::DIRECT_RECLAIM), "{gfp}");
        }
    }
}

/// The bound: so much a round, of which a request has one at least, and the first attempt.
fn assert_bounded(counts: Counts, max_rounds: u32) {
    let (nr_zones, max_rounds) = (1, max_rounds.max(1));
    assert!(counts.attempts <= 9 * max_rounds + 1, "{counts:?}");
    assert!(counts.reclaims <= max_rounds, "{counts:?}");
    assert!(counts.compactions <= max_rounds, "{counts:?}");
    assert!(counts.kills <= max_rounds, "{counts:?}");
    assert!(counts.questions <= (nr_zones + 7) * max_rounds, "{counts:?}");
}

/// All frames are free or held, once everything is given back that was given.
fn assert_whole(machine: &Machine) {
    let held = machine.reclaim().held.take();
    held.into_iter().for_each(|pages| machine.free_pages(pages).expect("an allocated block"));
    machine.drain_all_pages(None);
    assert_eq!(machine.nr_free_pages(), machine.report().managed_pages);
    assert_eq!(machine.verify(), Ok(()));
}

fn gfp() -> impl Strategy<Value = Gfp> {
    let base = [Gfp::KERNEL, Gfp::NOIO, Gfp::USER, Gfp::HIGHUSER_MOVABLE, Gfp::ATOMIC, Gfp::NOWAIT];
    let more = [
        Gfp::NORETRY,
        Gfp::RETRY_MAYFAIL,
        Gfp::NOFAIL,
        Gfp::MEMALLOC,
        Gfp::NOMEMALLOC,
        Gfp::THISNODE,
        Gfp::HIGH,
    ];
    let more = prop::sample::subsequence(more.to_vec(), 0..=3);
    (prop::sample::select(base.to_vec()), more)
        .prop_map(|(base, more)| more.into_iter().fold(base, |gfp, flag| gfp | flag))
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![4 => 0_u32..4, 1 => 4_u32..11].prop_map(|order| Order::new(order).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the hooks say, every request ends within the bound, the machine is sound after each,
    /// and at the end no frame is missing.
    #[test]
    fn no_lie_loses_memory_or_time(
        seed in any::<u64>(),
        max_rounds in prop_oneof![0_u32..3, 3_u32..60],
        orders in prop::sample::select(vec![PcpOrders::None, PcpOrders::Low]),
        requests in prop::collection::vec((gfp(), order(), any::<u8>()), 1..40),
    ) {
        let machine = boot(seed, max_rounds, orders);
        // Little is left, so that most requests come to the slow path.
        while machine.nr_free_pages() > 200 {
            request(&machine, Gfp::NOWAIT, machine.reclaim().one_of(&Order::ALL[..6]), None);
            if machine.reclaim().dice.one_in(512) {
                break;
            }
        }
        for (gfp, order, mask) in requests {
            machine.reclaim().counts.set(Counts::default());
            let mask = (mask < 32).then(|| NodeMask::from_bits(mask.into()));
            request(&machine, gfp, order, mask);
            assert_bounded(machine.reclaim().counts.get(), max_rounds);
            assert_eq!(machine.verify(), Ok(()));
        }
        assert_whole(&machine);
    }
}

/// A kernel that always says that it has freed memory, and never has.
struct Boaster(Cell<u32>);

impl Reclaim for Boaster {
    fn direct_reclaim(&self, _: &Shortage) -> Option<Reclaimed> {
        self.0.set(self.0.get() + 1);
        Some(Reclaimed { reclaimed: 32, scanned: 32 })
    }

    fn reclaimable_pages(&self, _: NodeId, _: ZoneType) -> u64 {
        1 << 20
    }

    fn out_of_memory(&self, _: &Shortage) -> OomVerdict {
        OomVerdict::Killed
    }

    fn max_rounds(&self) -> u32 {
        1000
    }
}

/// With endless progress that is none, a request uses up its rounds, and then it fails: each but the
/// first, which is made before any reclaim, has one.
#[test]
fn endless_progress_ends() {
    let mut config = SimConfig::flat(BYTES);
    config.tables = Tables::Apart;
    let sim = Sim::boot_with(&config, Boaster(Cell::new(0)), page_alloc::NoTrace).unwrap();
    let _held: Vec<Pages> = std::iter::from_fn(|| sim.alloc_page(Gfp::NOWAIT).ok()).collect();
    assert!(sim.alloc_page(Gfp::KERNEL).is_err());
    assert_eq!(sim.reclaim().0.get(), 999);
}
