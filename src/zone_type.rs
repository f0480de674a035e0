//! Zone types, and which of them a machine has.

use crate::Pfn;
use core::fmt;

/// Number of zone types; every node has a (perhaps empty) zone of each.
pub const MAX_NR_ZONES: usize = 5;

/// What a zone's memory can be used for. Ordered by address, except that [`ZoneType::Movable`] is
/// cut out of the highest zone.
///
/// ```
/// use page_alloc::ZoneType;
/// assert!(ZoneType::Dma < ZoneType::Normal);
/// assert_eq!(ZoneType::Dma32.to_string(), "DMA32");
/// ```
#[doc(alias = "zone_type")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ZoneType {
    /// For devices with few address lines (x86: below 16 MiB).
    #[doc(alias = "ZONE_DMA")]
    Dma,
    /// For devices with 32 address lines (below 4 GiB).
    #[doc(alias = "ZONE_DMA32")]
    Dma32,
    /// Memory that the kernel always has mapped.
    #[doc(alias = "ZONE_NORMAL")]
    Normal,
    /// Memory that the kernel maps when needed (32-bit kernels).
    #[doc(alias = "ZONE_HIGHMEM")]
    HighMem,
    /// For movable allocations only.
    #[doc(alias = "ZONE_MOVABLE")]
    Movable,
}

impl ZoneType {
    /// All zone types, from the lowest.
    pub const ALL: [Self; MAX_NR_ZONES] =
        [Self::Dma, Self::Dma32, Self::Normal, Self::HighMem, Self::Movable];

    /// The zone type with this number.
    #[must_use]
    pub const fn from_index(index: usize) -> Option<Self> {
        if index < MAX_NR_ZONES { Some(Self::ALL[index]) } else { None }
    }

    /// The number, an index of a table of [`MAX_NR_ZONES`] entries.
    #[doc(alias = "zone_idx")]
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The name as `/proc/zoneinfo` prints it.
impl fmt::Display for ZoneType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dma => "DMA",
            Self::Dma32 => "DMA32",
            Self::Normal => "Normal",
            Self::HighMem => "HighMem",
            Self::Movable => "Movable",
        })
    }
}

/// Which zones a machine has, and where each ends.
///
/// ```
/// use page_alloc::{Pfn, ZoneLayout, ZoneType};
/// let x86 = ZoneLayout::X86_64;
/// assert_eq!(x86.zone_of(Pfn::new(0xfff)), ZoneType::Dma);
/// assert_eq!(x86.zone_of(Pfn::new(0x1000)), ZoneType::Dma32);
/// assert_eq!(x86.zone_of(Pfn::new(0x10_0000)), ZoneType::Normal);
/// assert!(!x86.has(ZoneType::HighMem));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneLayout {
    /// One past the last frame of DMA, DMA32, NORMAL; `None`: the machine has no such zone. The
    /// highest zone of a layout takes all the rest, whatever its end says.
    ends: [Option<Pfn>; 3],
    /// Where NORMAL ends and HIGHMEM begins, if there is HIGHMEM.
    highmem: bool,
}

impl ZoneLayout {
    /// x86-64 with 4 KiB pages: DMA below 16 MiB, DMA32 below 4 GiB, NORMAL above.
    pub const X86_64: Self = Self {
        ends: [Some(Pfn::new(0x1000)), Some(Pfn::new(0x10_0000)), Some(Pfn::new(u64::MAX))],
        highmem: false,
    };

    /// 32-bit x86 with 4 KiB pages: DMA below 16 MiB, NORMAL below 896 MiB, HIGHMEM above.
    pub const X86_32: Self =
        Self { ends: [Some(Pfn::new(0x1000)), None, Some(Pfn::new(0x3_8000))], highmem: true };

    /// All memory in NORMAL.
    pub const NORMAL_ONLY: Self =
        Self { ends: [None, None, Some(Pfn::new(u64::MAX))], highmem: false };

    /// A layout with the given ends (one past the last frame) of DMA and DMA32, and NORMAL above,
    /// up to `normal_end`; what is above that is HIGHMEM. `None` where the machine has no such
    /// zone (for `normal_end`: no HIGHMEM).
    ///
    /// An end below that of a lower zone makes the zone empty.
    #[must_use]
    pub const fn new(
        dma_end: Option<Pfn>,
        dma32_end: Option<Pfn>,
        normal_end: Option<Pfn>,
    ) -> Self {
        let highmem = normal_end.is_some();
        let normal = match normal_end {
            Some(end) => end,
            None => Pfn::new(u64::MAX),
        };
        Self { ends: [dma_end, dma32_end, Some(normal)], highmem }
    }

    /// Whether the machine has zones of this type. All have NORMAL and MOVABLE.
    #[must_use]
    pub const fn has(&self, zone: ZoneType) -> bool {
        match zone {
            ZoneType::Dma => self.ends[0].is_some(),
            ZoneType::Dma32 => self.ends[1].is_some(),
            ZoneType::Normal | ZoneType::Movable => true,
            ZoneType::HighMem => self.highmem,
        }
    }

    /// One past the last frame of the zones of this type; `None` when the machine has no such
    /// zones, or for those that take all the rest.
    #[must_use]
    pub const fn end(&self, zone: ZoneType) -> Option<Pfn> {
        match zone {
            ZoneType::Dma | ZoneType::Dma32 => self.ends[zone as usize],
            ZoneType::Normal if self.highmem => self.ends[2],
            ZoneType::Normal | ZoneType::HighMem | ZoneType::Movable => None,
        }
    }

    /// The zone type of a frame, MOVABLE left aside.
    #[must_use]
    pub fn zone_of(&self, pfn: Pfn) -> ZoneType {
        for zone in [ZoneType::Dma, ZoneType::Dma32, ZoneType::Normal] {
            if self.end(zone).is_some_and(|end| pfn < end) {
                return zone;
            }
        }
        self.highest()
    }

    /// The zone type that takes all memory above the others.
    #[must_use]
    pub const fn highest(&self) -> ZoneType {
        if self.highmem { ZoneType::HighMem } else { ZoneType::Normal }
    }
}
