//! The quick way decides as the long way does.

use crate::machine::{Machine, NR_CPUS, config};
use crate::step::{Step, step};
use crate::view::view;
use page_alloc::node::pcp::PcpOrders;
use page_alloc::{Extfrag, Gfp, KswapdWake, MigrateType, NodeMask, Order, Pfn, Reclaim, Trace};
use proptest::prelude::*;
use std::cell::RefCell;

/// A task that is told of nothing; with cpusets in use, or not.
///
/// The quick way is closed where cpusets are in use. The task's cpuset has all nodes, so that
/// nothing is decided otherwise: a nodemask of all nodes is none, every node that is asked about is
/// allowed, every nodemask is kept, even one without nodes, and HARDWALL, which the first attempt then
/// has, matters to cpusets alone.
struct Task {
    cpusets: bool,
    wakes: RefCell<Vec<KswapdWake>>,
}

impl Task {
    fn new(cpusets: bool) -> Self {
        Self { cpusets, wakes: RefCell::default() }
    }
}

impl Reclaim for Task {
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

    fn mm_page_alloc_extfrag(&self, event: Extfrag) {
        self.0.borrow_mut().push(format!("{event:?}"));
    }
}

/// Runs a history on both machines and compares all that can be seen after each step.
fn compare(orders: PcpOrders, history: &[(u32, Step)]) {
    let config = config(orders);
    let boot = |cpusets| Machine::boot(&config, Task::new(cpusets), Log::default());
    let (mut quick, mut long) = (boot(false), boot(true));
    for (at, (cpu, step)) in history.iter().enumerate() {
        let [told, expected] = [&mut quick, &mut long].map(|it| it.apply(*cpu, step));
        assert_eq!(told, expected, "step {at}: {step:?} on CPU {}", cpu % NR_CPUS);
        let [wakes, expected] = [&quick, &long].map(|it| it.sim.reclaim().wakes.take());
        assert_eq!(wakes, expected, "step {at}: {step:?}");
        let [log, expected] = [&quick, &long].map(|it| it.sim.trace().0.take());
        assert_eq!(log, expected, "step {at}: {step:?}");
        assert_eq!(view(&quick.sim), view(&long.sim), "step {at}: {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Blocks, errors, lists, counts, statistics, wakings and trace points are the same after every
    /// step, whether ordinary requests go the quick way or the long one.
    #[test]
    fn the_quick_way_is_the_long_way(
        orders in prop::sample::select(vec![PcpOrders::WithPageblock, PcpOrders::Low]),
        history in prop::collection::vec((any::<u32>(), step()), 1..250),
    ) {
        compare(orders, &history);
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
    compare(PcpOrders::WithPageblock, &history);
}
