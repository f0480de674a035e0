//! The kernel's threads: kswapd, which frees memory before anybody has to wait for it, and kcompactd,
//! which makes large blocks of what is free.
//!
//! The hooks put a thread on a queue; here it gets to run. A thread of a real kernel is a loop around
//! the same calls, and its sleep the scheduler's.

use crate::kernel::{Kernel, Machine};
use crate::tally::Task;
use page_alloc::NodeId;
use page_alloc::kswapd::KswapdNext;

/// The only node.
pub(crate) const NODE: NodeId = NodeId::ZERO;

/// How long kswapd naps before it goes to sleep, in steps of a millisecond.
const NAP: u64 = 100;

/// kcompactd looks so often, in steps, whether the node is fragmented.
const LOOK_AT_SCORE: u64 = 500;

/// How much kcompactd does before somebody asks, in hundredths. Linux's.
const PROACTIVENESS: u32 = 20;

/// What kswapd does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kswapd {
    /// Until it is woken.
    #[default]
    Sleeps,
    Naps {
        until: u64,
    },
    Runs,
}

/// The threads of the node.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    kswapd: Kswapd,
}

impl Threads {
    /// Each thread that was woken runs once, as there is more to do than this.
    pub(crate) fn run(&mut self, machine: &Machine, now: u64) {
        let kernel = machine.reclaim();
        let woken = std::mem::take(&mut *kernel.woken());
        if woken.kswapds.contains(NODE) {
            self.kswapd = Kswapd::Runs;
        }
        self.run_kswapd(machine, now);
        if woken.kcompactds.contains(NODE) {
            let _stats = kernel.run_as(Task::Kcompactd, || machine.kcompactd(NODE));
        }
        if now.is_multiple_of(LOOK_AT_SCORE) && is_fragmented(machine) {
            let compact = || machine.compact_node_proactively(NODE, PROACTIVENESS);
            let _stats = kernel.run_as(Task::Kcompactd, compact);
        }
    }

    fn run_kswapd(&mut self, machine: &Machine, now: u64) {
        let nap_is_over = matches!(self.kswapd, Kswapd::Naps { until } if until <= now);
        if nap_is_over {
            self.kswapd = match machine.kswapd_may_sleep(NODE) {
                true => Kswapd::Sleeps,
                false => Kswapd::Runs,
            };
        }
        if self.kswapd == Kswapd::Runs {
            self.kswapd = balance(machine.reclaim(), machine, now);
        }
    }
}

/// A round of kswapd, and what it does then.
fn balance(kernel: &Kernel, machine: &Machine, now: u64) -> Kswapd {
    let report = kernel.run_as(Task::Kswapd, || machine.kswapd_balance(NODE));
    match report.map(|report| report.next) {
        Ok(KswapdNext::Again) => Kswapd::Runs,
        Ok(KswapdNext::Nap) => Kswapd::Naps { until: now + NAP },
        Err(_) => Kswapd::Sleeps,
    }
}

/// Whether kcompactd had better make large blocks before somebody wants them.
fn is_fragmented(machine: &Machine) -> bool {
    let score = machine.fragmentation_score_node(NODE);
    score.is_ok_and(|score| score.calls_for_compaction(PROACTIVENESS))
}
