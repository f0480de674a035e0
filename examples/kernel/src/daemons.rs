//! kswapd and kcompactd of each node: tasks that a processor runs when it has time, one at a time.

use crate::cpu::Cpu;
use crate::frames::FRAMES;
use core::sync::atomic::{AtomicU64, Ordering};
use page_alloc::NodeId;
use page_alloc::kswapd::KswapdNext;

/// Rounds of kswapd before others get their turn.
const MOST_ROUNDS: u32 = 16;

/// A kind of task, one for each node.
#[derive(Debug)]
pub(crate) struct Daemons {
    /// A bit for each node whose task has something to do, and for each whose task runs.
    woken: AtomicU64,
    running: AtomicU64,
    /// How often one ran.
    runs: AtomicU64,
}

pub(crate) static KSWAPD: Daemons = Daemons::new();
pub(crate) static KCOMPACTD: Daemons = Daemons::new();

impl Daemons {
    const fn new() -> Self {
        Self { woken: AtomicU64::new(0), running: AtomicU64::new(0), runs: AtomicU64::new(0) }
    }

    /// The node's task has something to do. May be called in an interrupt.
    pub(crate) fn wake(&self, node: NodeId) {
        self.woken.fetch_or(1 << node.index(), Ordering::Relaxed);
    }

    /// How often one of these tasks ran.
    pub(crate) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Runs the tasks that were woken and that no other processor runs.
    fn run(&self, work: impl Fn(NodeId)) {
        let woken = self.woken.load(Ordering::Relaxed);
        for node in (0..64).filter(|node| woken >> node & 1 != 0) {
            if self.running.fetch_or(1 << node, Ordering::Acquire) >> node & 1 != 0 {
                continue;
            }
            if self.woken.fetch_and(!(1 << node), Ordering::Relaxed) >> node & 1 != 0 {
                self.runs.fetch_add(1, Ordering::Relaxed);
                Cpu::current().while_freeing(|| work(NodeId::new(node).expect("below 64")));
            }
            self.running.fetch_and(!(1 << node), Ordering::Release);
        }
    }
}

/// Lets the tasks that have something to do run.
pub(crate) fn run() {
    KSWAPD.run(|node| {
        for _ in 0..MOST_ROUNDS {
            let report = FRAMES.kswapd_balance(node).expect("a node that was named");
            if report.next == KswapdNext::Nap && FRAMES.kswapd_may_sleep(node) {
                return;
            }
        }
    });
    KCOMPACTD.run(|node| {
        FRAMES.kcompactd(node).expect("a node that was named");
    });
}
