//! Memory maps of the crate `bootloader_api` (0.11), which the boot loader `bootloader` hands over.

use crate::PhysAddr;
use crate::boot::{MemoryKind, MemoryRegion, Reservation};
use ::bootloader_api::BootInfo;
use ::bootloader_api::info;

/// What the boot loader uses itself is [`BootloaderReclaimable`](MemoryKind::BootloaderReclaimable):
/// present, and the kernel's to free one day, if it knows what lies where: page tables, boot information,
/// its own image and stack.
///
/// ```
/// use bootloader_api::info::MemoryRegionKind;
/// use page_alloc::boot::MemoryKind;
/// assert_eq!(MemoryKind::from(MemoryRegionKind::Usable), MemoryKind::Usable);
/// assert_eq!(MemoryKind::from(MemoryRegionKind::UnknownBios(3)), MemoryKind::AcpiReclaimable);
/// assert_eq!(MemoryKind::from(MemoryRegionKind::UnknownUefi(9)), MemoryKind::AcpiReclaimable);
/// ```
impl From<info::MemoryRegionKind> for MemoryKind {
    fn from(kind: info::MemoryRegionKind) -> Self {
        match kind {
            info::MemoryRegionKind::Usable => Self::Usable,
            info::MemoryRegionKind::Bootloader => Self::BootloaderReclaimable,
            info::MemoryRegionKind::UnknownUefi(number) => Self::from_uefi(number),
            info::MemoryRegionKind::UnknownBios(number) => Self::from_e820(number),
            _ => Self::Reserved,
        }
    }
}

/// ```
/// use bootloader_api::info::{self, MemoryRegionKind};
/// use page_alloc::boot::{MemoryKind, MemoryRegion};
/// use page_alloc::integrations::fill;
///
/// let entries = [
///     info::MemoryRegion { start: 0, end: 0x1000, kind: MemoryRegionKind::Bootloader },
///     info::MemoryRegion { start: 0x1000, end: 0x9_f000, kind: MemoryRegionKind::Usable },
/// ];
/// let mut map = [MemoryRegion::EMPTY; 64]; // of the kernel, no heap
/// let map = fill(&mut map, entries.map(MemoryRegion::from))?;
/// assert_eq!(map[0].kind, MemoryKind::BootloaderReclaimable);
/// assert_eq!(map[1].to_string(), "usable 0x1000 + 0x9e000");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl From<info::MemoryRegion> for MemoryRegion {
    fn from(region: info::MemoryRegion) -> Self {
        let length = region.end.saturating_sub(region.start);
        Self::new(PhysAddr::new(region.start), length, region.kind.into())
    }
}

/// What the boot loader says it has put into memory: the kernel's file and the ramdisk.
///
/// ```
/// use bootloader_api::BootInfo;
/// use page_alloc::integrations::bootloader_api::reservations;
/// let mut info = BootInfo::new(vec![].leak().into());
/// (info.kernel_addr, info.kernel_len) = (0x40_0000, 0x12_3456);
/// let found: Vec<String> = reservations(&info).map(|found| found.to_string()).collect();
/// assert_eq!(found, ["kernel 0x400000 + 0x123456"]);
/// ```
pub fn reservations(info: &BootInfo) -> impl Iterator<Item = Reservation> {
    let kernel = Reservation::new("kernel", PhysAddr::new(info.kernel_addr), info.kernel_len);
    let ramdisk = info.ramdisk_addr.into_option().map(PhysAddr::new);
    let ramdisk = ramdisk.map(|base| Reservation::new("ramdisk", base, info.ramdisk_len));
    [Some(kernel), ramdisk].into_iter().flatten().filter(|found| found.length > 0)
}
