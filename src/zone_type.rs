//! Zone types, and which of them a machine has.

use crate::PhysAddr;
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
        Some(match index {
            0 => Self::Dma,
            1 => Self::Dma32,
            2 => Self::Normal,
            3 => Self::HighMem,
            4 => Self::Movable,
            _ => return None,
        })
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
/// use page_alloc::{PhysAddr, ZoneLayout, ZoneType};
/// let x86 = ZoneLayout::X86_64;
/// assert_eq!(x86.zone_of(PhysAddr::new(0xff_ffff)), ZoneType::Dma);
/// assert_eq!(x86.zone_of(PhysAddr::new(0x100_0000)), ZoneType::Dma32);
/// assert_eq!(x86.zone_of(PhysAddr::new(1 << 32)), ZoneType::Normal);
/// assert!(!x86.has(ZoneType::HighMem));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneLayout {
    dma_end: Option<PhysAddr>,
    dma32_end: Option<PhysAddr>,
    /// Where NORMAL ends and HIGHMEM begins; `None`: there is no HIGHMEM.
    normal_end: Option<PhysAddr>,
}

impl ZoneLayout {
    /// x86-64: DMA below 16 MiB, DMA32 below 4 GiB, NORMAL above.
    pub const X86_64: Self =
        Self::new(Some(PhysAddr::new(16 << 20)), Some(PhysAddr::new(4 << 30)), None);

    /// 32-bit x86: DMA below 16 MiB, NORMAL below 896 MiB, HIGHMEM above.
    pub const X86_32: Self =
        Self::new(Some(PhysAddr::new(16 << 20)), None, Some(PhysAddr::new(896 << 20)));

    /// All memory in NORMAL.
    pub const NORMAL_ONLY: Self = Self::new(None, None, None);

    /// A layout with the given ends (one past the last byte) of DMA and DMA32, and NORMAL above, up
    /// to `normal_end`; what is above that is HIGHMEM. `None` where the machine has no such zone
    /// (for `normal_end`: no HIGHMEM).
    ///
    /// An end below that of a lower zone makes the zone empty. A frame belongs to the zone of its
    /// first byte.
    #[must_use]
    pub const fn new(
        dma_end: Option<PhysAddr>,
        dma32_end: Option<PhysAddr>,
        normal_end: Option<PhysAddr>,
    ) -> Self {
        Self { dma_end, dma32_end, normal_end }
    }

    /// Whether the machine has zones of this type. All have NORMAL and MOVABLE.
    #[must_use]
    pub const fn has(&self, zone: ZoneType) -> bool {
        match zone {
            ZoneType::Dma => self.dma_end.is_some(),
            ZoneType::Dma32 => self.dma32_end.is_some(),
            ZoneType::Normal | ZoneType::Movable => true,
            ZoneType::HighMem => self.normal_end.is_some(),
        }
    }

    /// One past the last byte of the zones of this type; `None` when the machine has no such
    /// zones, or for those that take all the rest.
    #[must_use]
    pub const fn end(&self, zone: ZoneType) -> Option<PhysAddr> {
        match zone {
            ZoneType::Dma => self.dma_end,
            ZoneType::Dma32 => self.dma32_end,
            ZoneType::Normal => self.normal_end,
            ZoneType::HighMem | ZoneType::Movable => None,
        }
    }

    /// The zone type of a byte, MOVABLE left aside.
    #[must_use]
    pub fn zone_of(&self, address: PhysAddr) -> ZoneType {
        let below_end = |zone: &ZoneType| self.end(*zone).is_some_and(|end| address < end);
        let zones = [ZoneType::Dma, ZoneType::Dma32, ZoneType::Normal];
        zones.into_iter().find(below_end).unwrap_or(self.highest())
    }

    /// The zone type that takes all memory above the others.
    #[must_use]
    pub const fn highest(&self) -> ZoneType {
        if self.normal_end.is_some() { ZoneType::HighMem } else { ZoneType::Normal }
    }
}
