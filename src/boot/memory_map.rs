//! The firmware's memory map, and what the boot loader has put into memory.

use crate::PhysAddr;
use crate::boot::RunState;
use core::fmt;

/// Physical addresses have at most so many bits, as many as any of x86-64 and `AArch64`. Memory beyond is
/// dropped and reported.
pub const MAX_PHYSMEM_BITS: u32 = 52;

/// One past the last byte that the allocator looks at.
pub(crate) const ADDRESS_LIMIT: u64 = 1 << MAX_PHYSMEM_BITS;

/// What firmware says that a range of addresses is.
///
/// ```
/// use page_alloc::boot::MemoryKind;
/// assert_eq!(MemoryKind::from_e820(1), MemoryKind::Usable);
/// assert_eq!(MemoryKind::from_e820(3), MemoryKind::AcpiReclaimable);
/// assert_eq!(MemoryKind::from_e820(20), MemoryKind::Unknown(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryKind {
    /// Free memory.
    Usable,
    /// Memory that the boot loader used; free once the kernel has no more need of what is in it.
    /// Until then present but reserved.
    BootloaderReclaimable,
    /// Memory that holds ACPI tables; free once they have been read. Until then present but
    /// reserved.
    AcpiReclaimable,
    /// Memory that firmware needs across a sleep; never the allocator's.
    AcpiNvs,
    /// Addresses that firmware keeps; perhaps no memory at all.
    Reserved,
    /// Memory that was found defective.
    Unusable,
    /// Memory that keeps its contents without power.
    Persistent,
    /// A kind that this crate does not know, by its number. Taken for reserved.
    Unknown(u32),
}

impl MemoryKind {
    /// The kind with this number in an E820 map; PVH and Multiboot use the same numbers.
    #[must_use]
    pub const fn from_e820(number: u32) -> Self {
        match number {
            1 => Self::Usable,
            2 => Self::Reserved,
            3 => Self::AcpiReclaimable,
            4 => Self::AcpiNvs,
            5 => Self::Unusable,
            7 | 12 => Self::Persistent,
            other => Self::Unknown(other),
        }
    }

    /// The kind with this number in a UEFI memory map. Memory of the boot loader and of boot services is
    /// [`BootloaderReclaimable`](Self::BootloaderReclaimable): the kernel's image and what was handed to
    /// it lie there too.
    ///
    /// ```
    /// use page_alloc::boot::MemoryKind;
    /// assert_eq!(MemoryKind::from_uefi(7), MemoryKind::Usable); // "conventional"
    /// assert_eq!(MemoryKind::from_uefi(3), MemoryKind::BootloaderReclaimable);
    /// assert_eq!(MemoryKind::from_uefi(0x8000_0001), MemoryKind::Unknown(0x8000_0001));
    /// ```
    #[must_use]
    pub const fn from_uefi(number: u32) -> Self {
        match number {
            0 | 5 | 6 | 11 | 12 | 13 => Self::Reserved,
            1..=4 => Self::BootloaderReclaimable,
            7 => Self::Usable,
            8 => Self::Unusable,
            9 => Self::AcpiReclaimable,
            10 => Self::AcpiNvs,
            14 => Self::Persistent,
            other => Self::Unknown(other),
        }
    }

    /// What the allocator makes of such memory; `None`: it is no memory of the allocator's.
    ///
    /// ```
    /// use page_alloc::boot::{MemoryKind, RunState};
    /// assert_eq!(MemoryKind::Usable.state(), Some(RunState::Free));
    /// assert_eq!(MemoryKind::AcpiReclaimable.state(), Some(RunState::Reclaimable));
    /// assert_eq!(MemoryKind::Unknown(99).state(), None);
    /// ```
    #[must_use]
    pub const fn state(self) -> Option<RunState> {
        match self {
            Self::Usable => Some(RunState::Free),
            Self::BootloaderReclaimable | Self::AcpiReclaimable => Some(RunState::Reclaimable),
            _ => None,
        }
    }
}

impl fmt::Display for MemoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usable => "usable",
            Self::BootloaderReclaimable => "boot loader",
            Self::AcpiReclaimable => "ACPI tables",
            Self::AcpiNvs => "ACPI NVS",
            Self::Reserved => "reserved",
            Self::Unusable => "unusable",
            Self::Persistent => "persistent",
            Self::Unknown(number) => return write!(f, "kind {number}"),
        })
    }
}

/// One entry of the firmware's memory map.
///
/// The entries of a map may be unsorted, overlap, touch and have any alignment: where they
/// contradict each other, the more restrictive kind holds. Entries of no length, and those that
/// would go past 2^64, are dropped.
///
/// ```
/// use page_alloc::PhysAddr;
/// use page_alloc::boot::{MemoryKind, MemoryRegion};
/// let low = MemoryRegion::new(PhysAddr::new(0), 0x9_fc00, MemoryKind::Usable);
/// assert_eq!(low.to_string(), "usable 0x0 + 0x9fc00");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryRegion {
    /// The first byte.
    pub base: PhysAddr,
    /// The number of bytes.
    pub length: u64,
    /// What is there.
    pub kind: MemoryKind,
}

impl MemoryRegion {
    /// An entry of no length: a slot that is not filled yet.
    pub const EMPTY: Self = Self::new(PhysAddr::new(0), 0, MemoryKind::Reserved);

    /// `length` bytes of this kind at `base`.
    #[must_use]
    pub const fn new(base: PhysAddr, length: u64, kind: MemoryKind) -> Self {
        Self { base, length, kind }
    }

    /// The bytes of the entry, unless it is one to be dropped.
    pub(crate) const fn bytes(&self) -> Option<Bytes> {
        Bytes::new(self.base, self.length)
    }
}

impl fmt::Display for MemoryRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} + {:#x}", self.kind, self.base, self.length)
    }
}

/// Bytes inside usable memory that must not be given out: the kernel's image, an initial ramdisk,
/// what the boot loader handed over.
///
/// A frame with a single reserved byte is present, but not free. A reservation of no length
/// reserves nothing.
///
/// ```
/// use page_alloc::PhysAddr;
/// use page_alloc::boot::Reservation;
/// let kernel = Reservation::new("kernel", PhysAddr::new(0x10_0000), 0x9_b000);
/// assert_eq!(kernel.to_string(), "kernel 0x100000 + 0x9b000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reservation {
    /// The first byte.
    pub base: PhysAddr,
    /// The number of bytes.
    pub length: u64,
    /// What is there, for messages.
    pub name: &'static str,
}

impl Reservation {
    /// Of no length: a slot that is not filled yet.
    pub const EMPTY: Self = Self::new("nothing", PhysAddr::new(0), 0);

    /// Reserves `length` bytes at `base`.
    #[must_use]
    pub const fn new(name: &'static str, base: PhysAddr, length: u64) -> Self {
        Self { base, length, name }
    }

    /// The bytes; `None` if there are none, or if they would go past 2^64.
    pub(crate) const fn bytes(&self) -> Option<Bytes> {
        Bytes::new(self.base, self.length)
    }
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} + {:#x}", self.name, self.base, self.length)
    }
}

/// Bytes from `first` to `last`, both included: so the last byte below 2^64 can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Bytes {
    /// `None` if there are none, or if they would go past 2^64.
    pub(crate) const fn new(base: PhysAddr, length: u64) -> Option<Self> {
        let first = base.get();
        match length.checked_sub(1) {
            Some(rest) => match first.checked_add(rest) {
                Some(last) => Some(Self { first, last }),
                None => None,
            },
            None => None,
        }
    }

    pub(crate) const fn contains(self, address: u64) -> bool {
        self.first <= address && address <= self.last
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The lowest address above `address` where these bytes begin or have just ended, if it is
    /// below `limit`; else `limit`.
    pub(crate) const fn border_above(self, address: u64, limit: u64) -> u64 {
        let border = if self.first > address {
            self.first
        } else if self.last >= address && self.last < limit {
            self.last + 1
        } else {
            limit
        };
        if border < limit { border } else { limit }
    }
}
