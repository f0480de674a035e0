//! What compaction tells, and what is counted of it.

use crate::direct::checkerboard;
use crate::kernel::{Kernel, Machine, Policy, boot};
use crate::moves::make_room;
use page_alloc::report::CompactEvents;
use page_alloc::{Gfp, NodeId, Order, Pfn, ZoneType};

/// Frames handed out, and frames freed.
fn frames(machine: &Machine) -> (u64, u64) {
    let events = machine.vm_events().unwrap();
    (events.pgalloc.iter().sum(), events.pgfree)
}

fn movable(kernel: &Kernel) -> Pfn {
    let state = kernel.state();
    state.owners.values().find(|owner| owner.movable).unwrap().pages.pfn()
}

/// The block that a move leaves behind is freed as any other: traced, and counted. So is what was
/// taken for it in vain. What was handed out less what was freed stays what is held.
#[test]
fn what_compaction_frees_is_traced_and_counted() {
    let machine = boot(64 << 20, 500);
    let kernel = machine.reclaim();
    assert!(kernel.alloc(Order::O2, true));
    make_room(machine);
    let (from, before) = (movable(kernel), frames(machine));
    machine.trace().watch();
    let (_, stats) = machine.compact_zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    let (freed, after) = (machine.trace().watch(), frames(machine));
    assert_ne!(movable(kernel), from);
    let sources: Vec<_> = freed.iter().filter(|(pfn, _)| *pfn == from).collect();
    assert_eq!(sources, [&(from, Order::O2)]);
    let traced: u64 = freed.iter().map(|(_, order)| order.nr_pages()).sum();
    let handed_out = after.0 - before.0;
    assert_eq!((handed_out, after.1 - before.1), (traced, traced));
    assert_eq!(handed_out, stats.isolated);
    assert_eq!((stats.collected, stats.moved), (4, 4));
    let counted = machine.vm_events().unwrap().compact;
    let expected = CompactEvents {
        pgmigrate_success: 4,
        migrate_scanned: stats.migrate_scanned,
        free_scanned: stats.free_scanned,
        isolated: 4 + stats.isolated,
        ..CompactEvents::default()
    };
    assert_eq!(counted, expected);
    kernel.finish();
}

/// A block that somebody else holds too is not freed by the move, and not said to be.
#[test]
fn a_shared_block_is_not_said_to_be_freed() {
    let machine = boot(64 << 20, 501);
    let kernel = machine.reclaim();
    assert!(kernel.alloc(Order::O0, true));
    make_room(machine);
    let from = movable(kernel);
    let second = machine.get_page(&kernel.state().owners[&from.get()].pages).unwrap();
    machine.trace().watch();
    assert_eq!(machine.compact_node(NodeId::ZERO).unwrap().moved, 1);
    let (pgalloc, pgfree) = frames(machine);
    assert!(machine.trace().watch().iter().all(|(pfn, _)| *pfn != from));
    let owned = kernel.state().owners.len() as u64;
    assert_eq!(pgalloc - pgfree, owned + 1, "the target, and still the source");
    machine.free_pages(second).unwrap();
    kernel.finish();
}

/// Each time that zones are compacted for a request is a stall, and it got a block then or not. One
/// that may not do I/O has nothing compacted.
#[test]
fn requests_that_wait_are_counted() {
    let machine = checkerboard(502);
    let kernel = machine.reclaim();
    let counts = || {
        let CompactEvents { stall, fail, success, .. } = machine.vm_events().unwrap().compact;
        (stall, fail, success)
    };
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
    assert!(machine.alloc_pages((gfp | Gfp::NOWARN) - Gfp::IO - Gfp::FS, Order::O9).is_err());
    assert_eq!(counts(), (0, 0, 0));
    kernel.set_policy(Policy::Busy);
    assert!(machine.alloc_pages(gfp, Order::O9).is_err());
    let (stall, fail, success) = counts();
    assert!(stall > 0 && (fail, success) == (stall, 0));
    assert!(machine.vm_events().unwrap().compact.pgmigrate_fail > 0);
    kernel.set_policy(Policy::Honest);
    let pages = machine.alloc_pages(gfp, Order::O8).unwrap();
    assert_eq!(counts(), (stall + 1, fail, 1));
    machine.free_pages(pages).unwrap();
    kernel.finish();
}
