//! Memory maps of the crate `limine` (0.5), which boot loaders of that protocol hand over.

use crate::PhysAddr;
use crate::boot::{MemoryKind, MemoryRegion};
use ::limine::memory_map::{Entry, EntryType};

/// The executable and its modules are [`Reserved`](MemoryKind::Reserved), as the protocol has it: no
/// reservation is needed for them.
///
/// ```
/// use limine::memory_map::EntryType;
/// use page_alloc::boot::MemoryKind;
/// assert_eq!(MemoryKind::from(EntryType::USABLE), MemoryKind::Usable);
/// assert_eq!(
///     MemoryKind::from(EntryType::BOOTLOADER_RECLAIMABLE),
///     MemoryKind::BootloaderReclaimable
/// );
/// assert_eq!(MemoryKind::from(EntryType::EXECUTABLE_AND_MODULES), MemoryKind::Reserved);
/// ```
impl From<EntryType> for MemoryKind {
    fn from(kind: EntryType) -> Self {
        match kind {
            EntryType::USABLE => Self::Usable,
            EntryType::ACPI_RECLAIMABLE => Self::AcpiReclaimable,
            EntryType::ACPI_NVS => Self::AcpiNvs,
            EntryType::BAD_MEMORY => Self::Unusable,
            EntryType::BOOTLOADER_RECLAIMABLE => Self::BootloaderReclaimable,
            _ => Self::Reserved,
        }
    }
}

/// ```
/// use limine::memory_map::{Entry, EntryType};
/// use page_alloc::boot::MemoryRegion;
/// use page_alloc::integrations::fill;
///
/// let entries = [Entry { base: 0x1000, length: 0x9_c000, entry_type: EntryType::USABLE }];
/// let response: &[&Entry] = &[&entries[0]]; // of `MemoryMapRequest`
/// let mut map = [MemoryRegion::EMPTY; 64]; // of the kernel, no heap
/// let map = fill(&mut map, response.iter().map(|entry| MemoryRegion::from(**entry)))?;
/// assert_eq!(map[0].to_string(), "usable 0x1000 + 0x9c000");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl From<Entry> for MemoryRegion {
    fn from(entry: Entry) -> Self {
        Self::new(PhysAddr::new(entry.base), entry.length, entry.entry_type.into())
    }
}
