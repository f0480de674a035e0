//! The command line.

use lexopt::prelude::*;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Plays a recorded trace of page allocations and frees against the allocator.

Usage: replay [OPTIONS]

  --map FILE    the machine: a memory map          [tests/data/maps/qemu-8g.map]
  --trace FILE  the trace            [tests/data/traces/ripgrep-build.trace.gz]
  --cpus N      CPUs of the machine, 1 to 256                              [2]
  --json        print one JSON object, no tables
  --help        print this

The machine reclaims nothing: what does not fit into its memory fails, and is counted.

Exit status: 0 when the trace was played, 1 when the allocator's state is wrong after it or pages
are lost, 2 for a file or an option that can't be used.
";

/// The most CPUs that can be asked for.
const MOST_CPUS: u32 = 256;

/// In which form the results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Tables,
    Json,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Replay(Options),
}

/// What to play, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) map: PathBuf,
    pub(crate) trace: PathBuf,
    pub(crate) cpus: u32,
    pub(crate) output: Output,
}

impl Default for Options {
    fn default() -> Self {
        let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        Self {
            map: data.join("maps/qemu-8g.map"),
            trace: data.join("traces/ripgrep-build.trace.gz"),
            cpus: 2,
            output: Output::Tables,
        }
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
            Long("map") => options.map = parser.value()?.into(),
            Long("trace") => options.trace = parser.value()?.into(),
            Long("cpus") => options.cpus = parser.value()?.parse_with(cpus)?,
            Long("json") => options.output = Output::Json,
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Replay(options))
}

fn cpus(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(cpus @ 1..=MOST_CPUS) => Ok(cpus),
        _ => Err(format!("--cpus takes a number from 1 to {MOST_CPUS}")),
    }
}
