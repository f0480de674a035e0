//! Hooks that panic: whatever is in flight then goes back, and the machine can be used further.

use crate::mover::{KINDS, Machine, boot, node};
use page_alloc::{Gfp, Order};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Each so many calls one panics: every one in a release build, which is faster.
const STRIDE: usize = if cfg!(debug_assertions) { 17 } else { 1 };

/// All of it leads to hooks: requests that compact, reclaim and kill, kswapd, kcompactd, and compaction
/// for nobody.
fn acts(machine: &Machine) {
    let kernel = machine.reclaim();
    // Mixes pageblocks, which wakes kswapd with the block in flight.
    let taken = machine.alloc_pages_node(Some(node(1)), Gfp::KERNEL | Gfp::THISNODE, Order::O0);
    taken.into_iter().for_each(|pages| kernel.keep(pages));
    for order in [Order::O4, Order::O3, Order::O9] {
        let taken = machine.alloc_pages(Gfp::KERNEL | Gfp::RETRY_MAYFAIL, order);
        taken.into_iter().for_each(|pages| kernel.keep(pages));
    }
    let taken = machine.alloc_pages(Gfp::KERNEL | Gfp::NOWARN, Order::O2);
    taken.into_iter().for_each(|pages| kernel.keep(pages));
    machine.kswapd_balance(node(0)).expect("a node");
    machine.kcompactd(node(0)).expect("a node");
    machine.compact_node(node(1)).expect("a node");
}

/// Has each call of a hook panic in turn, as far as the stride goes, on machines of the same state, with so many spare blocks.
fn panic_everywhere(spare: u32, kinds: &[Gfp]) {
    for fuse in (0..).step_by(STRIDE) {
        let machine = boot(7);
        let kernel = machine.reclaim();
        kernel.fill(kinds);
        (0..spare).for_each(|_| {
            kernel.free_any();
        });
        kernel.fuse.set(Some(fuse));
        let panicked = catch_unwind(AssertUnwindSafe(|| acts(&machine))).is_err();
        kernel.fuse.set(None);
        assert_eq!(machine.verify(), Ok(()), "call {fuse}");
        kernel.finish();
        if !panicked {
            assert!(fuse > 100, "there are but {fuse} calls");
            break;
        }
    }
}

/// With little memory left, all comes to reclaim and killing.
#[test]
fn panics_under_pressure_lose_nothing() {
    panic_everywhere(60, KINDS[0]);
}

/// With more, blocks are moved, and targets are in flight.
#[test]
fn panics_in_compaction_lose_nothing() {
    panic_everywhere(500, KINDS[0]);
}

/// Where memory is not MOVABLE, blocks are captured while others are still to be moved.
#[test]
fn panics_lose_no_captured_block() {
    panic_everywhere(500, KINDS[1]);
}
