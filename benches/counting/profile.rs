//! The profiles by which what is counted is built.

use std::error::Error;
use std::path::Path;
use std::{env, io};

/// One of the workspace's profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// That of the benches: one unit of code, optimised over all crates.
    Bench,
    /// What `--release` is for a kernel that sets nothing: crates are optimised one by one.
    Plain,
}

impl Profile {
    /// That of this program. Cargo has a folder for each, with `deps` in it; that of `bench` is called
    /// `release`.
    pub(crate) fn of_this_program() -> Result<Self, Box<dyn Error>> {
        let program = env::current_exe()?;
        let folder = program.parent().and_then(Path::parent).and_then(Path::file_name);
        match folder.and_then(|name| name.to_str()) {
            Some("release") => Ok(Self::Bench),
            Some("plain") => Ok(Self::Plain),
            _ => Err(io::Error::other("built by neither the profile bench nor plain").into()),
        }
    }

    /// The file with the recorded counts.
    pub(crate) fn record(self) -> &'static str {
        match self {
            Self::Bench => concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt"),
            Self::Plain => concat!(env!("CARGO_MANIFEST_DIR"), "/instructions-plain.txt"),
        }
    }

    /// How to write it anew.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Bench => "cargo bench --bench instructions -- --record",
            Self::Plain => "cargo bench --profile plain --bench instructions -- --record",
        }
    }
}
