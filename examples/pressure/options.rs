//! The command line.

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Puts a simulated machine under memory pressure, and shows what the allocator and a small kernel do:
watermarks, kswapd, compaction, stalls, the out-of-memory killer; then how many huge pages can be had.

Usage: pressure [OPTIONS]

  --size MIB       memory of the machine, 64 to 16384            [1024]
  --steps N        milliseconds to simulate, 100 to 100000       [2000]
  --seed N         another number, another history                  [1]
  --fail-chance P  each request fails with this chance, 0 to 1      [0]
  --help           print this

Exit status: 0 when all frames came back and every invariant holds, 1 when not, 2 for an option that
can't be used.
";

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Simulate(Options),
}

/// The machine and what happens to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) mib: u64,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
    pub(crate) fail_chance: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { mib: 1024, steps: 2000, seed: 1, fail_chance: 0.0 }
    }
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse<I>(arguments: I) -> Result<Command, lexopt::Error>
where
    I: IntoIterator,
    I::Item: Into<std::ffi::OsString>,
{
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("size") => options.mib = parser.value()?.parse_with(mib)?,
            Long("steps") => options.steps = parser.value()?.parse_with(steps)?,
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("fail-chance") => options.fail_chance = parser.value()?.parse_with(chance)?,
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Simulate(options))
}

fn mib(text: &str) -> Result<u64, &'static str> {
    let number = text.parse().ok().filter(|mib| (64..=16_384).contains(mib));
    number.ok_or("--size takes a number of MiB from 64 to 16384")
}

fn steps(text: &str) -> Result<u64, &'static str> {
    let number = text.parse().ok().filter(|steps| (100..=100_000).contains(steps));
    number.ok_or("--steps takes a number from 100 to 100000")
}

fn chance(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|chance| (0.0..=1.0).contains(chance));
    number.ok_or("--fail-chance takes a number from 0 to 1")
}
