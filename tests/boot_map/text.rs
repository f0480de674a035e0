//! Short forms for tests, and reading of recorded text.

use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange};
use page_alloc::{NodeId, Pfn, PfnRange, PhysAddr, ZoneType};
use std::path::PathBuf;

pub(crate) fn node(number: u64) -> NodeId {
    NodeId::new(u32::try_from(number).unwrap()).unwrap()
}

pub(crate) fn frames(start: u64, end: u64) -> PfnRange {
    PfnRange::new(Pfn::new(start), Pfn::new(end))
}

/// A region from its first byte to one past its last.
pub(crate) fn region(start: u64, end: u64, kind: MemoryKind) -> MemoryRegion {
    MemoryRegion::new(PhysAddr::new(start), end - start, kind)
}

/// A node's range from its first byte to one past its last.
pub(crate) fn range(of: u64, start: u64, end: u64) -> NodeRange {
    NodeRange::new(node(of), PhysAddr::new(start), end - start)
}

/// A number, hexadecimal with 0x and decimal without.
pub(crate) fn number(word: &str) -> u64 {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => word.parse().unwrap(),
    }
}

/// The two numbers around a dash, perhaps inside brackets.
pub(crate) fn dashed(word: &str) -> (u64, u64) {
    let (first, last) = word.trim_end_matches(']').split_once('-').unwrap();
    (number(first), number(last))
}

pub(crate) fn zone_type(name: &str) -> ZoneType {
    let same = |zone: &ZoneType| zone.to_string().eq_ignore_ascii_case(name);
    ZoneType::ALL.into_iter().find(same).unwrap()
}

/// A folder of recorded data.
pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The files of a folder whose names end so, sorted: their names and contents.
pub(crate) fn files(name: &str, end: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}
