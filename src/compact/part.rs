//! The part of a pageblock that belongs to a zone.

use super::aligned::{end_of, start_of};
use crate::memmap::{FrameIdx, FrameKind, Memmap};
use crate::zone::ZoneShared;
use crate::{PAGEBLOCK_ORDER, Pfn};

/// Frames of a pageblock, from the first that is present to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The first frame of the pageblock, which need not be of the part.
    pageblock: FrameIdx,
    /// Where the part begins and ends in the pageblock.
    low: u32,
    high: u32,
}

impl Part {
    /// What a zone has of the pageblock around a frame number; `None` if it has nothing, or if the
    /// first or the last frame that is present is of another zone. Between them may be holes, as there
    /// may be before and after them: Linux counts these to the zone around them.
    #[doc(alias = "pageblock_pfn_to_page")]
    pub(super) fn of(memmap: &Memmap, zone: &ZoneShared, pfn: Pfn) -> Option<Self> {
        let start = start_of(pfn, PAGEBLOCK_ORDER).max(zone.span().start);
        let end = end_of(pfn, PAGEBLOCK_ORDER).min(zone.span().end);
        let frames = u32::try_from(end.get().checked_sub(start.get())?).ok()?;
        // Where there is no first frame there is no other: all are of one section.
        let first = memmap.index_of(start)?;
        let pageblock = first.align_down(PAGEBLOCK_ORDER);
        let state = |at| memmap.state(pageblock.forward_in_block(at));
        let is_present = |at: &u32| state(*at).kind() != FrameKind::Absent;
        let start = first.offset_in(pageblock);
        let low = (start..start + frames).find(is_present)?;
        let high = (low..start + frames).rfind(is_present)?;
        let is_ours = state(low).zone() == zone.id && state(high).zone() == zone.id;
        is_ours.then_some(Self { pageblock, low, high })
    }

    /// The first frame.
    pub(super) fn first(self) -> FrameIdx {
        self.pageblock.forward_in_block(self.low)
    }

    /// Every so many frames of it, from the first on.
    pub(super) fn every(self, step: usize) -> impl Iterator<Item = FrameIdx> {
        (self.low..=self.high).step_by(step).map(move |at| self.pageblock.forward_in_block(at))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::Part;
    use crate::{Pfn, PfnRange, RawZone, RawZoneConfig};
    use std::vec;

    const START: u64 = 0x1000;

    fn range(start: u64, end: u64) -> PfnRange {
        PfnRange::new(Pfn::new(START + start), Pfn::new(START + end))
    }

    /// A pageblock is known by what is present of it, wherever its holes are; one that is all hole is
    /// none. The borders of the zone end it, too.
    #[test]
    fn holes_are_left_out() {
        let present = [range(7, 500), range(600, 700), range(800, 1024), range(3072, 3100)];
        let span = range(7, 3100);
        let config = RawZoneConfig::new(span, &present);
        let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
        let mut zone = RawZone::new(&mut memory, &config).unwrap();
        let zone = zone.zone();
        let part = |at: u64| {
            let part = Part::of(zone.memmap, zone.shared, Pfn::new(START + at))?;
            let pfn = |index| zone.memmap.pfn_of(index).get() - START;
            assert!(part.every(1).map(pfn).eq(pfn(part.first())..=pfn(part.every(1).last()?)));
            Some((pfn(part.first()), part.every(1).count()))
        };
        assert_eq!([part(7), part(511)], [Some((7, 493)); 2]);
        assert_eq!([part(512), part(750)], [Some((600, 424)); 2]);
        assert_eq!([part(1024), part(2000)], [None; 2]);
        assert_eq!(part(3072), Some((3072, 28)));
    }
}
