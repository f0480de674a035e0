//! Hooks that panic: whatever is in flight then goes back, and the machine can be used further.

use crate::mover::{KINDS, Machine, boot, node};
use page_alloc::{Gfp, Order};
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// Has each call of a hook panic in turn, on machines of the same state, with so many spare blocks;
/// gives how many calls there are.
fn panic_everywhere(spare: u32, kinds: &[Gfp]) -> u64 {
    for fuse in 0.. {
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
            return fuse;
        }
    }
    unreachable!("some call is the last")
}

/// No frame is lost, wherever a hook panics, with little memory left and with enough to compact.
#[test]
fn nothing_is_lost_when_a_hook_panics() {
    for (spare, kinds) in [(60, KINDS[0]), (500, KINDS[0]), (500, KINDS[1])] {
        let calls = panic_everywhere(spare, kinds);
        assert!(calls > 100, "{calls}");
    }
}
