//! Trace points: what happened, for those who want to record it.

use crate::{AllocFlags, Gfp, MigrateType, NodeId, NodeMask, Order, Pfn, ZoneType};

/// A request of one migratetype was served from memory of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extfrag {
    /// The first frame of the block that was taken over.
    pub pfn: Pfn,
    /// The order asked for.
    pub alloc_order: Order,
    /// The order of the block that was taken over.
    pub fallback_order: Order,
    /// The migratetype asked for.
    pub alloc_migratetype: MigrateType,
    /// The list on which the block was.
    pub fallback_migratetype: MigrateType,
    /// The migratetype of the block's pageblock afterwards.
    pub pageblock_migratetype: MigrateType,
}

/// One attempt to serve a request from the zones of its zonelist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// The order asked for.
    pub order: Order,
    /// The flags of the request in this attempt.
    pub gfp: Gfp,
    /// The attempt's own flags, as it began.
    pub flags: AllocFlags,
    /// The highest zone type that will do.
    pub highest: ZoneType,
    /// The nodes that will do; `None`: all.
    pub nodemask: Option<NodeMask>,
    /// The zone where the walk began; `None`: no zone will do.
    pub preferred: Option<(NodeId, ZoneType)>,
    /// The first frame, if a zone had a block.
    pub found: Option<Pfn>,
}

/// What the allocator did by itself for a request that the quick way did not serve; what it had the
/// kernel do, the kernel knows ([`Reclaim`](crate::Reclaim)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocStep {
    /// An attempt ended.
    #[doc(alias = "get_page_from_freelist")]
    Attempt(Attempted),
    /// A pageblock of the high-atomic reserve was to be given back.
    #[doc(alias = "unreserve_highatomic_pageblock")]
    Unreserve {
        /// Whether a zone's last one was to be given back too.
        last_too: bool,
        /// Whether frames came free for others.
        moved: bool,
    },
    /// All CPUs' lists were drained.
    #[doc(alias = "drain_all_pages")]
    Drain,
    /// Compaction was followed by success in this zone, so that it is not put off any more.
    #[doc(alias = "mm_compaction_defer_reset")]
    CompactionWorked {
        /// The node.
        node: NodeId,
        /// The zone's type.
        zone: ZoneType,
        /// The order asked for.
        order: Order,
    },
}

/// Functions called at the trace points, each empty by default; with the default nothing of them
/// is left in the program.
///
/// Called with no lock held, on the CPU where it happened, perhaps in an interrupt.
///
/// ```
/// use page_alloc::{Gfp, MigrateType, Order, Pfn, Trace};
/// use core::cell::Cell;
///
/// struct Count(Cell<u32>);
/// impl Trace for Count {
///     fn mm_page_free(&self, _pfn: Pfn, _order: Order) {
///         self.0.set(self.0.get() + 1);
///     }
/// }
/// let count = Count(Cell::new(0));
/// count.mm_page_free(Pfn::new(1), Order::ZERO);
/// count.mm_page_alloc(None, Order::ZERO, Gfp::KERNEL, MigrateType::Unmovable);
/// assert_eq!(count.0.get(), 1);
/// ```
pub trait Trace {
    /// A request ended; `pfn` is the first frame, `None` if it failed.
    fn mm_page_alloc(&self, pfn: Option<Pfn>, order: Order, gfp: Gfp, migratetype: MigrateType) {
        let _ = (pfn, order, gfp, migratetype);
    }

    /// A block was taken from a zone's free lists.
    fn mm_page_alloc_zone_locked(&self, pfn: Pfn, order: Order, migratetype: MigrateType) {
        let _ = (pfn, order, migratetype);
    }

    /// A block was freed.
    fn mm_page_free(&self, pfn: Pfn, order: Order) {
        let _ = (pfn, order);
    }

    /// A request that the quick way did not serve came a step further.
    fn alloc_step(&self, step: AllocStep) {
        let _ = step;
    }

    /// A request was served from memory of another migratetype.
    fn mm_page_alloc_extfrag(&self, event: Extfrag) {
        let _ = event;
    }
}

/// No tracing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {}
