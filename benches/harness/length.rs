//! How long a run takes.

use super::failure::Patience;
use criterion::Criterion;
use std::time::Duration;

/// How long a run takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Long enough for numbers that repeat.
    Full,
    /// Only to see that everything runs.
    Smoke,
}

impl Length {
    fn choose<A>(self, full: A, smoke: A) -> A {
        match self {
            Self::Full => full,
            Self::Smoke => smoke,
        }
    }

    pub(crate) fn criterion(self) -> Criterion {
        let milliseconds = |full, smoke| Duration::from_millis(self.choose(full, smoke));
        Criterion::default()
            .sample_size(self.choose(60, 10))
            .warm_up_time(milliseconds(300, 5))
            .measurement_time(milliseconds(1200, 20))
            .nresamples(self.choose(20_000, 1001))
    }

    /// What takes no longer than this can be run as often as criterion wants.
    pub(crate) fn quick(self) -> Duration {
        Duration::from_millis(self.choose(50, 4))
    }

    /// How long something that is not quick is run again and again.
    pub(crate) fn budget(self) -> Duration {
        Duration::from_millis(self.choose(2000, 40))
    }

    /// How long a case may take that is quick, with all that is not counted.
    pub(crate) fn most(self) -> Patience {
        Patience(Duration::from_millis(self.choose(4000, 200)))
    }

    /// How long one run may take.
    pub(crate) fn patience(self) -> Patience {
        Patience(Duration::from_millis(self.choose(8000, 500)))
    }
}
