//! The ACPI tables that an allocator needs: which processors there are (MADT), and, as bytes for the
//! allocator to read, which memory is whose (SRAT) and how far away (SLIT).

use crate::cpu::MAX_CPUS;
use crate::physical::{at, bytes};
use arrayvec::ArrayVec;

/// Bytes of a table's header; its length is at byte 4.
const HEADER: usize = 36;

/// Where the entries of a MADT begin.
const MADT_ENTRIES: usize = 44;

/// The tables of a machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acpi {
    root: &'static [u8],
    /// Bytes of an address in the root.
    address: usize,
}

impl Acpi {
    /// The tables below that root.
    pub(crate) fn new(rsdp: u64) -> Self {
        // SAFETY: the loader found the root there; firmware keeps its tables as they are.
        let (start, revision) = unsafe { (bytes(rsdp, 8), at::<u8>(rsdp + 15)) };
        assert_eq!(start, b"RSD PTR ", "the root of the ACPI tables");
        // SAFETY: so long is the root by its revision.
        let (rsdt, xsdt) =
            unsafe { (at::<u32>(rsdp + 16), if revision >= 2 { at::<u64>(rsdp + 24) } else { 0 }) };
        let (root, address) = if xsdt == 0 { (rsdt.into(), 4) } else { (xsdt, 8) };
        Self { root: table(root), address }
    }

    /// The table with that signature, from its header on.
    pub(crate) fn find(&self, signature: &[u8; 4]) -> Option<&'static [u8]> {
        let addresses = self.root.get(HEADER..)?.chunks_exact(self.address);
        let mut tables = addresses.map(|address| table(number(address)));
        tables.find(|table| table.starts_with(signature))
    }

    /// The local APIC ids of the processors that can run, in the order of the table; of more than the
    /// kernel has room for, the first ones.
    pub(crate) fn processors(&self) -> ArrayVec<u32, MAX_CPUS> {
        let mut rest = self.find(b"APIC").and_then(|madt| madt.get(MADT_ENTRIES..)).unwrap_or(&[]);
        let mut found = ArrayVec::new();
        while !found.is_full()
            && let [kind, length, ..] = *rest
            && let Some((entry, next)) = rest.split_at_checked(length.max(2).into())
        {
            rest = next;
            match (kind, entry) {
                (0, [_, _, _, id, flags, ..]) if flags & 1 != 0 => found.push(u32::from(*id)),
                (9, [_, _, _, _, a, b, c, d, flags, ..]) if flags & 1 != 0 => {
                    found.push(u32::from_le_bytes([*a, *b, *c, *d]));
                }
                _ => {}
            }
        }
        found
    }
}

/// The little-endian number in up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The table at an address.
fn table(address: u64) -> &'static [u8] {
    // SAFETY: firmware says that a table begins there, and keeps it as it is.
    unsafe {
        let length: u32 = at(address + 4);
        bytes(address, length as usize)
    }
}
