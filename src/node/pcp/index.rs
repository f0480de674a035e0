//! Which per-CPU list a block belongs on.

use crate::{MIGRATE_PCPTYPES, MigrateType, Order, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER};

/// Lists of the orders up to the costly one.
const NR_LOWORDER_PCP_LISTS: usize = MIGRATE_PCPTYPES * (PAGE_ALLOC_COSTLY_ORDER as usize + 1);

/// Lists of a CPU for a zone: those, and two of the order of a pageblock, for movable blocks and
/// for all others.
pub(crate) const NR_PCP_LISTS: usize = NR_LOWORDER_PCP_LISTS + 2;

/// Which orders have per-CPU lists.
///
/// ```
/// use page_alloc::{Order, node::pcp::PcpOrders};
/// assert!(PcpOrders::WithPageblock.contains(Order::O3));
/// assert!(!PcpOrders::WithPageblock.contains(Order::O4));
/// assert!(PcpOrders::WithPageblock.contains(Order::O9));
/// assert!(!PcpOrders::Low.contains(Order::O9));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PcpOrders {
    /// None: every request and every free takes its zone's lock.
    None,
    /// 0 to 3.
    Low,
    /// 0 to 3, and that of a pageblock (9): Linux with transparent huge pages.
    #[doc(alias = "CONFIG_TRANSPARENT_HUGEPAGE")]
    #[default]
    WithPageblock,
}

impl PcpOrders {
    /// Whether blocks of this order are kept on per-CPU lists.
    #[doc(alias = "pcp_allowed_order")]
    #[must_use]
    pub fn contains(self, order: Order) -> bool {
        self.mask() >> order.get() & 1 != 0
    }

    /// A bit for each order.
    pub(crate) fn mask(self) -> u16 {
        let low = (1 << (PAGE_ALLOC_COSTLY_ORDER.get() + 1)) - 1;
        match self {
            Self::None => 0,
            Self::Low => low,
            Self::WithPageblock => low | 1 << PAGEBLOCK_ORDER.get(),
        }
    }
}

/// One of a CPU's lists of a zone.
///
/// # Invariants
///
/// The number is below [`NR_PCP_LISTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PcpIndex(u32);

impl PcpIndex {
    /// The first list of the order of a pageblock.
    #[expect(clippy::cast_possible_truncation, reason = "it is 12")]
    const LARGE: u32 = NR_LOWORDER_PCP_LISTS as u32;

    /// Where a drain begins.
    pub(crate) const FIRST: Self = Self(0);

    /// Places of a table by list, more than there are lists.
    pub(crate) const PLACES: usize = NR_PCP_LISTS.next_power_of_two();

    /// The list for blocks of an order that has lists, of a migratetype. What has no list of its own
    /// (HIGHATOMIC, CMA) goes to MOVABLE's.
    #[doc(alias = "order_to_pindex")]
    #[inline]
    pub(crate) fn new(order: Order, migratetype: MigrateType) -> Self {
        let ordinary = migratetype.index() < MIGRATE_PCPTYPES;
        let kind = if ordinary { migratetype as u32 } else { MigrateType::Movable as u32 };
        match order <= PAGE_ALLOC_COSTLY_ORDER {
            true => Self::of_small(order.get(), kind),
            false => Self::of_large(kind),
        }
    }

    /// The list for blocks of an order up to the costly one, of the migratetype with that number, one
    /// of the first three.
    #[inline]
    pub(crate) fn of_small(order: u32, kind: u32) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it is 3")]
        Self(order * MIGRATE_PCPTYPES as u32 + kind)
    }

    /// The list for blocks of the size of a pageblock.
    #[inline]
    pub(crate) fn of_large(kind: u32) -> Self {
        Self(Self::LARGE + u32::from(kind == MigrateType::Movable as u32))
    }

    /// All lists, in the order in which they are drained.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        core::iter::successors(Some(Self::FIRST), |index| {
            let next = index.next();
            (next != Self::FIRST).then_some(next)
        })
    }

    /// The list after this one; after the last, the first.
    pub(super) fn next(self) -> Self {
        if self.get() + 1 < NR_PCP_LISTS { Self(self.0 + 1) } else { Self(0) }
    }

    /// Its place in a table.
    #[inline]
    pub(crate) fn get(self) -> usize {
        self.0 as usize % Self::PLACES
    }

    /// The order of its blocks.
    #[doc(alias = "pindex_to_order")]
    #[inline]
    pub(crate) fn order(self) -> Order {
        match self.get() < NR_LOWORDER_PCP_LISTS {
            true => Order::from_low_bits(self.get() / MIGRATE_PCPTYPES),
            false => PAGEBLOCK_ORDER,
        }
    }

    /// Frames of one of its blocks.
    #[inline]
    pub(crate) fn frames(self) -> u32 {
        1 << self.order().get()
    }

    /// Which list it is, in the words of the public interface.
    #[inline]
    pub(crate) fn to_list(self) -> PcpList {
        let migratetype = match self.get().checked_sub(NR_LOWORDER_PCP_LISTS) {
            None => MigrateType::from_index(self.get() % MIGRATE_PCPTYPES),
            Some(0) => None,
            Some(_) => Some(MigrateType::Movable),
        };
        PcpList { order: self.order(), migratetype }
    }
}

/// Which of a CPU's lists of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcpList {
    /// The order of its blocks.
    pub order: Order,
    /// The type of requests that it serves; `None`: all but MOVABLE.
    pub migratetype: Option<MigrateType>,
}
