//! Trace points: what happened, for those who want to record it.

use crate::{
    AllocFlags, CompactPriority, CompactResult, CpuId, Gfp, MigrateType, NodeId, NodeMask, Order,
    Pfn, ZoneType,
};

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

/// Blocks of one list that moved between a CPU's lists and their zone, in one hold of the zone's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcpMove {
    /// The CPU whose list it is, which need not be the running one.
    pub cpu: CpuId,
    /// The node of the zone.
    pub node: NodeId,
    /// The zone.
    pub zone: ZoneType,
    /// The order of the blocks.
    pub order: Order,
    /// The type of requests that the list serves; `None`: all but MOVABLE.
    pub migratetype: Option<MigrateType>,
    /// The number of blocks.
    pub blocks: u32,
}

impl PcpMove {
    /// The number of frames.
    ///
    /// ```
    /// use page_alloc::{CpuId, NodeId, Order, PcpMove, ZoneType};
    /// let moved = PcpMove {
    ///     cpu: CpuId::BOOT,
    ///     node: NodeId::ZERO,
    ///     zone: ZoneType::Normal,
    ///     order: Order::O3,
    ///     migratetype: None,
    ///     blocks: 7,
    /// };
    /// assert_eq!(moved.frames(), 56);
    /// ```
    #[must_use]
    pub const fn frames(self) -> u64 {
        (self.blocks as u64) << self.order.get()
    }
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

/// What compaction came to in one zone, for a request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneTried {
    /// The node of the zone.
    pub node: NodeId,
    /// The zone.
    pub zone: ZoneType,
    /// The order asked for.
    pub order: Order,
    /// How thorough it was.
    pub priority: CompactPriority,
    /// How it ended.
    pub result: CompactResult,
    /// Frames whose contents were moved.
    pub moved: u64,
    /// Frames that could not be moved: busy ones, and those for which there was no place.
    pub failed: u64,
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
/// Called with no lock held, on the CPU where it happened, perhaps in an interrupt. Must not panic: a
/// block that is told of is between two owners, and nobody would have it then.
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
    ///
    /// Not told are frames that [`alloc_pages_bulk`](crate::PageAllocator::alloc_pages_bulk) takes from a CPU's
    /// lists (Linux does not either), blocks of
    /// [`get_page_from_freelist`](crate::PageAllocator::get_page_from_freelist) and
    /// [`rmqueue`](crate::PageAllocator::rmqueue), and requests that are refused
    /// at once: illegal flags, no such node, before `init`, may not sleep, failed on purpose. So calls of
    /// this and of [`mm_page_free`](Self::mm_page_free) need not balance.
    fn mm_page_alloc(&self, pfn: Option<Pfn>, order: Order, gfp: Gfp, migratetype: MigrateType) {
        let _ = (pfn, order, gfp, migratetype);
    }

    /// A block was taken from a zone's free lists, that of this type.
    fn mm_page_alloc_zone_locked(&self, pfn: Pfn, order: Order, migratetype: MigrateType) {
        let _ = (pfn, order, migratetype);
    }

    /// A block is being freed: its last holder gives it back, and nobody else has it yet. Compaction
    /// frees too: a block whose contents were moved, or one that was taken to move others to and not
    /// used. That compaction took a block is told to nobody, as in Linux.
    fn mm_page_free(&self, pfn: Pfn, order: Order) {
        let _ = (pfn, order);
    }

    /// Whether [`mm_page_free`](Self::mm_page_free) is wanted now: asked at each free, before it is
    /// told. Where it is not, most frees are shorter. The default says yes.
    #[doc(alias = "trace_mm_page_free_enabled")]
    fn traces_page_free(&self) -> bool {
        true
    }

    /// A CPU's list was empty and was filled.
    ///
    /// Linux tells of each block, as of one that is taken from the free lists for a CPU's list,
    /// under the zone's lock. Here hooks are called with no lock held, where the blocks may already
    /// be somebody's: so this tells how many there were.
    fn mm_page_pcpu_refill(&self, moved: PcpMove) {
        let _ = moved;
    }

    /// Blocks went from a CPU's lists back to their zone: there were too many, or the lists were
    /// drained. Called once for each list in each hold of the zone's lock; Linux tells of each block
    /// ([why](Self::mm_page_pcpu_refill)).
    fn mm_page_pcpu_drain(&self, moved: PcpMove) {
        let _ = moved;
    }

    /// A request that the quick way did not serve came a step further.
    fn alloc_step(&self, step: AllocStep) {
        let _ = step;
    }

    /// A zone was compacted for a request, or passed over for it: too little was free there, or it failed
    /// too often of late. Told zone by zone, in the order of the zonelist. Linux tells of the beginning,
    /// and apart from that of zones that it passes over (`mm_compaction_suitable`).
    #[doc(alias = "mm_compaction_deferred")]
    fn mm_compaction_end(&self, tried: ZoneTried) {
        let _ = tried;
    }

    /// A request was served from memory of another migratetype.
    fn mm_page_alloc_extfrag(&self, event: Extfrag) {
        let _ = event;
    }
}

/// No tracing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    #[inline]
    fn traces_page_free(&self) -> bool {
        false
    }
}
