//! Compaction that is in vain is put off, and pageblocks that were in vain are passed over.

use crate::kernel::{Policy, boot};
use page_alloc::kswapd::Wakeup;
use page_alloc::{Gfp, KswapdWake, NodeId, Order, ZoneType};

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
