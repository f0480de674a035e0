//! Random machines, their use, and requests; see `answers` for what the kernel says to these.

use crate::answers;
use crate::plan::{Node, Plan};
use crate::port::{MachineSetup, PAGEBLOCK};
use crate::scene::{Answers, Ask, Event, Scene, Use};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

/// Nodes with memory, and the distances: near, far, one way near.
const TOPOLOGIES: [(&[u32], &[&[u64]]); 5] = [
    (&[0], &[&[10]]),
    (&[0], &[&[10]]),
    (&[0, 1], &[&[10, 20], &[20, 10]]),
    (&[0, 1], &[&[10, 40], &[25, 10]]),
    (&[1, 0], &[&[10, 16], &[31, 10]]),
];
const BASES: [&str; 13] = [
    "GFP_KERNEL",
    "GFP_KERNEL",
    "GFP_KERNEL",
    "GFP_USER",
    "GFP_NOFS",
    "GFP_NOIO",
    "GFP_HIGHUSER_MOVABLE",
    "GFP_HIGHUSER_MOVABLE",
    "GFP_KERNEL|__GFP_RECLAIMABLE",
    "GFP_TRANSHUGE",
    "GFP_KERNEL|GFP_DMA32",
    "GFP_ATOMIC",
    "GFP_NOWAIT",
];
const MODIFIERS: [&str; 14] = [
    "__GFP_RETRY_MAYFAIL",
    "__GFP_RETRY_MAYFAIL",
    "__GFP_NORETRY",
    "__GFP_NORETRY",
    "__GFP_NOFAIL",
    "__GFP_THISNODE",
    "__GFP_MEMALLOC",
    "__GFP_NOMEMALLOC",
    "__GFP_THISNODE",
    "__GFP_HIGH",
    "__GFP_ATOMIC",
    "__GFP_WRITE",
    "__GFP_NOWARN",
    "__GFP_HARDWALL",
];
const CONTEXTS: [&str; 13] = [
    "softirq",
    "bh",
    "hardirq",
    "rt",
    "victim",
    "sigkill",
    "PF_MEMALLOC",
    "PF_MEMALLOC_NOFS",
    "PF_MEMALLOC_NOIO",
    "PF_MEMALLOC_PIN",
    "PF_WQ_WORKER",
    "PF_DUMPCORE",
    "PF_EXITING",
];

/// Frames of a node: pageblocks, and some frames more or less.
fn node_frames() -> impl Strategy<Value = u64> {
    (2..9_u64, prop_oneof![2 => Just(0), 1 => -300..300_i64])
        .prop_map(|(blocks, by)| (blocks * PAGEBLOCK).saturating_add_signed(by))
}

/// A machine of up to two nodes, whose memory is in up to three zones.
pub fn machine() -> impl Strategy<Value = MachineSetup> {
    let borders = (0..5_u64, 0..5_u64);
    let movable = proptest::option::weighted(0.3, 1..8_u64);
    let cma = prop_oneof![3 => Just(Vec::new()), 1 => vec(0..8_u64, 1..3)];
    let shape = (0..TOPOLOGIES.len(), 0..100_u64, vec(node_frames(), 2), borders, movable, cma);
    shape.prop_map(|(topology, base, frames, (dma, dma32), movable, cma)| {
        let (ids, distances) = TOPOLOGIES[topology];
        let mut at = base;
        let mut nodes = Vec::new();
        for (&id, frames) in ids.iter().zip(frames) {
            let movable = movable.map(|section| section * 2 * PAGEBLOCK);
            let (memory, cma) = (vec![(at, at + frames)], cma.clone());
            nodes.push(Node { id, memory, movable, cma, ..Node::default() });
            at += frames;
        }
        let plan = Plan {
            nodes,
            dma_end: dma * PAGEBLOCK,
            dma32_end: (dma + dma32) * PAGEBLOCK,
            distances: distances.iter().map(|row| row.to_vec()).collect(),
            boost_factor: 15_000,
        };
        plan.setup()
    })
}

fn order() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0_u32), 5 => 1..4_u32, 4 => 4..10_u32]
}

fn take() -> impl Strategy<Value = Use> {
    let flags = select(vec!["-", "-", "K", "H", "KH"]);
    let most = prop_oneof![1 => Just(100_000_u64), 2 => 1..300_u64];
    (0..8_usize, order(), select(vec!['U', 'M', 'R']), flags, most).prop_map(
        |(zone, order, migratetype, flags, most)| Use::Take {
            zone,
            order,
            migratetype,
            flags,
            most,
        },
    )
}

fn free() -> impl Strategy<Value = Use> {
    (any::<usize>(), 1..9_u64, 1..120_u64).prop_map(|(pick, stride, most)| Use::Free {
        pick,
        stride,
        most,
    })
}

/// Blocks whose pageblocks become high-atomic, of one zone after the other.
fn reserves() -> impl Strategy<Value = Vec<Use>> {
    let one = |(zone, most)| Use::Take { zone, order: 1, migratetype: 'U', flags: "H", most };
    let mosts =
        prop_oneof![1 => Just(0..1), 1 => Just(1..7)].prop_flat_map(|zones| vec(1..300_u64, zones));
    mosts.prop_map(move |mosts| mosts.into_iter().enumerate().map(one).collect())
}

/// Some blocks, then perhaps all that is left of some zones, then what is given back of it.
fn uses() -> impl Strategy<Value = Vec<Use>> {
    let all =
        |(zone, order)| Use::Take { zone, order, migratetype: 'U', flags: "-", most: 100_000 };
    let rest = prop_oneof![5 => Just(8_usize), 2 => 0..8_usize]
        .prop_flat_map(move |zones| vec((0..1_u32).prop_map(move |order| order), zones))
        .prop_map(move |orders| orders.into_iter().enumerate().map(all).collect::<Vec<_>>());
    let boosts = vec((0..8_usize).prop_map(|zone| Use::ResetBoost { zone }), 0..2);
    (reserves(), vec(take(), 0..6), rest, vec(free(), 0..6), boosts)
        .prop_map(|(kept, some, rest, freed, boosts)| [kept, some, rest, freed, boosts].concat())
}

fn cpuset() -> impl Strategy<Value = Option<(u64, u64, &'static str)>> {
    let insane = select(vec!["", "", "insane"]);
    proptest::option::weighted(0.35, (0..4_u64, 0..4_u64, insane))
}

fn names(names: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![1 => Just(Vec::new()), 1 => subsequence(names, 1..=most)]
}

fn request() -> impl Strategy<Value = Ask> {
    let gfp = (select(&BASES[..]), names(&MODIFIERS, 3));
    let place = (order(), 0..2_u32, proptest::option::weighted(0.25, 0..4_u64));
    let nodes = (cpuset(), 0..2_u32, 0..4_u64);
    let reclaimable = vec((0..8_usize, answers::pages()), 0..4);
    let rounds = prop_oneof![1 => 0..4_u32, 2 => 4..answers::MOST_ROUNDS];
    let kernel = (names(&CONTEXTS, 2), nodes, reclaimable, rounds, answers::all());
    (gfp, place, kernel).prop_map(
        |((base, more), (order, node, mask), (context, nodes, reclaimable, rounds, answers))| {
            let (cpuset, node_reclaim, over_dirty) = nodes;
            let context = if context.is_empty() { "task".into() } else { context.join("|") };
            let gfp = [&[base], &more[..]].concat().join("|");
            Ask {
                gfp,
                order,
                node,
                mask,
                context,
                cpuset,
                node_reclaim,
                over_dirty,
                reclaimable,
                rounds,
                answers,
            }
        },
    )
}

/// A request that goes on for many rounds, in which its cpuset changes now and then: what was counted
/// before such a change no longer counts.
fn patient_request() -> impl Strategy<Value = Ask> {
    let changes = vec((0..20_usize, Just(Event::Mems(3))), 0..3);
    let progress = select(vec!["0", "1"]);
    let rounds = answers::MOST_ROUNDS / 2..answers::MOST_ROUNDS;
    let pages = select(vec![0, u64::MAX]);
    let compacted = select(vec!["SUCCESS", "SUCCESS", "COMPLETE", "CONTENDED"]);
    let context = select(vec!["task", "task", "victim", "sigkill"]);
    let kernel = (progress, compacted, context, changes);
    (request(), 0..8_u32, rounds, kernel, pages).prop_map(
        |(ask, order, rounds, (progress, compacted, context, events), pages)| {
            let words = |word: &str| vec![word.to_string(); answers::FOR_EVER];
            let answers = vec![
                Answers { hook: "reclaim", words: words(progress), events },
                Answers { hook: "compact", words: words(compacted), events: Vec::new() },
            ];
            Ask {
                gfp: "GFP_KERNEL|__GFP_RETRY_MAYFAIL".into(),
                order,
                context: context.into(),
                cpuset: Some((3, 3, "")),
                reclaimable: (0..8).map(|zone| (zone, pages)).collect(),
                rounds,
                answers,
                ..ask
            }
        },
    )
}

/// Some blocks of one order in each zone: what a compaction can give to requests of that order.
fn stock(order: u32, mosts: Vec<u64>) -> Vec<Use> {
    let of = |(zone, most)| Use::Take { zone, order, migratetype: 'U', flags: "-", most };
    mosts.into_iter().enumerate().map(of).collect()
}

/// A scene in which an order is often asked for and held.
pub fn scene() -> impl Strategy<Value = Scene> {
    let request = prop_oneof![9 => request(), 1 => patient_request()];
    let requests = vec((request, any::<bool>()), 1..10);
    let stocks = (order(), vec(0..40_u64, 0..7));
    (machine(), stocks, uses(), requests).prop_map(|(setup, (order, mosts), uses, requests)| {
        let uses = [stock(order, mosts), uses].concat();
        let requests = requests.into_iter().map(|(ask, usual)| match usual {
            true => Ask { order, ..ask },
            false => ask,
        });
        Scene { setup, uses, requests: requests.collect() }
    })
}
