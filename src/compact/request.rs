//! What a compaction is for, and how far it may go.

use crate::migration::MigrateMode;
use crate::zone::{CompactionState, Waiting};
use crate::{AllocFlags, CompactPriority, Gfp, MigrateType, Order, PAGEBLOCK_ORDER, Pfn, ZoneType};

/// How much of a zone is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// From where the last compaction stopped, without the pageblocks that were in vain.
    Promising,
    /// All of it, but pageblocks of other types get no new blocks.
    Whole,
    /// All of it, with every pageblock as a target.
    Everything,
}

/// What a compaction is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompactRequest {
    /// The block wanted; `None`: as many large ones as possible.
    pub(crate) order: Option<Order>,
    pub(crate) migratetype: MigrateType,
    /// The highest zone type that the block may be of.
    pub(crate) highest: ZoneType,
    /// The flags of the attempt that waits for the block.
    pub(crate) flags: AllocFlags,
    pub(crate) mode: MigrateMode,
    /// What the move may do: the flags of the request that waits, or those of a kernel thread.
    pub(crate) gfp: Gfp,
    pub(crate) extent: Extent,
    /// Whether a request waits for it.
    pub(crate) is_direct: bool,
    /// In proactive compaction, the score at which it is enough.
    pub(crate) enough: Option<u32>,
}

impl CompactRequest {
    /// All that can be done, for nobody in particular.
    #[doc(alias = "is_via_compact_memory")]
    pub(crate) const ALL: Self = Self {
        order: None,
        migratetype: MigrateType::Unmovable,
        highest: ZoneType::Movable,
        flags: AllocFlags::empty(),
        mode: MigrateMode::Sync,
        gfp: Gfp::KERNEL,
        extent: Extent::Whole,
        is_direct: false,
        enough: None,
    };

    /// Until the score of the node is that good.
    pub(crate) const fn proactive(enough: u32) -> Self {
        Self { mode: MigrateMode::SyncLight, enough: Some(enough), ..Self::ALL }
    }

    /// For kcompactd, which was told of a request of that order.
    pub(crate) const fn background(order: Order, highest: ZoneType) -> Self {
        let (order, mode) = (Some(order), MigrateMode::SyncLight);
        Self { order, highest, mode, extent: Extent::Promising, ..Self::ALL }
    }

    /// For a request that waits.
    pub(crate) const fn direct(
        (order, gfp): (Order, Gfp),
        migratetype: MigrateType,
        (highest, flags): (ZoneType, AllocFlags),
        priority: CompactPriority,
    ) -> Self {
        let (mode, extent) = match priority {
            CompactPriority::Async => (MigrateMode::Async, Extent::Promising),
            CompactPriority::SyncLight => (MigrateMode::SyncLight, Extent::Promising),
            CompactPriority::SyncFull => (MigrateMode::SyncLight, Extent::Everything),
        };
        let order = Some(order);
        let (is_direct, enough) = (true, None);
        Self { order, migratetype, highest, flags, mode, gfp, extent, is_direct, enough }
    }

    /// Whether blocks that can't be moved end the work on the aligned block around them, as it can't
    /// come free.
    pub(crate) fn skips_on_failure(&self) -> Option<Order> {
        self.order.filter(|_| self.is_direct && self.mode == MigrateMode::Async)
    }

    /// Whether pageblocks are passed over that were looked at in vain.
    pub(crate) fn minds_hints(&self) -> bool {
        self.extent == Extent::Promising
    }

    /// Which of a zone's positions of the migrate scanner are meant.
    pub(crate) fn waiting(&self) -> Waiting {
        match self.mode {
            MigrateMode::Async => Waiting::No,
            MigrateMode::SyncLight | MigrateMode::Sync => Waiting::Yes,
        }
    }

    /// Whether a block of this order is worth moving: smaller than the one wanted, and than a
    /// pageblock.
    pub(crate) fn moves(&self, order: Order) -> bool {
        order < PAGEBLOCK_ORDER && self.order.is_none_or(|wanted| order < wanted)
    }

    /// Whether a scan that begins there sees the whole zone.
    pub(crate) fn sees_all(&self, state: &CompactionState, from: Pfn) -> bool {
        self.extent != Extent::Promising || state.is_from_the_first(from)
    }
}
