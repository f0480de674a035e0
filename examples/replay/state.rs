//! The zones of a machine at a moment, and what differs between two moments.

use page_alloc::report::{BuddyInfoRow, ZoneRef};
use page_alloc::zone::watermark::{ZoneSnapshot, ZoneView};
use page_alloc::{
    MAX_ORDER, MIGRATE_TYPES, MigrateType, NodeId, Order, Platform, WatermarkLevel, ZoneType,
};
use std::fmt;

/// One zone at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ZoneState {
    node: NodeId,
    zone: ZoneType,
    present: u64,
    managed: u64,
    snapshot: ZoneSnapshot,
    /// Free blocks by type, then by order.
    blocks: [[u64; MAX_ORDER]; MIGRATE_TYPES],
}

impl ZoneState {
    fn new<P: Platform>(zone: ZoneRef<'_, P>) -> Self {
        Self {
            node: zone.node(),
            zone: zone.zone_type(),
            present: zone.present_pages(),
            managed: zone.managed_pages(),
            snapshot: zone.snapshot(),
            blocks: MigrateType::ALL.map(|migratetype| zone.nr_free_of(migratetype)),
        }
    }

    fn nr_free(&self) -> [u64; MAX_ORDER] {
        std::array::from_fn(|order| self.blocks.iter().map(|counts| counts[order]).sum())
    }

    /// Free frames on the lists of each type.
    fn pages_by_type(&self) -> [u64; MIGRATE_TYPES] {
        let pages = |(order, count): (Order, &u64)| order.nr_pages() * count;
        self.blocks.map(|counts| Order::ALL.into_iter().zip(&counts).map(pages).sum())
    }
}

impl fmt::Display for ZoneState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  Node {}, zone {:>8}", self.node, self.zone)
    }
}

/// The zones of a machine that have memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MachineState {
    zones: Vec<ZoneState>,
}

impl MachineState {
    pub(crate) fn new<'a, P: Platform + 'a>(zones: impl Iterator<Item = ZoneRef<'a, P>>) -> Self {
        Self { zones: zones.filter(|zone| zone.present_pages() > 0).map(ZoneState::new).collect() }
    }

    pub(crate) fn free_pages(&self) -> u64 {
        self.zones.iter().map(|zone| zone.snapshot.free_pages).sum()
    }

    /// The sizes of the zones, in pages.
    pub(crate) fn sizes(&self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            row(f, &format_args!("{:<23}", "zones"), &["present", "managed"])?;
            self.zones.iter().try_for_each(|zone| row(f, zone, &[zone.present, zone.managed]))
        })
    }

    /// Free pages and watermarks of the zones, in pages.
    pub(crate) fn pages(&self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let names = ["free", "min", "low", "high", "boost", "atomic"];
            row(f, &format_args!("{:<23}", ""), &names)?;
            self.zones.iter().try_for_each(|zone| {
                let it = &zone.snapshot;
                let [min, low, high] = WatermarkLevel::ALL.map(|level| it.watermark(level));
                let (boost, atomic) = (it.watermark_boost, it.nr_reserved_highatomic);
                row(f, zone, &[it.free_pages, min, low, high, boost, atomic])
            })
        })
    }

    /// Free blocks by order, as `/proc/buddyinfo` has them.
    pub(crate) fn buddyinfo(&self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            self.zones.iter().try_for_each(|zone| {
                let nr_free = zone.nr_free();
                let row = BuddyInfoRow { node: zone.node, zone: zone.zone, nr_free };
                writeln!(f, "  {row}")
            })
        })
    }

    /// The zones that have other numbers of free blocks than `boot` had, an order at least.
    pub(crate) fn other_blocks(&self, boot: &Self) -> Vec<String> {
        let pairs = boot.zones.iter().zip(&self.zones);
        let others = pairs.filter(|(before, after)| before.nr_free() != after.nr_free());
        others
            .map(|(before, after)| {
                let orders = changes(&Order::ALL, before.nr_free(), after.nr_free(), "order ");
                match after.snapshot.nr_reserved_highatomic {
                    0 => format!("{after}: {orders}"),
                    pages => format!("{after}: {orders} ({pages} pages kept for atomic requests)"),
                }
            })
            .collect()
    }

    /// The zones whose free pages are on the lists of other types than in `boot`.
    pub(crate) fn other_types(&self, boot: &Self) -> Vec<String> {
        let pairs = boot.zones.iter().zip(&self.zones);
        let others = pairs.filter(|(a, b)| a.pages_by_type() != b.pages_by_type());
        others
            .map(|(before, after)| {
                let (a, b) = (before.pages_by_type(), after.pages_by_type());
                format!("{after}: {}", changes(&MigrateType::ALL, a, b, ""))
            })
            .collect()
    }
}

/// A line of a table: a name and numbers.
fn row<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    name: &impl fmt::Display,
    cells: &[impl fmt::Display; N],
) -> fmt::Result {
    write!(f, "{name}")?;
    cells.iter().try_for_each(|cell| write!(f, " {cell:>10}"))?;
    writeln!(f)
}

/// The numbers that differ, each with its name.
fn changes<T: fmt::Display, const N: usize>(
    names: &[T; N],
    before: [u64; N],
    after: [u64; N],
    prefix: &str,
) -> String {
    let pairs = names.iter().zip(before.into_iter().zip(after));
    let changed = pairs.filter(|(_, (before, after))| before != after);
    let texts =
        changed.map(|(name, (before, after))| format!("{prefix}{name}: {before} → {after}"));
    texts.collect::<Vec<_>>().join(", ")
}
