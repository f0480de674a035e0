//! The zone against the naive model: random histories on awkward zones, and every short history on
//! tiny ones.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "model_raw/exhaustive.rs"]
mod exhaustive;
#[allow(dead_code, reason = "shared with other tests")]
mod model;
#[path = "golden_kinds/raw_zone.rs"]
mod raw_zone;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/recording.rs"]
mod recording;
#[path = "model_raw/strategy.rs"]
mod strategy;

use model::pair::{Pair, Step};
use model::port::{self, Boot, Setup};
use proptest::prelude::{ProptestConfig, TestCaseError, prop_assert, proptest};

/// The zones under test.
type Tested = raw_zone::RawZones;

/// Takes both zones through a history and compares them after every step, then with everything
/// given back.
fn compare_history<B: Boot>(setup: &Setup, history: &[Step]) -> Result<(), String> {
    B::boot(setup, |zone| {
        let mut pair = Pair::new(setup, zone);
        pair.compare().map_err(|error| format!("after boot: {error}"))?;
        for (index, &step) in history.iter().enumerate() {
            let done = pair.apply(step).and_then(|()| pair.compare());
            done.map_err(|error| format!("step {index}, {step:?}: {error}"))?;
        }
        pair.free_all();
        pair.compare().map_err(|error| format!("with everything freed: {error}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the history, the zone and the model give the same blocks, lists and counters.
    #[test]
    fn random_histories_agree(case in strategy::case()) {
        let (setup, history) = case;
        compare_history::<Tested>(&setup, &history).map_err(TestCaseError::fail)?;
    }

    /// The strategy makes only zones that can be: ordered, disjoint ranges inside the span.
    #[test]
    fn random_setups_are_legal(setup in strategy::setup()) {
        let (start, end) = setup.span;
        let inside = |&(first, last): &port::Span| start <= first && first < last && last <= end;
        let ordered = |ranges: &[port::Span]| ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        for ranges in [&setup.present, &setup.reserved, &setup.cma] {
            prop_assert!(ranges.iter().all(inside) && ordered(ranges), "{setup:?}");
        }
        prop_assert!(!setup.present.is_empty());
    }
}

/// A zone that boosts its watermark less than it should.
struct Timid;

impl Boot for Timid {
    fn boot<R>(setup: &Setup, work: impl FnOnce(&mut dyn port::ZoneUnderTest) -> R) -> R {
        Tested::boot(&Setup { boost_factor: 0, ..setup.clone() }, work)
    }
}

/// The comparison finds a zone that decides otherwise, and says at which step.
#[test]
fn another_decision_is_found() {
    let span = (0, 3072);
    let marks = [100, 125, 150];
    let setup =
        Setup { span, present: vec![span], marks, boost_factor: 15_000, ..Setup::default() };
    let ask = |migratetype| Step::Allocate { order: 3, migratetype, flags: "K", movable: false };
    let history = [ask(1), Step::Allocate { order: 9, migratetype: 1, flags: "", movable: false }];
    assert_eq!(compare_history::<Timid>(&setup, &history), Ok(()), "no fallback yet");
    let mut history =
        vec![Step::Allocate { order: 10, migratetype: 1, flags: "", movable: true }; 2];
    history.extend([ask(1), ask(2), ask(1), ask(0)]);
    let error = compare_history::<Timid>(&setup, &history).expect_err("boosts differ");
    assert!(error.starts_with("step "), "{error}");
}

/// Steps of a short history, and how many histories there are at least: longer ones in a release build,
/// which is faster.
const LENGTH: usize = if cfg!(debug_assertions) { 5 } else { 6 };
const LEAST: u64 = if cfg!(debug_assertions) { 5_000 } else { 50_000 };

/// Every short history on the frames around a pageblock border agrees.
#[test]
fn short_histories_agree_around_a_pageblock_border() {
    let setup = Setup { span: (504, 520), present: vec![(504, 520)], ..Setup::default() };
    let nr = exhaustive::compare_all::<Tested>(&setup, &exhaustive::MOBILITY, LENGTH);
    assert!(nr > LEAST, "{nr} histories");
}

/// Every short history on a zone with a hole and a reserved frame agrees.
#[test]
fn short_histories_agree_with_a_hole() {
    let setup = Setup {
        span: (1000, 1032),
        present: vec![(1000, 1011), (1013, 1032)],
        reserved: vec![(1024, 1025)],
        ..Setup::default()
    };
    let nr = exhaustive::compare_all::<Tested>(&setup, &exhaustive::RESERVES, LENGTH);
    assert!(nr > LEAST, "{nr} histories");
}
