//! The golden test: the allocator against recordings of Linux, every result and every state.
//!
//! `cargo test --test golden` replays the files of `tests/golden`, or of the directory that
//! `GOLDEN_DIR` names, plain or gzipped. The kind of a file is its name up to the first `-` or
//! `.`; `tests/golden/FORMAT.md` describes the kinds. One line a kind tells what was compared;
//! the first mismatch of each file is shown in full, and the test then fails.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "golden_kinds/buddy.rs"]
mod buddy;
#[path = "golden_kinds/extfrag.rs"]
mod extfrag;
#[path = "golden_kinds/files.rs"]
mod files;
#[path = "golden_kinds/gfp.rs"]
mod gfp;
#[path = "golden_kinds/pcp.rs"]
mod pcp;
#[path = "golden_kinds/pcp_header.rs"]
mod pcp_header;
#[path = "golden_kinds/pcp_machine.rs"]
mod pcp_machine;
#[path = "golden_kinds/pcp_state.rs"]
mod pcp_state;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "model/port.rs"]
mod port;
#[path = "golden_kinds/raw_zone.rs"]
mod raw_zone;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/recording.rs"]
mod recording;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/sim_machine.rs"]
mod sim_machine;
#[path = "golden_kinds/slowpath.rs"]
mod slowpath;
#[path = "golden_kinds/slowpath_branches.rs"]
mod slowpath_branches;
#[path = "golden_kinds/slowpath_case.rs"]
mod slowpath_case;
#[path = "golden_kinds/slowpath_kernel.rs"]
mod slowpath_kernel;
#[path = "golden_kinds/slowpath_log.rs"]
mod slowpath_log;
#[path = "golden_kinds/slowpath_machine.rs"]
mod slowpath_machine;
#[path = "golden_kinds/walk.rs"]
mod walk;
#[path = "golden_kinds/watermark_ok.rs"]
mod watermark_ok;
#[path = "golden_kinds/watermarks.rs"]
mod watermarks;
#[path = "golden_kinds/zonelists.rs"]
mod zonelists;

use files::Recording;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Replays the file of this name and text; returns the number of operations compared.
type Run = fn(&str, &str) -> Result<u64, String>;

/// The kinds of recordings, and what replays each.
const KINDS: [(&str, Run); 10] = [
    ("buddy", |_, text| buddy::replay::<raw_zone::RawZones>(text)),
    ("walk", |_, text| walk::replay::<sim_machine::Sims>(text)),
    ("watermarks", watermarks::run),
    ("watermarks32", watermarks::run),
    ("watermark_ok", watermark_ok::run),
    ("zonelists", zonelists::run),
    ("gfp", gfp::run),
    ("extfrag", extfrag::run),
    ("pcp", pcp::run),
    ("slowpath", slowpath::run),
];

/// Replays run on so many threads.
const NR_THREADS: usize = 2;

/// What became of one file; `None` if it is of no known kind.
type Verdict = Option<Result<u64, String>>;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    match recordings() {
        Ok(recordings) => {
            let verdicts = replay_all(&recordings);
            report(&recordings, &verdicts, started)
        }
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The recordings to replay: all of known kinds, and in the default directory of every kind.
fn recordings() -> Result<Vec<Recording>, String> {
    let named = std::env::var_os("GOLDEN_DIR").map(PathBuf::from);
    let directory = named.clone().unwrap_or_else(files::default_directory);
    let recordings = files::recordings(&directory)?;
    if recordings.is_empty() {
        return Err(format!("no recording in {}", directory.display()));
    }
    let known = |recording: &&Recording| !KINDS.iter().any(|(kind, _)| recording.kind() == *kind);
    if let Some(stranger) = recordings.iter().find(known) {
        return Err(format!("{} is of no known kind", stranger.path.display()));
    }
    let missing = KINDS.iter().find(|(kind, _)| recordings.iter().all(|r| r.kind() != *kind));
    match missing {
        Some((kind, _)) if named.is_none() => {
            Err(format!("no recording of kind {kind} in {}", directory.display()))
        }
        _ => Ok(recordings),
    }
}

/// Replays all recordings, the largest first.
fn replay_all(recordings: &[Recording]) -> Vec<Verdict> {
    let mut order: Vec<usize> = (0..recordings.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(recordings[index].size));
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![None; recordings.len()]);
    std::thread::scope(|scope| {
        for _ in 0..NR_THREADS {
            scope.spawn(|| {
                while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = replay(&recordings[index]);
                    verdicts.lock().expect("no replay panics")[index] = verdict;
                }
            });
        }
    });
    verdicts.into_inner().expect("no replay panics")
}

/// Replays one recording; a panic is a mismatch.
fn replay(recording: &Recording) -> Verdict {
    let (_, run) = KINDS.iter().find(|(kind, _)| recording.kind() == *kind)?;
    let replayed = catch_unwind(AssertUnwindSafe(|| run(&recording.name, &recording.text()?)));
    Some(replayed.unwrap_or_else(|_| Err("panicked".into())))
}

/// Prints mismatches, a line a kind, and the summary.
fn report(recordings: &[Recording], verdicts: &[Verdict], started: Instant) -> ExitCode {
    for (recording, verdict) in recordings.iter().zip(verdicts) {
        if let Some(Err(mismatch)) = verdict {
            println!("{}: {mismatch}", recording.path.display());
        }
    }
    for (kind, _) in KINDS {
        let of_kind = recordings.iter().zip(verdicts).filter(|(r, _)| r.kind() == kind);
        let of_kind: Vec<_> = of_kind.map(|(_, verdict)| verdict).collect();
        if !of_kind.is_empty() {
            println!("{kind}: {} files, {}", of_kind.len(), outcome(&of_kind));
        }
    }
    let failed = verdicts.iter().flatten().filter(|replayed| replayed.is_err()).count();
    let passed = verdicts.iter().flatten().count() - failed;
    let sound = takes_every_way() && failed == 0;
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; {} ignored; 0 measured; \
         0 filtered out; finished in {:.2}s\n",
        if sound { "ok" } else { "FAILED" },
        verdicts.len() - passed - failed,
        started.elapsed().as_secs_f64(),
    );
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the recordings of slow paths, if they are all there, take every way through it.
fn takes_every_way() -> bool {
    let missing = match std::env::var_os("GOLDEN_DIR") {
        Some(_) => Vec::new(),
        None => slowpath_branches::missing(),
    };
    if !missing.is_empty() {
        println!("slowpath: no request takes these ways: {}", missing.join("; "));
    }
    missing.is_empty()
}

/// The end of a kind's line.
fn outcome(verdicts: &[&Verdict]) -> String {
    let replayed = || verdicts.iter().filter_map(|verdict| verdict.as_ref());
    let operations: u64 = replayed().flatten().sum();
    match replayed().filter(|replayed| replayed.is_err()).count() {
        0 => format!("{operations} operations, equal"),
        differ => format!("{operations} operations, {differ} files differ"),
    }
}
