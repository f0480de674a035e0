//! Compaction for a request that waits.

use crate::kernel::{Machine, Policy, boot};
use page_alloc::{Context, Gfp, MigrateMode, Movability, NodeId, Order, ZoneType};

/// A machine in which every second frame of the movable memory is free, and no two of them together.
pub fn checkerboard(seed: u64) -> &'static Machine {
    let machine = boot(64 << 20, seed);
    let kernel = machine.reclaim();
    kernel.fill(true);
    kernel.free_where(|owner| owner.pages.pfn().get().is_multiple_of(2));
    machine.drain_all_pages(None);
    let larger: u64 = machine.zones().flat_map(|zone| zone.nr_free()[1..].to_vec()).sum();
    assert_eq!(larger, 0, "only single frames are free");
    machine
}

/// A request that may wait gets its block by compaction, of each order and of each kind.
#[test]
fn requests_get_their_blocks() {
    for (at, order) in [Order::O5, Order::O8, Order::O9].into_iter().enumerate() {
        for gfp in [Gfp::KERNEL, Gfp::HIGHUSER_MOVABLE] {
            let machine = checkerboard(100 + at as u64);
            let pages = machine.alloc_pages(gfp | Gfp::RETRY_MAYFAIL, order);
            let pages = pages.unwrap_or_else(|error| panic!("{gfp:?} {order}: {error}"));
            assert!(machine.reclaim().state().moved > 0);
            assert_eq!((pages.order(), machine.page_count(&pages)), (order, Ok(1)));
            machine.free_pages(pages).unwrap();
            machine.reclaim().finish();
        }
    }
}

/// The first try is asynchronous: nothing that would wait is asked for. It suffices here.
#[test]
fn the_first_try_waits_for_nothing() {
    let machine = checkerboard(110);
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY;
    let pages = machine.alloc_pages(gfp, Order::O9).unwrap();
    let modes: Vec<_> = machine.reclaim().state().asked.iter().map(|(_, _, mode)| *mode).collect();
    assert!(modes.iter().all(|mode| *mode == MigrateMode::Async), "{modes:?}");
    machine.free_pages(pages).unwrap();
    machine.reclaim().finish();
}

/// One after the other, requests that would rather fail than wait get nearly all pageblocks that half
/// of the memory, which is free, can make: half of those of DMA32, which are 24.
#[test]
fn half_of_the_pageblocks_come_free() {
    let machine = checkerboard(115);
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
    let made: Vec<_> = std::iter::from_fn(|| machine.alloc_pages(gfp, Order::O9).ok()).collect();
    assert!((10..=16).contains(&made.len()), "{} pageblocks", made.len());
    made.into_iter().for_each(|pages| machine.free_pages(pages).unwrap());
    machine.reclaim().finish();
}

/// A move may do what the request may: without FS, no locks of file systems.
#[test]
fn a_move_may_do_what_the_request_may() {
    let machine = checkerboard(110);
    let gfp = (Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY) - Gfp::FS;
    let pages = machine.alloc_pages(gfp, Order::O9).unwrap();
    assert_eq!(machine.reclaim().state().allowed, gfp);
    machine.free_pages(pages).unwrap();
    machine.reclaim().finish();
}

/// What compaction caught for a request counts as handed out.
#[test]
fn a_captured_block_is_counted() {
    let machine = checkerboard(110);
    let counted = || {
        let zones = || machine.zones();
        let handed_out: u64 = zones().map(|zone| zone.pgalloc()).sum();
        handed_out - zones().map(|zone| zone.pgfree()).sum::<u64>()
    };
    let before = counted();
    let pages = machine.alloc_pages(Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY, Order::O9).unwrap();
    assert_eq!(counted(), before + 512);
    machine.free_pages(pages).unwrap();
    assert_eq!(counted(), before);
    machine.reclaim().finish();
}

/// A request that may not do I/O can't have anything moved for it.
#[test]
fn without_io_nothing_is_moved() {
    let machine = checkerboard(111);
    let refused = machine.alloc_pages(Gfp::NOIO | Gfp::NORETRY | Gfp::NOWARN, Order::O9);
    assert!(refused.is_err());
    assert!(machine.reclaim().state().asked.is_empty());
    machine.reclaim().finish();
}

/// Where the kernel refuses, the request fails, and all is as it was.
#[test]
fn a_refused_move_fails_the_request() {
    let machine = checkerboard(112);
    let kernel = machine.reclaim();
    kernel.set_policy(Policy::Busy);
    let free = machine.nr_free_pages();
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
    assert!(machine.alloc_pages(gfp, Order::O9).is_err());
    assert!(!kernel.state().asked.is_empty());
    machine.drain_all_pages(None);
    assert_eq!(machine.nr_free_pages(), free);
    kernel.finish();
}

/// The score of a node falls as compaction ahead of need works, down to the mark, and no further.
#[test]
fn ahead_of_need_until_the_score_is_good() {
    let machine = checkerboard(113);
    let score = || machine.fragmentation_score_node(NodeId::ZERO).unwrap();
    let before = score();
    assert!(before.0 >= 95 && before.calls_for_compaction(50), "{before:?}");
    let stats = machine.compact_node_proactively(NodeId::ZERO, 50).unwrap();
    let after = score();
    assert!(stats.moved > 0 && after < before);
    assert!((30..=50).contains(&after.0), "{before:?} became {after:?}, 50 is enough");
    machine.reclaim().finish();
}

/// One who waits for nothing does not empty part of a block that can't come free: where each has a
/// frame that stays, nothing is moved. One who waits leaves no such thing out.
#[test]
fn blocks_that_cannot_come_free_are_left() {
    let machine = checkerboard(114);
    let kernel = machine.reclaim();
    for owner in kernel.state().owners.values_mut() {
        if owner.pages.pfn().get() % 32 == 31 {
            owner.movable = false;
            machine.set_movable(&owner.pages, Movability::Pinned).unwrap();
        }
    }
    let ask = |gfp| machine.alloc_pages(Gfp::HIGHUSER_MOVABLE | Gfp::NOWARN | gfp, Order::O5);
    assert!(ask(Gfp::NORETRY).is_err());
    assert_eq!(kernel.state().asked, []);
    assert!(ask(Gfp::RETRY_MAYFAIL).is_err());
    assert!(!kernel.state().asked.is_empty());
    kernel.finish();
}

/// Frames that the CPU keeps at hand go back when the scanner has left the block that they were in.
#[test]
fn frames_at_hand_go_back() {
    let machine = checkerboard(115);
    let at_hand = || {
        let zone = machine.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
        zone.pagesets().map(|pageset| pageset.count()).sum::<u32>()
    };
    machine.free_pages(machine.alloc_page(Gfp::HIGHUSER_MOVABLE).unwrap()).unwrap();
    assert!(at_hand() > 1);
    let pages = machine.alloc_pages(Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY, Order::O9).unwrap();
    assert_eq!(at_hand(), 0);
    machine.free_pages(pages).unwrap();
    machine.reclaim().finish();
}

/// Somebody moves a block, and says that he frees memory: what he asks for himself does not come back to
/// him. But for large blocks that he wants without the reserves (NOMEMALLOC) zones are compacted first,
/// as in Linux.
#[test]
fn requests_of_a_move_come_back_without_reserves_alone() {
    fn ask(machine: &Machine, gfp: Gfp) {
        let kernel = machine.reclaim();
        let before = kernel.set_context(Context::MEMALLOC);
        let taken = machine.alloc_pages(gfp | Gfp::RETRY_MAYFAIL | Gfp::NOWARN, Order::O8);
        taken.into_iter().for_each(|pages| kernel.state().own(pages, false));
        kernel.set_context(before);
    }
    let intruders: [fn(&Machine); 2] = [
        |machine| ask(machine, Gfp::KERNEL),
        |machine| ask(machine, Gfp::KERNEL | Gfp::NOMEMALLOC),
    ];
    let stalls = intruders.map(|intruder| {
        let machine = checkerboard(116);
        let kernel = machine.reclaim();
        kernel.set_policy(Policy::Busy);
        *kernel.intruder.lock().unwrap() = Some(intruder);
        let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
        assert!(machine.alloc_pages(gfp, Order::O9).is_err());
        assert!(kernel.intruder.lock().unwrap().is_none(), "a block was to be moved");
        kernel.finish();
        machine.vm_events().unwrap().compact.stall
    });
    assert_eq!(stalls[1], stalls[0] + 1);
}
