//! The part of `/proc/zoneinfo` for one zone: its pages, watermarks, counters and per-CPU lists.
//!
//! The lines and their spacing are Linux's; those that Linux fills from outside the page allocator
//! are left out: the `per-node stats`, the counters of the page cache, of locked and of compressed
//! pages, the thresholds of the statistics, and `node_unreclaimable`. The zone `Device` of Linux
//! never has pages of the allocator, so it is not printed; only its column of reserves is.

use crate::{MAX_NR_ZONES, NodeId, Pfn, ZoneLayout, ZoneType};
use core::fmt;

/// Whether Linux was built with the zone `Device`, above all others: on 64-bit machines it
/// usually is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceColumn {
    /// One number for each zone of the layout.
    Absent,
    /// One more number, equal to that of MOVABLE: the zone adds no pages that could be protected.
    #[default]
    Present,
}

/// The pages that a zone keeps from requests that could have used a higher zone.
///
/// Prints one number for each zone type that the layout has, and one for `Device`: on x86-64 those
/// are DMA, DMA32, Normal, Movable, Device.
///
/// ```
/// use page_alloc::ZoneLayout;
/// use page_alloc::report::{DeviceColumn, Protection};
///
/// let mut protection = Protection {
///     lowmem_reserve: [0, 1947, 2935, 2935, 2935],
///     layout: ZoneLayout::X86_64,
///     device: DeviceColumn::Present,
/// };
/// assert_eq!(protection.to_string(), "(0, 1947, 2935, 2935, 2935)");
/// protection.layout = ZoneLayout::NORMAL_ONLY;
/// protection.device = DeviceColumn::Absent;
/// assert_eq!(protection.to_string(), "(2935, 2935)");
/// ```
#[doc(alias = "lowmem_reserve")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The pages kept from requests whose highest zone is the one of the index.
    pub lowmem_reserve: [u64; MAX_NR_ZONES],
    /// Which zones there are.
    pub layout: ZoneLayout,
    /// Whether there is a number for `Device`.
    pub device: DeviceColumn,
}

impl Protection {
    /// The numbers, from the lowest zone type up.
    pub(super) fn numbers(self) -> impl Iterator<Item = u64> {
        let types = ZoneType::ALL.into_iter().filter(move |zone| self.layout.has(*zone));
        let device = (self.device == DeviceColumn::Present).then_some(ZoneType::Movable);
        types.chain(device).map(move |zone| self.lowmem_reserve[zone.index()])
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "(";
        for pages in self.numbers() {
            write!(f, "{separator}{pages}")?;
            separator = ", ";
        }
        f.write_str(")")
    }
}

/// The sizes and watermarks of a zone, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZonePages {
    /// Free in the zone; those on the per-CPU lists are not counted.
    #[doc(alias = "NR_FREE_PAGES")]
    pub free: u64,
    /// By how much the watermarks are raised at the moment.
    #[doc(alias = "watermark_boost")]
    pub boost: u64,
    /// The min watermark, boost included.
    #[doc(alias = "min_wmark_pages")]
    pub min: u64,
    /// The low watermark, boost included.
    #[doc(alias = "low_wmark_pages")]
    pub low: u64,
    /// The high watermark, boost included.
    #[doc(alias = "high_wmark_pages")]
    pub high: u64,
    /// From the first page to the last, holes included.
    #[doc(alias = "spanned_pages")]
    pub spanned: u64,
    /// Pages that exist.
    #[doc(alias = "present_pages")]
    pub present: u64,
    /// Pages that the allocator was given.
    #[doc(alias = "managed_pages")]
    pub managed: u64,
    /// Pages in CMA areas.
    #[doc(alias = "cma_pages")]
    pub cma: u64,
    /// Free pages in CMA areas.
    #[doc(alias = "NR_FREE_CMA_PAGES")]
    pub free_cma: u64,
}

/// Where the allocations of a zone came from, in blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumaStat {
    /// Allocated here, as wished.
    #[doc(alias = "NUMA_HIT")]
    pub hit: u64,
    /// Allocated here, though another node was wished.
    #[doc(alias = "NUMA_MISS")]
    pub miss: u64,
    /// Wished here, allocated elsewhere.
    #[doc(alias = "NUMA_FOREIGN")]
    pub foreign: u64,
    /// Allocated here by interleaving, as wished.
    #[doc(alias = "NUMA_INTERLEAVE_HIT")]
    pub interleave: u64,
    /// Allocated by a CPU of this node.
    #[doc(alias = "NUMA_LOCAL")]
    pub local: u64,
    /// Allocated by a CPU of another node.
    #[doc(alias = "NUMA_OTHER")]
    pub other: u64,
}

/// The lists of one CPU in one zone, in pages.
#[doc(alias = "per_cpu_pages")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pageset {
    /// The number of the CPU.
    pub cpu: u32,
    /// Pages on the lists.
    pub count: u64,
    /// From so many pages on, a batch is given back to the zone.
    pub high: u64,
    /// How many pages are taken or given back at a time.
    pub batch: u64,
}

/// One zone in `/proc/zoneinfo`. Linux prints every zone of every node; an empty one stops after
/// `protection`.
///
/// `pagesets` gives the lists of each CPU, ascending: an array, or a cheap iterator.
///
/// ```
/// use page_alloc::report::{DeviceColumn, NumaStat, Pageset, Protection, ZoneInfo, ZonePages};
/// use page_alloc::{NodeId, Pfn, ZoneLayout, ZoneType};
///
/// let info = ZoneInfo {
///     node: NodeId::ZERO,
///     zone: ZoneType::Dma,
///     pages: ZonePages { free: 3712, min: 86, present: 3998, ..ZonePages::default() },
///     protection: Protection {
///         lowmem_reserve: [0, 1947, 1947, 1947, 1947],
///         layout: ZoneLayout::X86_64,
///         device: DeviceColumn::Present,
///     },
///     numa: NumaStat::default(),
///     pagesets: [Pageset { cpu: 0, count: 0, high: 107, batch: 1 }],
///     start_pfn: Pfn::new(1),
/// };
/// let text = info.to_string();
/// assert!(text.starts_with("Node 0, zone      DMA\n  pages free     3712\n        boost    0\n"));
/// assert!(text.ends_with("              batch: 1\n  start_pfn:           1"));
/// ```
#[doc(alias = "zoneinfo_show_print")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneInfo<P> {
    /// The node of the zone.
    pub node: NodeId,
    /// The zone.
    pub zone: ZoneType,
    /// Sizes and watermarks.
    pub pages: ZonePages,
    /// The reserves against requests for higher zones.
    pub protection: Protection,
    /// Counters of origin.
    pub numa: NumaStat,
    /// The lists of each CPU.
    pub pagesets: P,
    /// The first page of the zone.
    pub start_pfn: Pfn,
}

impl<P> fmt::Display for ZoneInfo<P>
where
    P: IntoIterator<Item = Pageset> + Clone,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Node {}, zone {:>8}", self.node, self.zone)?;
        self.pages.fmt_sizes(f)?;
        write!(f, "        protection: {}", self.protection)?;
        if self.pages.present == 0 {
            return Ok(());
        }
        counter(f, "nr_free_pages", self.pages.free)?;
        counter(f, "nr_free_cma", self.pages.free_cma)?;
        self.numa.fmt_counters(f)?;
        f.write_str("\n  pagesets")?;
        self.pagesets.clone().into_iter().try_for_each(|pageset| pageset.fmt_lines(f))?;
        write!(f, "\n  start_pfn:           {}", self.start_pfn.get())
    }
}

/// A line with a counter of the zone.
fn counter(f: &mut fmt::Formatter<'_>, name: &str, count: u64) -> fmt::Result {
    write!(f, "\n      {name:<12} {count}")
}

impl ZonePages {
    fn fmt_sizes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  pages free     {}", self.free)?;
        let lines = [
            ("boost", self.boost),
            ("min", self.min),
            ("low", self.low),
            ("high", self.high),
            ("spanned", self.spanned),
            ("present", self.present),
            ("managed", self.managed),
            ("cma", self.cma),
        ];
        lines.iter().try_for_each(|(name, pages)| writeln!(f, "        {name:<8} {pages}"))
    }
}

impl NumaStat {
    fn fmt_counters(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("numa_hit", self.hit),
            ("numa_miss", self.miss),
            ("numa_foreign", self.foreign),
            ("numa_interleave", self.interleave),
            ("numa_local", self.local),
            ("numa_other", self.other),
        ];
        lines.iter().try_for_each(|(name, count)| counter(f, name, *count))
    }
}

impl Pageset {
    fn fmt_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n    cpu: {}", self.cpu)?;
        let lines = [("count:", self.count), ("high:", self.high), ("batch:", self.batch)];
        lines.iter().try_for_each(|(name, pages)| write!(f, "\n              {name:<6} {pages}"))
    }
}
