//! Memory maps of UEFI, in the types of the crate `uefi-raw` (0.17), which `uefi` exports too.

use crate::PhysAddr;
use crate::boot::{MemoryKind, MemoryRegion};
use ::uefi_raw::table::boot::{MemoryAttribute, MemoryDescriptor, MemoryType};

const UEFI_PAGE_SHIFT: u32 = 12;

/// See [`MemoryKind::from_uefi`].
///
/// ```
/// use page_alloc::boot::MemoryKind;
/// use uefi_raw::table::boot::MemoryType;
/// assert_eq!(MemoryKind::from(MemoryType::CONVENTIONAL), MemoryKind::Usable);
/// assert_eq!(
///     MemoryKind::from(MemoryType::BOOT_SERVICES_DATA),
///     MemoryKind::BootloaderReclaimable
/// );
/// ```
impl From<MemoryType> for MemoryKind {
    fn from(kind: MemoryType) -> Self {
        Self::from_uefi(kind.0)
    }
}

/// As Linux does, memory that is not cached by write-back, or that is kept for a special purpose, is no
/// memory to give out.
///
/// ```
/// use page_alloc::boot::{MemoryKind, MemoryRegion};
/// use uefi_raw::table::boot::{MemoryAttribute, MemoryDescriptor, MemoryType};
/// let mut entry = MemoryDescriptor {
///     ty: MemoryType::CONVENTIONAL,
///     phys_start: 0x10_0000,
///     page_count: 16,
///     att: MemoryAttribute::WRITE_BACK,
///     ..MemoryDescriptor::default()
/// };
/// assert_eq!(MemoryRegion::from(entry).to_string(), "usable 0x100000 + 0x10000");
/// entry.att |= MemoryAttribute::SPECIAL_PURPOSE;
/// assert_eq!(MemoryRegion::from(entry).kind, MemoryKind::Reserved);
/// ```
impl From<MemoryDescriptor> for MemoryRegion {
    fn from(entry: MemoryDescriptor) -> Self {
        let kind = match MemoryKind::from(entry.ty) {
            MemoryKind::Usable | MemoryKind::BootloaderReclaimable if !is_ordinary(entry.att) => {
                MemoryKind::Reserved
            }
            kind => kind,
        };
        let length = entry.page_count.saturating_mul(1 << UEFI_PAGE_SHIFT);
        Self::new(PhysAddr::new(entry.phys_start), length, kind)
    }
}

fn is_ordinary(attributes: MemoryAttribute) -> bool {
    attributes.contains(MemoryAttribute::WRITE_BACK)
        && !attributes.contains(MemoryAttribute::SPECIAL_PURPOSE)
}

/// The entries of a memory map as firmware wrote it, each of `descriptor_size` bytes: what
/// `GetMemoryMap` says, more than a [`MemoryDescriptor`] as a rule. `None` if it is less. For maps that
/// other boot protocols pass on.
///
/// ```
/// use page_alloc::integrations::uefi_raw::regions;
/// let mut map = [0; 48];
/// map[..4].copy_from_slice(&7_u32.to_le_bytes()); // conventional
/// map[8..16].copy_from_slice(&0x10_0000_u64.to_le_bytes());
/// map[24..32].copy_from_slice(&16_u64.to_le_bytes()); // pages
/// map[32..40].copy_from_slice(&0xf_u64.to_le_bytes()); // cached in any way
/// let found: Vec<String> = regions(&map, 48).unwrap().map(|found| found.to_string()).collect();
/// assert_eq!(found, ["usable 0x100000 + 0x10000"]);
/// assert!(regions(&map, 24).is_none());
/// ```
#[must_use]
pub fn regions(map: &[u8], descriptor_size: usize) -> Option<impl Iterator<Item = MemoryRegion>> {
    let is_whole = descriptor_size >= size_of::<MemoryDescriptor>();
    is_whole.then(|| map.chunks_exact(descriptor_size).filter_map(descriptor).map(From::from))
}

/// The descriptor at the beginning of these bytes.
fn descriptor(bytes: &[u8]) -> Option<MemoryDescriptor> {
    let word = |offset: usize| bytes.get(offset..)?.first_chunk().copied().map(u64::from_le_bytes);
    let kind = bytes.first_chunk().copied().map(u32::from_le_bytes)?;
    Some(MemoryDescriptor {
        ty: MemoryType(kind),
        phys_start: word(8)?,
        page_count: word(24)?,
        att: MemoryAttribute::from_bits_retain(word(32)?),
        ..MemoryDescriptor::default()
    })
}
