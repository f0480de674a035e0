//! Why a case was not measured, and what ends one that would take too long.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Steps of a long loop between two looks at the clock, which cost as much as a few steps.
const STRETCH: u64 = 1024;

/// What a run took, or why it ended early.
pub(crate) type Timed = Result<Duration, Failure>;

/// Why a case was not measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// No block where the workload leaves room for one.
    NoMemory,
    /// One run takes longer than anybody would wait.
    TooSlow,
    /// The implementation panicked.
    Panicked,
    /// It did something else than the case is about.
    Unexpected,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoMemory => "no memory where there must be some",
            Self::TooSlow => "too slow",
            Self::Panicked => "panicked",
            Self::Unexpected => "it did something else",
        })
    }
}

/// Does something of which a panic is a failure like others.
pub(crate) fn guarded<A>(work: impl FnOnce() -> Result<A, Failure>) -> Result<A, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failure::Panicked))
}

/// How long one run may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience(pub(crate) Duration);

impl Patience {
    pub(crate) fn begin(self) -> Deadline {
        Deadline(Instant::now() + self.0)
    }
}

/// When a run must be over.
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if Instant::now() < self.0 { Ok(()) } else { Err(Failure::TooSlow) }
    }

    /// Looks at the clock after every [`STRETCH`] steps; `step` was counted from 0.
    #[inline]
    pub(crate) fn check_after(&self, step: u64) -> Result<(), Failure> {
        if step % STRETCH == STRETCH - 1 { self.check() } else { Ok(()) }
    }
}
