//! Kernels that boast: a request ends soon, counted in calls of hooks.

use crate::kernel::{Machine, boot_with, passes};
use page_alloc::sim::SimConfig;
use page_alloc::{Gfp, MAX_ROUNDS, Movability, OomVerdict, Order, ZoneLayout};

const BYTES: u64 = 64 << 20;
const FRAMES: u64 = BYTES >> 12;

/// All is held, in frames that are said to be movable, but for every other one of some: compaction has
/// all that it needs, and nothing is moved. Every pass boasts.
fn boaster(zones: ZoneLayout) -> &'static Machine {
    let mut config = SimConfig::flat(BYTES);
    config.zones = zones;
    config.options.watermark_boost_factor = 0;
    let machine = boot_with(config);
    let kernel = machine.reclaim();
    kernel.fill();
    for pages in &kernel.state().held {
        machine.set_movable(pages, Movability::Movable).expect("an allocated block");
    }
    kernel.free_where(1000, |pages| pages.pfn().get() > 5000 && pages.pfn().get() % 2 == 0);
    machine.drain_all_pages(None);
    let mut state = kernel.state();
    (state.can_migrate, state.boasts, state.reclaimable) = (true, 32, 1 << 20);
    drop(state);
    machine
}

fn assert_fails(machine: &Machine, order: Order) {
    assert!(machine.alloc_pages(Gfp::KERNEL, order).is_err());
    machine.verify().expect("sound tables");
}

/// The most that one compaction asks: ten times about each frame.
const COMPACTION: u64 = 10 * FRAMES;

/// Somebody is killed each time, and nothing comes free: the request has all its rounds, each with a
/// reclaim but for the first, and compaction is put off more and more.
#[test]
fn endless_killing_has_few_compactions() {
    let machine = boaster(ZoneLayout::NORMAL_ONLY);
    machine.reclaim().state().verdict = OomVerdict::Killed;
    assert_fails(machine, Order::O3);
    assert_eq!(passes(machine).len(), MAX_ROUNDS as usize - 1);
    let kills = machine.reclaim().state().kills;
    let migrates = machine.reclaim().state().migrates;
    assert!(kills > MAX_ROUNDS / 2, "it was killing that kept it going: {kills}");
    assert!(migrates > COMPACTION / 10, "compaction was tried: {migrates}");
    assert!(migrates <= 63 * COMPACTION, "{migrates}");
    machine.reclaim().finish();
}

/// A request that somebody is killed for again and again has memory compacted often at first, then after
/// 1, 3, 7, ... rounds without: hardly more often than 48 times.
#[test]
fn compactions_come_at_growing_distances() {
    let machine = boaster(ZoneLayout::NORMAL_ONLY);
    machine.reclaim().state().verdict = OomVerdict::Killed;
    machine.reclaim().state().max_rounds = 200;
    assert_fails(machine, Order::O3);
    let state = machine.reclaim().state();
    let runs: Vec<_> = state.migrates_at_kills.windows(2).map(|at| at[0] < at[1]).collect();
    let compacted = (0..runs.len()).filter(|at| runs[*at]);
    assert!(compacted.eq((0..46).chain([47, 51, 59, 75, 107, 171])), "{runs:?}");
    drop(state);
    machine.reclaim().finish();
}

/// With nobody to kill, a request for a block ends when compaction has been tried in all ways.
#[test]
fn boasts_alone_end_soon() {
    let machine = boaster(ZoneLayout::NORMAL_ONLY);
    assert_fails(machine, Order::O3);
    assert!(passes(machine).len() <= 4);
    assert!(machine.reclaim().state().migrates <= 4 * COMPACTION);
    machine.reclaim().finish();
}

/// A zone has the block, below its watermark, and reclaim says that it makes progress: it is believed
/// 127 times while no frame comes free; after seventeen reclaims without progress it is
/// over. Linux would go on for ever.
#[test]
fn progress_that_is_none_is_not_believed_for_ever() {
    for (order, first) in [(Order::O3, 2048), (Order::O0, 2048)] {
        let machine = boaster(ZoneLayout::X86_64);
        if order > Order::O0 {
            machine
                .reclaim()
                .free_where(8, |pages| (first..first + 8).contains(&pages.pfn().get()));
        } else {
            machine.reclaim().fill();
        }
        machine.drain_all_pages(None);
        assert_fails(machine, order);
        assert_eq!(passes(machine).len(), 127 + 17, "{order}");
        assert_eq!(machine.reclaim().state().kills, 1);
        assert!(machine.reclaim().state().migrates <= 63 * COMPACTION);
        machine.reclaim().finish();
    }
}

/// What is freed indeed is progress, however little, and whoever takes it: the request has all its
/// rounds.
#[test]
fn progress_that_others_use_up_is_progress() {
    let machine = boaster(ZoneLayout::NORMAL_ONLY);
    let kernel = machine.reclaim();
    kernel.fill();
    kernel.state().frees = |_| 1;
    kernel.state().steals = true;
    kernel.state().max_rounds = 1000;
    assert_fails(machine, Order::O0);
    assert_eq!(passes(machine).len(), 999);
    kernel.finish();
}
