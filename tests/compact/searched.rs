//! The free lists tell where the scanners would do well to go on.

use crate::churned::churn;
use crate::kernel::{Kernel, Machine, Policy, boot};
use page_alloc::{Gfp, NodeId, Order, PAGEBLOCK_NR_PAGES, Pfn, ZoneType};

const HUGE: Gfp = Gfp::HIGHUSER_MOVABLE.union(Gfp::NORETRY).union(Gfp::NOWARN);

/// The first frame of the larger zone, and how many pageblocks it has.
fn zone(machine: &Machine) -> (u64, u64) {
    let span = machine.zone(NodeId::ZERO, ZoneType::Dma32).unwrap().span();
    (span.start.get(), (span.end.get() - span.start.get()) / PAGEBLOCK_NR_PAGES)
}

/// Frees the frames in a row of pageblocks of which `which` says so.
fn free_in(kernel: &Kernel, pageblocks: std::ops::Range<u64>, which: impl Fn(u64) -> bool) {
    let start = zone(kernel.machine()).0;
    kernel.free_where(|owner| {
        let pfn = owner.pages.pfn().get();
        pfn >= start && pageblocks.contains(&((pfn - start) / PAGEBLOCK_NR_PAGES)) && which(pfn)
    });
    kernel.machine().drain_all_pages(None);
}

/// A machine full of movable frames, of which the upper pageblocks were all looked at in vain for room:
/// they had a few free frames each, which the compaction of all pageblocks filled. The lower ones, which
/// have not been looked at in vain, are full again.
fn without_room(seed: u64) -> &'static Machine {
    let machine = boot(128 << 20, seed);
    let kernel = machine.reclaim();
    kernel.fill(true);
    let pageblocks = zone(machine).1;
    assert!(pageblocks >= 52, "{pageblocks}");
    free_in(kernel, 0..18, |pfn| !pfn.is_multiple_of(32));
    free_in(kernel, 20..pageblocks, |pfn| pfn.is_multiple_of(64));
    let stats = machine.compact_node(NodeId::ZERO).unwrap();
    assert!(stats.moved >= 18 * 16 - 8, "{stats:?}");
    kernel.fill(true);
    machine
}

/// Frames that come free behind the free scanner, in pageblocks that were looked at in vain, are found
/// by the free lists: a request gets its block by moving to them.
#[test]
fn what_comes_free_in_marked_pageblocks_is_found() {
    let machine = without_room(600);
    let kernel = machine.reclaim();
    free_in(kernel, 40..64, |pfn| pfn.is_multiple_of(2));
    let before = machine.vm_events().unwrap().compact;
    for _ in 0..3 {
        let pages = machine.alloc_pages(HUGE, Order::O9).unwrap();
        kernel.state().own(pages, false);
    }
    let after = machine.vm_events().unwrap().compact;
    assert!(after.pgmigrate_success - before.pgmigrate_success >= 3 * 512);
    kernel.finish();
}

/// Targets are not looked for in the lower half of what lies between the scanners: what is moved there
/// would have to be moved again.
#[test]
fn the_lower_half_gives_no_targets() {
    let machine = without_room(601);
    let kernel = machine.reclaim();
    free_in(kernel, 22..27, |pfn| !pfn.is_multiple_of(4));
    let before = machine.vm_events().unwrap().compact;
    assert!(machine.alloc_pages(HUGE, Order::O9).is_err());
    let after = machine.vm_events().unwrap().compact;
    assert!(after.migrate_scanned > before.migrate_scanned, "it was tried");
    assert_eq!(after.pgmigrate_success, before.pgmigrate_success);
    kernel.finish();
}

/// A machine with room in the upper pageblocks, where all frames below are in use but for the upper half
/// of one pageblock.
fn half_free(seed: u64, at: u64) -> (&'static Machine, Pfn) {
    let machine = boot(128 << 20, seed);
    let kernel = machine.reclaim();
    kernel.fill(true);
    free_in(kernel, at..at + 1, |pfn| pfn & 256 != 0);
    free_in(kernel, 40..64, |pfn| pfn.is_multiple_of(2));
    (machine, Pfn::new(zone(machine).0 + at * PAGEBLOCK_NR_PAGES))
}

/// The pageblock with the large free block is emptied first; half as much has to be moved.
#[test]
fn a_pageblock_with_a_large_free_block_is_emptied_first() {
    let (machine, half) = half_free(610, 12);
    let pages = machine.alloc_pages(HUGE, Order::O9).unwrap();
    assert_eq!(pages.pfn(), half);
    assert_eq!(machine.reclaim().state().moved, 256);
    machine.free_pages(pages).unwrap();
    machine.reclaim().finish();
}

/// One beyond the middle is left to be filled, and a request that would take the pageblock over for
/// unmovable memory goes through the zone from its beginning.
#[test]
fn others_go_through_the_zone_in_order() {
    for (seed, at, gfp) in [(611, 36, HUGE), (612, 12, Gfp::KERNEL | Gfp::RETRY_MAYFAIL)] {
        let (machine, half) = half_free(seed, at);
        let pages = machine.alloc_pages(gfp, Order::O9).unwrap();
        assert!(pages.pfn() < half, "{} was not the first", pages.pfn());
        machine.free_pages(pages).unwrap();
        machine.reclaim().finish();
    }
}

/// Requests of all kinds and orders with compaction under them, and a kernel in all moods: no frame is
/// lost, and the lists are sound.
#[test]
fn random_requests_lose_nothing() {
    let mut moved = 0;
    for seed in 620..626 {
        let machine = boot(64 << 20, seed);
        let kernel = machine.reclaim();
        churn(machine, 96, 80, 4);
        let frames = usize::try_from(machine.report().managed_pages).unwrap();
        let free = machine.nr_free_pages();
        for round in 0..60 {
            let policies = [Policy::Honest, Policy::Honest, Policy::Moody, Policy::Liar];
            let (policy, order, gfp) = {
                let random = &mut kernel.state().random;
                let gfps = [HUGE, Gfp::HIGHUSER_MOVABLE | Gfp::RETRY_MAYFAIL, Gfp::KERNEL];
                (random.below(4), Order::ALL[1 + random.below(9)], gfps[random.below(3)])
            };
            kernel.set_policy(policies[policy]);
            let gfp = if gfp == Gfp::KERNEL { gfp | Gfp::NORETRY } else { gfp };
            if let Ok(pages) = machine.alloc_pages(gfp | Gfp::NOWARN, order) {
                kernel.state().own(pages, gfp.contains(Gfp::MOVABLE));
            }
            let any = || kernel.state().random.below(frames) as u64;
            for _ in 0..40 {
                kernel.free_near(any());
                kernel.alloc(Order::O0, true);
            }
            while machine.nr_free_pages() < free {
                kernel.free_near(any());
            }
            machine.drain_all_pages(None);
            if round % 10 == 0 {
                kernel.check();
            }
        }
        moved += kernel.state().moved;
        kernel.set_policy(Policy::Honest);
        kernel.finish();
    }
    assert!(moved > 500, "{moved}");
}
