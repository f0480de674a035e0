//! What came out of a replay, as tables and as JSON.

use crate::map::Map;
use crate::replayer::Counts;
use crate::trace::Trace;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// What the allocator's own check said after the replay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "the page counter has nothing to check")]
pub(crate) enum Verdict {
    /// Every invariant holds.
    Ok,
    /// The first breach found.
    Broken(String),
    /// The machine has no check.
    Unchecked,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Broken(breach) => breach,
            Self::Unchecked => "unchecked",
        })
    }
}

/// The results of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) counts: Counts,
    /// Blocks that were taken from the lists of another migratetype.
    pub(crate) fallbacks: u64,
    /// Free pages of the machine before the first event.
    pub(crate) free_pages_start: u64,
    /// The same when all is freed again.
    pub(crate) free_pages_end: u64,
    /// The time of the events, reading and the last frees left aside.
    pub(crate) elapsed: Duration,
    pub(crate) verify: Verdict,
}

impl Summary {
    /// The time of an event, on average, in tenths of a nanosecond.
    fn tenths_per_event(&self) -> u128 {
        self.elapsed.as_nanos() * 10 / u128::from(self.counts.events.max(1))
    }

    /// The time of an event, on average, in nanoseconds.
    pub(crate) fn ns_per_event(&self) -> f64 {
        f64::from(u32::try_from(self.tenths_per_event()).unwrap_or(u32::MAX)) / 10.0
    }

    /// One object; `verify` is `"ok"` or says what is wrong.
    pub(crate) fn to_json(&self) -> Value {
        let counts = &self.counts;
        json!({
            "events": counts.events,
            "allocations": counts.allocations,
            "failed": counts.failed,
            "frees": counts.frees,
            "partial_frees": counts.partial_frees,
            "skipped_frees": counts.skipped,
            "freed_at_end": counts.left,
            "fallbacks": self.fallbacks,
            "free_pages_start": self.free_pages_start,
            "free_pages_end": self.free_pages_end,
            "ns_per_event": self.ns_per_event(),
            "verify": self.verify.to_string(),
        })
    }
}

/// The table of the results.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { events, allocations, failed, frees, partial_frees, skipped, left } =
            self.counts;
        writeln!(f, "replay")?;
        for (name, count) in [
            ("events", events),
            ("allocations", allocations),
            ("of them failed", failed),
            ("frees", frees),
            ("partial frees", partial_frees),
            ("frees of failed ones", skipped),
            ("freed after the trace", left),
            ("fallbacks", self.fallbacks),
            ("free pages before", self.free_pages_start),
            ("free pages after", self.free_pages_end),
        ] {
            writeln!(f, "  {name:<22} {count:>10}")?;
        }
        writeln!(f, "  {:<22} {:>10.1}", "ns per event", self.ns_per_event())?;
        writeln!(f, "  {:<22} {:>10}", "verify", self.verify)
    }
}

/// The table of what is played, and on what.
pub(crate) struct Input<'a> {
    pub(crate) map: &'a Map,
    pub(crate) trace: &'a Trace,
    /// CPUs of the machine.
    pub(crate) cpus: u32,
}

impl fmt::Display for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: u128 = self.map.usable().map(|r| u128::from(r.end - r.start)).sum();
        writeln!(f, "machine")?;
        writeln!(f, "  {:<22} {:>10}", "CPUs", self.cpus)?;
        writeln!(f, "  {:<22} {:>10}", "usable MiB", bytes >> 20)?;
        writeln!(f, "  {:<22} {:>10}", "ranges", self.map.usable().count())?;
        writeln!(f, "trace")?;
        writeln!(f, "  {:<22} {:>10}", "events", self.trace.events.len())?;
        writeln!(f, "  {:<22} {:>10}", "CPUs", self.trace.cpus)?;
        writeln!(f, "  {:<22} {:>10}", "sets of flags", self.trace.gfps.len())
    }
}
