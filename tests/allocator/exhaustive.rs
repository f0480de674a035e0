//! Every short history on tiny machines.

use crate::duel::{Asked, Duel, Step, Way};
use crate::plan::{Node, Plan};
use crate::port::MachineSetup;

const fn asked(gfp: &'static str, order: u32, node: u32) -> Asked {
    Asked { gfp, order, node, mask: None, movable: false }
}

const fn request(gfp: &'static str, order: u32, node: u32) -> Step {
    Step::Request { asked: asked(gfp, order, node) }
}

/// Whole requests that meet the watermarks of both nodes.
const REQUESTS: [Step; 4] = [
    request("GFP_KERNEL", 4, 0),
    request("GFP_ATOMIC", 3, 1),
    request("GFP_DMA", 2, 0),
    request("GFP_HIGHUSER_MOVABLE", 5, 1),
];

/// Steps that make, use and give back high-atomic reserves, some of them below all watermarks.
const RESERVES: [Step; 4] = [
    Step::Attempt { asked: asked("GFP_ATOMIC", 2, 0), flags: "mKHBG" },
    Step::Attempt { asked: asked("GFP_KERNEL", 5, 0), flags: "mX" },
    request("GFP_ATOMIC", 4, 0),
    request("GFP_KERNEL", 3, 0),
];

/// Many kinds of steps.
const MIXED: [Step; 10] = [
    request("THISNODE", 3, 0),
    request("RECLAIMABLE", 1, 1),
    request("GFP_NOWAIT", 5, 0),
    request("GFP_HIGHUSER_MOVABLE|__GFP_THISNODE", 4, 1),
    Step::Attempt { asked: asked("GFP_ATOMIC", 0, 0), flags: "mKBG" },
    Step::Attempt { asked: asked("GFP_KERNEL", 6, 0), flags: "mO" },
    Step::Attempt { asked: Asked { mask: Some(2), ..asked("GFP_USER", 2, 0) }, flags: "hK" },
    Step::Halve { pick: 0 },
    Step::Split { pick: 1, movable: true },
    Step::Free { pick: 0, way: Way::Raw },
];

/// Two nodes that share a pageblock, one of them with a DMA zone; some hundred frames in all.
fn two_nodes() -> MachineSetup {
    let node = |id, start, end| Node { id, memory: vec![(start, end)], ..Node::default() };
    let plan = Plan {
        nodes: vec![node(0, 480, 608), node(1, 608, 700)],
        dma_end: 520,
        dma32_end: 520,
        distances: vec![vec![10, 20], vec![20, 10]],
        boost_factor: 15_000,
    };
    plan.setup()
}

/// One node, a zone, a hole and reserved frames.
fn one_node() -> MachineSetup {
    let node = Node {
        id: 0,
        memory: vec![(500, 570), (573, 660)],
        reserved: vec![(570, 574), (590, 591)],
        ..Node::default()
    };
    let distances = vec![vec![10]];
    let plan = Plan { nodes: vec![node], distances, boost_factor: 15_000, ..Plan::default() };
    plan.setup()
}

/// Compares the machines after every history of up to `length` steps out of `steps` and frees of
/// what they hold. Returns the number of histories.
fn compare_all(setup: &MachineSetup, steps: &[Step], length: usize) -> u64 {
    extend(setup, steps, length, run(setup, &[]), &mut Vec::new())
}

fn extend(
    setup: &MachineSetup,
    steps: &[Step],
    length: usize,
    nr_held: usize,
    history: &mut Vec<Step>,
) -> u64 {
    if history.len() == length {
        return 0;
    }
    let frees = (0..nr_held).map(|pick| Step::Free { pick, way: Way::Token });
    let mut nr_histories = 0;
    for step in steps.iter().copied().chain(frees) {
        history.push(step);
        let nr_held = run(setup, history);
        nr_histories += 1 + extend(setup, steps, length, nr_held, history);
        history.pop();
    }
    nr_histories
}

/// Goes through one history from boot and compares its end; its beginnings are histories of their
/// own. Returns the number of blocks held at the end.
fn run(setup: &MachineSetup, history: &[Step]) -> usize {
    let mut duel = Duel::new(setup);
    let done = history.iter().try_for_each(|&step| duel.apply(step));
    if let Err(error) = done.and_then(|()| duel.compare()) {
        panic!("{setup:?}\n{history:?}\n{error}");
    }
    duel.nr_held()
}

/// Steps of a short history, and how many histories there are at least: longer ones in a release build,
/// which is faster.
const LENGTH: usize = if cfg!(debug_assertions) { 5 } else { 6 };
const LEAST: u64 = if cfg!(debug_assertions) { 4_000 } else { 30_000 };

/// Every short history of requests and frees on two nodes agrees.
#[test]
fn short_histories_of_requests_agree() {
    let nr = compare_all(&two_nodes(), &REQUESTS, LENGTH);
    assert!(nr > LEAST, "{nr} histories");
}

/// Every short history of steps that use the reserves of a node agrees.
#[test]
fn short_histories_of_reserves_agree() {
    let nr = compare_all(&one_node(), &RESERVES, LENGTH);
    assert!(nr > LEAST, "{nr} histories");
}

/// Every history of up to four steps of many kinds agrees, on both machines.
#[test]
fn short_mixed_histories_agree() {
    for setup in [two_nodes(), one_node()] {
        let nr = compare_all(&setup, &MIXED, 4);
        assert!(nr > 10_000, "{nr} histories");
    }
}
