//! The example `pressure`: its options, the kernel that it shows, and what comes out of it. The
//! program itself is run by the gate.

#[path = "../examples/pressure/cache.rs"]
mod cache;
#[path = "../examples/pressure/census.rs"]
mod census;
#[path = "../examples/pressure/gauge.rs"]
mod gauge;
#[path = "../examples/pressure/hooks.rs"]
mod hooks;
#[path = "../examples/pressure/kernel.rs"]
mod kernel;
#[path = "../examples/pressure/memory.rs"]
mod memory;
#[path = "../examples/pressure/options.rs"]
mod options;
#[path = "../examples/pressure/processes.rs"]
mod processes;
#[path = "../examples/pressure/random.rs"]
mod random;
#[path = "../examples/pressure/refusals.rs"]
mod refusals;
#[path = "../examples/pressure/simulation.rs"]
mod simulation;
#[path = "../examples/pressure/system.rs"]
mod system;
#[path = "../examples/pressure/tally.rs"]
mod tally;
#[path = "../examples/pressure/threads.rs"]
mod threads;
#[path = "../examples/pressure/workload.rs"]
mod workload;

#[path = "pressure/answers.rs"]
mod answers;
#[path = "pressure/history.rs"]
mod history;
#[path = "pressure/huge_pages.rs"]
mod huge_pages;
#[path = "pressure/refused.rs"]
mod refused;

use gauge::{Crossings, bar};
use options::{Command, Options};

/// Options come to their fields; nonsense is refused.
#[test]
fn options_are_read() {
    let parse = |words: &str| options::parse(words.split_whitespace());
    assert_eq!(parse("").unwrap(), Command::Simulate(Options::default()));
    let all = "--size 64 --steps=100 --seed 9 --fail-chance 0.5";
    let given = Options { mib: 64, steps: 100, seed: 9, fail_chance: 0.5 };
    assert_eq!(parse(all).unwrap(), Command::Simulate(given));
    assert_eq!(parse("--help").unwrap(), Command::Help);
    for option in ["--size", "--steps", "--seed", "--fail-chance", "--help"] {
        assert!(options::HELP.contains(option), "{option} is explained");
    }
    for bad in [
        "--size 63",
        "--size 16385",
        "--steps 99",
        "--steps x",
        "--seed -1",
        "--fail-chance 1.01",
        "--fail-chance -0.1",
        "--fail-chance NaN",
        "--seed",
        "file",
        "-x",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

/// Each watermark, and each multiple of the high one, begins a bar; what lies between two bars was
/// crossed.
#[test]
fn bars_begin_at_the_watermarks() {
    let marks = [100, 150, 200];
    let begins = [100, 150, 200, 400, 1600, 6400, 25_600];
    for (at, begin) in begins.into_iter().enumerate() {
        assert_eq!((bar(begin - 1, marks), bar(begin, marks)), (at, at + 1));
    }
    assert_eq!(bar(0, marks), 0);
    let mut crossings = Crossings::default();
    assert_eq!(crossings.line(), None);
    crossings.add(7, 3);
    assert_eq!(crossings.line(), None, "it is still above high");
    crossings.add(3, 1);
    crossings.add(1, 0);
    crossings.add(0, 7);
    assert_eq!((crossings.down, crossings.up), ([1, 1, 1], [1, 1, 1]));
    let line = "fell below min 1x, low 1x, high 1x; rose above min 1x, low 1x, high 1x";
    assert_eq!(crossings.line().as_deref(), Some(line));
}
