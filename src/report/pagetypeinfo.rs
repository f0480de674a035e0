//! The part of `/proc/pagetypeinfo` for one node: free blocks by migratetype and order, and the
//! number of pageblocks of each migratetype.

use crate::{
    MAX_ORDER, MIGRATE_TYPES, MigrateType, NodeId, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER,
    ZoneType,
};
use core::fmt;

/// Linux stops counting the blocks of a list here, and marks the number with `>`.
pub(super) const MOST_COUNTED: u64 = 100_000;

/// Whether CMA has its row and its column. Linux prints them if it was built with CMA; we print
/// them where the machine has CMA areas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CmaColumn {
    /// No CMA areas: no row, no column.
    #[default]
    Absent,
    /// CMA stands between `HighAtomic` and `Isolate`.
    Present,
}

impl CmaColumn {
    /// The migratetypes that are printed, in the order of Linux.
    fn migratetypes(self) -> impl Iterator<Item = MigrateType> {
        let shown = move |kind: &MigrateType| *kind != MigrateType::Cma || self == Self::Present;
        MigrateType::ALL.into_iter().filter(shown)
    }
}

/// The free blocks of one zone and one migratetype.
///
/// A count of 100,000 or more prints as `>100000`, as Linux does, which walks the lists and wants
/// to come to an end.
///
/// ```
/// use page_alloc::report::PageTypeRow;
/// use page_alloc::{MigrateType, NodeId, ZoneType};
///
/// let mut row = PageTypeRow {
///     node: NodeId::ZERO,
///     zone: ZoneType::Dma32,
///     migratetype: MigrateType::Movable,
///     nr_free: [0; 11],
/// };
/// row.nr_free[0] = 123_456;
/// assert!(row.to_string().starts_with("Node    0, zone    DMA32, type      Movable >100000      0 "));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageTypeRow {
    /// The node of the zone.
    pub node: NodeId,
    /// The zone.
    pub zone: ZoneType,
    /// The migratetype of the lists.
    pub migratetype: MigrateType,
    /// The number of free blocks of each order on the lists of that migratetype.
    pub nr_free: [u64; MAX_ORDER],
}

impl fmt::Display for PageTypeRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, zone, migratetype, .. } = self;
        write!(f, "Node {node:>4}, zone {zone:>8}, type {migratetype:>12} ")?;
        self.nr_free.iter().try_for_each(|count| {
            let mark = if *count < MOST_COUNTED { "" } else { ">" };
            write!(f, "{mark}{:>6} ", (*count).min(MOST_COUNTED))
        })
    }
}

/// The pageblocks of one zone by migratetype.
///
/// ```
/// use page_alloc::report::{CmaColumn, PageBlockRow};
/// use page_alloc::{NodeId, ZoneType};
///
/// let nr_blocks = [1, 7, 0, 0, 0, 0];
/// let cma = CmaColumn::Absent;
/// let row = PageBlockRow { node: NodeId::ZERO, zone: ZoneType::Dma, nr_blocks, cma };
/// assert_eq!(
///     row.to_string(),
///     "Node 0, zone      DMA            1            7            0            0            0 "
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageBlockRow {
    /// The node of the zone.
    pub node: NodeId,
    /// The zone.
    pub zone: ZoneType,
    /// The number of pageblocks, indexed by migratetype.
    pub nr_blocks: [u64; MIGRATE_TYPES],
    /// Whether those of CMA are shown.
    pub cma: CmaColumn,
}

impl fmt::Display for PageBlockRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node {}, zone {:>8} ", self.node, self.zone)?;
        let mut kinds = self.cma.migratetypes();
        kinds.try_for_each(|kind| write!(f, "{:>12} ", self.nr_blocks[kind.index()]))
    }
}

/// What [`PageTypeInfo`] shows of one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZonePageTypes {
    /// The zone.
    pub zone: ZoneType,
    /// The number of free blocks, indexed by migratetype, then by order.
    pub nr_free: [[u64; MAX_ORDER]; MIGRATE_TYPES],
    /// The number of pageblocks, indexed by migratetype.
    pub nr_blocks: [u64; MIGRATE_TYPES],
}

/// The part of `/proc/pagetypeinfo` for one node; Linux prints one after the other, for the nodes
/// that have memory.
///
/// `zones` gives the zones that have memory, from the lowest. It is walked twice, hence `Clone`:
/// an array, or a cheap iterator that asks the zones.
///
/// ```
/// use page_alloc::report::{CmaColumn, PageTypeInfo, ZonePageTypes};
/// use page_alloc::{NodeId, ZoneType};
///
/// let zone = ZonePageTypes { zone: ZoneType::Normal, nr_free: [[0; 11]; 6], nr_blocks: [9; 6] };
/// let info = PageTypeInfo { node: NodeId::ZERO, zones: [zone], cma: CmaColumn::Present };
/// let text = info.to_string();
/// assert!(text.starts_with("Page block order: 9\nPages per block:  512\n\n"));
/// assert_eq!(text.lines().filter(|line| line.contains(" CMA ")).count(), 2);
/// ```
#[doc(alias = "pagetypeinfo_show")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageTypeInfo<Z> {
    /// The node.
    pub node: NodeId,
    /// Its zones that have memory.
    pub zones: Z,
    /// Whether CMA is shown.
    pub cma: CmaColumn,
}

impl<Z> fmt::Display for PageTypeInfo<Z>
where
    Z: IntoIterator<Item = ZonePageTypes> + Clone,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Page block order: {PAGEBLOCK_ORDER}")?;
        writeln!(f, "Pages per block:  {PAGEBLOCK_NR_PAGES}\n")?;
        self.fmt_free(f)?;
        self.fmt_blocks(f)
    }
}

impl<Z> PageTypeInfo<Z>
where
    Z: IntoIterator<Item = ZonePageTypes> + Clone,
{
    /// The table of free blocks, and an empty line.
    #[doc(alias = "pagetypeinfo_showfree")]
    fn fmt_free(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<43} ", "Free pages count per migrate type at order")?;
        Order::ALL.iter().try_for_each(|order| write!(f, "{order:>6} "))?;
        writeln!(f)?;
        for zone in self.zones.clone() {
            for migratetype in self.cma.migratetypes() {
                let nr_free = zone.nr_free[migratetype.index()];
                let row = PageTypeRow { node: self.node, zone: zone.zone, migratetype, nr_free };
                writeln!(f, "{row}")?;
            }
        }
        writeln!(f)
    }

    /// The table of pageblocks.
    #[doc(alias = "pagetypeinfo_showblockcount")]
    fn fmt_blocks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<23}", "Number of blocks type")?;
        self.cma.migratetypes().try_for_each(|kind| write!(f, "{kind:>12} "))?;
        for ZonePageTypes { zone, nr_blocks, .. } in self.zones.clone() {
            let row = PageBlockRow { node: self.node, zone, nr_blocks, cma: self.cma };
            write!(f, "\n{row}")?;
        }
        Ok(())
    }
}
