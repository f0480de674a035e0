//! Blocks that may be moved because of what they were asked for as.

use crate::kernel::{Machine, boot};
use page_alloc::{Gfp, Movability, NodeId, Order};

/// Three blocks at the low end of a zone, whose upper part is free in single frames: one of unmovable
/// memory, one of movable memory, and one of that which is pinned.
fn blocks(machine: &Machine) -> [page_alloc::Pages; 3] {
    let gfps = [Gfp::KERNEL, Gfp::HIGHUSER_MOVABLE, Gfp::HIGHUSER_MOVABLE];
    let blocks = gfps.map(|gfp| machine.alloc_pages(gfp, Order::O2).unwrap());
    machine.set_movable(&blocks[2], Movability::Pinned).unwrap();
    let kernel = machine.reclaim();
    kernel.fill(false);
    kernel.free_where(|owner| owner.pages.pfn().get() & 256 != 0);
    machine.drain_all_pages(None);
    blocks
}

/// The kernel is asked to move what was asked for as MOVABLE, unless that was pinned since.
#[test]
fn movable_memory_is_tried() {
    let machine = boot(64 << 20, 21);
    let [kernels, users, pinned] = blocks(machine);
    let from = users.pfn();
    machine.reclaim().state().own(users, true);
    let stats = machine.compact_node(NodeId::ZERO).unwrap();
    assert_eq!((stats.moved, stats.failed), (4, 0));
    let state = machine.reclaim().state();
    assert_eq!(state.asked.iter().map(|asked| asked.0).collect::<Vec<_>>(), [from]);
    let moved = state.owners.values().find(|owner| owner.movable).unwrap().pages.pfn();
    assert!(moved > from);
    drop(state);
    machine.free_pages(kernels).unwrap();
    machine.free_pages(pinned).unwrap();
    machine.reclaim().finish();
}
