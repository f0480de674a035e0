//! What is asked of the system, phase by phase.

use crate::random::Random;
use crate::system::System;

/// A stretch of the history. What is done in it is given in hundredths of the machine's memory; what
/// is read or grows counts as a frame, though some of it is larger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Its part of all time, in hundredths.
    time: u64,
    reads: u64,
    growth: u64,
    huge: u64,
    /// Packets that come in, a block of order 3 each, given back soon.
    packets: u64,
    /// Processes that end at its beginning.
    ends: u64,
}

const QUIET: Phase = Phase { name: "", time: 0, reads: 0, growth: 0, huge: 0, packets: 0, ends: 0 };

/// The history.
pub(crate) const PHASES: [Phase; 6] = [
    Phase { name: "files are read", time: 25, reads: 100, growth: 4, ..QUIET },
    Phase { name: "huge pages are wanted", time: 20, reads: 8, huge: 12, packets: 10, ..QUIET },
    Phase { name: "processes grow", time: 20, reads: 12, growth: 20, packets: 10, ..QUIET },
    Phase { name: "a burst of reads", time: 5, reads: 60, growth: 1, ..QUIET },
    Phase { name: "a process leaks", time: 20, reads: 4, growth: 80, ..QUIET },
    Phase { name: "most processes end", time: 10, reads: 10, huge: 5, ends: 6, ..QUIET },
];

/// What a task may do next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Read,
    Grow,
    Huge,
    Receive,
}

/// A phase in a history of so many steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) phase: Phase,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The phases with their times.
pub(crate) fn stages(steps: u64) -> Vec<Stage> {
    let mut done = 0;
    let stage = |phase: Phase| {
        let start = steps * done / 100;
        done += phase.time;
        Stage { phase, start, end: steps * done / 100 }
    };
    PHASES.into_iter().map(stage).collect()
}

impl Stage {
    /// The processes that end now.
    pub(crate) fn ends(&self, step: u64) -> u64 {
        if step == self.start { self.phase.ends } else { 0 }
    }

    /// The frames that are due in a step of all those that are due in the phase.
    fn due(&self, step: u64, hundredths: u64, managed: u64) -> u64 {
        let (steps, at) = ((self.end - self.start).max(1), step - self.start);
        let by = |steps_done: u64| managed * hundredths / 100 * steps_done / steps;
        by(at + 1) - by(at)
    }

    /// Does all that is due in a step, in random order; `look` is called now and then.
    pub(crate) fn run(&self, step: u64, system: &mut System, mut look: impl FnMut(&System)) {
        let Phase { reads, growth, huge, packets, .. } = self.phase;
        let managed = system.managed();
        let mut due = [reads, growth, huge, packets].map(|share| self.due(step, share, managed));
        // A part of a huge page is not asked for.
        let huge = due[2] / 512 + u64::from(system.random.below(512) < due[2] % 512);
        due[2] = huge * 512;
        for count in 1.. {
            let Some(deed) = pick(&mut due, &mut system.random) else { break };
            act(deed, system);
            if count % 16 == 0 {
                look(system);
            }
        }
        look(system);
    }
}

/// One of the deeds that are left, and its frames are done.
fn pick(due: &mut [u64; 4], random: &mut Random) -> Option<Deed> {
    const DEEDS: [(Deed, u64); 4] =
        [(Deed::Read, 1), (Deed::Grow, 1), (Deed::Huge, 512), (Deed::Receive, 8)];
    let total: u64 = due.iter().sum();
    let mut at = random.below(total);
    for (left, (deed, frames)) in due.iter_mut().zip(DEEDS) {
        if at < *left {
            *left -= frames.min(*left);
            return Some(deed);
        }
        at -= *left;
    }
    None
}

/// What is not served is not asked for again.
fn act(deed: Deed, system: &mut System) {
    let _served = match deed {
        Deed::Read => {
            let pfn = system.any_frame();
            system.kernel().cache().touch(pfn);
            system.read()
        }
        Deed::Grow => system.grow(),
        Deed::Huge => system.fault_huge(),
        Deed::Receive => system.receive(),
    };
}
