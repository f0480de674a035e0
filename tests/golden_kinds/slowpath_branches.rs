//! The ways through the slow path that the recordings have to take between them, each told by the
//! steps of a request.
//!
//! Two are not there, as the recordings have neither lists of CPUs nor reserves of more than a pageblock
//! when memory runs out: that draining serves, and that part of the reserve is given back. These have
//! tests of their own, in `tests/allocator/pressure.rs`.

use crate::slowpath_case::Case;
use page_alloc::{Context, Gfp};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A request that was made.
struct Run<'a> {
    case: &'a Case,
    /// Without questions during attempts.
    steps: Vec<&'a str>,
    served: bool,
}

/// A way through the slow path: its name, and whether a request took it.
type Branch = (&'static str, fn(&Run<'_>) -> bool);

const BRANCHES: [Branch; 56] = [
    ("no zone will do", |run| !run.served && !run.has("try")),
    ("a cpuset without a zone", |run| {
        run.case.cpuset.is_some_and(|cpuset| cpuset.insane) && !run.served && !run.has("try m")
    }),
    ("atomic context that waits", |run| run.has_with("try m", "gfp-ATOMIC")),
    ("served at the min watermark", |run| run.served && run.count("try m") == 1),
    ("no compaction of order 0", |run| run.case.order == 0 && run.has("reclaim")),
    ("no first compaction for movable", |run| {
        (1..=3).contains(&run.case.order) && run.has("reclaim") && !run.has_with("compact", "async")
    }),
    ("first compaction, small", |run| run.case.order <= 3 && run.has_with("compact", "async")),
    ("first compaction, costly", |run| run.case.order > 3 && run.has_with("compact", "async")),
    ("first compaction serves", |run| run.pair("compact", "defer_reset") && !run.has("reclaim")),
    ("no retry: skipped", |run| run.ends_early("async", "SKIPPED")),
    ("no retry: deferred", |run| run.ends_early("async", "DEFERRED")),
    ("no retry: stays asynchronous", |run| run.count_with("compact", "prio=async") == 2),
    ("no first compaction with reserves", |run| {
        run.case.order > 3 && run.has_with("try m", "O ") && !run.has_with("compact", "async")
    }),
    ("no first compaction without writing", |run| {
        run.case.order > 3 && run.has_with("compact", "gfp") && !run.case.gfp.contains(Gfp::IO)
    }),
    ("all reserves", |run| run.has("try mX")),
    ("reserves of a victim", |run| run.has_with("try m", "O hz")),
    ("the nodemask is left", |run| run.case.mask.is_some() && run.has_with("try m", "mask=- ")),
    ("may not wait", |run| !run.served && !run.waits() && run.count("try m") == 2),
    ("frees memory itself", |run| run.waits() && run.count("try mX") == 1 && !run.has("reclaim")),
    ("reclaim serves", |run| run.served && run.triple("reclaim", "resched", "try")),
    ("reclaim in vain", |run| run.triple("reclaim", "resched", "lru")),
    ("the reserve is given back, wholly", |run| run.has("unreserve force=1 -> 1")),
    ("captured", |run| run.has_with("compact", "captured=")),
    ("compaction serves", |run| run.served && run.triple("compact", "try", "defer_reset")),
    ("compaction, light", |run| run.has_with("compact", "prio=light")),
    ("compaction, full", |run| run.has_with("compact", "prio=full")),
    ("no retry at all", |run| run.has("reclaim") && run.gives_up(Gfp::NORETRY)),
    ("costly gives up", |run| {
        !run.case.gfp.intersects(Gfp::NORETRY | Gfp::RETRY_MAYFAIL) && run.gives_up(Gfp::IO)
    }),
    ("reclaim could suffice", |run| run.triple("lru", "resched", "wake")),
    ("reclaimed in vain too often", |run| run.tired()),
    ("a worker sleeps", |run| run.pair("lru", "sleep 1")),
    ("suitable", |run| run.has_with("suitable", "-> 1")),
    ("not suitable", |run| run.has_with("suitable", "-> 0")),
    ("compaction deferred", |run| run.raised("DEFERRED")),
    ("compaction contended", |run| run.raised("CONTENDED")),
    ("compaction in parts", |run| run.raised("PARTIAL_SKIPPED")),
    ("compaction failed", |run| run.raised("COMPLETE")),
    ("compaction in vain, small", |run| run.count_with("compact", "light hz=NORMAL") > 16),
    ("compaction in vain, costly", |run| {
        run.case.order > 3 && run.count_with("compact", "SUCCESS") > 5 && run.has("oomlock")
    }),
    ("doomed", |run| {
        run.case.context.contains(Context::FATAL_SIGNAL) && run.has("compact") && run.has("oomlock")
    }),
    ("the nodemask misses the cpuset", |run| run.has("maskok -> 0")),
    ("the nodemask meets the cpuset", |run| run.has("maskok -> 1")),
    ("the cpuset changed", |run| run.restarts() > 1),
    ("the killer's lock is taken", |run| run.pair("oomlock -> 0", "sleep 1")),
    ("somebody else has killed", |run| run.served && run.last_two("oomlock -> 1", "try h")),
    ("killed", |run| run.has_with("oom o", "-> 1")),
    ("nothing to kill", |run| run.has_with("oom o", "-> 0")),
    ("no killing for costly orders", |run| run.case.order > 3 && run.spares()),
    ("no killing for one node", |run| run.case.gfp.contains(Gfp::THISNODE) && run.spares()),
    ("no killing for a low zone", |run| {
        run.case.gfp.intersects(Gfp::DMA | Gfp::DMA32) && run.spares()
    }),
    ("no killing for a core dump", |run| {
        run.case.context.contains(Context::DUMPS_CORE) && run.spares()
    }),
    ("must not fail: all reserves", |run| run.pair("oom o", "try mXS")),
    ("must not fail: half the min watermark", |run| run.never_fails() && run.has("try mGS")),
    ("must not fail: anywhere, and again", |run| run.triple("try mGS", "try mG ", "resched")),
    ("must not fail, but may not wait", |run| {
        !run.served && run.case.gfp.contains(Gfp::NOFAIL) && !run.waits()
    }),
    ("no warning", |run| {
        !run.served && run.case.gfp.contains(Gfp::NOWARN) && run.has("try m") && !run.has("warn")
    }),
];

impl Run<'_> {
    fn has(&self, start: &str) -> bool {
        self.count(start) > 0
    }

    fn has_with(&self, start: &str, part: &str) -> bool {
        self.count_with(start, part) > 0
    }

    fn count(&self, start: &str) -> usize {
        self.count_with(start, "")
    }

    fn count_with(&self, start: &str, part: &str) -> usize {
        self.steps.iter().filter(|step| step.starts_with(start) && step.contains(part)).count()
    }

    /// Whether these steps follow each other somewhere.
    fn in_a_row(&self, starts: &[&str]) -> bool {
        let row = |steps: &[&str]| steps.iter().zip(starts).all(|(step, it)| step.starts_with(it));
        self.steps.windows(starts.len()).any(row)
    }

    fn pair(&self, first: &str, second: &str) -> bool {
        self.in_a_row(&[first, second])
    }

    fn triple(&self, first: &str, second: &str, third: &str) -> bool {
        self.in_a_row(&[first, second, third])
    }

    /// Whether the request ends with these steps.
    fn last_two(&self, first: &str, second: &str) -> bool {
        matches!(self.steps[..], [.., a, b] if a.starts_with(first) && b.starts_with(second))
    }

    fn waits(&self) -> bool {
        self.case.gfp.contains(Gfp::DIRECT_RECLAIM)
    }

    fn never_fails(&self) -> bool {
        self.case.gfp.contains(Gfp::NOFAIL) && self.waits()
    }

    /// Whether a compaction that ended so was the only one, and the end.
    fn ends_early(&self, priority: &str, result: &str) -> bool {
        !self.served
            && !self.has("reclaim")
            && self.count("compact") == 1
            && self.has_with("compact", priority)
            && self.has_with("compact", result)
    }

    /// Whether a request with the flag fails after reclaim, without weighing whether to go on.
    fn gives_up(&self, flag: Gfp) -> bool {
        let weighed = self.has("lru") || self.has("unreserve force=1");
        !self.served && self.case.gfp.contains(flag) && self.has("reclaim") && !weighed
    }

    /// Whether a request asked no more what could be freed, after it had before.
    fn tired(&self) -> bool {
        let mut asked = false;
        self.steps.iter().any(|step| {
            match step {
                step if step.starts_with("reclaim") => asked = false,
                step if step.starts_with("lru") => asked = true,
                step if step.starts_with("unreserve force=1") => return !asked,
                _ => {}
            }
            false
        })
    }

    /// Whether compaction got more thorough after it had ended so.
    fn raised(&self, result: &str) -> bool {
        let compactions: Vec<_> =
            self.steps.iter().filter(|step| step.starts_with("compact")).collect();
        compactions.windows(2).any(|pair| {
            let light = pair[0].contains("prio=light") && pair[0].ends_with(result);
            light && pair[1].contains("prio=full")
        })
    }

    /// How often the request began anew: an attempt follows another without reclaim.
    fn restarts(&self) -> usize {
        let tries = |step: &&&str| step.starts_with("try m") || step.starts_with("reclaim");
        let tries: Vec<_> = self.steps.iter().filter(tries).collect();
        let begins = |pair: &&[&&str]| pair[0] == pair[1] && pair[0].contains("S hz");
        let drained = self.count("drain");
        tries.windows(2).filter(begins).count().saturating_sub(drained + self.count("compact"))
    }

    /// Whether the killer was at hand, and nobody killed.
    fn spares(&self) -> bool {
        self.has("oomlock -> 1") && !self.has("oom o") && !self.served
    }
}

/// How often each way was taken.
static SEEN: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new());

/// Notes the ways that a request took.
pub fn see(case: &Case, steps: &[String], served: bool) {
    let outer = steps.iter().filter_map(|step| step.strip_prefix("s "));
    let steps = outer.filter(|step| !step.starts_with('+')).collect();
    let run = Run { case, steps, served };
    let mut seen = SEEN.lock().expect("nobody panics with it");
    for (name, took) in BRANCHES {
        *seen.entry(name).or_default() += u64::from(took(&run));
    }
}

/// The ways that no request took.
pub fn missing() -> Vec<&'static str> {
    let seen = SEEN.lock().expect("nobody panics with it");
    let missing = BRANCHES.iter().map(|(name, _)| *name);
    missing.filter(|name| seen.get(name).is_none_or(|times| *times == 0)).collect()
}
