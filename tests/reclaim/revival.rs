//! kswapd of a node has given up: it may try again where somebody else could free memory.

use crate::kernel::{Machine, boot_full, passes};
use crate::three_nodes::node;
use page_alloc::kswapd::{MAX_RECLAIM_RETRIES, Wakeup};
use page_alloc::{Gfp, KswapdWake, NodeMask, NodeReclaimed, Order, Reclaimed, ZoneType};

/// All memory is held, and no kswapd could free any.
fn hopeless() -> &'static Machine {
    let machine = boot_full();
    for number in 0..3 {
        for _ in 0..MAX_RECLAIM_RETRIES {
            machine.wakeup_kswapd(&wake(number));
            machine.kswapd_balance(node(number)).expect("a node");
        }
    }
    passes(machine);
    assert_eq!(lively(machine), [false; 3]);
    machine
}

fn wake(number: u32) -> KswapdWake {
    let (zone, order, gfp) = (ZoneType::Normal, Order::O0, Gfp::KERNEL);
    KswapdWake { node: node(number), zone, order, highest: zone, gfp }
}

/// Whether kswapd of each node would do something: all are far below their watermarks.
fn lively(machine: &Machine) -> [bool; 3] {
    [0, 1, 2].map(|number| machine.wakeup_kswapd(&wake(number)) == Wakeup::Needed)
}

fn request(machine: &Machine, mask: Option<u64>) {
    let (gfp, mask) = (Gfp::KERNEL | Gfp::NORETRY, mask.map(NodeMask::from_bits));
    let taken = machine.alloc_pages_nodemask(gfp, Order::O0, node(0), mask);
    machine.reclaim().state().held.extend(taken);
}

/// Where the crate has the nodes shrunk, those where something came free are revived, and no other.
#[test]
fn nodes_that_gave_something_are_revived() {
    let machine = hopeless();
    request(machine, None);
    assert_eq!((passes(machine).len(), lively(machine)), (39, [false; 3]));
    machine.reclaim().state().frees = |shrink| usize::from(shrink.node.index() == 1);
    request(machine, None);
    assert_eq!(lively(machine), [false, true, false]);
    machine.reclaim().finish();
}

/// A kernel that reclaims by itself does not say where something came free: all nodes are revived that
/// would have done.
#[test]
fn nodes_that_may_have_given_something_are_revived() {
    let machine = hopeless();
    machine.reclaim().state().own = Some(|_| Reclaimed { reclaimed: 0, scanned: 100 });
    request(machine, Some(0b110));
    assert_eq!(lively(machine), [false; 3]);
    machine.reclaim().state().own = Some(|_| Reclaimed { reclaimed: 1, scanned: 100 });
    request(machine, Some(0b110));
    assert_eq!(lively(machine), [false, true, true]);
    machine.reclaim().finish();
}

/// Node reclaim is reclaim, too.
#[test]
fn node_reclaim_revives_its_node() {
    for (answer, expected) in [
        (NodeReclaimed::NotScanned, false),
        (NodeReclaimed::Full, false),
        (NodeReclaimed::Some, true),
        (NodeReclaimed::Success, true),
    ] {
        let machine = hopeless();
        machine.reclaim().state().node_reclaimed = Some(answer);
        request(machine, None);
        assert_eq!(lively(machine), [expected, false, false], "{answer:?}");
        machine.reclaim().finish();
    }
}

/// A hopeless kswapd that could free something after all goes on by itself.
#[test]
fn kswapd_revives_itself() {
    let machine = hopeless();
    machine.reclaim().state().frees = |_| 1;
    let report = machine.kswapd_balance(node(2)).expect("a node");
    assert_eq!((report.failures, lively(machine)), (0, [false, false, true]));
    machine.reclaim().finish();
}
