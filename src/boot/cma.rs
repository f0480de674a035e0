//! CMA areas: memory for large contiguous buffers, lent to movable requests meanwhile.

use super::{InitError, Reservation, RunState, Survey};
use crate::{PAGEBLOCK_NR_PAGES, Pfn, PfnRange};

impl<'a> Survey<'a> {
    /// Checks the areas against what is free, and takes them out of it.
    pub(super) fn set_cma(&mut self, areas: &'a [Reservation]) -> Result<(), InitError> {
        for (i, area) in areas.iter().enumerate().filter(|(_, area)| area.length != 0) {
            let range = self.cma_range(area).ok_or(InitError::IllegalCma(*area))?;
            let meets = |other: &Reservation| {
                self.cma_range(other).is_some_and(|other| !other.intersection(range).is_empty())
            };
            if areas[..i].iter().any(meets) {
                return Err(InitError::IllegalCma(*area));
            }
        }
        self.firmware.set_cma(areas);
        Ok(())
    }

    /// The area's frames, if they are whole pageblocks of free memory in one zone.
    pub(super) fn cma_range(&self, area: &Reservation) -> Option<PfnRange> {
        let bytes = area.bytes()?;
        let pageblock = PAGEBLOCK_NR_PAGES << self.page_shift();
        let end = bytes.last.checked_add(1)?;
        let aligned = bytes.first.is_multiple_of(pageblock) && end.is_multiple_of(pageblock);
        let [start, end] = [bytes.first, end].map(|byte| Pfn::new(byte >> self.page_shift()));
        let range = PfnRange::new(start, end);
        let run = self.runs_in(range).next().filter(|run| run.range == range && aligned)?;
        let zone = |pfn| self.zone_of(run.node, pfn);
        let one_zone = zone(start) == zone(Pfn::new(end.get() - 1));
        (run.state == RunState::Free && one_zone).then_some(range)
    }

    /// The first frames of the pageblocks of all areas.
    pub(super) fn cma_pageblocks(&self) -> impl Iterator<Item = Pfn> + use<'a> {
        let shift = self.page_shift();
        let pageblock = PAGEBLOCK_NR_PAGES << shift;
        self.firmware.cma().iter().filter_map(Reservation::bytes).flat_map(move |bytes| {
            let blocks = (bytes.last - bytes.first) / pageblock + 1;
            (0..blocks).map(move |n| Pfn::new((bytes.first + n * pageblock) >> shift))
        })
    }
}
