//! A `high` that adapts: what makes it rise and fall, and what it is good for.

use crate::machine::{Machine, NR_CPUS, config, node};
use crate::step::step;
use page_alloc::alloc::Drained;
use page_alloc::boot::{NodeRange, Options};
use page_alloc::node::pcp::limits::{MIN_PERCPU_PAGELIST_HIGH_FRACTION, PcpLimits, zone_highsize};
use page_alloc::node::pcp::{PcpHigh, PcpOrders};
use page_alloc::report::PagesetRef;
use page_alloc::sim::{Contents, Sim, SimConfig, SimKernel, SimPlatform, SimTrace, Tables};
use page_alloc::zone::ReclaimActive;
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{CpuId, Gfp, NodeId, Order, Pages, PhysAddr, WatermarkLevel, ZoneType};
use proptest::prelude::*;

const DMA32: (NodeId, ZoneType) = (NodeId::ZERO, ZoneType::Dma32);

/// Linux's batch in a zone of 1 GiB.
const BATCH: u32 = 63;

/// 1 GiB, almost all of it in DMA32, of one node and one CPU.
fn machine(high: PcpHigh) -> Sim {
    let mut config = SimConfig::flat(1 << 30);
    config.options = Options::DEFAULT.pcp_high(high);
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

fn lists(sim: &Sim) -> PagesetRef<'_, SimPlatform> {
    let zone = sim.zone(DMA32.0, DMA32.1).expect("a zone");
    zone.pageset(CpuId::BOOT).expect("a CPU")
}

fn high(sim: &Sim) -> u32 {
    lists(sim).limits().high
}

fn range(sim: &Sim) -> (u32, u32) {
    lists(sim).high_range().into_inner()
}

fn take(sim: &Sim, order: Order, count: usize) -> Vec<Pages> {
    (0..count).map(|_| sim.alloc_pages(Gfp::KERNEL, order).expect("memory")).collect()
}

fn free(sim: &Sim, blocks: impl IntoIterator<Item = Pages>) {
    blocks.into_iter().for_each(|block| sim.free_pages(block).expect("an allocated block"));
}

/// How often the zone's lock was taken for the lists since the last call: events at the trace points.
fn lock_holds(sim: &Sim, before: &mut u64) -> u64 {
    let all = sim.trace().pcp_refills().0 + sim.trace().pcp_drains().0;
    all - std::mem::replace(before, all)
}

/// Rounds of taking so many blocks and freeing them; gives the lock holds of each.
fn swing(sim: &Sim, order: Order, blocks: usize, rounds: usize) -> Vec<u64> {
    let mut before = 0;
    lock_holds(sim, &mut before);
    let round = |_| {
        free(sim, take(sim, order, blocks));
        lock_holds(sim, &mut before)
    };
    (0..rounds).map(round).collect()
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

/// A machine on which `high` has risen, and blocks that are held.
fn risen() -> (Sim, Vec<Pages>) {
    let sim = machine(PcpHigh::Adaptive);
    swing(&sim, Order::O0, 6000, 3);
    assert!(high(&sim) > 6000);
    let held = take(&sim, Order::O0, 7000);
    (sim, held)
}

/// While a zone's memory is reclaimed, its CPUs keep less than four batches, as with a fixed `high`;
/// that falls to its least as they free, and does not rise as they take.
#[test]
fn reclaim_takes_high_down() {
    let (sim, held) = risen();
    let (min, _) = range(&sim);
    let active = |active| sim.set_reclaim_active(DMA32.0, DMA32.1, active).expect("a zone");
    active(ReclaimActive::Yes);
    free(&sim, held);
    assert_eq!(high(&sim), min);
    assert!(lists(&sim).count() < 4 * BATCH);
    free(&sim, take(&sim, Order::O0, 3000));
    assert_eq!(high(&sim), min);
    assert!(lists(&sim).count() < 4 * BATCH);
    active(ReclaimActive::No);
    swing(&sim, Order::O0, 6000, 3);
    assert!(high(&sim) > 6000, "it rises again");
    assert_eq!(sim.verify(), Ok(()));
}

/// While a zone has less than its high watermark, `high` falls by what goes back, which is at least
/// a batch, down to its least; a CPU keeps no more than that. It does not rise.
#[test]
fn a_zone_below_its_high_watermark_takes_high_down() {
    let (sim, mut held) = risen();
    let (min, _) = range(&sim);
    let zone = sim.zone(DMA32.0, DMA32.1).expect("a zone");
    let [low, all] =
        [zone.snapshot().watermark[WatermarkLevel::Low as usize], zone.managed_pages()];
    let marks = |high| Watermarks { min: 0, low, high, promo: high };
    sim.set_watermarks(DMA32.0, DMA32.1, marks(all)).expect("ascending watermarks");
    let before = high(&sim);
    let last = lists(&sim).count() as usize + 1;
    held.extend(take(&sim, Order::O0, last));
    assert_eq!(high(&sim), before, "a refill, but the zone is below its mark");
    let mut falls = Vec::new();
    for page in held.drain(..) {
        let before = high(&sim);
        free(&sim, [page]);
        falls.push(before - high(&sim));
    }
    assert_eq!(high(&sim), min);
    assert!(lists(&sim).count() < min);
    falls.retain(|fall| *fall > 0);
    falls.pop();
    assert!(!falls.is_empty() && falls.iter().all(|fall| *fall >= BATCH), "{falls:?}");
    free(&sim, take(&sim, Order::O0, 3000));
    assert_eq!(high(&sim), min);
    let high_before = zone.snapshot().watermark[WatermarkLevel::Low as usize];
    sim.set_watermarks(DMA32.0, DMA32.1, marks(high_before)).expect("ascending watermarks");
    swing(&sim, Order::O0, 6000, 3);
    assert!(high(&sim) > 6000, "it rises again");
}

/// With each round of ageing `high` falls by an eighth, down to its least, and what is too much
/// goes back; a CPU's lists of its own node age so, too. Then rounds do nothing.
#[test]
fn ageing_takes_high_down() {
    let (sim, held) = risen();
    free(&sim, held);
    let (min, _) = range(&sim);
    let mut rounds = 0;
    while high(&sim) > min {
        let (before, count) = (high(&sim), lists(&sim).count());
        let drained = sim.age_local_pages();
        assert_eq!(high(&sim), (before - before / 8).max(min));
        let expected = count.saturating_sub(high(&sim));
        assert_eq!(drained, Drained { frames: expected.into(), skipped: 0 });
        assert_eq!(lists(&sim).count(), count - expected);
        rounds += 1;
    }
    assert!(rounds > 8, "{rounds} rounds");
    assert!(lists(&sim).count() <= min);
    assert_eq!(sim.age_local_pages(), Drained::default());
    assert_eq!(sim.verify(), Ok(()));
}

/// A round of ageing gives at most 32 batches back.
#[test]
fn ageing_is_bounded() {
    let sim = machine(PcpHigh::Adaptive);
    swing(&sim, Order::O0, 28_000, 4);
    let count = lists(&sim).count();
    assert!(count > 25_000);
    let drained: Vec<u64> = (0..30).map(|_| sim.age_local_pages().frames).collect();
    assert_eq!(drained.iter().max(), Some(&u64::from(32 * BATCH)));
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

/// While blocks of several frames are only freed, `high` falls by what goes with them, at most 32
/// batches at a time.
#[test]
fn larger_blocks_that_are_only_freed_take_high_down() {
    let sim = machine(PcpHigh::Adaptive);
    let blocks = take(&sim, Order::O1, 10);
    let (min, max) = range(&sim);
    let held = take(&sim, Order::O0, 60_000);
    assert_eq!(high(&sim), max);
    free(&sim, held);
    assert!(lists(&sim).free_factor() > 0 && lists(&sim).count() > BATCH);
    let mut blocks = blocks.into_iter();
    for times in 1..=10 {
        let count = lists(&sim).count();
        free(&sim, blocks.next());
        assert_eq!(high(&sim), max.saturating_sub(times * 32 * BATCH).max(min));
        assert_eq!(lists(&sim).count(), (count + 2).saturating_sub(32 * BATCH));
    }
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
