//! What a round of kswapd came to, and what is to be done next.

use crate::Order;

/// After so many rounds in a row that freed nothing, kswapd leaves a node alone, until somebody else
/// frees something. A request in the slow path expects nothing more of reclaim after as many in vain.
pub const MAX_RECLAIM_RETRIES: u32 = 16;

/// What the thread does after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KswapdNext {
    /// Another round.
    Again,
    /// It sleeps for a tenth of a second, then asks
    /// [`kswapd_may_sleep`](crate::PageAllocator::kswapd_may_sleep).
    Nap,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KswapdReport {
    /// The order that was asked for.
    pub alloc_order: Order,
    /// The order that the last pass went for: 0 once enough was freed for compaction.
    pub reclaim_order: Order,
    /// Frames freed.
    pub reclaimed: u64,
    /// Frames looked at.
    pub scanned: u64,
    /// Passes over the node.
    pub passes: u32,
    /// The priority of the last pass, or the one that the next would have had.
    pub priority: u32,
    /// Rounds in a row, this one included, that freed nothing.
    pub failures: u32,
    /// What the thread does now.
    pub next: KswapdNext,
}

impl KswapdReport {
    /// Whether the node is left to those who need its memory, as nothing can be freed.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::NodeId;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let report = sim.kswapd_balance(NodeId::ZERO)?;
    /// assert!(!report.is_hopeless() && report.passes == 0); // nothing to do
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn is_hopeless(&self) -> bool {
        self.failures >= MAX_RECLAIM_RETRIES
    }
}

/// Whether kswapd's thread has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// It has.
    Needed,
    /// It has not: enough is free, or the node is hopeless.
    NotNeeded,
}
