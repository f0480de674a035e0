//! What came out of a replay, as tables and as JSON.

use crate::machine::{ByTypeAndOrder, Fallbacks, SimMachine};
use crate::replayer::{Counts, Replayer};
use crate::state::MachineState;
use crate::trace::{Event, Trace};
use page_alloc::{Gfp, MigrateType, Order};
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// The results of a replay.
pub(crate) struct Summary<'a> {
    pub(crate) machine: SimMachine,
    pub(crate) trace: &'a Trace,
    pub(crate) counts: Counts,
    /// Requests of the trace.
    pub(crate) asked: ByTypeAndOrder,
    /// The zones before the first event.
    pub(crate) boot: MachineState,
    /// The zones after the last one, with what the trace leaves allocated.
    pub(crate) after: MachineState,
    /// The zones when all is freed again.
    pub(crate) end: MachineState,
    /// The time of the events, reading and the last frees left aside.
    pub(crate) elapsed: Duration,
    /// `ok`, or what is wrong.
    pub(crate) verify: String,
}

impl<'a> Summary<'a> {
    /// Plays a trace on a machine, and tells now and then how many events are done. `gfps` has the
    /// flags of [`Trace::gfps`], in their order.
    pub(crate) fn replay(
        mut machine: SimMachine,
        trace: &'a Trace,
        gfps: &[Gfp],
        progress: impl FnMut(u64),
    ) -> Self {
        let boot = machine.state();
        let cpus = machine.sim().nr_cpus();
        let mut replayer = Replayer::new(&mut machine, gfps, cpus);
        let elapsed = replayer.play(trace, progress);
        let after = replayer.machine().state();
        let counts = replayer.finish();
        let (end, verify) = (machine.drained_state(), machine.verify());
        let asked = asked(&machine, trace, gfps);
        Self { machine, trace, counts, asked, boot, after, end, elapsed, verify }
    }
}

/// The requests of a trace by type and order.
fn asked(machine: &SimMachine, trace: &Trace, gfps: &[Gfp]) -> ByTypeAndOrder {
    let mut asked = ByTypeAndOrder::default();
    for event in &trace.events {
        if let Event::Alloc { order, gfp, .. } = event {
            let migratetype = machine.migratetype(gfps[usize::from(*gfp)]);
            asked[migratetype.index()][order.index()] += 1;
        }
    }
    asked
}

impl Summary<'_> {
    /// Whether the allocator is as it must be.
    pub(crate) fn is_right(&self) -> bool {
        self.verify == "ok" && self.boot.free_pages() == self.end.free_pages()
    }

    fn fallbacks(&self) -> &Fallbacks {
        self.machine.sim().trace()
    }

    /// The time of an event, on average, in tenths of a nanosecond.
    fn tenths_per_event(&self) -> u128 {
        self.elapsed.as_nanos() * 10 / u128::from(self.counts.events.max(1))
    }

    /// The time of an event, on average, in nanoseconds.
    fn ns_per_event(&self) -> f64 {
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
            "fallbacks": self.fallbacks().total(),
            "steals": self.fallbacks().steals(),
            "free_pages_start": self.boot.free_pages(),
            "free_pages_end": self.end.free_pages(),
            "blocks_as_at_boot": self.end.other_blocks(&self.boot).is_empty(),
            "ns_per_event": self.ns_per_event(),
            "verify": self.verify,
        })
    }

    fn fmt_machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sim = self.machine.sim();
        let report = sim.report();
        writeln!(f, "machine")?;
        number(f, "CPUs", u64::from(sim.nr_cpus()))?;
        number(f, "nodes", u64::from(report.nodes.len()))?;
        number(f, "present pages", report.present_pages)?;
        number(f, "managed pages", report.managed_pages)?;
        number(f, "KiB of tables", report.metadata_bytes as u64 >> 10)?;
        number(f, "min_free_kbytes", report.min_free_kbytes)?;
        write!(f, "\n{}", self.boot.sizes())?;
        writeln!(f, "\ntrace")?;
        number(f, "events", self.trace.events.len() as u64)?;
        number(f, "CPUs", u64::from(self.trace.cpus))?;
        number(f, "sets of flags", self.trace.gfps.len() as u64)
    }

    fn fmt_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { events, allocations, failed, frees, partial_frees, skipped, left } =
            self.counts;
        writeln!(f, "\nreplay")?;
        number(f, "events", events)?;
        number(f, "allocations", allocations)?;
        number(f, "of them failed", failed)?;
        number(f, "frees", frees)?;
        number(f, "partial frees", partial_frees)?;
        number(f, "frees of failed ones", skipped)?;
        number(f, "freed after the trace", left)?;
        number(f, "fallbacks", self.fallbacks().total())?;
        number(f, "with their pageblock", self.fallbacks().steals())
    }

    /// How many requests were served from memory of another type.
    fn fmt_fallbacks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for from in MigrateType::ALL {
            for to in MigrateType::ALL {
                match self.fallbacks().count(from, to) {
                    0 => {}
                    count => writeln!(f, "  {to} from {from}: {count}")?,
                }
            }
        }
        Ok(())
    }

    fn fmt_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = (self.boot.free_pages(), self.end.free_pages());
        writeln!(f, "free pages: {start} at boot, {end} when all is freed")?;
        match &self.end.other_blocks(&self.boot)[..] {
            [] => writeln!(f, "blocks: every zone has its blocks of boot, order by order")?,
            zones => writeln!(f, "blocks that differ from boot:\n{}", zones.join("\n"))?,
        }
        match &self.end.other_types(&self.boot)[..] {
            [] => Ok(()),
            zones => writeln!(f, "free pages that changed their type:\n{}", zones.join("\n")),
        }
    }
}

/// The tables, from the machine to the end of the replay.
impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_machine(f)?;
        write!(f, "\nzones at boot, in pages\n{}", self.boot.pages())?;
        write!(f, "\nzones after the trace, in pages\n{}", self.after.pages())?;
        write!(f, "\nbuddyinfo at boot\n{}", self.boot.buddyinfo())?;
        write!(f, "\nbuddyinfo after the trace\n{}", self.after.buddyinfo())?;
        write!(f, "\nallocations by order\n{}", by_order(&self.asked))?;
        if self.counts.failed > 0 {
            write!(f, "\nfailed, by order\n{}", by_order(self.machine.failed()))?;
        }
        self.fmt_counts(f)?;
        self.fmt_fallbacks(f)?;
        writeln!(f, "  {:<22} {:>10.1}\n", "ns per event", self.ns_per_event())?;
        self.fmt_end(f)?;
        writeln!(f, "verify: {}", self.verify)
    }
}

fn number(f: &mut fmt::Formatter<'_>, name: &str, number: u64) -> fmt::Result {
    writeln!(f, "  {name:<22} {number:>10}")
}

/// A row for each type that has any.
fn by_order(counts: &ByTypeAndOrder) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(f, "  {:<11}", "")?;
        Order::ALL.iter().try_for_each(|order| write!(f, " {order:>8}"))?;
        for (migratetype, row) in MigrateType::ALL.iter().zip(counts) {
            if row.iter().any(|count| *count > 0) {
                write!(f, "\n  {migratetype:<11}")?;
                row.iter().try_for_each(|count| write!(f, " {count:>8}"))?;
            }
        }
        writeln!(f)
    })
}
