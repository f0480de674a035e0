//! What kcompactd leaves behind for the next time: by a block that it made, by one that it did not make,
//! and by a compaction that was cut short.

use crate::kernel::{Kernel, Machine, Policy};
use crate::put_off::{given_up, kcompactd_worked};
use page_alloc::{Context, CpuId, Gfp, KswapdWake, NodeId, Order, ZoneType};
use std::sync::atomic::Ordering;

const ZONE: ZoneType = ZoneType::Dma;

/// As [`given_up`], with nothing wanted of kcompactd, and nothing noted of it.
fn idle(seed: u64) -> &'static Machine {
    let (machine, _) = given_up(seed);
    machine.reclaim().is_rigid.store(true, Ordering::Relaxed);
    assert_eq!(machine.kcompactd(NodeId::ZERO).unwrap().migrate_scanned, 0);
    machine.reclaim().is_rigid.store(false, Ordering::Relaxed);
    machine
}

/// For which of so many requests for a block of the one zone, from 0 on, kcompactd looked at anything.
fn worked(machine: &Machine, order: Order, requests: u32) -> Vec<u32> {
    let (node, gfp) = (NodeId::ZERO, Gfp::NOWAIT);
    let wake = KswapdWake { node, zone: ZONE, order, highest: ZONE, gfp };
    kcompactd_worked(machine, wake, requests)
}

/// All blocks of that order go to somebody, so that more are wanted.
fn take_all(kernel: &Kernel, order: Order) {
    let gfp = (Gfp::KERNEL | Gfp::DMA | Gfp::NOWARN) - Gfp::RECLAIM;
    while let Ok(pages) = kernel.machine().alloc_pages(gfp, order) {
        kernel.state().own(pages, false);
    }
}

/// From the next block that is to be moved on, the task is to be killed.
fn doom(kernel: &Kernel) {
    *kernel.intruder.lock().unwrap() = Some(|machine| {
        machine.reclaim().set_context(Context::FATAL_SIGNAL);
    });
}

/// Once kcompactd has made a block, failures for larger ones don't put off those of its order.
#[test]
fn a_block_made_speaks_for_its_order() {
    let machine = idle(210);
    let kernel = machine.reclaim();
    assert_eq!(worked(machine, Order::O8, 2), [0], "a failure puts it off");
    kernel.set_policy(Policy::Honest);
    assert_eq!(worked(machine, Order::O8, 1), [0]);
    take_all(kernel, Order::O8);
    kernel.set_policy(Policy::Busy);
    assert_eq!(worked(machine, Order::O9, 1), [0]);
    assert_eq!(worked(machine, Order::O8, 1), [0], "it did not fail since");
    kernel.finish();
}

/// A compaction that was cut short says nothing: it is not put off longer for that, and what had failed
/// before has failed still.
#[test]
fn a_compaction_cut_short_says_nothing() {
    let cut_short = |seed| {
        let machine = idle(seed);
        let kernel = machine.reclaim();
        assert_eq!(worked(machine, Order::O8, 2), [0]);
        doom(kernel);
        assert_eq!(worked(machine, Order::O8, 1), [0]);
        assert_eq!(kernel.set_context(Context::TASK), Context::FATAL_SIGNAL);
        machine
    };
    let machine = cut_short(211);
    assert_eq!(worked(machine, Order::O8, 1), [0], "its turn is not over");
    machine.reclaim().finish();
    let machine = cut_short(212);
    assert_eq!(worked(machine, Order::O9, 1), [0]);
    assert_eq!(
        worked(machine, Order::O8, 4),
        [3],
        "it fails with the larger one, for the second time"
    );
    machine.reclaim().finish();
}

/// After a failure, what CPUs have at hand of the zone goes back, whichever CPU it is: the next one
/// may have more luck. After a success it stays.
#[test]
fn a_failure_drains_all_cpus() {
    for (seed, policy) in [(213, Policy::Busy), (214, Policy::Honest)] {
        let machine = idle(seed);
        let kernel = machine.reclaim();
        kernel.set_policy(policy);
        let other = CpuId::new(1);
        machine.on_cpu(other, || {
            let pages = machine.alloc_page(Gfp::KERNEL | Gfp::DMA | Gfp::MEMALLOC).unwrap();
            machine.free_pages(pages).unwrap();
        });
        let zone = machine.zone(NodeId::ZERO, ZONE).unwrap();
        let at_hand = || zone.pageset(other).unwrap().count();
        assert!(at_hand() > 0);
        assert_eq!(worked(machine, Order::O8, 1), [0]);
        assert_eq!(at_hand() == 0, policy == Policy::Busy, "{policy:?}");
        kernel.finish();
    }
}

/// A small block that was made does not make larger ones suspect that had not failed.
#[test]
fn a_small_block_says_nothing_of_larger_ones() {
    let machine = idle(215);
    let kernel = machine.reclaim();
    for (policy, order) in
        [(Policy::Honest, Order::O8), (Policy::Busy, Order::O8), (Policy::Honest, Order::O4)]
    {
        kernel.set_policy(policy);
        take_all(kernel, Order::O4);
        assert_eq!(worked(machine, order, 1), [0], "{policy:?} {order}");
    }
    take_all(kernel, Order::O4);
    kernel.set_policy(Policy::Busy);
    assert_eq!(worked(machine, Order::O7, 1), [0], "order 8 had failed, and no other");
    kernel.finish();
}
