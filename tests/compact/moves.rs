//! One block at a time: what is moved, where to, and what goes with it.

use crate::kernel::{Machine, boot};
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{
    CompactResult, Gfp, MigrateMode, MigrateType, Movability, NodeId, Order, Pfn, ZoneType,
};

/// Fills what is left with blocks that stay, and frees the upper half of each pageblock's frames: a
/// free pageblock as a whole would get nothing moved to it.
pub fn make_room(machine: &Machine) {
    let kernel = machine.reclaim();
    kernel.fill(false);
    kernel.free_where(|owner| owner.pages.pfn().get() & 256 != 0 && !owner.movable);
    machine.drain_all_pages(None);
}

/// A block that can be moved goes to the end of its zone with its contents, its mark and its owner's
/// word; what it leaves is free.
#[test]
fn a_block_takes_everything_along() {
    let machine = boot(64 << 20, 1);
    let kernel = machine.reclaim();
    assert!(kernel.alloc(Order::O2, true));
    make_room(machine);
    let before = {
        let state = kernel.state();
        let owner = state.owners.values().find(|owner| owner.movable).unwrap();
        machine.set_private(&owner.pages, 0xfeed).unwrap();
        owner.pages.pfn()
    };
    let (result, stats) = machine.compact_zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    assert_eq!((result, stats.moved, stats.failed), (CompactResult::Complete, 4, 0));
    let state = kernel.state();
    assert_eq!(state.asked, [(before, Order::O2, MigrateMode::Sync)]);
    let owner = state.owners.values().find(|owner| owner.movable).unwrap();
    assert!(owner.pages.pfn() >= before + 0x2000, "{} became {}", before, owner.pages.pfn());
    assert_eq!(machine.private(&owner.pages), Ok(0xfeed));
    assert_eq!(machine.page_count(&owner.pages), Ok(1));
    drop(state);
    // It can still be moved: once more, and it stays near the end.
    machine.compact_zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    kernel.finish();
}

/// What is said to be pinned stays, and so does a block of a pageblock, whatever its marks.
#[test]
fn what_is_pinned_or_too_large_stays() {
    let machine = boot(64 << 20, 2);
    let pinned = machine.alloc_page(Gfp::HIGHUSER_MOVABLE).unwrap();
    machine.set_movable(&pinned, Movability::Pinned).unwrap();
    let huge = machine.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::O9).unwrap();
    machine.set_movable(&huge, Movability::Movable).unwrap();
    make_room(machine);
    let stats = machine.compact_node(NodeId::ZERO).unwrap();
    assert_eq!((stats.moved, stats.failed), (0, 0));
    assert!(machine.reclaim().state().asked.is_empty());
    machine.free_pages(pinned).unwrap();
    machine.free_pages(huge).unwrap();
}

/// A block that several hold is moved when the kernel gives each a reference to the new one; while
/// it leaves one old token in somebody's hands, the old block is not free.
#[test]
fn a_shared_block_is_freed_by_its_last_holder() {
    let machine = boot(64 << 20, 3);
    let kernel = machine.reclaim();
    assert!(kernel.alloc(Order::O0, true));
    make_room(machine);
    let second = {
        let state = kernel.state();
        let owner = state.owners.values().find(|owner| owner.movable).unwrap();
        machine.get_page(&owner.pages).unwrap()
    };
    let free = machine.nr_free_pages();
    let stats = machine.compact_node(NodeId::ZERO).unwrap();
    assert_eq!(stats.moved, 1);
    assert_eq!(machine.page_count(&second), Ok(1), "the first reference was given back");
    machine.verify().unwrap();
    let kept = machine.nr_free_pages();
    machine.free_pages(second).unwrap();
    machine.drain_all_pages(None);
    assert_eq!(machine.nr_free_pages(), kept + 1);
    assert_eq!(kept + 1, free, "a target is in use, and the source still is");
    kernel.finish();
}

/// A pageblock that is isolated gives no targets.
#[test]
fn isolated_pageblocks_get_nothing() {
    let machine = boot(64 << 20, 4);
    let kernel = machine.reclaim();
    kernel.fill(true);
    kernel.free_where(|owner| owner.pages.pfn().get() & 256 != 0);
    for owner in kernel.state().owners.values() {
        machine.set_movable(&owner.pages, Movability::Movable).unwrap();
    }
    machine.drain_all_pages(None);
    let span = machine.zone(NodeId::ZERO, ZoneType::Dma32).unwrap().span();
    let last = Pfn::new(span.end.get() - 512);
    machine.isolate_pageblock(last, MigrateType::Movable).unwrap();
    let there = || kernel.state().owners.range(last.get()..).count();
    assert_eq!(there(), 256);
    let stats = machine.compact_node(NodeId::ZERO).unwrap();
    assert!(stats.moved > 1000, "{stats:?}");
    assert_eq!(there(), 256);
    machine.unisolate_pageblock(last, MigrateType::Movable).unwrap();
    kernel.finish();
}

/// In a zone that is to keep more than there can be nothing is taken to move others to.
#[test]
fn endless_watermarks_keep_all_targets() {
    let machine = boot(64 << 20, 9);
    let kernel = machine.reclaim();
    assert!(kernel.alloc(Order::O0, true));
    make_room(machine);
    let (min, low, high, promo) = (u64::MAX, u64::MAX, u64::MAX, u64::MAX);
    for zone in [ZoneType::Dma, ZoneType::Dma32] {
        machine.set_watermarks(NodeId::ZERO, zone, Watermarks { min, low, high, promo }).unwrap();
    }
    let stats = machine.compact_node(NodeId::ZERO).unwrap();
    assert_eq!((stats.collected, stats.isolated, stats.moved), (1, 0, 0));
    kernel.finish();
}
