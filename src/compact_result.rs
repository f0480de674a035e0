//! How an attempt to compact memory ended.

/// How an attempt to make a large free block by moving frames ended. Of several zones, the greatest
/// answer counts.
///
/// ```
/// use page_alloc::CompactResult;
/// assert!(CompactResult::Complete.failed());
/// assert!(CompactResult::Skipped.needs_reclaim());
/// assert!(CompactResult::Contended.withdrew());
/// assert!(CompactResult::Success > CompactResult::Contended);
/// ```
#[doc(alias = "compact_result")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompactResult {
    /// Not tried: too few frames are free to move others to, or the request may not.
    #[doc(alias = "COMPACT_SKIPPED")]
    Skipped,
    /// Not tried: it failed too often of late.
    #[doc(alias = "COMPACT_DEFERRED")]
    Deferred,
    /// The whole zone was looked at, and no block made.
    #[doc(alias = "COMPACT_COMPLETE")]
    Complete,
    /// As `Complete`, but parts of the zone were passed over.
    #[doc(alias = "COMPACT_PARTIAL_SKIPPED")]
    PartialSkipped,
    /// Given up early: the task is about to be killed, or there was no frame to move to.
    #[doc(alias = "COMPACT_CONTENDED")]
    Contended,
    /// There is a block now.
    #[doc(alias = "COMPACT_SUCCESS")]
    Success,
}

impl CompactResult {
    /// Whether a block was made.
    #[doc(alias = "compaction_made_progress")]
    #[must_use]
    pub const fn made_progress(self) -> bool {
        matches!(self, Self::Success)
    }

    /// Whether all was tried in vain.
    #[doc(alias = "compaction_failed")]
    #[must_use]
    pub const fn failed(self) -> bool {
        matches!(self, Self::Complete)
    }

    /// Whether there were too few free frames to begin.
    #[doc(alias = "compaction_needs_reclaim")]
    #[must_use]
    pub const fn needs_reclaim(self) -> bool {
        matches!(self, Self::Skipped)
    }

    /// Whether it was not tried, or not with all means, so that a higher priority may help.
    #[doc(alias = "compaction_withdrawn")]
    #[must_use]
    pub const fn withdrew(self) -> bool {
        matches!(self, Self::Deferred | Self::PartialSkipped | Self::Contended)
    }
}
