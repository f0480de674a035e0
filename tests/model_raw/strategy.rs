//! Random zones and histories, with a liking for borders.

use crate::model::pair::Step;
use crate::model::port::{PAGEBLOCK, Setup, Span};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// Longest history.
const MOST_STEPS: usize = 150;
/// Boost factors: the default, none, and one that lets the boost grow in steps.
const BOOST_FACTORS: [u64; 3] = [15_000, 0, 60_000];
/// Flags of requests that may not use CMA memory.
const FLAGS: [&str; 12] = ["", "K", "K", "N", "KN", "H", "KH", "B", "KBG", "KHBG", "O", "KO"];
/// Flags of movable requests.
const MOVABLE_FLAGS: [&str; 6] = ["", "K", "C", "CK", "CKN", "CKO"];

/// A zone and a history for it.
pub fn case() -> impl Strategy<Value = (Setup, Vec<Step>)> {
    (setup(), vec(step(), 1..MOST_STEPS))
}

/// A distance that is often just beside a power of two.
fn distance(below: u64) -> impl Strategy<Value = u64> {
    let beside =
        (0..11_u32, -1..=1_i64).prop_map(|(order, by)| (1_u64 << order).saturating_add_signed(by));
    prop_oneof![3 => beside, 2 => 0..below].prop_map(move |distance| distance % below)
}

/// The first frame of a zone, often just beside a border of the largest blocks.
fn first_frame() -> impl Strategy<Value = u64> {
    let border = prop_oneof![Just(0_u64), Just(512), Just(1024), Just(7 * 512), Just(1 << 20)];
    let by = prop_oneof![Just(0_i64), Just(-1), Just(1), -600..600_i64];
    (border, by).prop_map(|(border, by)| border.saturating_add_signed(by))
}

fn nr_frames() -> impl Strategy<Value = u64> {
    let pageblocks = (1..7_u64, -1..=1_i64);
    let beside = pageblocks.prop_map(|(nr, by)| (nr * PAGEBLOCK).saturating_add_signed(by));
    prop_oneof![3 => beside, 1 => 1..100_u64, 1 => 1..3000_u64]
}

/// Places and lengths of cuts.
fn cuts() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let few = vec((distance(3000), distance(600)), 0..3);
    prop_oneof![2 => Just(Vec::new()), 1 => few]
}

/// A zone with holes, reserved frames and CMA areas.
pub fn setup() -> impl Strategy<Value = Setup> {
    let shape = (first_frame(), nr_frames(), cuts(), cuts(), vec(0..6_u64, 0..3));
    let tuning = (0..200_u64, 0..BOOST_FACTORS.len(), 0..8_u8);
    (shape, tuning).prop_map(|((start, len, holes, reserved, cma), (min, factor, grouping))| {
        let span = (start, start + len);
        let mut present = without(vec![span], &placed(start, &holes));
        if present.is_empty() {
            present = vec![span];
        }
        let reserved = common(&present, &placed(start, &reserved));
        Setup {
            span,
            cma: cma_areas(&without(present.clone(), &reserved), start, &cma),
            present,
            reserved,
            marks: [min, min + min / 4, min + min / 2],
            boost_factor: BOOST_FACTORS[factor],
            mobility_disabled: grouping == 0,
            all_movable: false,
        }
    })
}

fn placed(start: u64, cuts: &[(u64, u64)]) -> Vec<Span> {
    cuts.iter().map(|(at, len)| (start + at, start + at + len)).collect()
}

/// What is left of disjoint ranges when `cuts` are taken away.
fn without(ranges: Vec<Span>, cuts: &[Span]) -> Vec<Span> {
    cuts.iter().fold(ranges, |ranges, &(first, last)| {
        let pieces = ranges
            .into_iter()
            .flat_map(|(start, end)| [(start, end.min(first)), (start.max(last), end)]);
        pieces.filter(|(start, end)| start < end).collect()
    })
}

/// The parts of `ranges` that `cuts` cover, each once.
fn common(ranges: &[Span], cuts: &[Span]) -> Vec<Span> {
    let rest = without(ranges.to_vec(), cuts);
    without(ranges.to_vec(), &rest)
}

/// The picked pageblocks that are wholly usable, as areas.
fn cma_areas(usable: &[Span], start: u64, picks: &[u64]) -> Vec<Span> {
    let first = start.next_multiple_of(PAGEBLOCK);
    let mut blocks: Vec<u64> = picks.iter().map(|pick| first + pick * PAGEBLOCK).collect();
    blocks.sort_unstable();
    blocks.dedup();
    let whole =
        |block: &u64| usable.iter().any(|(start, end)| start <= block && block + PAGEBLOCK <= *end);
    blocks.into_iter().filter(whole).map(|block| (block, block + PAGEBLOCK)).collect()
}

fn order() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..4_u32, 2 => 4..9_u32, 1 => 9..11_u32]
}

fn request() -> impl Strategy<Value = Step> {
    let flags = (0..FLAGS.len(), 0..MOVABLE_FLAGS.len());
    (order(), 0..3_u8, flags, any::<bool>()).prop_map(|(order, migratetype, flags, movable)| {
        let flags = if migratetype == 1 { MOVABLE_FLAGS[flags.1] } else { FLAGS[flags.0] };
        Step::Allocate { order, migratetype, flags, movable }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let unreserve = (0..3_u8, any::<bool>());
    prop_oneof![
        12 => request(),
        8 => any::<usize>().prop_map(|pick| Step::Free { pick }),
        2 => (any::<usize>(), any::<bool>())
            .prop_map(|(pick, movable)| Step::Split { pick, movable }),
        1 => unreserve.prop_map(|(migratetype, force)| Step::Unreserve { migratetype, force }),
        1 => Just(Step::ResetBoost),
        1 => (0..8_usize).prop_map(|pick| Step::Isolate { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Unisolate { pick }),
    ]
}
