//! Reclaim for blocks of several frames: a node is shrunk until compaction has room there.

use crate::kernel::{Machine, boot_with, passes};
use page_alloc::node::pcp::PcpOrders;
use page_alloc::sim::SimConfig;
use page_alloc::zone::watermark::ZoneView;
use page_alloc::{Gfp, NodeId, Order, WatermarkLevel, ZoneLayout, ZoneType};

/// Twice the frames of a block.
fn gap(order: Order) -> u64 {
    2 * order.nr_pages()
}

/// A zone of 64 MiB of which all is held; what is freed first are frames that make no larger block. CPUs
/// keep nothing. Much can be freed, and blocks can be moved, though none ever is.
fn full() -> &'static Machine {
    let mut config = SimConfig::flat(64 << 20);
    config.zones = ZoneLayout::NORMAL_ONLY;
    config.options = config.options.pcp(PcpOrders::None).watermark_boost_factor(0);
    let machine = boot_with(config);
    machine.reclaim().fill();
    assert_eq!(machine.nr_free_pages(), 0);
    let mut state = machine.reclaim().state();
    state.held.sort_by_key(|pages| !pages.pfn().get().is_multiple_of(4));
    (state.can_migrate, state.reclaimable) = (true, 1 << 20);
    drop(state);
    machine
}

fn watermark(machine: &Machine, level: WatermarkLevel) -> u64 {
    machine.zone(NodeId::ZERO, ZoneType::Normal).expect("the one zone").snapshot().watermark(level)
}

/// The priorities of the passes for a request that has one round of them: for a costly block, or as it
/// would rather fail than go on.
fn priorities(machine: &Machine, order: Order) -> Vec<u32> {
    let once = if order > Order::O3 { Gfp::empty() } else { Gfp::NORETRY };
    let taken = machine.alloc_pages(Gfp::KERNEL | once, order);
    machine.reclaim().state().held.extend(taken);
    let shrinks = machine.reclaim().state().shrinks.clone();
    assert!(shrinks.iter().all(|shrink| (shrink.order, shrink.nr_to_reclaim) == (order, 32)));
    passes(machine).into_iter().map(|(_, priority)| priority).collect()
}

/// For a costly block, in the first pass, until the low watermark and twice the block are free: a turn
/// less would not do.
#[test]
fn a_node_is_shrunk_until_compaction_has_room() {
    for order in [Order::O4, Order::O6, Order::O8] {
        let machine = full();
        machine.reclaim().state().frees = |_| 32;
        let wanted = watermark(machine, WatermarkLevel::Low) + gap(order) + 1;
        let turns = usize::try_from(wanted.div_ceil(32)).expect("few");
        assert_eq!(priorities(machine, order), vec![12; turns], "{order}");
        machine.reclaim().finish();
    }
}

/// Not where the request may not compact, as it may do no I/O: 32 frames are enough for a pass.
#[test]
fn a_pass_is_short_for_a_request_without_io() {
    let calls = |gfp| {
        let machine = full();
        machine.reclaim().state().frees = |_| 32;
        let taken = machine.alloc_pages(gfp, Order::O5);
        machine.reclaim().state().held.extend(taken);
        passes(machine).into_iter().filter(|(_, priority)| *priority == 12).count()
    };
    assert!(calls(Gfp::NOFS) > 3);
    assert_eq!(calls(Gfp::NOIO), 1);
}

/// For a smaller block each pass is one call, at first; once three of them brought too little, a node is
/// shrunk until the min watermark and twice the block are free. For a single frame never.
#[test]
fn smaller_blocks_are_tried_for_first() {
    let machine = full();
    machine.reclaim().state().frees = |_| 1;
    let wanted = watermark(machine, WatermarkLevel::Min) + gap(Order::O3) + 1;
    let turns = usize::try_from(wanted - 3).expect("few");
    let expected: Vec<_> = [12, 11, 10].into_iter().chain(vec![9; turns]).collect();
    assert_eq!(priorities(machine, Order::O3), expected);
    machine.reclaim().finish();
    let machine = full();
    machine.reclaim().state().frees = |_| 1;
    assert_eq!(priorities(machine, Order::O0), (0..13).rev().collect::<Vec<_>>());
    machine.reclaim().finish();
}

/// A turn that frees nothing is the last; so is the first where no more could be freed than compaction
/// needs, or where nothing can be moved.
#[test]
fn it_ends_where_it_does_not_help() {
    let machine = full();
    machine.reclaim().state().frees = |_| 32;
    let kept = machine.reclaim().state().held.split_off(70);
    assert_eq!(priorities(machine, Order::O5), [12; 4], "32, 32, 6, and none");
    machine.reclaim().state().held.extend(kept);
    machine.reclaim().finish();
    for (reclaimable, can_migrate, goes_on) in
        [(gap(Order::O5), true, false), (gap(Order::O5) + 1, false, false), (65, true, true)]
    {
        let machine = full();
        let mut state = machine.reclaim().state();
        state.frees = |_| 32;
        (state.reclaimable, state.can_migrate) = (reclaimable, can_migrate);
        drop(state);
        assert_eq!(priorities(machine, Order::O5).len() > 1, goes_on, "{reclaimable}");
        machine.reclaim().finish();
    }
}

/// One who only says that frames came free is asked once a pass.
#[test]
fn boasts_are_no_reason_to_go_on() {
    let machine = full();
    machine.reclaim().state().boasts = 1;
    assert_eq!(priorities(machine, Order::O5), (0..13).rev().collect::<Vec<_>>());
    machine.reclaim().state().boasts = u64::MAX;
    assert_eq!(priorities(machine, Order::O5), [12]);
    machine.reclaim().finish();
}

/// Where others take at once what comes free, it is over when as much came free as would have been
/// enough.
#[test]
fn others_may_take_what_comes_free() {
    let machine = full();
    machine.reclaim().state().frees = |_| 1;
    machine.reclaim().state().steals = true;
    let enough = watermark(machine, WatermarkLevel::Low) + gap(Order::O5);
    assert_eq!(priorities(machine, Order::O5).len() as u64, enough);
    machine.reclaim().finish();
}
