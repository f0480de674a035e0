//! Compaction that is in vain is put off, and pageblocks that were in vain are passed over.

use crate::kernel::{Machine, Policy, boot};
use page_alloc::kswapd::{KswapdNext, Wakeup};
use page_alloc::{Gfp, KswapdWake, Movability, NodeId, Order, ZoneType};
use std::sync::atomic::Ordering;

const NODE: NodeId = NodeId::ZERO;

/// A machine of which every other frame is free, with a kernel that moves nothing and a kswapd that has
/// given up; and what is wanted there.
pub fn given_up(seed: u64) -> (&'static Machine, KswapdWake) {
    let machine = boot(32 << 20, seed);
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
    (machine, wake)
}

/// Nothing can be freed, and the kernel moves nothing: once kswapd has given up, each request that
/// can't wait is handed to kcompactd. After the n-th failure it does nothing for 2^n - 1 of them, at
/// most 63.
#[test]
fn failures_put_it_off() {
    let (machine, wake) = given_up(200);
    let kernel = machine.reclaim();
    assert_eq!(kcompactd_worked(machine, wake, 300), [0, 2, 6, 14, 30, 62, 126, 190, 254]);
    kernel.finish();
}

/// For which of so many requests, from 0 on, kcompactd looked at anything.
pub fn kcompactd_worked(machine: &Machine, wake: KswapdWake, requests: u32) -> Vec<u32> {
    let works = |_: &u32| {
        assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::NotNeeded);
        machine.kcompactd(NODE).unwrap().migrate_scanned > 0
    };
    (0..requests).filter(works).collect()
}

/// A block that kcompactd makes is not one that somebody got: the next failure counts as one more.
#[test]
fn a_block_made_is_none_had() {
    let (machine, wake) = given_up(205);
    let kernel = machine.reclaim();
    assert_eq!(kcompactd_worked(machine, wake, 8), [0, 2, 6]);
    kernel.set_policy(Policy::Honest);
    assert_eq!(kcompactd_worked(machine, wake, 7), [6]);
    let gfp = (Gfp::HIGHUSER_MOVABLE | Gfp::NOWARN) - Gfp::RECLAIM;
    while let Ok(pages) = machine.alloc_pages(gfp, Order::O9) {
        kernel.state().own(pages, false);
    }
    kernel.set_policy(Policy::Busy);
    assert_eq!(kcompactd_worked(machine, wake, 50), [0, 16, 48]);
    kernel.finish();
}

/// Of so many requests for a large block, the numbers of those for which anything was looked at, from 1
/// on.
fn worked(machine: &Machine, requests: u32) -> Vec<u32> {
    let looks = || machine.vm_events().unwrap().compact.migrate_scanned;
    let tried = |_: &u32| {
        // kswapd goes to sleep, so that all pageblocks may be looked at again.
        while machine.kswapd_balance(NODE).unwrap().next == KswapdNext::Again {}
        let before = looks();
        let refused = machine.alloc_pages(Gfp::HIGHUSER_MOVABLE | Gfp::NOWARN, Order::O9);
        assert!(refused.is_err());
        looks() > before
    };
    (1..=requests).filter(tried).collect()
}

/// A request asks twice: before reclaim and after. In the second question the failure counts, so that
/// after the n-th 2^n - 1 questions are put off. With a block that is had it begins anew.
#[test]
fn requests_are_put_off() {
    let machine = crate::direct::checkerboard(204);
    let kernel = machine.reclaim();
    kernel.set_policy(Policy::Busy);
    assert_eq!(worked(machine, 100), [1, 2, 4, 8, 16, 32, 64, 96]);
    kernel.set_policy(Policy::Honest);
    let pages = (0..33).find_map(|_| machine.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::O9).ok());
    kernel.state().own(pages.expect("the wait is over"), false);
    kernel.set_policy(Policy::Busy);
    assert_eq!(worked(machine, 9), [1, 2, 4, 8]);
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
