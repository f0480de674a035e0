//! The way from a frame number to its section: a table of two levels.
//!
//! The upper level has one entry for each stretch of the address space, the lower one an entry for
//! each section of a stretch that has memory. The stretch is chosen so that both levels stay small
//! beside the memmap, however far apart the memory lies.

use super::section::{SECTION_SHIFT, SectionCount};
use crate::{Pfn, PfnRange};
use core::ops::Range;

/// The upper level may always have this many entries.
const ROOT_ENTRIES_MIN: u64 = 1024;

/// The dimensions of the two levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory {
    /// Log2 of the sections of a stretch.
    leaf_shift: u32,
    /// Entries of the upper level.
    root_len: u64,
    /// Entries of the lower level, over all stretches that have memory.
    leaves_len: u64,
}

impl Directory {
    /// Of no section.
    pub(super) const EMPTY: Self = Self { leaf_shift: 0, root_len: 0, leaves_len: 0 };

    /// The directory of `sections` mapped sections below `end`. `ranges` gives the present ranges,
    /// ascending.
    pub(crate) fn plan(end: Pfn, sections: u64, ranges: impl Iterator<Item = PfnRange>) -> Self {
        let span = (end.get().saturating_sub(1) >> SECTION_SHIFT) + 1;
        let mut leaf_shift = 0;
        // Larger stretches make the upper level smaller, until those with memory weigh more.
        while span.div_ceil(1 << leaf_shift) > sections.max(ROOT_ENTRIES_MIN).max(2 << leaf_shift) {
            leaf_shift += 1;
        }
        let mut directory =
            Self { leaf_shift, root_len: span.div_ceil(1 << leaf_shift), leaves_len: 0 };
        let mut seen = SectionCount::default();
        let mut last = None;
        for range in ranges {
            for stretch in directory.stretches(seen.add(range)) {
                if last != Some(stretch) {
                    directory.leaves_len += 1 << leaf_shift;
                    last = Some(stretch);
                }
            }
        }
        directory
    }

    /// The stretches that hold these sections.
    fn stretches(&self, sections: Range<u64>) -> Range<u64> {
        if sections.is_empty() {
            return 0..0;
        }
        sections.start >> self.leaf_shift..((sections.end - 1) >> self.leaf_shift) + 1
    }

    pub(crate) fn root_len(&self) -> u64 {
        self.root_len
    }

    pub(crate) fn leaves_len(&self) -> u64 {
        self.leaves_len
    }

    /// The entry of the upper level for a section of the address space.
    #[inline]
    pub(super) fn root_index(&self, section: u64) -> u64 {
        section >> self.leaf_shift
    }

    /// The entry for it within its stretch.
    #[inline]
    pub(super) fn leaf_offset(&self, section: u64) -> u64 {
        section & ((1 << self.leaf_shift) - 1)
    }

    /// The parts of a run of sections that lie in one stretch each.
    pub(super) fn by_stretch(&self, run: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mask = self.leaf_len() - 1;
        let mut start = run.start;
        core::iter::from_fn(move || {
            let part = start..run.end.min((start | mask) + 1);
            start = part.end;
            (!part.is_empty()).then_some(part)
        })
    }

    /// Entries of the lower level for one stretch.
    pub(super) fn leaf_len(&self) -> u64 {
        1 << self.leaf_shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use crate::memmap::SECTION_FRAMES;
    use std::vec::Vec;

    /// The entries of the directory of machines with a section at each of these places.
    fn entries(places: &[u64]) -> u64 {
        let at = |place: &u64| Pfn::new(place * SECTION_FRAMES);
        let ranges = places.iter().map(|place| PfnRange::new(at(place), at(&(place + 1))));
        let end = at(&(places.iter().max().unwrap() + 1));
        let directory = Directory::plan(end, places.len() as u64, ranges);
        directory.root_len() + directory.leaves_len()
    }

    /// Memory at both ends of the largest address space costs less than a megabyte of entries.
    #[test]
    fn far_apart() {
        assert!(entries(&[0, (1 << 32) - 1]) < 1 << 18);
        assert!(entries(&[0, 1 << 25]) < 1 << 15);
    }

    /// Dense memory costs a little more than an entry for each section.
    #[test]
    fn dense() {
        let places: Vec<u64> = (0..5000).collect();
        assert!(entries(&places) < 11_000);
        assert_eq!(entries(&[0]), 2);
    }
}
