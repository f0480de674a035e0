//! Compaction of machines after a random history.

use crate::kernel::{Kernel, Machine, Owner, Policy, boot};
use page_alloc::{NodeId, Order, PAGEBLOCK_NR_PAGES, ZoneType};
use std::collections::BTreeSet;

const MEMORY: u64 = 96 << 20;

/// What blocks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orders {
    /// Single frames, and some of up to eight.
    Small,
    /// Of each order below that of a pageblock as many frames.
    All,
}

fn order(kernel: &Kernel, orders: Orders) -> Order {
    let mut state = kernel.state();
    match (orders, state.random.below(100)) {
        (Orders::Small, 0..85) => Order::O0,
        (Orders::Small, 85..92) => Order::O1,
        (Orders::Small, 92..97) => Order::O2,
        (Orders::Small, _) => Order::O3,
        (Orders::All, _) => {
            let number = state.random.below(511) + 1;
            Order::new(8 - number.ilog2()).expect("below 9")
        }
    }
}

/// Fills a machine to that share in hundredths, replaces as many blocks, and frees down to `left`.
/// Of a hundred blocks, `pinned` can't be moved.
pub fn churn(machine: &Machine, full: u64, left: u64, pinned: usize) {
    churn_of(Orders::Small, machine, (full, left), pinned);
}

fn churn_of(orders: Orders, machine: &Machine, (full, left): (u64, u64), pinned: usize) {
    let (kernel, managed) = (machine.reclaim(), machine.report().managed_pages);
    let used = || managed - machine.nr_free_pages();
    let alloc = || {
        let order = order(kernel, orders);
        let movable = kernel.state().random.below(100) >= pinned;
        kernel.alloc(order, movable)
    };
    let free = || {
        let frames = usize::try_from(managed).expect("a small machine");
        let pfn = kernel.state().random.below(frames) as u64;
        kernel.free_near(pfn);
    };
    while used() < managed * full / 100 && alloc() {}
    for _ in 0..managed / 2 {
        free();
        alloc();
    }
    machine.drain_all_pages(None);
    while used() > managed * left / 100 {
        free();
    }
    machine.drain_all_pages(None);
}

/// How many pageblocks all movable frames fill, rounded up.
fn pageblocks_needed(kernel: &Kernel) -> usize {
    let state = kernel.state();
    let movable = state.owners.values().filter(|owner| owner.movable);
    let frames: u64 = movable.map(|owner| owner.pages.order().nr_pages()).sum();
    usize::try_from(frames.div_ceil(PAGEBLOCK_NR_PAGES)).expect("few")
}

/// The pageblocks that are free when the movable frames of each zone fill its end, around what stays.
fn ideal(machine: &Machine) -> usize {
    let state = machine.reclaim().state();
    let ideal_of = |start: u64, end: u64| {
        let frames = |movable: bool, start: u64, end: u64| -> u64 {
            let owners =
                state.owners.range(start..end).filter(|(_, owner)| owner.movable == movable);
            owners.map(|(_, owner)| owner.pages.order().nr_pages()).sum()
        };
        let mut movable = frames(true, start, end);
        let mut free = 0;
        for pageblock in (start / PAGEBLOCK_NR_PAGES..end / PAGEBLOCK_NR_PAGES).rev() {
            let first = pageblock * PAGEBLOCK_NR_PAGES;
            let pinned = frames(false, first, first + PAGEBLOCK_NR_PAGES);
            free += usize::from(movable == 0 && pinned == 0);
            movable = movable.saturating_sub(PAGEBLOCK_NR_PAGES - pinned);
        }
        free
    };
    let spans = machine.zones().map(|zone| zone.span());
    spans.map(|span| ideal_of(span.start.get(), span.end.get())).sum()
}

/// Every pageblock without an unmovable block comes free, but for those that the movable frames
/// fill, and two in each zone where the scanners meet.
#[test]
fn all_that_unmovable_blocks_allow_comes_free() {
    for seed in 1..6 {
        let machine = boot(MEMORY, seed);
        let kernel = machine.reclaim();
        churn(machine, 90, 50, 4);
        let (clean, needed) = (kernel.clean_pageblocks().len(), pageblocks_needed(kernel));
        let before = kernel.free_pageblocks().len();
        let stats = machine.compact_node(NodeId::ZERO).unwrap();
        kernel.check();
        let after = kernel.free_pageblocks().len();
        assert!(stats.moved > 0 && stats.failed * 50 < stats.moved, "seed {seed}: {stats:?}");
        assert!(
            after + needed + 4 >= clean && after > before,
            "seed {seed}: {before} free, then {after} of {clean}, movable frames fill {needed}"
        );
        kernel.finish();
    }
}

/// Blocks of all orders below a pageblock's, with holes of all sizes between them, of which some that
/// stand anywhere have come to be pinned. Every pageblock without a pinned one comes free, but for those
/// that the movable frames fill and some few, since blocks only fit into free ones of their size.
/// Contents are where their owners look for them (`check`), and pinned blocks where they were.
#[test]
fn blocks_of_all_orders_are_packed() {
    for seed in 30..36 {
        let machine = boot(2 * MEMORY, seed);
        let kernel = machine.reclaim();
        churn_of(Orders::All, machine, (85, 45), 0);
        kernel.pin_where(|owner| owner.tag % 240 == seed);
        let pinned = kernel.pinned();
        let orders = |which: &dyn Fn(&Owner) -> bool| {
            let state = kernel.state();
            let orders = state.owners.values().filter(|owner| which(owner));
            orders.map(|owner| owner.pages.order()).collect::<BTreeSet<_>>().len()
        };
        assert!(orders(&|_| true) == 9 && orders(&|owner| !owner.movable) > 1);
        assert!((50..88).contains(&kernel.clean_pageblocks().len()), "of 96");
        let ideal = ideal(machine);
        let before = kernel.free_pageblocks().len();
        let stats = machine.compact_node(NodeId::ZERO).unwrap();
        kernel.check();
        let after = kernel.free_pageblocks().len();
        assert!(
            after + 5 >= ideal && after > before + 10,
            "seed {seed}: {before} free, then {after}, {ideal} in the best case: {stats:?}"
        );
        assert_eq!(kernel.pinned(), pinned);
        kernel.finish();
    }
}

/// Below where the scanners meet, no pageblock without an unmovable block holds anything; above,
/// hardly a frame is left free. With single frames, and no unmovable block, that is the best that
/// can be.
#[test]
fn single_movable_frames_are_packed_at_the_end() {
    let machine = boot(MEMORY, 7);
    let kernel = machine.reclaim();
    kernel.fill(true);
    let every_third = |pfn: u64| pfn.is_multiple_of(3);
    kernel.free_where(|owner| !every_third(owner.pages.pfn().get()));
    machine.drain_all_pages(None);
    let needed = pageblocks_needed(kernel);
    machine.compact_node(NodeId::ZERO).unwrap();
    kernel.check();
    let all = kernel.clean_pageblocks().len();
    let free = kernel.free_pageblocks().len();
    // The two zones each have a pageblock where the scanners meet, and frames needed more than once.
    assert!(free + needed + 3 >= all, "{free} of {all} pageblocks are free, {needed} are needed");
    kernel.finish();
}

/// Nothing is moved into a pageblock that is free as a whole, were it the last one. And both scanners
/// together look at each frame about once, in a small zone as in a large one.
#[test]
fn free_pageblocks_are_left_and_frames_are_seen_once() {
    for bytes in [MEMORY, 4 * MEMORY] {
        let machine = boot(bytes, 17);
        let kernel = machine.reclaim();
        kernel.fill(true);
        let last = (bytes >> 21) - 1;
        let stays = |pfn: u64| pfn.is_multiple_of(3) && pfn / PAGEBLOCK_NR_PAGES != last;
        kernel.free_where(|owner| !stays(owner.pages.pfn().get()));
        machine.drain_all_pages(None);
        assert_eq!(kernel.free_pageblocks(), [last]);
        let stats = machine.compact_node(NodeId::ZERO).unwrap();
        assert!(kernel.free_pageblocks().contains(&last));
        let (looks, frames) = (stats.migrate_scanned + stats.free_scanned, bytes >> 12);
        assert!((frames / 2..frames).contains(&looks), "{looks} looks at {frames} frames");
        kernel.finish();
    }
}

/// A kernel that is often busy, or refuses, slows compaction down, and nothing else.
#[test]
fn a_moody_kernel_loses_nothing() {
    for seed in 10..14 {
        let machine = boot(MEMORY, seed);
        let kernel = machine.reclaim();
        churn(machine, 90, 60, 8);
        kernel.set_policy(Policy::Moody);
        let stats = machine.compact_node(NodeId::ZERO).unwrap();
        assert!(stats.moved > 0 && stats.failed > 0, "{stats:?}");
        assert!(kernel.state().asked.len() as u64 > stats.moved, "it was asked again");
        kernel.check();
        kernel.finish();
    }
}

/// A kernel that is always busy is asked ten times about each block of a batch, and no more.
#[test]
fn a_busy_kernel_is_not_asked_for_ever() {
    let machine = boot(MEMORY, 15);
    let kernel = machine.reclaim();
    churn(machine, 90, 60, 0);
    kernel.set_policy(Policy::Busy);
    let blocks = kernel.state().owners.len();
    let stats = machine.compact_node(NodeId::ZERO).unwrap();
    assert_eq!(stats.moved, 0);
    let asked = kernel.state().asked.len();
    assert!(asked > 0 && asked <= 10 * blocks, "{asked} questions about {blocks} blocks");
    kernel.check();
    kernel.finish();
}

/// Where a batch of a pageblock was collected, all the rest of it is in the next batch, whether or not
/// anything came of the first.
#[test]
fn a_pageblock_is_finished_in_two_batches() {
    let machine = crate::direct::checkerboard(16);
    let kernel = machine.reclaim();
    kernel.set_policy(Policy::Busy);
    machine.compact_zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    let state = kernel.state();
    let asked: Vec<_> = state.asked.iter().map(|(pfn, ..)| pfn.get()).collect();
    let first = asked[0] / PAGEBLOCK_NR_PAGES * PAGEBLOCK_NR_PAGES;
    let all: Vec<_> = (first..first + PAGEBLOCK_NR_PAGES).filter(|pfn| pfn % 2 == 1).collect();
    let (batch, rest) = all.split_at(32);
    assert!(asked.starts_with(&batch.repeat(10)));
    assert!(asked[10 * 32..].starts_with(&rest.repeat(10)));
    assert_eq!(asked[10 * all.len()], first + PAGEBLOCK_NR_PAGES + 1);
    drop(state);
    kernel.finish();
}

/// Whatever a kernel says and does with the tokens that it has, frames are neither lost nor given to
/// two, and the tables stay sound.
#[test]
fn a_lying_kernel_loses_nothing() {
    for seed in 20..26 {
        let machine = boot(MEMORY, seed);
        let kernel = machine.reclaim();
        churn(machine, 90, 60, 8);
        kernel.set_policy(Policy::Liar);
        for _ in 0..3 {
            machine.compact_node(NodeId::ZERO).unwrap();
            kernel.check();
        }
        assert!(kernel.state().moved > 0);
        kernel.finish();
    }
}

/// What was moved can be moved again: packed, thinned out and packed once more.
#[test]
fn moved_blocks_stay_movable() {
    let machine = boot(MEMORY, 8);
    let kernel = machine.reclaim();
    kernel.fill(true);
    for left in [2, 4] {
        kernel.free_where(|owner| owner.tag % left != 0);
        machine.compact_node(NodeId::ZERO).unwrap();
        kernel.check();
        machine.compact_node(NodeId::ZERO).unwrap();
        let (free, needed) = (kernel.free_pageblocks().len(), pageblocks_needed(kernel));
        let all = kernel.clean_pageblocks().len();
        assert!(free + needed + 3 >= all, "{free} of {all} are free, {needed} are needed");
    }
    kernel.finish();
}
