//! The quick way of a free is the long way; the short way of a request to its zone is the walk.

extern crate std;

use super::Refused;
use crate::boot::Reservation;
use crate::node::pcp::limits::PcpLimits;
use crate::sim::{Contents, Sim, SimConfig, SimKernel, SimTrace, Tables};
use crate::trace::Trace;
use crate::zone::ReclaimActive;
use crate::{AllocError, Gfp, MigrateType, NoTrace, NodeId, Order, Pages, Pfn, PhysAddr, ZoneType};
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// One step on either machine.
#[derive(Clone, Copy, Debug)]
enum Step {
    Alloc(Gfp, Order),
    Free(usize),
    /// A second token of a block.
    Share(usize),
    /// Batch and high.
    Limits(u32, u32),
    Reclaim(ReclaimActive),
    Isolate(u64),
    Unisolate(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let gfps = [Gfp::KERNEL, Gfp::HIGHUSER_MOVABLE, Gfp::KERNEL.union(Gfp::RECLAIMABLE)];
    let active = [ReclaimActive::No, ReclaimActive::Yes];
    let order = prop_oneof![
        4 => prop::sample::select(&Order::ALL[..4]),
        1 => prop::sample::select(&Order::ALL[..]),
    ];
    prop_oneof![
        12 => (prop::sample::select(gfps.to_vec()), order).prop_map(|(gfp, order)| Step::Alloc(gfp, order)),
        12 => any::<usize>().prop_map(Step::Free),
        1 => any::<usize>().prop_map(Step::Share),
        1 => (1_u32..30, 0_u32..90).prop_map(|(batch, more)| Step::Limits(batch, batch + more)),
        1 => prop::sample::select(active.to_vec()).prop_map(Step::Reclaim),
        1 => (8_u64..16).prop_map(Step::Isolate),
        1 => (8_u64..16).prop_map(Step::Unisolate),
    ]
}

/// A machine with a small DMA32 zone that has a CMA area.
fn machine<T: Trace + Default>() -> Sim<SimKernel, T> {
    let mut config = SimConfig::flat(32 << 20);
    config.cma = vec![Reservation::new("of a test", PhysAddr::new(20 << 20), 2 << 20)];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    Sim::boot_with(&config, SimKernel::default(), T::default()).unwrap()
}

/// A request whose order has no per-CPU lists, by a walk over the zonelist; others as ever.
fn walk<T: Trace>(sim: &Sim<SimKernel, T>, gfp: Gfp, order: Order) -> Result<Pages, AllocError> {
    let machine = sim.machine().unwrap();
    match machine.pcps.takes(order) {
        true => sim.alloc_pages(gfp, order),
        false => sim.alloc_admitted(sim.admit(gfp, order)?, order, None, None),
    }
}

/// Does a step, with these ways of taking and freeing; gives what was told.
fn apply<T: Trace>(
    sim: &Sim<SimKernel, T>,
    held: &mut Vec<Pages>,
    step: Step,
    take: impl Fn(&Sim<SimKernel, T>, Gfp, Order) -> Result<Pages, AllocError>,
    free: impl Fn(&Sim<SimKernel, T>, Pages) -> Result<(), Refused>,
) -> String {
    let zone = (NodeId::ZERO, ZoneType::Dma32);
    let pageblock = |number: u64| Pfn::new(512 * number);
    match step {
        Step::Alloc(gfp, order) => {
            let taken = take(sim, gfp, order);
            let told = std::format!("{taken:?}");
            held.extend(taken);
            told
        }
        Step::Free(_) if held.is_empty() => String::new(),
        Step::Free(pick) => {
            free(sim, held.swap_remove(pick % held.len())).unwrap();
            String::new()
        }
        Step::Share(_) if held.is_empty() => String::new(),
        Step::Share(pick) => {
            held.push(sim.get_page(&held[pick % held.len()]).unwrap());
            String::new()
        }
        Step::Limits(batch, high) => {
            std::format!("{:?}", sim.set_pcp_limits(zone.0, zone.1, PcpLimits { batch, high }))
        }
        Step::Reclaim(active) => {
            std::format!("{:?}", sim.set_reclaim_active(zone.0, zone.1, active))
        }
        Step::Isolate(number) => {
            std::format!("{:?}", sim.isolate_pageblock(pageblock(number), MigrateType::Movable))
        }
        Step::Unisolate(number) => {
            std::format!("{:?}", sim.unisolate_pageblock(pageblock(number), MigrateType::Movable))
        }
    }
}

/// Free lists, counts and the lists of the CPU, as text.
fn seen<T: Trace>(sim: &Sim<SimKernel, T>) -> String {
    assert_eq!(sim.verify(), Ok(()));
    let mut text = String::new();
    for zone in sim.zones() {
        let mut add = |it: String| text.push_str(&it);
        add(std::format!("{zone:?} {:?} {:?}\n", zone.snapshot(), zone.numa_stat()));
        zone.for_each_free(|order, kind, pfn| add(std::format!("{order} {kind} {pfn};")));
        for lists in zone.pagesets() {
            add(std::format!("{} {:?} {}\n", lists.count(), lists.limits(), lists.free_factor()));
            let looked =
                lists.for_each(|list, pfn, kind| add(std::format!("{list:?} {pfn} {kind};")));
            looked.unwrap();
        }
    }
    text
}

fn is_isolated<T: Trace>(sim: &Sim<SimKernel, T>, page: &Pages) -> bool {
    let zone = sim.zones().find(|zone| zone.span().contains(page.pfn())).unwrap();
    zone.pageblock_migratetype(page.pfn()) == Some(MigrateType::Isolate)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// All that can be seen is the same after each step, whether blocks are freed the quick way
    /// where that is open, traced or not, or never: of all orders, in pageblocks of all types, with one
    /// holder or more.
    #[test]
    fn a_quick_free_is_a_long_one(history in prop::collection::vec(step(), 1..300)) {
        let (quick, long) = (machine::<NoTrace>(), machine::<SimTrace>());
        let traced = machine::<SimTrace>();
        let (mut ours, mut theirs, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for step in history {
            let done = apply(&quick, &mut ours, step, take, |sim, pages| sim.free_pages(pages));
            let traced_done =
                apply(&traced, &mut told, step, take, |sim, pages| sim.free_pages(pages));
            let expected = apply(&long, &mut theirs, step, take, |sim, pages| sim.put_pages(pages));
            prop_assert_eq!(&done, &expected);
            prop_assert_eq!(traced_done, expected);
            prop_assert_eq!(seen(&quick), seen(&long));
            prop_assert_eq!(seen(&traced), seen(&long));
        }
    }

    /// All that can be seen is the same after each step, whether requests of the orders without
    /// per-CPU lists take the short way to their zone where that is open, or never.
    #[test]
    fn a_routed_request_is_a_walk(history in prop::collection::vec(step(), 1..300)) {
        let (short, long) = (machine::<SimTrace>(), machine::<SimTrace>());
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for step in history {
            let free = |sim: &Sim, pages| sim.free_pages(pages);
            let told = apply(&short, &mut ours, step, take, free);
            let expected = apply(&long, &mut theirs, step, walk, free);
            prop_assert_eq!(told, expected);
            prop_assert_eq!(seen(&short), seen(&long));
        }
    }

    /// All that can be seen is the same whether blocks are freed in one call, traced or not, or one after
    /// the other: those of isolated pageblocks first, and then the others in their order.
    #[test]
    fn a_bulk_free_is_many_frees(
        history in prop::collection::vec(step(), 1..300),
        more in 0_usize..200,
        lengths in prop::collection::vec(1_usize..80, 1..8),
    ) {
        let single = machine::<SimTrace>();
        let (bulk, told) = (machine::<NoTrace>(), machine::<SimTrace>());
        let (mut ours, mut theirs, mut traced) = (Vec::new(), Vec::new(), Vec::new());
        let singles = [Step::Alloc(Gfp::KERNEL, Order::ZERO)].repeat(more);
        for step in history.into_iter().chain(singles) {
            apply(&bulk, &mut ours, step, take, |sim, pages| sim.free_pages(pages));
            apply(&told, &mut traced, step, take, |sim, pages| sim.free_pages(pages));
            apply(&single, &mut theirs, step, take, |sim, pages| sim.free_pages(pages));
        }
        for length in lengths {
            let length = length.min(ours.len());
            for (freed, places) in [free_bulk(&bulk, &mut ours, length), free_bulk(&told, &mut traced, length)] {
                prop_assert_eq!(freed, length);
                prop_assert!(places.iter().all(Option::is_none));
            }
            let (isolated, others): (Vec<_>, Vec<_>) =
                theirs.drain(..length).partition(|page| is_isolated(&single, page));
            for page in isolated.into_iter().chain(others) {
                single.put_pages(page).unwrap();
            }
            prop_assert_eq!(seen(&bulk), seen(&single));
            prop_assert_eq!(seen(&told), seen(&single));
        }
    }
}

fn take<T: Trace>(sim: &Sim<SimKernel, T>, gfp: Gfp, order: Order) -> Result<Pages, AllocError> {
    sim.alloc_pages(gfp, order)
}

/// Frees the first so many blocks in one call; gives their number, and what is left in their places.
fn free_bulk<T: Trace>(
    sim: &Sim<SimKernel, T>,
    held: &mut Vec<Pages>,
    length: usize,
) -> (usize, Vec<Option<Pages>>) {
    let mut places: Vec<_> = held.drain(..length).map(Some).collect();
    (sim.free_pages_bulk(&mut places), places)
}

/// Blocks of orders without per-CPU lists come and go the quick way, and are counted there.
#[test]
fn all_orders_without_lists_are_quick() {
    let sim = machine::<NoTrace>();
    let machine = sim.machine().unwrap();
    for order in Order::ALL.into_iter().filter(|order| !machine.pcps.takes(*order)) {
        sim.free_pages(sim.alloc_pages(Gfp::HIGHUSER_MOVABLE, order).unwrap()).unwrap();
        let freed = machine.frames_freed();
        let pages = sim.quick_alloc(Gfp::HIGHUSER_MOVABLE, order).expect("the quick way");
        assert_eq!(pages.order(), order);
        assert!(machine.memmap.state(machine.memmap.index_of(pages.pfn()).unwrap()).may_be_moved());
        assert!(sim.quick_free(pages.name()), "order {order}");
        assert_eq!(machine.frames_freed() - freed, order.nr_pages());
    }
}
