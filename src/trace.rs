//! Trace points: what happened, for those who want to record it.

use crate::{Gfp, MigrateType, Order, Pfn};

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

    /// A request was served from memory of another migratetype.
    fn mm_page_alloc_extfrag(&self, event: Extfrag) {
        let _ = event;
    }
}

/// No tracing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {}
