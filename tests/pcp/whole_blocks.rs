//! Refills and give-backs of many blocks at once, beside a machine without lists that takes and
//! frees them one by one.

use crate::machine::{Machine, config, node};
use crate::step::{Step, traffic};
use crate::view::{FreeView, free_of, lists_of};
use page_alloc::node::pcp::PcpOrders;
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::report::{NumaStat, ZoneRef};
use page_alloc::sim::{Sim, SimPlatform, SimTrace};
use page_alloc::{
    AllocFlags, CpuId, Gfp, MigrateType, NoReclaim, NodeId, Order, Pages, Pfn, ZoneType,
};
use proptest::prelude::*;
use std::collections::HashMap;

type Twin = Machine<NoReclaim, SimTrace>;

/// The places of the machine that have memory of their own zone.
const ZONES: [(NodeId, ZoneType); 4] = [
    (node(0), ZoneType::Dma),
    (node(0), ZoneType::Dma32),
    (node(0), ZoneType::Normal),
    (node(1), ZoneType::Normal),
];

/// Whether there are CMA pageblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Areas {
    None,
    One,
}

/// A machine with lists that keep nothing, and one without lists.
fn twins(orders: PcpOrders, areas: Areas) -> [Twin; 2] {
    let twin = |orders| {
        let mut config = config(orders);
        if areas == Areas::None {
            config.cma.clear();
        }
        Machine::boot(&config, NoReclaim, SimTrace::default())
    };
    let [listed, plain] = [twin(orders), twin(PcpOrders::None)];
    set_limits(&listed.sim, PcpLimits { batch: 1, high: 0 });
    [listed, plain]
}

fn set_limits(sim: &Sim<NoReclaim, SimTrace>, limits: PcpLimits) {
    for (node, zone) in ZONES {
        sim.set_pcp_limits(node, zone, limits).expect("a zone with memory");
    }
}

fn zones(sim: &Sim<NoReclaim, SimTrace>) -> Vec<(FreeView, NumaStat)> {
    assert_eq!(sim.verify(), Ok(()));
    let all = sim.zones().filter(|zone| zone.present_pages() > 0);
    all.map(|zone| (free_of(&zone), zone.numa_stat())).collect()
}

fn free(sim: &Sim<NoReclaim, SimTrace>) -> Vec<FreeView> {
    zones(sim).into_iter().map(|(free, _)| free).collect()
}

/// Takes both through a history; what can be seen is the same after each step. Requests of a
/// pageblock that may use the high-atomic reserve are left out: those that have lists go to the
/// ordinary memory first, the others to the reserve.
fn run_both([listed, plain]: &mut [Twin; 2], history: &[(u32, Step)]) {
    for (cpu, step) in history {
        if let Step::Alloc { gfp: Gfp::ATOMIC, order: Order::O9, .. } = step {
            continue;
        }
        assert_eq!(listed.apply(*cpu, step), plain.apply(*cpu, step), "{step:?}");
        assert_eq!(zones(&listed.sim), zones(&plain.sim), "{step:?}");
    }
}

fn history(most: usize) -> impl Strategy<Value = Vec<(u32, Step)>> {
    prop::collection::vec((any::<u32>(), traffic()), 0..most)
}

fn zone_of(
    sim: &Sim<NoReclaim, SimTrace>,
    (node, zone): (NodeId, ZoneType),
) -> ZoneRef<'_, SimPlatform> {
    sim.zone(node, zone).expect("a zone with memory")
}

/// The blocks that a CPU has of a zone, in the order in which they go back: list by list, the oldest
/// first.
fn to_go_back(zone: &ZoneRef<'_, SimPlatform>, cpu: CpuId) -> Vec<(Pfn, Order)> {
    let lists = lists_of(zone).into_iter().find(|lists| lists.cpu == cpu).expect("a CPU");
    let same_list = |a: &(_, _, _), b: &(_, _, _)| a.0 == b.0;
    let lists = lists.blocks.chunk_by(same_list);
    lists.flat_map(|list| list.iter().rev().map(|(list, pfn, _)| (*pfn, list.order))).collect()
}

/// Frees blocks of the machine without lists.
fn free_each(
    sim: &Sim<NoReclaim, SimTrace>,
    tokens: &mut HashMap<Pfn, Pages>,
    blocks: &[(Pfn, Order)],
) {
    for (pfn, order) in blocks {
        let pages = tokens.remove(pfn).expect("freed on the other machine");
        assert_eq!(pages.order(), *order);
        sim.free_pages(pages).expect("a block that is held");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Lists of which nothing is kept change nothing: not the blocks that are got, nor any free
    /// list, nor what is counted.
    #[test]
    fn lists_that_keep_nothing_are_no_lists(
        orders in prop::sample::select(vec![PcpOrders::WithPageblock, PcpOrders::Low]),
        history in history(250),
    ) {
        run_both(&mut twins(orders, Areas::One), &history);
    }

    /// A refill takes the blocks, and in the order, that single requests would get, and leaves the
    /// zone as they would; of zones in any state, for all orders and types.
    #[test]
    fn a_refill_is_single_requests(
        history in history(120),
        zone in prop::sample::select(&ZONES),
        order in prop::sample::select(&[Order::O0, Order::O1, Order::O2, Order::O3, Order::O9]),
        kind in prop::sample::select(&MigrateType::ALL[..3]),
        batch in 1_u32..64,
        nofragment in any::<bool>(),
    ) {
        let mut twins = twins(PcpOrders::WithPageblock, Areas::None);
        run_both(&mut twins, &history);
        let [listed, plain] = [&twins[0].sim, &twins[1].sim];
        set_limits(listed, PcpLimits { batch, high: 4 * batch });
        let flags = if nofragment { AllocFlags::NOFRAGMENT } else { AllocFlags::empty() };
        let flags = flags | if kind == MigrateType::Movable { AllocFlags::CMA } else { AllocFlags::empty() };
        let blocks = if batch == 1 { 1 } else { (batch >> order.get()).max(2) };
        let take = |sim: &Sim<_, _>| sim.rmqueue(zone.0, zone.1, order, kind, flags);
        let first = take(listed).map(|pages| pages.pfn());
        let lists = lists_of(&zone_of(listed, zone)).into_iter().flat_map(|lists| lists.blocks);
        let rest: Vec<_> = lists.map(|(_, pfn, _)| pfn).collect();
        let singles = (0..blocks).map_while(|_| take(plain).map(|pages| pages.pfn()));
        let got: Vec<_> = first.into_iter().chain(rest).collect();
        prop_assert_eq!(got, singles.collect::<Vec<_>>());
        prop_assert_eq!(free(listed), free(plain));
    }

    /// A batch, and then all, goes back as single frees would, oldest first, list by list: to the
    /// same free lists in the same order.
    #[test]
    fn a_drain_is_single_frees(
        history in history(200),
        picks in prop::collection::vec(any::<usize>(), 0..80),
        batch in 1_u32..20,
    ) {
        let mut twins = twins(PcpOrders::WithPageblock, Areas::One);
        run_both(&mut twins, &history);
        let [mut listed, mut plain] = twins;
        set_limits(&listed.sim, PcpLimits { batch, high: 100_000 });
        let mut tokens = HashMap::new();
        for pick in picks {
            let (before, step) = (plain.held.len(), Step::Free { pick });
            if before == 0 {
                break;
            }
            let pages = plain.held.swap_remove(pick % before);
            if pages.order() <= Order::O3 || pages.order() == Order::O9 {
                tokens.insert(pages.pfn(), pages);
            } else {
                plain.sim.free_pages(pages).expect("a block that is held");
            }
            listed.apply(0, &step);
        }
        let (listed, plain) = (&listed.sim, &plain.sim);
        for (node, kind) in ZONES {
            let blocks = to_go_back(&zone_of(listed, (node, kind)), CpuId::BOOT);
            let drained = listed.on_cpu(CpuId::BOOT, || {
                listed.drain_zone_pages(CpuId::BOOT, node, kind)
            });
            let mut frames = 0;
            let batch = blocks.iter().take_while(|(_, order)| {
                let more = frames < u64::from(batch);
                frames += if more { order.nr_pages() } else { 0 };
                more
            });
            let (now, later) = blocks.split_at(batch.count());
            prop_assert_eq!((drained.frames, drained.skipped), (frames, 0));
            free_each(plain, &mut tokens, now);
            prop_assert_eq!(free(listed), free(plain));
            listed.drain_all_pages(Some((node, kind)));
            free_each(plain, &mut tokens, later);
            prop_assert_eq!(free(listed), free(plain));
        }
        prop_assert!(tokens.is_empty());
    }
}
