//! Compaction that is in vain is put off, and pageblocks that were in vain are passed over.

use crate::kernel::{Machine, Policy, boot};
use page_alloc::kswapd::{KswapdNext, Wakeup};
use page_alloc::{Gfp, KswapdWake, Movability, NodeId, Order, ZoneType};
use std::sync::atomic::Ordering;

const NODE: NodeId = NodeId::ZERO;

/// Nothing can be freed, and the kernel moves nothing: once kswapd has given up, each request that
/// can't wait is handed to kcompactd. After the n-th failure it does nothing for 2^n - 1 of them, at
/// most 63.
#[test]
fn failures_put_it_off() {
    let machine = boot(32 << 20, 200);
    let kernel = machine.reclaim();
    kernel.fill(true);
    kernel.free_where(|owner| owner.pages.pfn().get().is_multiple_of(2));
    machine.drain_all_pages(None);
    kernel.set_policy(Policy::Busy);
    let (order, zone) = (Order::O9, ZoneType::Dma32);
    let wake = KswapdWake { node: NODE, zone, order, highest: zone, gfp: Gfp::NOWAIT };
    while machine.wakeup_kswapd(&wake) == Wakeup::Needed {
        machine.kswapd_balance(NODE).unwrap();
    }
    let mut worked = Vec::new();
    for request in 0..300 {
        assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::NotNeeded);
        if machine.kcompactd(NODE).unwrap().migrate_scanned > 0 {
            worked.push(request);
        }
    }
    assert_eq!(worked, [0, 2, 6, 14, 30, 62, 126, 190, 254]);
    kernel.finish();
}

/// What each pageblock of the machine has: one block that can be moved, and single frames that are
/// free, between others that stay. Looked at in vain for a request.
fn all_in_vain(seed: u64) -> &'static Machine {
    let machine = boot(64 << 20, seed);
    let kernel = machine.reclaim();
    let spare = machine.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::O9).unwrap();
    machine.drain_all_pages(None);
    kernel.fill(false);
    for (pfn, owner) in &mut kernel.state().owners {
        if pfn.is_multiple_of(512) {
            owner.movable = true;
            machine.set_movable(&owner.pages, Movability::Movable).unwrap();
        }
    }
    let free = |pfn: u64| pfn.is_multiple_of(2) && !pfn.is_multiple_of(512);
    kernel.free_where(|owner| free(owner.pages.pfn().get()));
    machine.drain_all_pages(None);
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
    assert!(machine.alloc_pages(gfp, Order::O9).is_err());
    assert!(machine.vm_events().unwrap().compact.migrate_scanned > 0);
    assert!(kernel.state().asked.is_empty(), "no pageblock can come free");
    kernel.state().spare = Some(spare);
    machine
}

/// kswapd goes to sleep, after which all pageblocks may be looked at again; but not if a request has
/// got its block by compaction since.
#[test]
fn hints_outlive_a_success() {
    for (seed, succeeds) in [(202, false), (203, true)] {
        let machine = all_in_vain(seed);
        let kernel = machine.reclaim();
        if succeeds {
            let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
            let pages = machine.alloc_pages(gfp, Order::O9).unwrap();
            assert_eq!(machine.vm_events().unwrap().compact.success, 1);
            kernel.state().own(pages, false);
        }
        let (order, zone) = (Order::O9, ZoneType::Dma32);
        let wake = KswapdWake { node: NODE, zone, order, highest: zone, gfp: Gfp::KERNEL };
        machine.wakeup_kswapd(&wake);
        let rescheds = || kernel.rescheds.load(Ordering::Relaxed);
        let before = rescheds();
        while machine.kswapd_balance(NODE).unwrap().next == KswapdNext::Again {}
        // Two at a time are looked at, of 24 or more of that zone.
        assert_eq!(rescheds() - before >= 12, !succeeds, "others run while bits are cleared");
        machine.wakeup_kswapd(&KswapdWake { gfp: Gfp::NOWAIT, ..wake });
        let scanned = machine.kcompactd(NODE).unwrap().migrate_scanned;
        // Nobody had looked into the DMA zone, which has seven pageblocks.
        assert_eq!(scanned > 7 * 512, !succeeds, "{scanned} blocks were looked at");
        if let Some(spare) = kernel.state().spare.take() {
            machine.free_pages(spare).unwrap();
        }
        kernel.finish();
    }
}

/// A pageblock in which there is nothing to move is passed over the next time, until kswapd goes to
/// sleep; a compaction of everything looks everywhere.
#[test]
fn pageblocks_in_vain_are_passed_over() {
    let machine = boot(64 << 20, 201);
    let kernel = machine.reclaim();
    kernel.fill(false);
    kernel.free_where(|owner| owner.pages.pfn().get().is_multiple_of(2));
    machine.drain_all_pages(None);
    let try_once = || {
        let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
        assert!(machine.alloc_pages(gfp, Order::O5).is_err());
    };
    try_once();
    let (order, zone) = (Order::O5, ZoneType::Dma32);
    let wake = KswapdWake { node: NODE, zone, order, highest: zone, gfp: Gfp::NOWAIT };
    while machine.wakeup_kswapd(&wake) == Wakeup::Needed {
        machine.kswapd_balance(NODE).unwrap();
    }
    let scanned = || {
        machine.wakeup_kswapd(&wake);
        machine.kcompactd(NODE).unwrap().migrate_scanned
    };
    let first = scanned();
    assert!(machine.compact_node(NODE).unwrap().migrate_scanned >= 8000);
    // Put off once; then the pageblocks are known.
    assert_eq!(scanned(), 0);
    let second = scanned();
    assert!(second < first / 4 || first == 0, "{first}, then {second}");
    kernel.finish();
}
