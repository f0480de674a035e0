//! The ACPI tables SRAT (which memory and which CPU is in which proximity domain) and SLIT (how far
//! the domains are from each other).
//!
//! Both begin with the header of all ACPI tables: signature, length (u32 at 4), revision (at 8),
//! and a checksum that makes all bytes add up to 0. A table is checked whole before it is used, so
//! that the iterators here meet no damage.

use crate::PhysAddr;
use crate::boot::InitError;
use crate::boot::numa::check_distance;
use core::fmt;

/// Where the SRAT's entries begin, and the SLIT's count and matrix.
const SRAT_ENTRIES: usize = 48;
const SLIT_COUNT: usize = 36;
const SLIT_MATRIX: usize = 44;

/// Offset of the checksum in the header of a table.
const CHECKSUM: usize = 9;

/// An ACPI table that tells of nodes.
///
/// ```
/// use page_alloc::boot::AcpiTable;
/// assert_eq!(AcpiTable::Srat.to_string(), "SRAT");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcpiTable {
    /// System Resource Affinity Table: memory and CPUs.
    Srat,
    /// System Locality Information Table: distances.
    Slit,
}

impl AcpiTable {
    const fn name(self) -> &'static str {
        match self {
            Self::Srat => "SRAT",
            Self::Slit => "SLIT",
        }
    }

    const fn malformed(self, offset: usize, what: &'static str) -> InitError {
        InitError::MalformedTable { table: self, offset, what }
    }

    /// The bytes of the table, without what may follow it; at least `minimum`.
    fn checked(self, bytes: &[u8], minimum: usize) -> Result<&[u8], InitError> {
        if !bytes.starts_with(self.name().as_bytes()) {
            return Err(self.malformed(0, "signature"));
        }
        let length = u32_at(bytes, 4).and_then(|length| usize::try_from(length).ok());
        let table = length
            .filter(|length| *length >= minimum)
            .and_then(|length| bytes.get(..length))
            .ok_or(self.malformed(4, "length"))?;
        match table.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)) {
            0 => Ok(table),
            _ => Err(self.malformed(CHECKSUM, "checksum")),
        }
    }
}

impl fmt::Display for AcpiTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an entry of the SRAT says. Entries that are not enabled say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// The CPU with this APIC id is in the domain.
    Cpu { domain: u32, apic_id: u32 },
    /// The memory is in the domain. It need not exist: it may be plugged in later.
    Memory { domain: u32, base: PhysAddr, length: u64, hot_pluggable: bool },
}

/// A SRAT that has been checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Srat<'a> {
    entries: &'a [u8],
    revision: u8,
}

impl<'a> Srat<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, InitError> {
        let table = AcpiTable::Srat.checked(bytes, SRAT_ENTRIES)?;
        let srat = Self { entries: &table[SRAT_ENTRIES..], revision: table[8] };
        let mut entries = srat.entries();
        while !entries.rest.is_empty() {
            let offset = table.len() - entries.rest.len();
            let entry = entries.next().ok_or(AcpiTable::Srat.malformed(offset, "entry length"))?;
            if entry.len() < minimum_length(entry[0]) {
                return Err(AcpiTable::Srat.malformed(offset, "entry too short for its type"));
            }
        }
        Ok(srat)
    }

    const fn entries(&self) -> Entries<'a> {
        Entries { rest: self.entries }
    }

    /// What the enabled entries say, in the table's order.
    pub(crate) fn affinities(&self) -> impl Iterator<Item = Affinity> + Clone + use<'a> {
        let revision = self.revision;
        self.entries().filter_map(move |entry| match entry[0] {
            0 => local_apic(entry, revision),
            1 => memory(entry, revision),
            2 => x2apic(entry),
            _ => None,
        })
    }
}

/// The entries of a SRAT, raw. Ends before a damaged one.
#[derive(Clone, Debug)]
struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.rest.get(1)?);
        let (entry, rest) = self.rest.split_at_checked(length).filter(|_| length >= 2)?;
        self.rest = rest;
        Some(entry)
    }
}

/// The bytes that an entry of this type has at least.
const fn minimum_length(kind: u8) -> usize {
    match kind {
        0 => 16,
        1 => 40,
        2 => 24,
        _ => 2,
    }
}

/// Before revision 2, domains had one byte, and the bytes for the others were not cleared.
const fn domain_of(domain: u32, revision: u8) -> u32 {
    if revision < 2 { domain & 0xff } else { domain }
}

fn local_apic(entry: &[u8], revision: u8) -> Option<Affinity> {
    let domain = u32::from_le_bytes([entry[2], entry[9], entry[10], entry[11]]);
    let cpu = Affinity::Cpu { domain: domain_of(domain, revision), apic_id: u32::from(entry[3]) };
    enabled(u32_at(entry, 4)?).then_some(cpu)
}

fn memory(entry: &[u8], revision: u8) -> Option<Affinity> {
    let domain = domain_of(u32_at(entry, 2)?, revision);
    let base = PhysAddr::new(u64_at(entry, 8)?);
    let (length, flags) = (u64_at(entry, 16)?, u32_at(entry, 28)?);
    let memory = Affinity::Memory { domain, base, length, hot_pluggable: flags & 2 != 0 };
    enabled(flags).then_some(memory)
}

fn x2apic(entry: &[u8]) -> Option<Affinity> {
    let cpu = Affinity::Cpu { domain: u32_at(entry, 4)?, apic_id: u32_at(entry, 8)? };
    enabled(u32_at(entry, 12)?).then_some(cpu)
}

const fn enabled(flags: u32) -> bool {
    flags & 1 != 0
}

/// A SLIT that has been checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slit<'a> {
    /// `nr_domains` rows of `nr_domains` distances.
    matrix: &'a [u8],
    nr_domains: usize,
}

impl<'a> Slit<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, InitError> {
        let table = AcpiTable::Slit.checked(bytes, SLIT_MATRIX)?;
        let bad_count = AcpiTable::Slit.malformed(SLIT_COUNT, "count");
        let nr_domains = u64_at(table, SLIT_COUNT)
            .and_then(|count| usize::try_from(count).ok())
            .ok_or(bad_count)?;
        let matrix = nr_domains
            .checked_mul(nr_domains)
            .and_then(|size| table[SLIT_MATRIX..].get(..size))
            .ok_or(bad_count)?;
        for (index, distance) in matrix.iter().enumerate() {
            check_distance(index / nr_domains, index % nr_domains, *distance)?;
        }
        Ok(Self { matrix, nr_domains })
    }

    /// The distance between two proximity domains, if the table has both.
    pub(crate) fn distance(&self, from: u32, to: u32) -> Option<u8> {
        let from = usize::try_from(from).ok()?;
        let to = usize::try_from(to).ok().filter(|to| *to < self.nr_domains)?;
        let row = from.checked_mul(self.nr_domains)?;
        self.matrix.get(row.checked_add(to)?).copied()
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().copied().map(u64::from_le_bytes)
}
