//! How closely the free scanner looks.

use crate::kernel::{Kernel, boot};
use page_alloc::{Gfp, NodeId, Order, PAGEBLOCK_NR_PAGES, ZoneType};

/// Where the blocks with these tags are.
fn places(kernel: &Kernel, tags: &[u64]) -> Vec<u64> {
    let state = kernel.state();
    let mut places: Vec<_> = state
        .owners
        .iter()
        .filter(|(_, owner)| tags.contains(&owner.tag))
        .map(|(pfn, _)| *pfn)
        .collect();
    places.sort_unstable();
    places
}

/// The free scanner of a compaction that waits for nothing looks at every 32nd frame of a pageblock
/// only, also after it has found free ones there; then, as there was something, at all of the next.
/// Every other frame is free in pageblocks below the middle, where the search of the lists takes none:
/// of a batch of 32 frames half goes to the first of them, spread, half to the next, side by side.
#[test]
fn one_that_waits_for_nothing_strides() {
    let machine = boot(128 << 20, 700);
    let kernel = machine.reclaim();
    kernel.fill(true);
    let span = machine.zone(NodeId::ZERO, ZoneType::Dma32).unwrap().span();
    let pageblocks = (span.end.get() - span.start.get()) / PAGEBLOCK_NR_PAGES;
    // From here on the lists would give blocks.
    let middle = span.start.get() + (pageblocks - 1) / 2 * PAGEBLOCK_NR_PAGES;
    let room = middle - 12 * PAGEBLOCK_NR_PAGES..middle;
    kernel.free_where(|owner| {
        let pfn = owner.pages.pfn().get();
        room.contains(&pfn) && pfn.is_multiple_of(2)
    });
    machine.drain_all_pages(None);
    let first: Vec<_> = {
        let state = kernel.state();
        state.owners.range(span.start.get()..).take(32).map(|(_, owner)| owner.tag).collect()
    };
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
    if let Ok(pages) = machine.alloc_pages(gfp, Order::O9) {
        kernel.state().own(pages, false);
    }
    let (upper, lower) = (middle - PAGEBLOCK_NR_PAGES, middle - 2 * PAGEBLOCK_NR_PAGES);
    let spread = (0..16).map(|at| upper + 32 * at);
    let side_by_side = (0..16).map(|at| lower + 2 * at);
    assert_eq!(places(kernel, &first), side_by_side.chain(spread).collect::<Vec<_>>());
    kernel.finish();
}
