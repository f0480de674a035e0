//! How much an attempt to compact memory may do.

use crate::{Order, PAGE_ALLOC_COSTLY_ORDER};

/// How thorough an attempt to compact memory is; the greatest is the most cursory.
///
/// ```
/// use page_alloc::{CompactPriority, Order};
/// let more = CompactPriority::SyncLight.more_thorough(Order::O2);
/// assert_eq!(more, Some(CompactPriority::SyncFull));
/// assert_eq!(CompactPriority::SyncLight.more_thorough(Order::O9), None); // not for large orders
/// ```
#[doc(alias = "compact_priority")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompactPriority {
    /// Waits, but not for writes, and looks everywhere, at pageblocks of every type.
    #[doc(alias = "COMPACT_PRIO_SYNC_FULL")]
    #[doc(alias = "MIN_COMPACT_PRIORITY")]
    SyncFull,
    /// Waits, but not for writes, and passes over pageblocks that were looked at in vain.
    #[doc(alias = "COMPACT_PRIO_SYNC_LIGHT")]
    #[doc(alias = "DEF_COMPACT_PRIORITY")]
    SyncLight,
    /// Waits for nothing.
    #[doc(alias = "COMPACT_PRIO_ASYNC")]
    #[doc(alias = "INIT_COMPACT_PRIORITY")]
    Async,
}

impl CompactPriority {
    /// The next more thorough one, as far as requests of this order go: costly ones stop at
    /// [`SyncLight`](Self::SyncLight).
    #[must_use]
    pub fn more_thorough(self, order: Order) -> Option<Self> {
        match self {
            Self::Async => Some(Self::SyncLight),
            Self::SyncLight if order <= PAGE_ALLOC_COSTLY_ORDER => Some(Self::SyncFull),
            Self::SyncLight | Self::SyncFull => None,
        }
    }
}
