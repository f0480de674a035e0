//! A kernel that lies about what it moved and freed, while the crate compacts and reclaims: no frame is
//! lost or given twice, and every call ends.

use crate::mover::{Asked, KINDS, Machine, NODE_FRAMES, boot, node};
use page_alloc::{Gfp, Movability, NodeMask, Order};
use proptest::prelude::*;

const NODES: u64 = 2;
const FRAMES: u64 = NODES * NODE_FRAMES;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Request(Gfp, Order, u64),
    Bulk(Gfp, usize),
    Free(u32),
    Balance(u32),
    Kcompactd(u32),
    Compact(u32),
    Proactively(u32),
    Drain,
}

impl Act {
    pub fn run(self, machine: &Machine) {
        let kernel = machine.reclaim();
        match self {
            Self::Request(gfp, order, mask) => {
                let mask = (mask > 0).then(|| NodeMask::from_bits(mask));
                let from = node(u32::from(kernel.dice.below(2) == 1));
                let taken = machine.alloc_pages_nodemask(gfp, order, from, mask);
                if let Ok(pages) = taken {
                    assert_eq!((pages.order(), machine.page_count(&pages)), (order, Ok(1)));
                    if kernel.dice.below(2) == 0 {
                        machine.set_movable(&pages, Movability::Movable).expect("a token");
                    }
                    kernel.keep(pages);
                }
            }
            Self::Bulk(gfp, wanted) => {
                let mut places: Vec<_> = (0..wanted).map(|_| None).collect();
                let served = machine.alloc_pages_bulk(gfp, None, None, &mut places);
                assert!(served.is_ok() || places.iter().all(Option::is_none));
                places.into_iter().flatten().for_each(|pages| kernel.keep(pages));
            }
            Self::Free(blocks) => (0..blocks).for_each(|_| {
                kernel.free_any();
            }),
            Self::Balance(of) => {
                let report = machine.kswapd_balance(node(of)).expect("a node");
                assert!(report.passes <= 1024);
            }
            Self::Kcompactd(of) => {
                machine.kcompactd(node(of)).expect("a node");
            }
            Self::Compact(of) => {
                machine.compact_node(node(of)).expect("a node");
            }
            Self::Proactively(of) => {
                machine.compact_node_proactively(node(of), 90).expect("a node");
            }
            Self::Drain => {
                machine.drain_all_pages(None);
            }
        }
    }

    /// The most that hooks may be asked meanwhile: a compaction asks ten times about each frame.
    pub fn bound(self, rounds: u64) -> Asked {
        let moves = 10 * FRAMES;
        match self {
            Self::Request(..) | Self::Bulk(..) => {
                let shrinks = 13 * NODES * rounds;
                Asked { migrates: rounds * moves, shrinks, kills: rounds }
            }
            Self::Balance(_) => Asked { migrates: 0, shrinks: 1024, kills: 0 },
            Self::Kcompactd(_) | Self::Compact(_) | Self::Proactively(_) => {
                Asked { migrates: moves, shrinks: 0, kills: 0 }
            }
            Self::Free(_) | Self::Drain => Asked::default(),
        }
    }
}

fn gfp() -> impl Strategy<Value = Gfp> {
    let base = [Gfp::KERNEL, Gfp::NOIO, Gfp::USER, Gfp::HIGHUSER_MOVABLE, Gfp::ATOMIC];
    let more = [Gfp::NORETRY, Gfp::RETRY_MAYFAIL, Gfp::THISNODE, Gfp::HIGH];
    let more = prop::sample::subsequence(more.to_vec(), 0..=2);
    (prop::sample::select(base.to_vec()), more)
        .prop_map(|(base, more)| more.into_iter().fold(base, |gfp, flag| gfp | flag))
}

pub fn act() -> impl Strategy<Value = Act> {
    let order = (0_u32..11).prop_map(|order| Order::new(order).unwrap());
    prop_oneof![
        8 => (gfp(), order, 0_u64..4).prop_map(|(gfp, order, mask)| Act::Request(gfp, order, mask)),
        1 => (gfp(), 1_usize..50).prop_map(|(gfp, wanted)| Act::Bulk(gfp, wanted)),
        2 => (1_u32..200).prop_map(Act::Free),
        1 => (0_u32..2).prop_map(Act::Balance),
        1 => (0_u32..2).prop_map(Act::Kcompactd),
        1 => (0_u32..2).prop_map(Act::Compact),
        1 => (0_u32..2).prop_map(Act::Proactively),
        1 => Just(Act::Drain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// On two nodes with three zones, under cpusets that change and nodemasks: after each act the
    /// machine is sound and the bound was kept, and at the end no frame is missing.
    #[test]
    fn no_lie_about_moves_loses_memory(
        seed in any::<u64>(),
        max_rounds in 1_u32..30,
        spare in 50_u32..1500,
        kinds in 0..KINDS.len(),
        acts in prop::collection::vec(act(), 1..24),
    ) {
        let machine = boot(seed);
        let kernel = machine.reclaim();
        kernel.fill(KINDS[kinds]);
        (0..spare).for_each(|_| { kernel.free_any(); });
        kernel.lies.set(true);
        kernel.max_rounds.set(max_rounds);
        for act in acts {
            kernel.asked.set(Asked::default());
            act.run(&machine);
            let (asked, most) = (kernel.asked.get(), act.bound(max_rounds.into()));
            assert!(asked.migrates <= most.migrates, "{act:?} {asked:?}");
            assert!(asked.shrinks <= most.shrinks, "{act:?} {asked:?}");
            assert!(asked.kills <= most.kills, "{act:?} {asked:?}");
            assert_eq!(machine.verify(), Ok(()), "{:?}", act);
        }
        kernel.finish();
    }
}
