//! Memory maps of the crate `multiboot2` (0.28), which GRUB and others hand over.

use crate::PhysAddr;
use crate::boot::{MemoryKind, MemoryRegion, Reservation};
use ::multiboot2::{BootInformation, MemoryArea, MemoryAreaType};

/// The numbers are those of an E820 map.
///
/// ```
/// use multiboot2::MemoryAreaType;
/// use page_alloc::boot::MemoryKind;
/// assert_eq!(MemoryKind::from(MemoryAreaType::Available), MemoryKind::Usable);
/// assert_eq!(MemoryKind::from(MemoryAreaType::AcpiAvailable), MemoryKind::AcpiReclaimable);
/// assert_eq!(MemoryKind::from(MemoryAreaType::Custom(20)), MemoryKind::Unknown(20));
/// ```
impl From<MemoryAreaType> for MemoryKind {
    fn from(kind: MemoryAreaType) -> Self {
        Self::from_e820(kind.val())
    }
}

/// The kernel, what the boot loader loaded, and the boot information itself lie in usable areas:
/// [`reservations`], and one of the kernel's own for its image.
///
/// ```
/// use multiboot2::{MemoryArea, MemoryAreaType};
/// use page_alloc::boot::MemoryRegion;
/// use page_alloc::integrations::fill;
///
/// let areas = [MemoryArea::new(0, 0x9_fc00, MemoryAreaType::Available)]; // of the `MemoryMapTag`
/// let mut map = [MemoryRegion::EMPTY; 64]; // of the kernel, no heap
/// let map = fill(&mut map, areas.iter().copied().map(MemoryRegion::from))?;
/// assert_eq!(map[0].to_string(), "usable 0x0 + 0x9fc00");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl From<MemoryArea> for MemoryRegion {
    fn from(area: MemoryArea) -> Self {
        Self::new(PhysAddr::new(area.start_address()), area.size(), area.typ().into())
    }
}

/// What the boot loader has put into memory besides the kernel: the boot information, which is at that
/// physical address, and the modules.
pub fn reservations<'a>(
    information: &'a BootInformation<'_>,
    at: PhysAddr,
) -> impl Iterator<Item = Reservation> + 'a {
    let size = information.total_size() as u64;
    let modules = information.module_tags().map(|module| {
        let length = module.end_address().saturating_sub(module.start_address());
        let base = PhysAddr::new(module.start_address().into());
        Reservation::new("module", base, length.into())
    });
    core::iter::once(Reservation::new("boot information", at, size)).chain(modules)
}
