//! Which nodes are shrunk for a request, in which order, and how hard.

use crate::kernel::{Machine, boot_full, passes};
use crate::three_nodes::node;
use page_alloc::{Context, Gfp, NodeMask, NodeShrink, Order, Pages, Reclaimer, ZoneType};

/// A request from node 0 for a frame of nodes of the mask.
fn request(machine: &Machine, gfp: Gfp, mask: Option<u64>) -> Option<Pages> {
    let mask = mask.map(NodeMask::from_bits);
    machine.alloc_pages_nodemask(gfp, Order::O0, node(0), mask).ok()
}

/// Makes a request that is served, and gives the frame to the kernel.
fn served(machine: &Machine, gfp: Gfp, mask: Option<u64>) {
    let pages = request(machine, gfp, mask).expect("reclaim makes room");
    machine.reclaim().state().held.push(pages);
}

/// The priority falls by one a pass until there is enough; a pass is told all about the request.
#[test]
fn priorities_fall_until_enough_is_free() {
    let machine = boot_full();
    machine.reclaim().state().frees = |shrink| if shrink.priority > 10 { 0 } else { 200 };
    served(machine, Gfp::KERNEL, Some(2));
    let first = machine.reclaim().state().shrinks[0];
    let expected = NodeShrink {
        node: node(1),
        reclaimer: Reclaimer::Request,
        gfp: Gfp::KERNEL,
        highest: ZoneType::Normal,
        order: Order::O0,
        nr_to_reclaim: 32,
        priority: 12,
        may_writepage: true,
        may_swap: true,
    };
    assert_eq!(first, expected);
    assert_eq!(passes(machine), [(1, 12), (1, 11), (1, 10)]);
    machine.reclaim().finish();
}

/// What passes free adds up: four that free ten frames each are enough, three are not.
#[test]
fn what_passes_free_adds_up() {
    let machine = boot_full();
    machine.reclaim().state().frees = |_| 10;
    let taken = request(machine, Gfp::KERNEL | Gfp::NORETRY, Some(2));
    machine.reclaim().state().held.extend(taken);
    assert_eq!(passes(machine), [(1, 12), (1, 11), (1, 10), (1, 9)]);
}

/// A pass has each node shrunk once, the nearest first, though one of them has two zones; when
/// nothing comes free it is over after the thirteenth pass, and the killer is asked.
#[test]
fn each_node_is_shrunk_once_a_pass() {
    let machine = boot_full();
    assert!(request(machine, Gfp::KERNEL, None).is_none());
    let all = (0..=12).rev().flat_map(|priority| [0, 1, 2].map(|node| (node, priority)));
    assert_eq!(passes(machine), all.collect::<Vec<_>>());
    assert_eq!(machine.reclaim().state().kills, 1);
    machine.reclaim().finish();
}

/// Within a pass all nodes are shrunk, even if the first gave enough.
#[test]
fn a_pass_is_made_to_its_end() {
    let machine = boot_full();
    machine.reclaim().state().frees = |shrink| if shrink.node.index() == 0 { 400 } else { 0 };
    served(machine, Gfp::KERNEL, None);
    assert_eq!(passes(machine), [(0, 12), (1, 12), (2, 12)]);
}

/// Nodes outside of the nodemask are left alone, and those outside of the cpuset.
#[test]
fn masks_are_kept() {
    let machine = boot_full();
    machine.reclaim().state().frees = |_| 200;
    served(machine, Gfp::KERNEL, Some(0b110));
    assert_eq!(passes(machine), [(1, 12), (2, 12)]);
    machine.reclaim().fill();
    machine.reclaim().state().cpuset = Some(NodeMask::from_bits(0b101));
    served(machine, Gfp::USER, Some(0b110));
    assert_eq!(passes(machine), [(2, 12)]);
    machine.reclaim().fill();
    machine.reclaim().state().cpuset = Some(NodeMask::from_bits(0b010));
    served(machine, Gfp::USER, None);
    assert_eq!(passes(machine), [(1, 12)]);
    machine.reclaim().finish();
}

/// Zones above the highest that will do are left alone, and a node that has no other.
#[test]
fn the_highest_zone_is_kept_to() {
    let machine = boot_full();
    assert!(request(machine, Gfp::KERNEL | Gfp::DMA32, None).is_none());
    assert!(machine.reclaim().state().shrinks.iter().all(|s| s.highest == ZoneType::Dma32));
    let passes = passes(machine);
    assert_eq!((passes.len(), passes[0], passes[12]), (13, (0, 12), (0, 0)));
}

/// What the flags of a request or its context forbid is forbidden to reclaim.
#[test]
fn reclaim_is_told_what_it_may_do() {
    let machine = boot_full();
    machine.reclaim().state().frees = |_| 200;
    let without = |gfp: Gfp, flag: Gfp| !gfp.contains(flag);
    for (gfp, context, expected) in [
        (Gfp::NOIO, Context::TASK, Gfp::NOIO),
        (Gfp::NOFS, Context::TASK, Gfp::NOFS),
        (Gfp::KERNEL, Context::MEMALLOC_NOFS, Gfp::NOFS),
        (Gfp::KERNEL, Context::MEMALLOC_NOIO, Gfp::NOIO),
    ] {
        machine.reclaim().state().context = context;
        served(machine, gfp, Some(1));
        let told = machine.reclaim().state().shrinks[0].gfp;
        assert_eq!((told, without(told, Gfp::FS)), (expected, true));
        assert_eq!(without(told, Gfp::IO), expected == Gfp::NOIO);
        assert_eq!(passes(machine), [(0, 12)]);
        machine.reclaim().state().context = Context::TASK;
        machine.reclaim().fill();
    }
    machine.reclaim().finish();
}

/// A kernel that reclaims by itself has no node shrunk.
#[test]
fn a_kernel_may_reclaim_by_itself() {
    let machine = boot_full();
    machine.reclaim().state().own = Some(|_| page_alloc::Reclaimed::NOTHING);
    assert!(request(machine, Gfp::KERNEL, None).is_none());
    assert_eq!(passes(machine), []);
}

/// Who frees memory himself does not come to reclaim.
#[test]
fn reclaim_does_not_come_back_to_itself() {
    let machine = boot_full();
    machine.reclaim().state().context = Context::MEMALLOC;
    assert!(request(machine, Gfp::KERNEL, None).is_none());
    assert_eq!(passes(machine), []);
}
