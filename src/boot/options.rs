//! What a kernel can choose when it boots the allocator.

use crate::boot::InitError;
use crate::node::pcp::{PcpHigh, PcpOrders};
use crate::{MAX_NR_ZONES, NodeId, Pfn, PhysAddr};
use core::fmt;

/// The largest `watermark_scale_factor`: 30 % of a zone.
const MAX_SCALE_FACTOR: u32 = 3000;

/// How much memory is set aside for movable allocations, in the MOVABLE zone.
///
/// The zone is cut out of the top of each node, and only out of the highest zone that the machine
/// has. It begins at a multiple of the largest block (1024 frames), rounded up.
///
/// ```
/// use page_alloc::boot::Movable;
/// assert_eq!(Movable::default(), Movable::None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Movable<'a> {
    /// There is no MOVABLE zone.
    #[default]
    None,
    /// So many frames in the MOVABLE zone, all nodes together; none at all if that would leave the
    /// kernel nothing.
    #[doc(alias = "movablecore")]
    Size(u64),
    /// So many frames outside the MOVABLE zone, spread evenly over the nodes; no MOVABLE zone if
    /// this is 0, or all memory.
    #[doc(alias = "kernelcore")]
    KernelSize(u64),
    /// The MOVABLE zone begins at this frame of the node. Nodes that are not named have none.
    From(&'a [(NodeId, Pfn)]),
}

/// Where the allocator puts its own tables.
///
/// ```
/// use page_alloc::PhysAddr;
/// use page_alloc::boot::MetadataPlace;
/// assert_eq!(MetadataPlace::default(), MetadataPlace::Anywhere);
/// assert_eq!(MetadataPlace::Below(PhysAddr::new(0x100_0000)).to_string(), "below 0x1000000");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataPlace {
    /// At the highest place that is large enough, outside HIGHMEM.
    #[default]
    Anywhere,
    /// At the highest place whose end is not above this address: for a kernel that has not mapped
    /// all memory yet.
    Below(PhysAddr),
    /// At the highest place inside these bytes.
    Within {
        /// The first byte.
        base: PhysAddr,
        /// The number of bytes; what goes past 2^64 does not count.
        length: u64,
    },
}

impl fmt::Display for MetadataPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anywhere => f.write_str("anywhere"),
            Self::Below(end) => write!(f, "below {end}"),
            Self::Within { base, length } => write!(f, "within {base} + {length:#x}"),
        }
    }
}

/// What a kernel can choose when it boots the allocator. The defaults are Linux's on x86-64.
///
/// ```
/// use page_alloc::boot::{Movable, Options};
/// const OPTIONS: Options =
///     Options::DEFAULT.movable(Movable::Size(4096)).watermark_boost_factor(0);
/// assert_eq!(OPTIONS.watermark_scale_factor, 10);
/// assert_eq!(OPTIONS.lowmem_reserve_ratio, [256, 256, 32, 0, 0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options<'a> {
    /// So much memory is kept free at least, in KiB; less than what is computed from the size of the
    /// memory, or `None`, changes nothing.
    /// [`set_min_free_kbytes`](crate::PageAllocator::set_min_free_kbytes) can set less, after boot.
    pub min_free_kbytes: Option<u32>,
    /// Distance between the watermarks of a zone, in 1/10000 of the zone: 1 to 3000.
    pub watermark_scale_factor: u32,
    /// How far a watermark may be boosted after a migratetype had to fall back, in 1/10000 of the
    /// high watermark; 0: never.
    pub watermark_boost_factor: u32,
    /// For each zone type, by which part of the higher zones' memory it is protected from requests
    /// that could use those: 1/ratio, or not at all if the ratio is 0.
    #[doc(alias = "sysctl_lowmem_reserve_ratio")]
    pub lowmem_reserve_ratio: [u32; MAX_NR_ZONES],
    /// How much memory is set aside for movable allocations.
    pub movable: Movable<'a>,
    /// Frames below this one are not used.
    pub first_frame: Pfn,
    /// Where the allocator puts its own tables.
    pub metadata: MetadataPlace,
    /// Which orders have per-CPU lists.
    pub pcp: PcpOrders,
    /// Whether CPUs that use their lists much come to keep more.
    pub pcp_high: PcpHigh,
}

impl<'a> Options<'a> {
    /// Linux's defaults.
    pub const DEFAULT: Self = Self {
        min_free_kbytes: None,
        watermark_scale_factor: 10,
        watermark_boost_factor: 15_000,
        lowmem_reserve_ratio: [256, 256, 32, 0, 0],
        movable: Movable::None,
        first_frame: Pfn::new(1),
        metadata: MetadataPlace::Anywhere,
        pcp: PcpOrders::WithPageblock,
        pcp_high: PcpHigh::Fixed,
    };

    /// Sets [`min_free_kbytes`](Self::min_free_kbytes) to a number of KiB.
    #[must_use]
    pub const fn min_free_kbytes(mut self, kbytes: u32) -> Self {
        self.min_free_kbytes = Some(kbytes);
        self
    }

    /// Sets [`watermark_scale_factor`](Self::watermark_scale_factor).
    #[must_use]
    pub const fn watermark_scale_factor(mut self, factor: u32) -> Self {
        self.watermark_scale_factor = factor;
        self
    }

    /// Sets [`watermark_boost_factor`](Self::watermark_boost_factor).
    #[must_use]
    pub const fn watermark_boost_factor(mut self, factor: u32) -> Self {
        self.watermark_boost_factor = factor;
        self
    }

    /// Sets [`lowmem_reserve_ratio`](Self::lowmem_reserve_ratio).
    #[must_use]
    pub const fn lowmem_reserve_ratio(mut self, ratio: [u32; MAX_NR_ZONES]) -> Self {
        self.lowmem_reserve_ratio = ratio;
        self
    }

    /// Sets [`movable`](Self::movable).
    #[must_use]
    pub const fn movable(mut self, movable: Movable<'a>) -> Self {
        self.movable = movable;
        self
    }

    /// Sets [`first_frame`](Self::first_frame).
    #[must_use]
    pub const fn first_frame(mut self, frame: Pfn) -> Self {
        self.first_frame = frame;
        self
    }

    /// Sets [`metadata`](Self::metadata).
    #[must_use]
    pub const fn metadata(mut self, place: MetadataPlace) -> Self {
        self.metadata = place;
        self
    }

    /// Sets [`pcp`](Self::pcp).
    #[must_use]
    pub const fn pcp(mut self, orders: PcpOrders) -> Self {
        self.pcp = orders;
        self
    }

    /// Sets [`pcp_high`](Self::pcp_high).
    #[must_use]
    pub const fn pcp_high(mut self, high: PcpHigh) -> Self {
        self.pcp_high = high;
        self
    }

    /// Refuses what no kernel can mean.
    pub(crate) fn check(&self) -> Result<(), InitError> {
        let factor = self.watermark_scale_factor;
        if factor == 0 || factor > MAX_SCALE_FACTOR {
            let name = "watermark_scale_factor";
            return Err(InitError::IllegalOption { name, value: factor.into() });
        }
        let Movable::From(starts) = self.movable else { return Ok(()) };
        for (index, (node, start)) in starts.iter().enumerate() {
            if starts[..index].iter().any(|(other, _)| other == node) {
                return Err(InitError::MovableTwice { node: *node, start: *start });
            }
        }
        Ok(())
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self::DEFAULT
    }
}
