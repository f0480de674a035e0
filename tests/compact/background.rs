//! kcompactd: which zones it works in, and that others run while it looks around.

use crate::direct::checkerboard;
use crate::kernel::{Machine, Policy, boot};
use page_alloc::kswapd::Wakeup;
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{CompactResult, Gfp, KswapdWake, MigrateMode, NodeId, Order, ZoneType};
use std::sync::atomic::Ordering;

const NODE: NodeId = NodeId::ZERO;

fn wake(zone: ZoneType, order: Order) -> KswapdWake {
    KswapdWake { node: NODE, zone, order, highest: zone, gfp: Gfp::NOWAIT }
}

/// Has kswapd give the node up, without a word to kcompactd: from now on that one is told.
fn give_up(machine: &Machine) {
    let kernel = machine.reclaim();
    kernel.is_rigid.store(true, Ordering::Relaxed);
    while machine.wakeup_kswapd(&wake(ZoneType::Dma32, Order::O9)) == Wakeup::Needed {
        machine.kswapd_balance(NODE).unwrap();
    }
    kernel.is_rigid.store(false, Ordering::Relaxed);
}

/// Whether the zone has a block of that order or a larger one.
fn has(machine: &Machine, zone: ZoneType, order: Order) -> bool {
    let zone = machine.zone(NODE, zone).unwrap();
    zone.nr_free()[order.index()..].iter().any(|blocks| *blocks > 0)
}

/// Of all that is wanted kcompactd makes the largest block, in the zones that do for everybody; the
/// next time, it may go everywhere again.
#[test]
fn the_largest_order_in_the_lowest_zone() {
    let machine = checkerboard(400);
    let kernel = machine.reclaim();
    give_up(machine);
    for wake in [wake(ZoneType::Dma, Order::O5), wake(ZoneType::Dma32, Order::O7)] {
        assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::NotNeeded);
    }
    assert!(machine.kcompactd(NODE).unwrap().moved > 0);
    assert!(has(machine, ZoneType::Dma, Order::O7));
    assert!(!has(machine, ZoneType::Dma32, Order::O1), "it does not do for the first");
    assert_eq!(machine.kcompactd(NODE).unwrap().migrate_scanned, 0, "nothing new is wanted");
    machine.wakeup_kswapd(&wake(ZoneType::Dma32, Order::O7));
    assert!(machine.kcompactd(NODE).unwrap().moved > 0);
    assert!(has(machine, ZoneType::Dma32, Order::O7));
    kernel.finish();
}

/// What kcompactd does is counted as its own, beside what is counted of every compaction.
#[test]
fn its_work_is_counted() {
    let machine = checkerboard(401);
    give_up(machine);
    let counts = || machine.vm_events().unwrap().compact;
    machine.wakeup_kswapd(&wake(ZoneType::Dma32, Order::O7));
    let first = machine.kcompactd(NODE).unwrap();
    machine.kcompactd(NODE).unwrap();
    let counted = counts();
    assert_eq!(counted.daemon_wake, 1, "the second time there was nothing to do");
    assert_eq!(counted.daemon_migrate_scanned, first.migrate_scanned);
    assert_eq!(counted.daemon_free_scanned, first.free_scanned);
    assert_eq!((counted.stall, counted.fail, counted.success), (0, 0, 0));
    let second = machine.compact_node(NODE).unwrap();
    let counted = counts();
    assert_eq!(counted.daemon_migrate_scanned, first.migrate_scanned);
    assert_eq!(counted.migrate_scanned, first.migrate_scanned + second.migrate_scanned);
    assert_eq!(counted.pgmigrate_success, first.moved + second.moved);
    machine.reclaim().finish();
}

/// kcompactd is woken for requests that can't wait, where it can do something in a zone that they may
/// use: not where there is a block, nor where there is no room.
#[test]
fn it_is_woken_where_it_can_help() {
    let machine = checkerboard(404);
    let kernel = machine.reclaim();
    give_up(machine);
    let wakes = |zone: ZoneType, order: Order, gfp: Gfp| {
        let before = kernel.kcompactd_wakes.lock().unwrap().len();
        let wake = KswapdWake { gfp, ..wake(zone, order) };
        assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::NotNeeded);
        machine.kcompactd(NODE).unwrap();
        kernel.kcompactd_wakes.lock().unwrap().len() - before
    };
    kernel.set_policy(Policy::Busy);
    machine.kcompactd(NODE).unwrap();
    assert_eq!(wakes(ZoneType::Dma32, Order::O5, Gfp::KERNEL), 0, "it can wait for itself");
    assert_eq!(wakes(ZoneType::Dma32, Order::O5, Gfp::NOWAIT), 1);
    assert_eq!(wakes(ZoneType::Dma32, Order::O0, Gfp::NOWAIT), 0);
    kernel.free_where(|owner| (0x800..0x840).contains(&owner.pages.pfn().get()));
    machine.drain_all_pages(None);
    assert_eq!(wakes(ZoneType::Dma, Order::O5, Gfp::NOWAIT), 0, "there is one");
    let (min, low, high, promo) = (1 << 20, 1 << 20, 1 << 20, 1 << 20);
    machine.set_watermarks(NODE, ZoneType::Dma, Watermarks { min, low, high, promo }).unwrap();
    assert_eq!(wakes(ZoneType::Dma, Order::O5, Gfp::NOWAIT), 0, "no room, in the one zone");
    assert_eq!(wakes(ZoneType::Dma32, Order::O5, Gfp::NOWAIT), 1);
    kernel.finish();
}

/// While a pageblock is being emptied for a request, kcompactd begins with the next one.
#[test]
fn two_do_not_work_on_one_pageblock() {
    let machine = boot(64 << 20, 403);
    let kernel = machine.reclaim();
    kernel.fill(true);
    // The first frame of each pageblock is in use.
    kernel.free_where(|owner| matches!(owner.pages.pfn().get() % 512, at if at > 0 && at % 2 == 0));
    machine.drain_all_pages(None);
    give_up(machine);
    machine.wakeup_kswapd(&wake(ZoneType::Dma32, Order::O9));
    let kcompactd = |machine: &Machine| {
        assert!(machine.kcompactd(NODE).unwrap().moved > 0);
    };
    *kernel.intruder.lock().unwrap() = Some(kcompactd);
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
    if let Ok(pages) = machine.alloc_pages(gfp, Order::O9) {
        machine.free_pages(pages).unwrap();
    }
    let state = kernel.state();
    let asked = |wanted| {
        let asked = state.asked.iter().filter(move |(_, _, mode)| *mode == wanted);
        asked.map(|(pfn, ..)| pfn.get() / 512)
    };
    let first = asked(MigrateMode::Async).next().unwrap();
    let mut others = asked(MigrateMode::SyncLight).filter(|at| *at >= 4096 / 512).peekable();
    assert!(others.peek().is_some());
    assert!(others.all(|other| other > first), "pageblock {first}");
    drop(state);
    kernel.finish();
}

/// Where there is one block to move and no place for it, the free scanner passes the whole zone, and
/// lets others run on its way. (The hook takes the zones' locks.)
#[test]
fn others_run_while_a_scanner_passes_the_zone() {
    let bytes = 1 << 30;
    let machine = boot(bytes, 402);
    let kernel = machine.reclaim();
    assert!(kernel.alloc(Order::O0, true));
    kernel.fill(false);
    kernel.free_where(|owner| owner.pages.pfn().get() < 0x1200 && !owner.movable);
    machine.drain_all_pages(None);
    let (result, stats) = machine.compact_zone(NODE, ZoneType::Dma32).unwrap();
    assert_eq!((result, stats.moved), (CompactResult::Complete, 0));
    let pageblocks = bytes >> 21;
    let rescheds = kernel.rescheds.load(Ordering::Relaxed);
    assert!(rescheds >= pageblocks / 32 - 1, "{rescheds} times in {pageblocks} pageblocks");
    kernel.finish();
}
