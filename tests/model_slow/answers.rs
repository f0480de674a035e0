//! What the kernel answers, at random: the truth, or lies that never end.

use crate::scene::{Answers, Event};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

/// Fewer rounds than this every request has.
pub const MOST_ROUNDS: u32 = 40;
/// So many answers, and a request has ended before they have.
pub const FOR_EVER: usize = 2 * MOST_ROUNDS as usize;

const COMPACTED: [&str; 6] =
    ["SKIPPED", "DEFERRED", "COMPLETE", "PARTIAL_SKIPPED", "CONTENDED", "SUCCESS"];

/// An estimate of what can be freed, which may be absurd.
pub fn pages() -> impl Strategy<Value = u64> {
    prop_oneof![2 => 0..100_u64, 2 => 100..5000_u64, 1 => Just(u64::MAX)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (any::<usize>(), 1..40_usize).prop_map(|(pick, count)| Event::Free { pick, count }),
        2 => (0..8_usize, pages()).prop_map(|(zone, pages)| Event::Reclaimable { zone, pages }),
        2 => (0..4_u64).prop_map(Event::Mems),
        1 => Just(Event::Victim),
        1 => Just(Event::Sigkill),
    ]
}

fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    prop_oneof![2 => Just(Vec::new()), 1 => vec((any::<usize>(), event()), 1..4)]
}

/// Now and then the cpuset changes with every answer.
fn restless() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let always = |mems| (0..FOR_EVER).map(|at| (at, Event::Mems(mems))).collect();
    prop_oneof![9 => events(), 1 => (0..4_u64).prop_map(always)]
}

/// Different answers one after the other, or two of them in turn, for ever.
fn words(one: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Vec<String>> {
    let turns = |[one, other]: [String; 2]| {
        let both = [one, other];
        both.iter().cycle().take(FOR_EVER).cloned().collect()
    };
    prop_oneof![
        2 => vec(one.clone(), 0..8),
        1 => [one.clone(), one.clone()].prop_map(turns),
        2 => one.prop_map(|one| vec![one; FOR_EVER]),
    ]
}

fn number() -> impl Strategy<Value = String> + Clone {
    let number = prop_oneof![1 => Just(0), 3 => 1..100_u64, 1 => Just(u64::MAX)];
    number.prop_map(|number| number.to_string())
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    select(words).prop_map(String::from)
}

fn answers(
    hook: &'static str,
    words: impl Strategy<Value = Vec<String>>,
    events: impl Strategy<Value = Vec<(usize, Event)>>,
) -> impl Strategy<Value = Answers> {
    (words, events).prop_map(move |(words, events)| Answers { hook, words, events })
}

/// Compaction may also give a block away.
fn compactions() -> impl Strategy<Value = Answers> {
    let capture = any::<usize>().prop_map(|pick| Event::Capture { pick });
    let captures = prop_oneof![1 => Just(Vec::new()), 1 => vec((any::<usize>(), capture), 1..6)];
    let events = (events(), captures).prop_map(|(some, captures)| [some, captures].concat());
    answers("compact", words(one_of(&COMPACTED)), events)
}

/// The answers of all hooks.
pub fn all() -> impl Strategy<Value = Vec<Answers>> {
    let none = || Just(Vec::new());
    (
        answers("reclaim", words(number()), restless()),
        compactions(),
        answers("suitable", words(one_of(&["0", "1"])), none()),
        answers("oom", words(one_of(&["0", "1", "1"])), restless()),
        answers("oomlock", words(one_of(&["0", "1", "1", "1"])), events()),
        answers("noderec", words(one_of(&["-2", "-1", "0", "1"])), events()),
    )
        .prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f])
}
