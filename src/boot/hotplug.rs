//! Memory that may come after boot: the sections that are described for it from the beginning.

use super::memory_map::ADDRESS_LIMIT;
use super::{InitError, NodeRange, Survey, Sweep};
use crate::memmap::SECTION_FRAMES;
use crate::{NodeMask, Pfn, PfnRange};

impl<'a> Survey<'a> {
    /// Checks the ranges, and remembers them.
    #[inline(never)]
    pub(super) fn set_hotplug(&mut self, ranges: &'a [NodeRange]) -> Result<(), InitError> {
        for (i, range) in ranges.iter().enumerate() {
            let bytes = range.bytes();
            let illegal = match bytes {
                Some(bytes) => bytes.last >= ADDRESS_LIMIT,
                None => range.length != 0,
            };
            let others = ranges[..i].iter().filter_map(NodeRange::bytes);
            if illegal || bytes.is_some_and(|it| others.into_iter().any(|other| it.overlaps(other)))
            {
                return Err(InitError::IllegalHotplug(*range));
            }
        }
        self.hotplug = ranges;
        Ok(())
    }

    /// The nodes that may get memory later.
    pub(super) fn hotplug_nodes(&self) -> NodeMask {
        self.hotplug.iter().map(|range| range.node).collect()
    }

    /// The whole sections of the ranges, which may hold present memory too; in the order of the ranges.
    pub(super) fn planned(&self) -> impl Iterator<Item = PfnRange> + Clone + use<'a> {
        let (shift, used) = (self.page_shift(), self.firmware.frames);
        self.hotplug.iter().filter_map(move |range| whole_sections(range, shift, used))
    }

    /// Present and planned frames in ranges that ascend by their first frames, and may overlap.
    pub(super) fn mapped(&self) -> impl Iterator<Item = PfnRange> + Clone {
        Mapped { runs: self.runs(), ahead: None, planned: self.planned(), from: Pfn::new(0) }
    }
}

/// The whole sections of a range, of frames that may be used, if there are any.
fn whole_sections(range: &NodeRange, page_shift: u32, used: PfnRange) -> Option<PfnRange> {
    let bytes = range.bytes()?;
    let start = bytes.first.div_ceil(1 << page_shift).max(used.start.get());
    let start = start.checked_next_multiple_of(SECTION_FRAMES)?;
    let end = ((bytes.last + 1) >> page_shift) & !(SECTION_FRAMES - 1);
    (start < end).then(|| PfnRange::new(Pfn::new(start), Pfn::new(end)))
}

/// See [`Survey::mapped`].
#[derive(Clone, Debug)]
pub(super) struct Mapped<'a, I> {
    runs: Sweep<'a>,
    /// The next present frames.
    ahead: Option<PfnRange>,
    /// All planned ranges, in any order.
    planned: I,
    /// Those below were given.
    from: Pfn,
}

impl<I: Iterator<Item = PfnRange> + Clone> Iterator for Mapped<'_, I> {
    type Item = PfnRange;

    fn next(&mut self) -> Option<PfnRange> {
        let run = self.ahead.take().or_else(|| self.runs.next().map(|run| run.range));
        let planned = self.planned.clone();
        let planned = planned.filter(|it| it.start >= self.from).min_by_key(|it| it.start);
        match (run, planned) {
            (Some(run), Some(planned)) if planned.start < run.start => {
                (self.ahead, self.from) = (Some(run), planned.end);
                Some(planned)
            }
            (None, Some(planned)) => {
                self.from = planned.end;
                Some(planned)
            }
            (run, _) => run,
        }
    }
}
