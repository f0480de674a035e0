//! Fragmentation under load: the zone, driven through three million replacements of blocks, keeps
//! exactly as many large blocks as Linux does; whole machines do, too, whose CPUs keep blocks at hand,
//! and compaction brings them nearer to the best that can be. The sequences and Linux's counts are described in
//! `tests/data/churn/FORMAT.md`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test, whose numbers are small"
)]

#[path = "churn/machine.rs"]
mod machine;
#[path = "churn/pattern.rs"]
mod pattern;
#[path = "churn/pool.rs"]
mod pool;
#[path = "churn/random.rs"]
mod random;
#[path = "churn/sequence.rs"]
mod sequence;

use machine::{Figures, Machine};
use page_alloc::node::pcp::PcpOrders;
use pattern::Pattern;
use pool::{Classes, Outcome, with_pool};
use sequence::Totals;

/// The seeds that are run: all recorded ones where the code is optimised to the full, which is also
/// where all patterns are.
const SEEDS: usize = if cfg!(debug_assertions) { 1 } else { 3 };

fn run(pattern: Pattern, classes: Classes, seed: usize) -> (Totals, Outcome) {
    with_pool(classes, |pool| {
        let totals = sequence::play(pattern, seed as u64, &mut |step| pool.step(step));
        (totals, pool.finish())
    })
}

/// Compares the counts of each seed with Linux's: order-9 blocks at the end, the same without
/// everything movable, pageblocks with an unmovable frame.
fn compare(pattern: Pattern, classes: Classes, linux: [[usize; 3]; 3]) {
    let [now, without_movable, tainted] = linux;
    for at in 0..SEEDS {
        let (_, outcome) = run(pattern, classes, at + 1);
        let expected = Outcome {
            now: now[at],
            without_movable: without_movable[at],
            tainted: tainted[at],
            failed: 0,
        };
        assert_eq!(outcome, expected, "{pattern:?} {classes:?} seed {}", at + 1);
    }
}

/// The port of the generator makes the recorded bytes.
#[test]
fn sequences_are_the_recorded_ones() {
    let totals = |pattern, seed| sequence::play(pattern, seed, &mut |_| ());
    let expected = |allocs, frees, live, hash| Totals { allocs, frees, live, used: 943_713, hash };
    let steady = expected(4_486_829, 3_783_016, 703_813, 0xc854_34ee_739a_9584);
    assert_eq!(totals(Pattern::Steady, 1), steady);
    let swing = expected(4_494_045, 3_788_130, 705_915, 0x0eb8_b049_7cd1_9bb7);
    assert_eq!(totals(Pattern::Swing, 2), swing);
    let drift = expected(4_489_279, 3_784_777, 704_502, 0x069c_61e0_ca42_6a73);
    assert_eq!(totals(Pattern::Drift, 3), drift);
    let shift = expected(4_490_833, 3_785_411, 705_422, 0xecb9_a051_0feb_0fd8);
    assert_eq!(totals(Pattern::Shift, 1), shift);
}

/// At a steady 90 %.
#[test]
fn steady_load() {
    let linux = [[195, 194, 195], [1491, 1490, 1491], [557, 558, 557]];
    compare(Pattern::Steady, Classes::Two, linux);
}

/// At a steady 90 %, with reclaimable memory grouped apart.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn steady_load_of_three_types() {
    let linux = [[193, 191, 194], [1489, 1487, 1490], [559, 561, 558]];
    compare(Pattern::Steady, Classes::Three, linux);
}

/// With peaks of 97 %.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn swinging_load() {
    let linux = [[57, 58, 59], [1450, 1451, 1451], [598, 597, 597]];
    compare(Pattern::Swing, Classes::Two, linux);
}

/// With peaks of 97 %, with reclaimable memory grouped apart.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn swinging_load_of_three_types() {
    let linux = [[56, 58, 59], [1449, 1451, 1451], [599, 597, 597]];
    compare(Pattern::Swing, Classes::Three, linux);
}

/// With a time of twice as many unmovable blocks in between.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn drifting_share() {
    let linux = [[0; 3], [706, 702, 710], [1342, 1346, 1338]];
    compare(Pattern::Drift, Classes::Two, linux);
}

/// With peaks of 97 % and a time of six times as many unmovable blocks: almost every pageblock gets
/// one, and some requests fail.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn shifting_share() {
    let linux = [[1, 2047], [0, 2048], [2, 2046]];
    for (at, [without_movable, tainted]) in linux.into_iter().enumerate().take(SEEDS) {
        let (_, outcome) = run(Pattern::Shift, Classes::Two, at + 1);
        assert!((3875..=4032).contains(&outcome.failed), "{outcome:?}");
        let expected = Outcome { now: 0, without_movable, tainted, failed: outcome.failed };
        assert_eq!(outcome, expected, "seed {}", at + 1);
    }
}

/// A machine after a sequence: as it is, compacted, and without all that can be moved.
fn run_machine(pattern: Pattern, orders: PcpOrders, seed: usize) -> [Figures; 3] {
    let machine = Machine::boot(orders, Classes::Two);
    sequence::play(pattern, seed as u64, &mut |step| machine.step(step));
    let before = machine.figures();
    let stats = machine.compact();
    let compacted = machine.figures();
    machine.free_where(|class| class == sequence::Class::Movable);
    let without_movable = machine.figures();
    let failed = machine.failed();
    println!(
        "{pattern:?} {orders:?} seed {seed}: order-9 blocks {} now, {} compacted ({} frames moved), \
         {} without what is movable, of {}; {} without unmovable frames, movable ones fill {}; \
         {failed} failed",
        before.large,
        compacted.large,
        stats.moved,
        without_movable.large,
        without_movable.by_frames,
        before.clean,
        before.needed,
    );
    machine.free_where(|_| true);
    assert_eq!(machine.figures().large, pattern::FRAMES as u64 / 512, "every frame is back");
    [before, compacted, without_movable]
}

/// What holds whatever the allocator does: there are no more large blocks than free frames make, or
/// than pageblocks have nothing unmovable; compaction moves nothing unmovable and loses no large block.
/// (It need not make all that movable frames leave room for: it also moves frames out of pageblocks that
/// can't come free, and does not move any into those of other types, as in Linux.) Gives the large blocks
/// of each seed before compaction.
fn check_machine(pattern: Pattern, orders: PcpOrders) -> Vec<u64> {
    let check = |seed| {
        let [before, compacted, without_movable] = run_machine(pattern, orders, seed);
        for figures in [before, compacted, without_movable] {
            assert!(figures.large <= figures.by_frames.min(figures.clean), "{figures:?}");
            assert_eq!(figures.clean, before.clean);
        }
        assert!(compacted.large >= before.large, "{before:?} became {compacted:?}");
        assert!(without_movable.large >= compacted.large);
        before.large
    };
    (1..=SEEDS).map(check).collect()
}

/// With lists for each CPU, at a steady 90 %.
#[test]
fn steady_load_with_lists() {
    check_machine(Pattern::Steady, PcpOrders::WithPageblock);
}

/// With lists for each CPU, with peaks of 97 %.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn swinging_load_with_lists() {
    check_machine(Pattern::Swing, PcpOrders::WithPageblock);
}

/// With lists for each CPU, and a time of twice as many unmovable blocks in between.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn drifting_share_with_lists() {
    check_machine(Pattern::Drift, PcpOrders::WithPageblock);
}

/// With lists for each CPU, peaks of 97 % and a time of six times as many unmovable blocks.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn shifting_share_with_lists() {
    check_machine(Pattern::Shift, PcpOrders::WithPageblock);
}

/// Without such lists a machine has the counts of its zone alone, which are Linux's; and is compacted.
#[test]
#[cfg_attr(debug_assertions, ignore = "long: run in release")]
fn machines_without_lists() {
    for (pattern, linux) in [
        (Pattern::Steady, [195, 194, 195]),
        (Pattern::Swing, [57, 58, 59]),
        (Pattern::Drift, [0; 3]),
    ] {
        assert_eq!(check_machine(pattern, PcpOrders::None), linux[..SEEDS], "{pattern:?}");
    }
}
