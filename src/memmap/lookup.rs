//! From the number of a frame to its index, by the tables that the [directory](super::directory) describes.

use super::index::FrameIdx;
use super::raw::{Memmap, Table};
use super::section::{SECTION_FRAMES, SECTION_SHIFT};
use crate::Pfn;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

impl Memmap {
    /// Enters the mapped sections, whose places in the address space `runs` gives, ascending.
    pub(super) fn fill_directory(&self, runs: impl Iterator<Item = Range<u64>>) {
        let (mut stretches, mut number) = (0, 1);
        for run in runs {
            for part in self.directory.by_stretch(run) {
                let root = self.entry(&self.root, self.directory.root_index(part.start));
                let Some(root) = root else { continue };
                if root.load(Ordering::Relaxed) == 0 {
                    stretches += 1;
                    root.store(stretches, Ordering::Relaxed);
                }
                for leaf in self.leaves_of(root.load(Ordering::Relaxed), part) {
                    leaf.store(number, Ordering::Relaxed);
                    number += 1;
                }
            }
        }
    }

    /// The lower level's entries for places of one stretch.
    fn leaves_of(&self, stretch: u32, places: Range<u64>) -> &[AtomicU32] {
        let first = u64::from(stretch.saturating_sub(1)) * self.directory.leaf_len();
        let first = first + self.directory.leaf_offset(places.start);
        let index = |entry: u64| usize::try_from(entry).unwrap_or(usize::MAX);
        let entries = index(first)..index(first + (places.end - places.start));
        self.leaves.as_slice().get(entries).unwrap_or_default()
    }

    #[inline]
    fn entry<'t>(&self, table: &'t Table<AtomicU32>, index: u64) -> Option<&'t AtomicU32> {
        table.as_slice().get(usize::try_from(index).ok()?)
    }

    /// The lower level's entry for a section of the address space, `stretch` from the upper level.
    #[inline]
    fn leaf(&self, stretch: u32, place: u64) -> Option<&AtomicU32> {
        let first = u64::from(stretch.checked_sub(1)?) * self.directory.leaf_len();
        self.entry(&self.leaves, first + self.directory.leaf_offset(place))
    }

    /// The index of a frame, `None` if its section is not mapped.
    #[inline]
    pub(crate) fn index_of(&self, pfn: Pfn) -> Option<FrameIdx> {
        let place = pfn.get() >> SECTION_SHIFT;
        let root = self.entry(&self.root, self.directory.root_index(place))?;
        let number = self.leaf(root.load(Ordering::Relaxed), place)?.load(Ordering::Relaxed);
        let offset = (pfn.get() & (SECTION_FRAMES - 1)) as u32;
        // INVARIANT: the directory holds numbers of mapped sections only.
        FrameIdx::new(number, offset)
    }
}
