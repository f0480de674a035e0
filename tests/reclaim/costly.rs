//! Reclaim for large blocks, which compaction may have room for already.

use crate::kernel::{Machine, boot_with, passes};
use page_alloc::sim::SimConfig;
use page_alloc::{Gfp, NodeId, Order, WatermarkLevel, ZoneLayout, ZoneType};

/// A zone of 64 MiB of which all is held, but for every other frame of some that come first: so many
/// more than its high watermark are free, in single frames.
fn fragmented(above_high: u64) -> &'static Machine {
    let mut config = SimConfig::flat(64 << 20);
    config.zones = ZoneLayout::NORMAL_ONLY;
    config.options.watermark_boost_factor = 0;
    let machine = boot_with(config);
    let kernel = machine.reclaim();
    kernel.fill();
    let zone = machine.zone(NodeId::ZERO, ZoneType::Normal).expect("the one zone");
    let wanted = zone.snapshot().watermark[WatermarkLevel::High as usize] + above_high;
    let most = usize::try_from(wanted).expect("a small number");
    kernel.free_where(most, |pages| pages.pfn().get().is_multiple_of(2));
    machine.drain_all_pages(None);
    assert_eq!(machine.nr_free_pages(), wanted);
    machine
}

fn request(machine: &Machine, order: Order) {
    request_as(machine, Gfp::KERNEL, order);
}

fn request_as(machine: &Machine, gfp: Gfp, order: Order) {
    let taken = machine.alloc_pages(gfp, order);
    machine.reclaim().state().held.extend(taken);
}

/// For a request that may not compact, as it may do no I/O, nothing is left to compaction.
#[test]
fn requests_that_may_not_compact_are_reclaimed_for() {
    for (gfp, expected) in [(Gfp::NOFS, 0), (Gfp::NOIO, 13)] {
        let machine = fragmented(33);
        machine.reclaim().state().can_migrate = true;
        request_as(machine, gfp, Order::O4);
        assert_eq!(passes(machine).len(), expected, "{gfp}");
    }
}

/// Where compaction has room for a costly block and twice its frames above the high watermark,
/// nothing more is freed. With a frame less it is, and where nothing can be moved.
#[test]
fn a_zone_that_compaction_has_room_in_is_left_alone() {
    for (order, gap) in [(Order::O4, 32), (Order::O5, 64), (Order::O9, 1024)] {
        for (above, can_migrate, expected) in
            [(gap + 1, true, 0), (gap, true, 13), (gap + 1, false, 13)]
        {
            let machine = fragmented(above);
            machine.reclaim().state().can_migrate = can_migrate;
            request(machine, order);
            assert_eq!(passes(machine).len(), expected, "{order} {above} {can_migrate}");
            machine.reclaim().finish();
        }
    }
}

/// Smaller blocks are reclaimed for all the same.
#[test]
fn small_blocks_are_reclaimed_for() {
    let machine = fragmented(1000);
    machine.reclaim().state().can_migrate = true;
    request(machine, Order::O3);
    assert_eq!(passes(machine).len(), 13);
}
