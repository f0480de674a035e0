//! Random histories on random small machines: the same decisions as the model's.

use crate::duel::{Asked, Duel, Step, Way};
use crate::plan::{Node, Plan};
use crate::port::{MachineSetup, PAGEBLOCK, Span};
use crate::sim_machine::check_zonelists;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, TestCaseError, any, prop_oneof, proptest};

const MOST_STEPS: usize = 120;
const BOOST_FACTORS: [u64; 3] = [15_000, 0, 60_000];

const GFPS: [&str; 10] = [
    "GFP_KERNEL",
    "GFP_KERNEL",
    "GFP_HIGHUSER_MOVABLE",
    "GFP_HIGHUSER_MOVABLE",
    "RECLAIMABLE",
    "GFP_ATOMIC",
    "GFP_NOWAIT",
    "GFP_DMA",
    "GFP_DMA32",
    "GFP_HIGHUSER_MOVABLE|__GFP_THISNODE",
];
/// Flags of attempts that are not for movable memory.
const FLAGS: [&str; 12] =
    ["l", "lK", "lKN", "mKS", "mBS", "mKBG", "mKHBG", "mHG", "mO", "mKO", "hKN", "mX"];
/// Flags of attempts for movable memory.
const MOVABLE_FLAGS: [&str; 6] = ["lC", "lCKN", "mCKS", "hCK", "mCO", "mXCK"];

/// A length that is often just beside a multiple of a pageblock.
fn length() -> impl Strategy<Value = u64> {
    let beside = (1..6_u64, -1..=1_i64)
        .prop_map(|(blocks, by)| (blocks * PAGEBLOCK).saturating_add_signed(by));
    prop_oneof![3 => beside, 1 => 1..80_u64, 2 => 1..2600_u64]
}

/// Places and lengths of cuts.
fn cuts() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let small = prop_oneof![Just(1_u64), Just(2), Just(64), 1..700_u64];
    prop_oneof![2 => Just(Vec::new()), 1 => vec((0..2600_u64, small), 1..3)]
}

/// What is left of a range when `cuts` are taken away.
fn without(range: Span, cuts: &[(u64, u64)]) -> Vec<Span> {
    let ranges = cuts.iter().fold(vec![range], |ranges, &(at, len)| {
        let (first, last) = (range.0 + at, range.0 + at + len);
        let pieces = ranges
            .into_iter()
            .flat_map(|(start, end)| [(start, end.min(first)), (start.max(last), end)]);
        pieces.filter(|(start, end)| start < end).collect()
    });
    if ranges.is_empty() { vec![range] } else { ranges }
}

/// A node: the gap before it, its length, holes, reserved ranges, the section where its MOVABLE
/// zone begins, CMA areas.
type Shape = (u64, u64, Vec<(u64, u64)>, Vec<(u64, u64)>, Option<u64>, Vec<u64>);

fn shape() -> impl Strategy<Value = Shape> {
    let gap = prop_oneof![3 => Just(0_u64), 1 => 0..600_u64];
    let cma = prop_oneof![2 => Just(Vec::new()), 1 => vec(0..5_u64, 1..3)];
    (gap, length(), cuts(), cuts(), proptest::option::weighted(0.3, 1..8_u64), cma)
}

/// The node that `shape` makes from frame `at` on.
fn node(id: u32, at: u64, (gap, length, holes, reserved, movable, cma): Shape) -> Node {
    let start = at + gap;
    let range = (start, start + length);
    let reserved = reserved.iter().map(|(at, len)| (start + at, start + at + len)).collect();
    Node {
        id,
        memory: without(range, &holes),
        reserved,
        movable: movable.map(|section| section * 2 * PAGEBLOCK),
        cma,
    }
}

/// The numbers of the nodes with memory, and the distances. Three are online if one of the numbers
/// is 2; the third has no memory.
const TOPOLOGIES: [(&[u32], &[&[u64]]); 6] = [
    (&[0], &[&[10]]),
    (&[0], &[&[10]]),
    (&[0, 1], &[&[10, 20], &[20, 10]]),
    (&[1, 0], &[&[10, 16], &[21, 10]]),
    (&[0, 2], &[&[10, 20, 31], &[15, 10, 25], &[31, 20, 10]]),
    (&[2, 1], &[&[10, 40, 30], &[20, 10, 30], &[31, 20, 10]]),
];

fn plan() -> impl Strategy<Value = Plan> {
    let base = prop_oneof![Just(0_u64), Just(1), Just(16), Just(511), Just(1024), 0..1500_u64];
    let border = || prop_oneof![2 => (0..8_u64).prop_map(|n| n * PAGEBLOCK), 1 => 0..4000_u64];
    let nodes = (shape(), shape(), 0..TOPOLOGIES.len());
    (base, nodes, border(), border(), 0..BOOST_FACTORS.len()).prop_map(
        |(base, (first, second, topology), dma, dma32, boost)| {
            let (ids, distances) = TOPOLOGIES[topology];
            let mut nodes: Vec<Node> = Vec::new();
            let mut at = base;
            for (&id, shape) in ids.iter().zip([first, second]) {
                let node = node(id, at, shape);
                at = node.memory[node.memory.len() - 1].1;
                nodes.push(node);
            }
            let distances = distances.iter().map(|row| row.to_vec()).collect();
            let boost_factor = BOOST_FACTORS[boost];
            Plan {
                nodes,
                dma_end: base + dma,
                dma32_end: base + dma + dma32,
                distances,
                boost_factor,
            }
        },
    )
}

/// Whether anything is free at boot: if not, the machine is refused.
fn has_memory(setup: &MachineSetup) -> bool {
    setup.zones.iter().any(|zone| zone.zone.present != zone.zone.reserved)
}

fn machine() -> impl Strategy<Value = MachineSetup> {
    plan().prop_map(|plan| plan.setup()).prop_filter("no memory is free", has_memory)
}

fn asked() -> impl Strategy<Value = Asked> {
    let order = prop_oneof![4 => 0..4_u32, 3 => 4..9_u32, 1 => 9..11_u32];
    let mask = prop_oneof![5 => Just(None), 1 => (0..8_u64).prop_map(Some)];
    (0..GFPS.len(), order, 0..3_u32, mask, any::<bool>()).prop_map(
        |(gfp, order, node, mask, movable)| Asked { gfp: GFPS[gfp], order, node, mask, movable },
    )
}

fn attempt() -> impl Strategy<Value = Step> {
    (asked(), 0..FLAGS.len(), 0..MOVABLE_FLAGS.len()).prop_map(|(asked, flags, movable)| {
        let is_movable = asked.gfp.starts_with("GFP_HIGHUSER_MOVABLE");
        let flags = if is_movable { MOVABLE_FLAGS[movable] } else { FLAGS[flags] };
        Step::Attempt { asked, flags }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let way = prop_oneof![Just(Way::Token), Just(Way::Raw), Just(Way::Guard), Just(Way::Shared)];
    let pick = any::<usize>;
    prop_oneof![
        9 => attempt(),
        9 => asked().prop_map(|asked| Step::Request { asked }),
        9 => (pick(), way).prop_map(|(pick, way)| Step::Free { pick, way }),
        1 => (pick(), any::<bool>()).prop_map(|(pick, movable)| Step::Split { pick, movable }),
        2 => pick().prop_map(|pick| Step::Halve { pick }),
        1 => pick().prop_map(|pick| Step::Isolate { pick }),
        1 => pick().prop_map(|pick| Step::Unisolate { pick }),
        1 => pick().prop_map(|pick| Step::ResetBoost { pick }),
    ]
}

/// Takes both machines through a history and compares them after every step, then with everything
/// given back.
fn compare_history(setup: &MachineSetup, history: &[Step]) -> Result<(), String> {
    let mut duel = Duel::new(setup);
    duel.compare().map_err(|error| format!("after boot: {error}"))?;
    for (index, &step) in history.iter().enumerate() {
        let done = duel.apply(step).and_then(|()| duel.compare());
        done.map_err(|error| format!("step {index}, {step:?}: {error}"))?;
    }
    duel.free_all();
    duel.compare().map_err(|error| format!("with everything freed: {error}"))
}

/// Histories to try: more in a release build, which is faster.
const HISTORIES: u32 = if cfg!(debug_assertions) { 200 } else { 800 };

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(HISTORIES))]

    /// Whatever the machine and the history, the allocator takes the blocks that the model takes,
    /// wakes kswapd where it does, and has the same lists, types and counters after every step.
    #[test]
    fn random_histories_agree(setup in machine(), history in vec(step(), 1..MOST_STEPS)) {
        compare_history(&setup, &history).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(config(64))]

    /// The zonelists of small machines, shown by where their memory is taken from, are those of the
    /// model.
    #[test]
    fn random_zonelists_agree(setup in machine()) {
        check_zonelists(&setup);
    }
}

proptest! {
    #![proptest_config(config(24))]

    /// After any history, a free by number of any frame in any order is answered by what the frame
    /// is, and changes nothing unless it is right.
    #[test]
    fn wrong_frees_are_told(setup in machine(), history in vec(step(), 1..40)) {
        let mut duel = Duel::new(&setup);
        history.iter().try_for_each(|&step| duel.apply(step)).map_err(TestCaseError::fail)?;
        duel.free_wrongly().and_then(|()| duel.compare()).map_err(TestCaseError::fail)?;
    }
}
