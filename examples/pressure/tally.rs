//! What happened in a stretch of time, counted; a line for each kind of thing.

use crate::refusals::Refusal;
use page_alloc::{MAX_ORDER, Order, Reclaimed};
use std::fmt;
use std::ops::AddAssign;

/// Who runs. Whatever frees or moves frames does it for somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Task {
    /// A process, which waits until it has its memory.
    #[default]
    Process,
    /// Kernel threads, which nobody waits for.
    Kswapd,
    Kcompactd,
}

/// What a task did in a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// Rounds of a thread; for processes, how often one had to free memory itself.
    pub(crate) rounds: u64,
    /// Frames freed, and looked at for that.
    pub(crate) freed: u64,
    pub(crate) scanned: u64,
    /// Frames moved to make large blocks.
    pub(crate) moved: u64,
}

/// Somebody whom the out-of-memory killer chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kill {
    pub(crate) process: u32,
    pub(crate) frames: u64,
}

/// What happened in a stretch of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// By task.
    work: [Work; 3],
    /// Requests, and those of them that were not served.
    pub(crate) asked: [u64; MAX_ORDER],
    pub(crate) failed: [u64; MAX_ORDER],
    /// The huge pages among those, by reason.
    refusals: [u64; Refusal::ALL.len()],
    /// Requests that fault injection refused.
    pub(crate) injected: u64,
    pub(crate) kswapd_wakes: u64,
    /// How often a process asked for compaction.
    pub(crate) direct_compactions: u64,
    pub(crate) kills: Vec<Kill>,
}

impl Tally {
    pub(crate) fn work(&self, task: Task) -> Work {
        self.work[task as usize]
    }

    pub(crate) fn refused(&mut self, why: Refusal) {
        self.refusals[why as usize] += 1;
    }

    pub(crate) fn refusals(&self, why: Refusal) -> u64 {
        self.refusals[why as usize]
    }

    pub(crate) fn rounds(&mut self, task: Task) {
        self.work[task as usize].rounds += 1;
    }

    pub(crate) fn reclaimed(&mut self, task: Task, done: Reclaimed) {
        self.work[task as usize].freed += done.reclaimed;
        self.work[task as usize].scanned += done.scanned;
    }

    pub(crate) fn moved(&mut self, task: Task, frames: u64) {
        self.work[task as usize].moved += frames;
    }

    /// The lines of what happened: who or what, and what it was.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("kswapd", self.kswapd()),
            ("kcompactd", self.kcompactd()),
            ("stalls", self.stalls()),
            ("requests", self.served()),
            ("refused", self.huge_refused()),
            ("injected", some(self.injected, format_args!("{} requests refused", self.injected))),
            ("OOM", self.oom()),
        ];
        all.into_iter().filter_map(|(name, line)| Some((name, line?))).collect()
    }

    fn kswapd(&self) -> Option<String> {
        let Work { rounds, freed, scanned, .. } = self.work(Task::Kswapd);
        let wakes = self.kswapd_wakes;
        let text = format_args!(
            "woken {wakes} times; {rounds} rounds freed {freed} frames of {scanned} looked at"
        );
        some(wakes + rounds, text)
    }

    fn kcompactd(&self) -> Option<String> {
        let Work { rounds, moved, .. } = self.work(Task::Kcompactd);
        some(rounds, format_args!("{rounds} runs moved {moved} frames"))
    }

    fn stalls(&self) -> Option<String> {
        let Work { rounds, freed, moved, .. } = self.work(Task::Process);
        let compactions = self.direct_compactions;
        let text = format_args!(
            "direct reclaim {rounds} times, {freed} frames freed; \
             direct compaction {compactions} times, {moved} frames moved"
        );
        some(rounds + compactions, text)
    }

    /// The huge pages that were had, and what else was not.
    fn served(&self) -> Option<String> {
        let by_order = Order::ALL.into_iter().zip(self.failed.into_iter().zip(self.asked));
        let told = by_order.filter(|(order, (failed, asked))| match *order {
            Order::O9 => *asked > 0,
            _ => *failed > 0,
        });
        let texts = told.map(|(order, (failed, asked))| {
            format!("{} of {asked} of order {order} served", asked - failed)
        });
        let texts: Vec<_> = texts.collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    /// Why huge pages were not had.
    fn huge_refused(&self) -> Option<String> {
        let told = Refusal::ALL.into_iter().filter(|(why, _)| self.refusals(*why) > 0);
        let texts = told.map(|(why, text)| format!("{} {text}", self.refusals(why)));
        let texts: Vec<_> = texts.collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    fn oom(&self) -> Option<String> {
        let kill = |kill: &Kill| format!("process {} killed, {} frames", kill.process, kill.frames);
        let texts: Vec<_> = self.kills.iter().map(kill).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        for (sum, work) in self.work.iter_mut().zip(&other.work) {
            sum.rounds += work.rounds;
            sum.freed += work.freed;
            sum.scanned += work.scanned;
            sum.moved += work.moved;
        }
        self.asked.iter_mut().zip(other.asked).for_each(|(sum, asked)| *sum += asked);
        self.failed.iter_mut().zip(other.failed).for_each(|(sum, failed)| *sum += failed);
        self.refusals.iter_mut().zip(other.refusals).for_each(|(sum, refused)| *sum += refused);
        self.injected += other.injected;
        self.kswapd_wakes += other.kswapd_wakes;
        self.direct_compactions += other.direct_compactions;
        self.kills.extend_from_slice(&other.kills);
    }
}

/// The text, if there is something to tell.
fn some(count: u64, text: fmt::Arguments<'_>) -> Option<String> {
    (count > 0).then(|| text.to_string())
}
