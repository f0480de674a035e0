//! Invariants of the frames: I3, I4, I6.

use super::{Invariant, Violation};
use crate::memmap::{FrameIdx, FrameKind, FrameState, SECTION_FRAMES};
use crate::zone::ZoneMut;
use crate::{PAGEBLOCK_ORDER, Pfn, PfnRange};

/// The first frames of the mapped sections that the zone touches.
fn sections(zone: &ZoneMut<'_>) -> impl Iterator<Item = FrameIdx> {
    let span = zone.shared.span();
    zone.memmap.first_frames().filter(move |first| {
        let start = zone.memmap.pfn_of(*first);
        !span.intersection(PfnRange::new(start, start + SECTION_FRAMES)).is_empty()
    })
}

/// The zone's free, cached and allocated blocks, by their first frames, ascending.
pub(super) fn heads(zone: &ZoneMut<'_>) -> impl Iterator<Item = (FrameIdx, FrameState)> {
    sections(zone).flat_map(move |first| {
        let mut next = Some(first);
        core::iter::from_fn(move || {
            while let Some(index) = next {
                let state = zone.memmap.state(index);
                let block = is_block(state.kind());
                let frames = if block { 1 << state.order().get() } else { 1 };
                next = skip_pristine(zone, index, frames);
                if block && state.zone() == zone.shared.id {
                    return Some((index, state));
                }
            }
            None
        })
    })
}

fn is_block(kind: FrameKind) -> bool {
    matches!(kind, FrameKind::Free | FrameKind::Allocated | FrameKind::Cached)
}

/// The frame after those; `None` at the section's end, and where one descriptor speaks for all.
fn skip_pristine(zone: &ZoneMut<'_>, index: FrameIdx, frames: u32) -> Option<FrameIdx> {
    if zone.memmap.is_pristine(index) { None } else { index.forward(frames) }
}

fn violation(zone: &ZoneMut<'_>, i: Invariant, index: FrameIdx, what: &'static str) -> Violation {
    Violation::new(i, zone.shared.id, Some(zone.memmap.pfn_of(index)), what)
}

/// I3: blocks are aligned, of one zone, and all their other frames are marked as inside.
pub(super) fn blocks(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    for (index, state) in heads(zone) {
        let at = |what| Err(violation(zone, Invariant::Blocks, index, what));
        if !index.is_aligned(state.order()) {
            return at("the block is not aligned to its order");
        }
        let end = zone.memmap.pfn_of(index) + state.order().nr_pages();
        if !zone.shared.spans(Pfn::new(end.get() - 1)) {
            return at("the block ends beyond its zone");
        }
        if zone.memmap.is_pristine(index) {
            continue;
        }
        let frames = 1 << state.order().get();
        let mut inner = (1..frames).filter_map(|n| index.forward(n));
        if inner.any(|i| zone.memmap.state(i) != FrameState::tail(zone.shared.id)) {
            return at("a frame inside the block is marked otherwise, or of another zone");
        }
    }
    Ok(())
}

/// I3, of memory that is only planned for: it is of no zone yet, and has no holder.
pub(super) fn planned(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    for first in sections(zone).filter(|first| zone.memmap.is_planned(*first)) {
        let halves = [first, first.upper_half(PAGEBLOCK_ORDER)];
        let own = |index: &FrameIdx| zone.memmap.pageblock(*index).zone() == Some(zone.shared.id);
        if halves.iter().any(own) {
            let what = "a pageblock of the zone, but its memory has not come yet";
            return Err(violation(zone, Invariant::Blocks, first, what));
        }
        if zone.memmap.frame(first).count.references() != 0 {
            let what = "its memory has not come yet, but has a holder";
            return Err(violation(zone, Invariant::Blocks, first, what));
        }
    }
    Ok(())
}

/// I4: below a pageblock, a free block's buddy is not free as a whole.
pub(super) fn merged(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    for (index, state) in heads(zone) {
        let order = state.order();
        if state.kind() != FrameKind::Free || order >= PAGEBLOCK_ORDER {
            continue;
        }
        let buddy = zone.memmap.state(index.buddy(order));
        if buddy.is_free(order, zone.shared.id) {
            return Err(violation(zone, Invariant::Merged, index, "its buddy is free as well"));
        }
    }
    Ok(())
}

/// I6: the frames of all blocks are the managed ones, and allocated blocks have holders: several, only if
/// they are marked as shared.
pub(super) fn managed(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    let mut frames = 0;
    for (index, state) in heads(zone) {
        frames += state.order().nr_pages();
        let holders = zone.memmap.frame(index).count.references();
        if state.kind() == FrameKind::Allocated && holders == 0 {
            return Err(violation(zone, Invariant::Managed, index, "allocated, but nobody's"));
        }
        if state.kind() == FrameKind::Allocated && holders > 1 && !state.is_shared() {
            let what = "it has several holders, but is not marked as shared";
            return Err(violation(zone, Invariant::Managed, index, what));
        }
    }
    if frames != zone.shared.managed.get() {
        let what = "free, cached and allocated frames are not as many as the managed ones";
        return Err(Violation::new(Invariant::Managed, zone.shared.id, None, what));
    }
    Ok(())
}
