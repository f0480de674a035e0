//! A recorded trace of a real Linux machine, played against the allocator.
//!
//! ```text
//! cargo run --release --example replay -- --map tests/data/maps/server-2node-755g.map --cpus 4
//! ```

mod machine;
mod map;
mod options;
mod replayer;
mod summary;
mod trace;

use indicatif::{ProgressBar, ProgressStyle};
use machine::PageCounter;
use map::Map;
use options::{Command, Options, Output};
use replayer::Replayer;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use summary::{Input, Summary, Verdict};
use trace::Trace;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("replay: {error}");
        ExitCode::from(2)
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let options = match options::parse(std::env::args_os().skip(1))? {
        Command::Help => {
            io::stdout().write_all(options::HELP.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Replay(options) => options,
    };
    let map = read_map(&options.map).map_err(in_file(&options.map))?;
    let trace = read_trace(&options.trace).map_err(in_file(&options.trace))?;
    let summary = replay(&map, &trace, options.cpus);
    print(&options, &map, &trace, &summary)?;
    let broken = matches!(summary.verify, Verdict::Broken(_));
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Puts the name of the file before an error.
fn in_file(path: &Path) -> impl FnOnce(Box<dyn Error>) -> String {
    move |error| format!("{}: {error}", path.display())
}

fn read_map(path: &Path) -> Result<Map, Box<dyn Error>> {
    Ok(fs::read_to_string(path)?.parse()?)
}

fn read_trace(path: &Path) -> Result<Trace, Box<dyn Error>> {
    Ok(Trace::read(File::open(path)?)?)
}

fn replay(map: &Map, trace: &Trace, cpus: u32) -> Summary {
    let mut machine = PageCounter::new(map);
    let free_pages_start = machine.free_pages();
    let gfps = vec![(); trace.gfps.len()];
    let bar = progress_bar(trace.events.len());
    let mut replayer = Replayer::new(&mut machine, &gfps, cpus);
    let elapsed = replayer.play(trace, |events| bar.set_position(events));
    bar.finish_and_clear();
    let counts = replayer.finish();
    Summary {
        counts,
        fallbacks: machine.fallbacks(),
        free_pages_start,
        free_pages_end: machine.free_pages(),
        elapsed,
        verify: machine.verify(),
    }
}

/// A bar on standard error if that is a terminal.
fn progress_bar(events: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} events, {eta}");
    let bar = ProgressBar::new(events as u64);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

fn print(options: &Options, map: &Map, trace: &Trace, summary: &Summary) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match options.output {
        Output::Json => writeln!(out, "{}", summary.to_json()),
        Output::Tables => {
            write!(out, "{}{summary}", Input { map, trace, cpus: options.cpus })
        }
    }
}
