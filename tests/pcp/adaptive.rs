//! A `high` that adapts: what makes it rise, where it may be, and what it is good for.

use crate::machine::{Machine, NR_CPUS, config, node};
use crate::step::step;
use page_alloc::alloc::Drained;
use page_alloc::boot::{NodeRange, Options};
use page_alloc::node::pcp::limits::{MIN_PERCPU_PAGELIST_HIGH_FRACTION, PcpLimits, zone_highsize};
use page_alloc::node::pcp::{PcpHigh, PcpOrders};
use page_alloc::report::PagesetRef;
use page_alloc::sim::{Contents, Sim, SimConfig, SimKernel, SimPlatform, SimTrace, Tables};
use page_alloc::{CpuId, Gfp, NodeId, Order, Pages, PhysAddr, ZoneType};
use proptest::prelude::*;

pub const DMA32: (NodeId, ZoneType) = (NodeId::ZERO, ZoneType::Dma32);

/// Linux's batch in a zone of 1 GiB.
pub const BATCH: u32 = 63;

/// 1 GiB, almost all of it in DMA32, of one node and one CPU.
pub fn machine(high: PcpHigh) -> Sim {
    let mut config = SimConfig::flat(1 << 30);
    config.options = Options::DEFAULT.pcp_high(high);
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

pub fn lists(sim: &Sim) -> PagesetRef<'_, SimPlatform> {
    let zone = sim.zone(DMA32.0, DMA32.1).expect("a zone");
    zone.pageset(CpuId::BOOT).expect("a CPU")
}

pub fn high(sim: &Sim) -> u32 {
    lists(sim).limits().high
}

pub fn range(sim: &Sim) -> (u32, u32) {
    lists(sim).high_range().into_inner()
}

pub fn take(sim: &Sim, order: Order, count: usize) -> Vec<Pages> {
    (0..count).map(|_| sim.alloc_pages(Gfp::KERNEL, order).expect("memory")).collect()
}

pub fn free(sim: &Sim, blocks: impl IntoIterator<Item = Pages>) {
    blocks.into_iter().for_each(|block| sim.free_pages(block).expect("an allocated block"));
}

/// How often the zone's lock was taken for the lists since the last call: events at the trace points.
fn lock_holds(sim: &Sim, before: &mut u64) -> u64 {
    let all = sim.trace().pcp_refills().0 + sim.trace().pcp_drains().0;
    all - std::mem::replace(before, all)
}

/// Rounds of taking so many blocks and freeing them; gives the lock holds of each.
pub fn swing(sim: &Sim, order: Order, blocks: usize, rounds: usize) -> Vec<u64> {
    let mut before = 0;
    lock_holds(sim, &mut before);
    let round = |_| {
        free(sim, take(sim, order, blocks));
        lock_holds(sim, &mut before)
    };
    (0..rounds).map(round).collect()
}

/// A machine on which `high` has risen, and blocks that are held.
pub fn risen() -> (Sim, Vec<Pages>) {
    let sim = machine(PcpHigh::Adaptive);
    swing(&sim, Order::O0, 6000, 3);
    assert!(high(&sim) > 6000);
    let held = take(&sim, Order::O0, 7000);
    (sim, held)
}

/// A CPU that takes and frees the same number of frames again and again comes to keep them: the zone
/// is then asked no more. With a fixed `high` each round costs the same.
#[test]
fn a_steady_swing_ends_without_the_lock() {
    for (order, blocks) in [(Order::O0, 8000), (Order::O2, 3000), (Order::O3, 1000)] {
        let fixed = swing(&machine(PcpHigh::Fixed), order, blocks, 8);
        assert!(fixed[1..].iter().all(|holds| *holds > 20), "order {order}: {fixed:?}");
        let sim = machine(PcpHigh::Adaptive);
        let (min, max) = range(&sim);
        assert_eq!(high(&sim), min);
        let adaptive = swing(&sim, order, blocks, 8);
        assert!(adaptive[0] < fixed[0], "order {order}: {adaptive:?}, not {fixed:?}");
        assert_eq!(adaptive[4..], [0; 4], "order {order}: {adaptive:?}");
        let frames = u32::try_from(blocks << order.get()).expect("few");
        assert!(high(&sim) > frames && high(&sim) <= max);
        assert_eq!(sim.verify(), Ok(()));
    }
}

/// Frames that are freed in a row, and were never on the lists, raise `high` so that it holds as many
/// and a batch, at most 33 batches; as many go back each time, but a batch stays.
#[test]
fn frees_in_a_row_raise_high() {
    let sim = machine(PcpHigh::Adaptive);
    let (min, _) = range(&sim);
    assert!((1000..2000).contains(&min), "{min}");
    let mut pages = past_the_lists(&sim, 8);
    let mut next = || {
        let (before, after) = until_less(&sim, &mut pages);
        (before, after, high(&sim))
    };
    assert_eq!(next(), (min, BATCH, min + BATCH));
    assert_eq!(next(), (min + BATCH, BATCH, 33 * BATCH));
    assert_eq!(next(), (33 * BATCH, BATCH, 33 * BATCH));
    assert_eq!(next(), (33 * BATCH, BATCH, 33 * BATCH));
    assert_eq!(sim.verify(), Ok(()));
}

/// Single frames that the lists never had: parts of so many of the largest blocks.
fn past_the_lists(sim: &Sim, blocks: usize) -> Vec<Pages> {
    let blocks = take(sim, Order::O10, blocks);
    blocks.into_iter().flat_map(|block| sim.split_page(block).expect("a block")).collect()
}

/// Frees until the CPU has less than before. Gives how much it had before that, the freed frame
/// included, and what it has then.
fn until_less(sim: &Sim, pages: &mut Vec<Pages>) -> (u32, u32) {
    loop {
        let before = lists(sim).count() + 1;
        free(sim, [pages.pop().expect("enough frames")]);
        if lists(sim).count() < before {
            return (before, lists(sim).count());
        }
    }
}

/// Below what `high` holds, each give-back is what was freed in a row, the last one's frames
/// included; each frame that is taken halves what counts of these.
#[test]
fn give_backs_grow_with_frees_in_a_row() {
    let sim = machine(PcpHigh::Adaptive);
    let mut pages = past_the_lists(&sim, 12);
    swing(&sim, Order::O0, 6000, 3);
    let before = high(&sim);
    while lists(&sim).count() < before - 37 {
        free(&sim, pages.pop());
    }
    let take_some = || (0..12).map(|_| sim.alloc_page(Gfp::HIGHUSER_MOVABLE).expect("memory"));
    let mut held: Vec<_> = take_some().collect();
    let most = high(&sim);
    assert_eq!(most, before + BATCH, "a refill");
    assert_eq!(lists(&sim).count(), most - 49);
    let mut given = || {
        let (before, after) = until_less(&sim, &mut pages);
        assert_eq!(before, most);
        before - after
    };
    assert_eq!([given(), given(), given()], [63, 37 + 63, 2 * (37 + 63)], "a batch at least");
    held.extend(take_some());
    assert_eq!([given(), given()], [200, 400]);
    assert_eq!(high(&sim), most);
    free(&sim, held);
    assert_eq!(sim.verify(), Ok(()));
}

/// More than may be kept goes back; the CPU keeps what may be.
#[test]
fn a_swing_beyond_the_most() {
    let sim = machine(PcpHigh::Adaptive);
    let (_, max) = range(&sim);
    let holds = swing(&sim, Order::O0, 50_000, 4);
    assert_eq!(high(&sim), max);
    assert!(lists(&sim).count() < max);
    assert!(holds.iter().all(|holds| *holds > 0));
    let fixed = swing(&machine(PcpHigh::Fixed), Order::O0, 50_000, 4);
    assert!(holds.iter().sum::<u64>() < fixed.iter().sum::<u64>() / 4, "{holds:?}, not {fixed:?}");
}

/// Each refill without a free in between takes twice as many frames, up to 32 batches, and `high`
/// rises by as many; a batch of room is left. Each free halves how often it was doubled.
#[test]
fn refills_double() {
    let sim = machine(PcpHigh::Adaptive);
    let (min, _) = range(&sim);
    let mut pages = Vec::new();
    let refill = |pages: &mut Vec<Pages>| {
        pages.extend(take(&sim, Order::O0, lists(&sim).count() as usize + 1));
        (lists(&sim).count() + 1) / BATCH
    };
    let mut expected_high = min;
    for expected in [1, 2, 4, 8, 16, 32, 32, 32] {
        assert_eq!(refill(&mut pages), expected);
        expected_high += expected * BATCH;
        assert_eq!(high(&sim), expected_high);
    }
    for (frees, expected) in [(1, 4), (0, 8), (0, 16), (2, 2), (9, 1)] {
        free(&sim, pages.drain(..frees));
        assert_eq!(refill(&mut pages), expected, "after {frees} frees");
    }
    assert_eq!(refill(&mut pages), 2, "nothing was freed");
}

/// Blocks of several frames are taken by single batches: `high` rises by one each time.
#[test]
fn refills_of_larger_blocks_stay_as_they_are() {
    let sim = machine(PcpHigh::Adaptive);
    let (min, _) = range(&sim);
    let mut held = Vec::new();
    for refills in 1..=10 {
        held.extend(take(&sim, Order::O2, lists(&sim).count() as usize / 4 + 1));
        assert_eq!(lists(&sim).count(), 4 * (BATCH / 4 - 1));
        assert_eq!(high(&sim), min + refills * BATCH);
    }
    free(&sim, held);
    assert_eq!(sim.verify(), Ok(()));
}

/// With a fixed `high` there is one number that it may be, and nothing moves it.
#[test]
fn a_fixed_high_stays() {
    let sim = machine(PcpHigh::Fixed);
    let before = high(&sim);
    assert_eq!(range(&sim), (before, before));
    swing(&sim, Order::O0, 6000, 3);
    let count = lists(&sim).count();
    assert!((0..9).all(|_| sim.age_local_pages() == Drained::default()));
    assert_eq!((high(&sim), lists(&sim).count()), (before, count));
}

/// Limits that were set by hand hold as with a fixed `high`, until watermarks change; a `high` that
/// had risen then stays where it may.
#[test]
fn limits_by_hand_do_not_adapt() {
    let (sim, held) = risen();
    let limits = PcpLimits { batch: 10, high: 100 };
    sim.set_pcp_limits(DMA32.0, DMA32.1, limits).expect("a zone");
    assert_eq!((range(&sim), high(&sim)), ((100, 100), 100));
    free(&sim, held);
    swing(&sim, Order::O0, 3000, 3);
    sim.age_local_pages();
    assert_eq!(lists(&sim).limits(), limits);
    sim.set_min_free_kbytes(20_000).expect("a machine");
    let (min, max) = range(&sim);
    assert!(100 < min && min < max);
    assert_eq!(lists(&sim).limits(), PcpLimits { batch: BATCH, high: min });
    swing(&sim, Order::O0, 6000, 3);
    let risen = high(&sim);
    assert!(risen > 6000);
    sim.set_min_free_kbytes(10_000).expect("a machine");
    assert!(range(&sim).0 < min, "lower watermarks");
    assert_eq!(high(&sim), risen);
}

/// The least is what a fixed `high` would be; the most is an eighth of the zone, shared by the online
/// CPUs of its node.
#[test]
fn what_high_may_be() {
    let boot = |high| {
        let mut config = SimConfig::flat(1 << 30);
        let half = |at| NodeRange::new(node(at), PhysAddr::new(u64::from(at) << 29), 1 << 29);
        config.nodes = vec![half(0), half(1)];
        config.cpus = [0, 0, 1, 0].map(node).to_vec();
        config.options = Options::DEFAULT.pcp_high(high);
        config.contents = Contents::Ignored;
        Sim::boot(config).expect("a legal machine")
    };
    let (fixed, adaptive) = (boot(PcpHigh::Fixed), boot(PcpHigh::Adaptive));
    let shared = |cpus: [u32; 2]| {
        let zones =
            fixed.zones().zip(adaptive.zones()).filter(|(zone, _)| zone.present_pages() > 0);
        for (fixed, zone) in zones {
            let lists = zone.pageset(CpuId::BOOT).expect("a CPU");
            let limits = fixed.pageset(CpuId::BOOT).expect("a CPU").limits();
            let part = zone.managed_pages() / MIN_PERCPU_PAGELIST_HIGH_FRACTION;
            let most = zone_highsize(part, cpus[zone.node().index()], limits.batch);
            assert_eq!(lists.high_range(), limits.high..=most.max(limits.high));
            assert_eq!(lists.limits(), limits);
        }
    };
    shared([3, 1]);
    for sim in [&fixed, &adaptive] {
        sim.cpu_offline(CpuId::new(1)).expect("a CPU");
    }
    shared([2, 1]);
}

type Random = Machine<SimKernel, SimTrace>;

/// All lists keep to what they may be.
fn check(machine: &Random) {
    assert_eq!(machine.sim.verify(), Ok(()));
    for zone in machine.sim.zones() {
        for lists in zone.pagesets() {
            assert!(lists.high_range().contains(&lists.limits().high), "{zone:?} {lists:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens on a small machine of two nodes and four CPUs, it stays sound, no `high`
    /// leaves its range, and nothing is lost.
    #[test]
    fn histories_keep_high_in_its_range(
        history in prop::collection::vec((any::<u32>(), step()), 1..300),
    ) {
        let mut config = config(PcpOrders::WithPageblock);
        config.options = config.options.pcp_high(PcpHigh::Adaptive);
        let mut machine = Random::boot(&config, SimKernel::default(), SimTrace::default());
        for (cpu, step) in &history {
            machine.apply(cpu % NR_CPUS, step);
            check(&machine);
        }
        for page in std::mem::take(&mut machine.held) {
            machine.sim.free_pages(page).expect("an allocated block");
        }
        check(&machine);
    }
}
