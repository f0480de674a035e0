//! Why huge pages were refused.
//!
//! A huge page is a costly block: a request for one compacts, has a little memory freed, compacts once
//! more, and fails if that was in vain (`Gfp::TRANSHUGE` lets it fail so). So what the second
//! compaction came to, zone by zone, says why. About a quarter are refused in a history of this example,
//! by these reasons (seeds 1 to 4, all sizes as by default):
//!
//! | reason | seed 1 | seed 2 | seed 3 | seed 4 |
//! |---|---|---|---|---|
//! | by blocks that could not be moved | 14 | 5 | 11 | 5 |
//! | with all looked at | 5 | 5 | 3 | 4 |
//! | after failures of late | 7 | 14 | 12 | 11 |
//! | served, of all | 61 of 87 | 62 of 86 | 62 of 88 | 72 of 92 |
//!
//! Linux 6.1 would refuse these, too, and many more. What stands in the way are the blocks of four
//! frames that a tenth of all reads bring into the cache: where no free block is as large, one of them
//! stays, and its pageblock with it. Linux 6.1 passes over such blocks and so empties no pageblock that
//! has one: with that rule, 35 of 91, 27 of 82, 32 of 101 and 30 of 82 requests were served here. With a
//! cache of single frames, which Linux moves as well, it was 80 of 90, 70 of 82 and 86 of 99 (seeds 1
//! to 3). NORMAL has no room for moves most of the time, nor has DMA for these requests, so that it is
//! DMA32 that decides.

use page_alloc::{CompactPriority, CompactResult, Trace, ZoneTried};
use std::sync::{Mutex, PoisonError};

/// Why a request for a huge page was refused. The first that is true of some zone counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A block was made, and the zone may not give it: it would fall below its watermark.
    Kept,
    /// Some block could not be moved: it was busy, or nothing free was as large.
    Stuck,
    /// All was looked at that was not looked at in vain before, and no pageblock can be emptied.
    Exhausted,
    /// It was put off, as it had failed of late.
    PutOff,
    /// Everywhere too little is free to move blocks to.
    NoRoom,
    /// Nothing was compacted: fault injection refused it, or there is no compaction.
    Untried,
}

impl Refusal {
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Kept, "kept by watermarks"),
        (Self::Stuck, "by blocks that could not be moved"),
        (Self::Exhausted, "with all looked at"),
        (Self::PutOff, "after failures of late"),
        (Self::NoRoom, "without room to move to"),
        (Self::Untried, "untried"),
    ];

    /// What the last compaction of the request came to, in the zones that it tried.
    pub(crate) fn of(tried: &[ZoneTried]) -> Self {
        let worst = tried.iter().map(Self::of_zone).min_by_key(|refusal| *refusal as u8);
        worst.unwrap_or(Self::Untried)
    }

    fn of_zone(tried: &ZoneTried) -> Self {
        match tried.result {
            CompactResult::Success => Self::Kept,
            CompactResult::Deferred => Self::PutOff,
            CompactResult::Skipped => Self::NoRoom,
            _ if tried.failed > 0 => Self::Stuck,
            _ => Self::Exhausted,
        }
    }
}

/// What compaction came to for the request that runs.
#[derive(Debug, Default)]
pub(crate) struct Watcher(Mutex<Vec<ZoneTried>>);

impl Watcher {
    /// What was noted since the last time.
    pub(crate) fn take(&self) -> Vec<ZoneTried> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Trace for Watcher {
    /// The first compaction is forgotten when the second begins, which is more thorough.
    fn mm_compaction_end(&self, tried: ZoneTried) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.priority < CompactPriority::Async {
            noted.retain(|before| before.priority == tried.priority);
        }
        noted.push(tried);
    }

    fn traces_page_free(&self) -> bool {
        false
    }
}
