//! ACPI tables, built.

/// An entry of a SRAT.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// Local APIC: domain, id.
    Apic(u32, u8),
    /// Local x2APIC: domain, id.
    X2apic(u32, u32),
    /// Memory: domain, base, length, flags.
    Memory(u32, u64, u64, u32),
    /// Any other bytes.
    Raw(Vec<u8>),
}

impl Entry {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Apic(domain, id) => {
                let [low, high @ ..] = domain.to_le_bytes();
                let mut bytes = vec![0, 16, low, *id, 1, 0, 0, 0, 0];
                bytes.extend(high);
                bytes.extend([0; 4]);
                bytes
            }
            Self::X2apic(domain, id) => {
                let words = [*domain, *id, 1, 0, 0];
                let words = words.into_iter().flat_map(u32::to_le_bytes);
                [2, 24, 0, 0].into_iter().chain(words).collect()
            }
            Self::Memory(domain, base, length, flags) => {
                let mut bytes = vec![1, 40];
                bytes.extend(domain.to_le_bytes());
                bytes.extend([0; 2]);
                bytes.extend(base.to_le_bytes());
                bytes.extend(length.to_le_bytes());
                bytes.extend([0; 4]);
                bytes.extend(flags.to_le_bytes());
                bytes.extend([0; 8]);
                bytes
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

/// Makes the length and the checksum right.
pub(crate) fn seal(mut table: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(table.len()).unwrap();
    table[4..8].copy_from_slice(&length.to_le_bytes());
    fix_checksum(&mut table);
    table
}

/// Makes the checksum right for all bytes of the slice.
pub(crate) fn fix_checksum(table: &mut [u8]) {
    table[9] = 0;
    table[9] = table.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte));
}

fn header(signature: &[u8], revision: u8) -> Vec<u8> {
    let mut table = signature.to_vec();
    table.extend([0; 4]);
    table.push(revision);
    table.resize(36, 0);
    table
}

pub(crate) fn srat(revision: u8, entries: &[Entry]) -> Vec<u8> {
    let mut table = header(b"SRAT", revision);
    table.resize(48, 0);
    table.extend(entries.iter().flat_map(Entry::bytes));
    seal(table)
}

pub(crate) fn slit(rows: &[&[u8]]) -> Vec<u8> {
    let mut table = header(b"SLIT", 1);
    table.extend(u64::try_from(rows.len()).unwrap().to_le_bytes());
    table.extend(rows.iter().copied().flatten());
    seal(table)
}
