//! A machine under memory pressure, and a small kernel that shows how to write a `Reclaim`: a page
//! cache in the order of its use, kernel threads, an out-of-memory killer.
//!
//! ```text
//! cargo run --release --example pressure -- --seed 7 --fail-chance 0.01
//! ```
//!
//! For who writes one: the hooks are in `hooks.rs`, what they work on in `kernel.rs` and `cache.rs`,
//! the threads in `threads.rs`. The rest makes pressure and prints what came of it: `workload.rs` has
//! the phases, `census.rs` the table of huge pages.

mod cache;
mod census;
mod gauge;
mod hooks;
mod kernel;
mod memory;
mod options;
mod processes;
mod random;
mod refusals;
mod simulation;
mod system;
mod tally;
mod threads;
mod workload;

use options::{Command, Options};
use simulation::Simulation;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("pressure: {error}");
        ExitCode::from(2)
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let options = match options::parse(std::env::args_os().skip(1))? {
        Command::Help => {
            out.write_all(options::HELP.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Simulate(options) => options,
    };
    let Options { mib, steps, seed, fail_chance } = options;
    writeln!(out, "{mib} MiB for {steps} ms, seed {seed}, fail chance {fail_chance}\n")?;
    let simulation = Simulation::run(&options)?;
    writeln!(out, "{simulation}")?;
    let rows = census::take(mib, seed)?;
    writeln!(out, "{}", census::table(&rows))?;
    let faults = simulation.fault.iter().chain(rows.iter().filter_map(|row| row.fault.as_ref()));
    conclude(&mut out, faults)
}

/// The last line, and the status: whether the machines were sound, and whole, at the end.
fn conclude<'a>(
    out: &mut impl Write,
    faults: impl Iterator<Item = &'a String>,
) -> Result<ExitCode, Box<dyn Error>> {
    let faults: Vec<_> = faults.map(String::as_str).collect();
    if faults.is_empty() {
        writeln!(out, "verify: ok, on all machines, with all frames back")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "verify: {}", faults.join("; "))?;
    Ok(ExitCode::FAILURE)
}
