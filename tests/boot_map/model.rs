//! A naive model: memory painted unit by unit, several units to a frame.

use crate::text::{frames, node};
use core::ops::Range;
use page_alloc::boot::{BootInfo, NodeRange, Numa, Run, RunState};
use page_alloc::{NodeId, Order, Pfn, PhysAddr};

/// What each unit of a small piece of physical memory is.
pub(crate) struct Painting {
    units: Vec<(Option<RunState>, NodeId)>,
    /// Whether a NUMA range covers the unit.
    pub(crate) covered: Vec<bool>,
    units_per_frame: usize,
}

/// The units from `base` on that exist.
fn units(base: PhysAddr, length: u64, unit: u64, all: usize) -> Range<usize> {
    let end = u128::from(base.get()) + u128::from(length);
    if end > 1 << 64 {
        return 0..0;
    }
    let clip = |unit: u128| usize::try_from(unit).map_or(all, |unit| unit.min(all));
    clip(u128::from(base.get() / unit))..clip(end.div_ceil(u128::from(unit)))
}

impl Painting {
    /// Paints the lowest `all` units, of `unit` bytes.
    pub(crate) fn paint(info: &BootInfo<'_>, page_shift: u32, unit: u64, all: usize) -> Self {
        let mut state = vec![None; all];
        for kind in [Some(RunState::Free), Some(RunState::Reclaimable)] {
            for region in info.memory_map.iter().filter(|region| region.kind.state() == kind) {
                state[units(region.base, region.length, unit, all)].fill(kind);
            }
        }
        for it in info.reservations {
            for state in &mut state[units(it.base, it.length, unit, all)] {
                *state = state.map(|_| RunState::Reserved);
            }
        }
        for region in info.memory_map.iter().filter(|region| region.kind.state().is_none()) {
            state[units(region.base, region.length, unit, all)].fill(None);
        }
        let owners = owners(&info.numa, unit, all);
        let (nodes, covered): (Vec<_>, Vec<_>) = owners.into_iter().unzip();
        let units_per_frame = usize::try_from((1 << page_shift) / unit).unwrap();
        Self { units: state.into_iter().zip(nodes).collect(), covered, units_per_frame }
    }

    pub(crate) fn nr_frames(&self) -> usize {
        self.units.len() / self.units_per_frame
    }

    /// The units of a frame.
    pub(crate) fn units(&self, frame: usize) -> &[(Option<RunState>, NodeId)] {
        &self.units[frame * self.units_per_frame..][..self.units_per_frame]
    }

    /// What a frame is, with the node of its first unit.
    pub(crate) fn frame(&self, frame: usize) -> Option<(RunState, NodeId)> {
        let units = self.units(frame);
        let has = |state| units.iter().any(|unit| unit.0 == state);
        let state = match () {
            () if has(None) => return None,
            () if has(Some(RunState::Reserved)) => RunState::Reserved,
            () if has(Some(RunState::Reclaimable)) => RunState::Reclaimable,
            () => RunState::Free,
        };
        Some((state, units[0].1))
    }

    /// All frames from `first` on, joined as far as can be.
    pub(crate) fn runs(&self, first: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for frame in first..self.nr_frames() {
            let Some((state, node)) = self.frame(frame) else { continue };
            let pfn = u64::try_from(frame).unwrap();
            match runs.last_mut() {
                Some(run)
                    if run.range.end.get() == pfn && (run.state, run.node) == (state, node) =>
                {
                    run.range.end = Pfn::new(pfn + 1);
                }
                _ => runs.push(Run { range: frames(pfn, pfn + 1), node, state }),
            }
        }
        runs
    }

    /// The highest free frames from `first` on, by trying all places.
    pub(crate) fn highest_free(
        &self,
        count: usize,
        align: Order,
        within: Range<usize>,
    ) -> Option<usize> {
        let free = |frame| matches!(self.frame(frame), Some((RunState::Free, _)));
        let last = within.end.min(self.nr_frames()).checked_sub(count)?;
        let step = 1 << align.index();
        (within.start..=last)
            .rev()
            .find(|start| start % step == 0 && (*start..start + count).all(free))
    }
}

/// The node of each unit, and whether a range says so.
fn owners(numa: &Numa<'_>, unit: u64, all: usize) -> Vec<(NodeId, bool)> {
    let Numa::Ranges { ranges, .. } = numa else { return vec![(NodeId::ZERO, true); all] };
    let mut owners = vec![None; all];
    let place = |range: &NodeRange| units(range.base, range.length, unit, all);
    for range in *ranges {
        owners[place(range)].fill(Some(range.node));
    }
    let real = ranges.iter().filter(|range| range.length != 0 && !place(range).is_empty());
    let mut last = real.min_by_key(|range| range.base).map_or(node(0), |range| range.node);
    let mut filled = Vec::new();
    for owner in owners {
        last = owner.unwrap_or(last);
        filled.push((last, owner.is_some()));
    }
    filled
}
