//! What the command line asks for.

use super::length::Length;
use lexopt::{Arg, Parser, ValueExt};

/// What to measure, and how long.
pub(crate) struct Arguments {
    pub(crate) length: Length,
    /// Parts of the names of the cases to measure; empty: all.
    filters: Vec<String>,
}

impl Arguments {
    /// Those of this program.
    pub(crate) fn read() -> Result<Self, lexopt::Error> {
        let mut arguments = Self { length: Length::Full, filters: Vec::new() };
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("smoke") => arguments.length = Length::Smoke,
                // From cargo.
                Arg::Long("bench") => {}
                Arg::Value(part) => arguments.filters.push(part.string()?),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(arguments)
    }

    pub(crate) fn asks_for(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|part| name.contains(part))
    }
}
