//! The quick way decides as the long way does.

use crate::machine::{Machine, NR_CPUS, config};
use crate::step::{Step, step};
use crate::view::view;
use page_alloc::node::pcp::{PcpHigh, PcpOrders};
use page_alloc::sim::{Sim, SimConfig, SimTrace};
use page_alloc::{
    AllocError, Context, Extfrag, Gfp, KswapdWake, MigrateType, Mobility, NoReclaim, NodeMask,
    Order, PcpMove, Pfn, Reclaim, Trace,
};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};

/// A task that is told of nothing; with cpusets in use, or not.
///
/// The quick way is closed where cpusets are in use. The task's cpuset has all nodes, so that
/// nothing is decided otherwise: a nodemask of all nodes is none, every node that is asked about is
/// allowed, every nodemask is kept, even one without nodes, and HARDWALL, which the first attempt then
/// has, matters to cpusets alone.
struct Task {
    cpusets: bool,
    context: Cell<Context>,
    wakes: RefCell<Vec<KswapdWake>>,
}

impl Task {
    fn new(cpusets: bool) -> Self {
        Self { cpusets, context: Cell::default(), wakes: RefCell::default() }
    }
}

impl Reclaim for Task {
    fn context(&self) -> Context {
        self.context.get()
    }

    fn cpusets_enabled(&self) -> bool {
        self.cpusets
    }

    fn cpuset_meets(&self, _: NodeMask) -> bool {
        true
    }

    fn wake_kswapd(&self, wake: KswapdWake) {
        self.wakes.borrow_mut().push(wake);
    }
}

/// What the trace points tell, one after the other.
#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl Trace for Log {
    fn mm_page_alloc(&self, pfn: Option<Pfn>, order: Order, gfp: Gfp, kind: MigrateType) {
        self.0.borrow_mut().push(format!("alloc {pfn:?} {order} {gfp:?} {kind}"));
    }

    fn mm_page_alloc_zone_locked(&self, pfn: Pfn, order: Order, kind: MigrateType) {
        self.0.borrow_mut().push(format!("locked {pfn} {order} {kind}"));
    }

    fn mm_page_free(&self, pfn: Pfn, order: Order) {
        self.0.borrow_mut().push(format!("free {pfn} {order}"));
    }

    fn mm_page_pcpu_refill(&self, moved: PcpMove) {
        self.0.borrow_mut().push(format!("refill {moved:?}"));
    }

    fn mm_page_pcpu_drain(&self, moved: PcpMove) {
        self.0.borrow_mut().push(format!("drain {moved:?}"));
    }

    fn mm_page_alloc_extfrag(&self, event: Extfrag) {
        self.0.borrow_mut().push(format!("{event:?}"));
    }
}

/// Runs a history on both machines, each step in its context, and compares all that can be seen
/// after each.
fn compare(config: &SimConfig, history: impl IntoIterator<Item = (u32, Context, Step)>) {
    let boot = |cpusets| Machine::boot(config, Task::new(cpusets), Log::default());
    let (mut quick, mut long) = (boot(false), boot(true));
    for (at, (cpu, context, step)) in history.into_iter().enumerate() {
        let [told, expected] = [&mut quick, &mut long].map(|it| {
            it.sim.reclaim().context.set(context);
            it.apply(cpu, &step)
        });
        assert_eq!(told, expected, "step {at}: {step:?} on CPU {} in {context:?}", cpu % NR_CPUS);
        let [wakes, expected] = [&quick, &long].map(|it| it.sim.reclaim().wakes.take());
        assert_eq!(wakes, expected, "step {at}: {step:?}");
        let [log, expected] = [&quick, &long].map(|it| it.sim.trace().0.take());
        assert_eq!(log, expected, "step {at}: {step:?}");
        assert_eq!(view(&quick.sim), view(&long.sim), "step {at}: {step:?}");
    }
}

fn in_a_task(history: Vec<(u32, Step)>) -> impl Iterator<Item = (u32, Context, Step)> {
    history.into_iter().map(|(cpu, step)| (cpu, Context::TASK, step))
}

/// What runs: a task mostly, everything else too.
fn context() -> impl Strategy<Value = Context> {
    let bits: Vec<_> = Context::all().iter().collect();
    prop_oneof![
        2 => Just(Context::TASK),
        4 => prop::sample::select(bits),
        1 => any::<u32>().prop_map(Context::from_bits_truncate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Blocks, errors, lists, counts, statistics, wakings and trace points are the same after every
    /// step, whether ordinary requests go the quick way or the long one.
    #[test]
    fn the_quick_way_is_the_long_way(
        orders in prop::sample::select(vec![PcpOrders::WithPageblock, PcpOrders::Low]),
        high in prop::sample::select(vec![PcpHigh::Fixed, PcpHigh::Adaptive]),
        history in prop::collection::vec((any::<u32>(), step()), 1..250),
    ) {
        let mut config = config(orders);
        config.options = config.options.pcp_high(high);
        compare(&config, in_a_task(history));
    }

    /// So they are when requests come from interrupts, from those who free memory and from all other
    /// contexts: these count where a request is let in, and where there is too little.
    #[test]
    fn the_quick_way_keeps_to_the_context(
        history in prop::collection::vec((any::<u32>(), context(), step()), 1..250),
    ) {
        compare(&config(PcpOrders::WithPageblock), history);
    }
}

/// A history of the quick way's own trade: every flag and order while memory runs out and comes
/// back, on one CPU.
#[test]
fn the_quick_way_until_memory_is_gone() {
    use crate::step::{GFPS, Way};
    let mut history = Vec::new();
    for round in 0..3 {
        for (number, gfp) in GFPS.into_iter().enumerate() {
            for order in Order::ALL {
                for _ in 0..2 {
                    history.push((round, Step::Alloc { gfp, order, way: Way::Here }));
                }
            }
            history.extend((0..9).map(|pick| (round, Step::Free { pick: pick * 7 + number })));
        }
        history.extend((0..60).map(|pick| (round, Step::Free { pick })));
    }
    compare(&config(PcpOrders::WithPageblock), in_a_task(history));
}

/// With blocks at hand for a request, its context still counts: an interrupt may not sleep, and
/// memory to be pinned is not movable, so it comes from the other list.
#[test]
fn a_context_counts_though_a_block_is_at_hand() {
    let boot = |cpusets| {
        let config = config(PcpOrders::WithPageblock);
        Machine::boot(&config, Task::new(cpusets), Log::default())
    };
    for machine in [boot(false), boot(true)] {
        let sim = machine.sim;
        let within = |context, gfp| {
            sim.reclaim().context.set(context);
            sim.alloc_page(gfp)
        };
        let movable = Gfp::HIGHUSER_MOVABLE;
        let first = [Gfp::KERNEL, movable].map(|gfp| within(Context::TASK, gfp).expect("memory"));
        let next = first.each_ref().map(|page| page.pfn() + 1);
        let pinned = within(Context::MEMALLOC_PIN, movable).expect("memory");
        assert_eq!(pinned.pfn(), next[0], "the next unmovable frame");
        let refused = within(Context::HARDIRQ, Gfp::KERNEL);
        assert_eq!(refused, Err(AllocError::WouldSleep(Gfp::KERNEL)));
        let served = within(Context::HARDIRQ, Gfp::NOWAIT).expect("memory");
        assert_eq!(served.pfn(), next[0] + 1);
        let task = within(Context::TASK, movable).expect("memory");
        assert_eq!(task.pfn(), next[1], "the next movable frame");
    }
}

/// Where pageblocks are not grouped, all blocks are UNMOVABLE, whatever the flags: the trace point
/// says so for a block at hand as for the one before it, which was not.
#[test]
fn without_grouping_all_is_told_as_unmovable() {
    let sim = Sim::boot_with(&SimConfig::flat(11 << 20), NoReclaim, SimTrace::default()).unwrap();
    assert_eq!(sim.report().mobility, Mobility::Disabled);
    let pages = [(); 4].map(|()| sim.alloc_page(Gfp::HIGHUSER_MOVABLE).unwrap());
    let [first, .., last] = &pages;
    assert_eq!(last.pfn(), first.pfn() + 3, "all of one refill");
    assert_eq!(sim.trace().allocs(Order::O0, MigrateType::Unmovable), 4);
    pages.into_iter().for_each(|page| sim.free_pages(page).unwrap());
}

/// A zone that has nothing for a request is asked once for a refill of its lists, in each walk: their
/// `high` rises once, where it adapts.
#[test]
fn a_refill_in_vain_is_tried_once() {
    use crate::step::Way;
    let alloc = |gfp, order, way| Step::Alloc { gfp, order, way };
    let history = [
        (0, Step::AllocBulk { gfp: Gfp::HIGHUSER_MOVABLE, count: 33, at: Some(0) }),
        (2, alloc(Gfp::KERNEL, Order::O0, Way::Here)),
        (3, alloc(Gfp::HIGHUSER_MOVABLE, Order::O3, Way::Here)),
        (2, alloc(Gfp::KERNEL, Order::O0, Way::Here)),
        (1, alloc(Gfp::KERNEL, Order::O9, Way::Masked(0, 3))),
        (2, Step::AllocBulk { gfp: Gfp::KERNEL, count: 3, at: Some(0) }),
        (1, alloc(Gfp::KERNEL, Order::O9, Way::Here)),
        (1, alloc(Gfp::KERNEL | Gfp::RECLAIMABLE, Order::O0, Way::Masked(1, 1))),
    ];
    let mut config = config(PcpOrders::WithPageblock);
    config.options = config.options.pcp_high(PcpHigh::Adaptive);
    compare(&config, in_a_task(history.to_vec()));
}
