//! The example `replay`: traces and options are read, hostile ones are refused with a reason,
//! partial frees keep the book of live blocks right, and a simulated machine has all its pages back
//! at the end. The program itself is run by the gate.

#[path = "../examples/replay/machine.rs"]
mod machine;
#[path = "../examples/replay/options.rs"]
mod options;
#[path = "../examples/replay/replayer.rs"]
mod replayer;
#[path = "../examples/replay/state.rs"]
mod state;
#[path = "../examples/replay/summary.rs"]
mod summary;
#[path = "../examples/replay/trace.rs"]
mod trace;

#[path = "replay/book.rs"]
mod book;
#[path = "replay/records.rs"]
mod records;
#[path = "replay/simulated.rs"]
mod simulated;
#[path = "replay/trace_file.rs"]
mod trace_file;

use options::{Command, Output};
use std::path::PathBuf;

/// Options come to their fields; defaults are files that exist; nonsense is refused.
#[test]
fn options_are_read() {
    let parse = |words: &str| options::parse(words.split_whitespace());
    let Ok(Command::Replay(defaults)) = parse("") else { panic!("no options are fine") };
    assert!(defaults.map.is_file() && defaults.trace.is_file() && defaults.cpus == 2);
    let all = "--map a --trace=b --cpus 3 --json";
    let Ok(Command::Replay(given)) = parse(all) else { panic!("all options are fine") };
    assert_eq!((given.map, given.trace), (PathBuf::from("a"), PathBuf::from("b")));
    assert_eq!((given.cpus, given.output), (3, Output::Json));
    assert_eq!(parse("--help").unwrap(), Command::Help);
    for option in ["--map", "--trace", "--cpus", "--json", "--help"] {
        assert!(options::HELP.contains(option), "{option} is explained");
    }
    for bad in ["--map", "--cpus 0", "--cpus 257", "--cpus x", "--json=1", "file", "-x"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
