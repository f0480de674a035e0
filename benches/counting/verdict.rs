//! The rule by which a count is judged.

use super::count::Count;

/// In percent: how much a count may change.
const MOST_PERCENT: u64 = 5;

/// In tenths: a change by one instruction is none, whatever it is in percent.
const LEAST_TENTHS: u64 = 10;

/// What a count is beside the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As before, or nearly.
    Same,
    /// More than 5 % more, and more than one instruction.
    Grown,
    /// More than 5 % less, and more than one instruction.
    Shrunk,
    /// Nothing is recorded.
    Unrecorded,
}

impl Verdict {
    pub(crate) fn of(recorded: Option<Count>, now: Count) -> Self {
        let Some(recorded) = recorded else { return Self::Unrecorded };
        let change = now.tenths.abs_diff(recorded.tenths);
        if change <= LEAST_TENTHS || change * 100 <= recorded.tenths * MOST_PERCENT {
            Self::Same
        } else if now > recorded {
            Self::Grown
        } else {
            Self::Shrunk
        }
    }
}
