//! How many instructions an operation takes, counted by callgrind and compared with the record
//! beside this file, `instructions.txt`. Counts repeat where times do not.
//!
//! ```text
//! cargo bench --bench instructions                compares; status 1 if a case grew by over 5 %
//! cargo bench --bench instructions -- zone boot   the cases whose names contain "zone" or "boot"
//! cargo bench --bench instructions -- --record    writes the record
//! cargo bench --bench instructions -- --listing   prints the code of the hit paths, line by line
//! cargo bench --bench instructions -- --smoke     runs each case once, counts nothing
//! ```
//!
//! With `--profile plain` before `--bench` it counts what a kernel gets that builds by `--release` and sets
//! nothing, and the record is `instructions-plain.txt`. A function that no other crate may inline is called
//! there.
//!
//! The program runs itself under plain valgrind. A harness such as gungraun would want a runner of
//! its own installed, of just its version; all that is needed of it is one number a run.
#![allow(missing_docs, reason = "a bench")]

mod harness {
    #[allow(dead_code, reason = "shared with the bench that takes times")]
    pub(crate) mod adaptor;
    #[allow(dead_code, reason = "shared with the bench that takes times")]
    pub(crate) mod failure;
    #[allow(dead_code, reason = "shared with the bench that takes times")]
    pub(crate) mod free_order;
    #[allow(dead_code, reason = "shared with the bench that takes times")]
    pub(crate) mod mover;
    #[allow(dead_code, reason = "shared with the bench that takes times")]
    #[expect(unsafe_code, reason = "boots")]
    pub(crate) mod ours;
    #[expect(unsafe_code, reason = "signs the contract of a port")]
    #[allow(dead_code, reason = "shared with the bench that takes times")]
    pub(crate) mod port;
    pub(crate) mod rng;
}
mod counting {
    pub(crate) mod callgrind;
    pub(crate) mod cases;
    pub(crate) mod command;
    pub(crate) mod count;
    pub(crate) mod listing;
    pub(crate) mod profile;
    pub(crate) mod record;
    pub(crate) mod table;
    pub(crate) mod valgrind;
    pub(crate) mod verdict;
    pub(crate) mod workload;
}

use counting::cases::{CASES, Case};
use counting::command::Command;
use counting::count::Count;
use counting::profile::Profile;
use counting::record::Record;
use counting::{listing, table, valgrind};
use std::error::Error;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("instructions: {error}");
        ExitCode::from(2)
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    match Command::parse(env::args().skip(1))? {
        Command::Compare { words } => compare(&words),
        Command::Record => record(),
        Command::Listing => {
            print!("{}", listing::listing()?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Smoke { words } => {
            chosen(&words).for_each(|case| (case.run)(1));
            Ok(ExitCode::SUCCESS)
        }
        Command::Child { case, times } => {
            let case = CASES.iter().find(|known| known.name == case).ok_or("no such case")?;
            (case.run)(times * case.rounds);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The cases whose names contain one of the words; all, if there are no words.
fn chosen(words: &[String]) -> impl Iterator<Item = &'static Case> {
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    CASES.iter().filter(move |case| is_chosen(case.name))
}

fn record() -> Result<ExitCode, Box<dyn Error>> {
    let profile = Profile::of_this_program()?;
    let mut record = Record::new(valgrind::compiler()?);
    for case in CASES {
        let now = valgrind::count(case)?;
        println!("{}: {now}", case.name);
        record.counts.push((case.name.to_owned(), now));
    }
    fs::write(profile.record(), record.text(profile.command()))?;
    println!("\n{} cases are in {}", CASES.len(), profile.record());
    Ok(ExitCode::SUCCESS)
}

fn compare(words: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let profile = Profile::of_this_program()?;
    let record = read(profile.record())?;
    let compiler = valgrind::compiler()?;
    if !record.counts.is_empty() && record.compiler != compiler {
        println!("warning: the record is of {}, this is {compiler}", record.compiler);
    }
    table::head();
    let rows: Result<Vec<(&str, Count)>, Box<dyn Error>> = chosen(words)
        .map(|case| {
            let now = valgrind::count(case)?;
            table::row(case.name, record.get(case.name), now);
            Ok((case.name, now))
        })
        .collect();
    let report = record.compare(&rows?, profile.command());
    report.hints.iter().for_each(|hint| println!("hint: {hint}"));
    report.failures.iter().for_each(|failure| eprintln!("instructions: {failure}"));
    let exits = listing::exits()?;
    exits.iter().for_each(|exit| eprintln!("instructions: a hit path goes elsewhere: {exit}"));
    Ok(if report.failures.is_empty() && exits.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The record; an empty one if there is no file.
fn read(file: &str) -> Result<Record, Box<dyn Error>> {
    match fs::read_to_string(file) {
        Ok(text) => text.parse().map_err(|error| format!("{file}: {error}").into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
        Err(error) => Err(format!("{file}: {error}").into()),
    }
}
