//! A recorded trace of a real Linux machine, played against the allocator.
//!
//! ```text
//! cargo run --release --example replay -- --map tests/data/maps/server-2node-755g.map --cpus 4
//! ```

mod machine;
mod options;
mod replayer;
mod state;
mod summary;
mod trace;

use indicatif::{ProgressBar, ProgressStyle};
use machine::SimMachine;
use options::{Command, Options, Output};
use page_alloc::Gfp;
use page_alloc::sim::MapFile;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use summary::Summary;
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
    let machine = boot(&options).map_err(in_file(&options.map))?;
    let (trace, gfps) = read_trace(&options.trace).map_err(in_file(&options.trace))?;
    let bar = progress_bar(trace.events.len());
    let summary = Summary::replay(machine, &trace, &gfps, |events| bar.set_position(events));
    bar.finish_and_clear();
    print(&summary, options.output)?;
    Ok(if summary.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts the name of the file before an error.
fn in_file(path: &Path) -> impl FnOnce(Box<dyn Error>) -> String {
    move |error| format!("{}: {error}", path.display())
}

fn boot(options: &Options) -> Result<SimMachine, Box<dyn Error>> {
    let map: MapFile = fs::read_to_string(&options.map)?.parse()?;
    Ok(SimMachine::boot(map.to_config(options.cpus))?)
}

/// A trace, and the flags of its requests.
fn read_trace(path: &Path) -> Result<(Trace, Vec<Gfp>), Box<dyn Error>> {
    let trace = Trace::read(File::open(path)?)?;
    let gfps = machine::playable(&trace.gfps).map_err(|unknown| unknown.to_string())?;
    Ok((trace, gfps))
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

fn print(summary: &Summary<'_>, output: Output) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", summary.to_json()),
        Output::Tables => write!(out, "{summary}"),
    }
}
