//! I9: the per-CPU lists of a zone.

use super::{Invariant, Violation};
use crate::memmap::{FrameIdx, FrameKind, Memmap};
use crate::node::pcp::{Pcp, PcpIndex, PcpLists};
use crate::zone_id::ZoneId;

/// One CPU's lists of a zone are sound, and hold as many frames as is counted. Gives the number of
/// blocks. Walks by the link words themselves, so that a wild one is never followed.
pub(crate) fn pcp(
    zone: ZoneId,
    memmap: &Memmap,
    pcp: &Pcp,
    lists: &PcpLists,
) -> Result<usize, Violation> {
    let (mut blocks, mut frames) = (0, 0);
    for index in PcpIndex::all() {
        let most = pcp.count().saturating_sub(frames) / index.frames();
        let length = list((zone, memmap), lists, index, most)?;
        blocks += length as usize;
        frames += length * index.frames();
    }
    if frames != pcp.count() {
        let what = "the count of a CPU's frames is not that of its lists";
        return Err(Violation::new(Invariant::Cached, zone, None, what));
    }
    Ok(blocks)
}

/// The blocks of one list are marked as cached, of its order, and bound for a type that it serves;
/// the words point both ways, and the list ends at its tail. Gives its length, at most `most`.
fn list(
    (zone, memmap): (ZoneId, &Memmap),
    lists: &PcpLists,
    list: PcpIndex,
    most: u32,
) -> Result<u32, Violation> {
    let tail = lists.list(list).tail();
    let (mut next, mut before, mut length) = (lists.list(list).head(), None, 0);
    while let Some(index) = next {
        let at = |what| violation(zone, memmap, index, what);
        if length == most {
            return Err(at("a CPU's lists are longer than its count"));
        }
        check_block((zone, memmap), list, index)?;
        let (forward, back) = memmap.links_of(index);
        if before.is_some() && back != Ok(before) {
            return Err(at("prev is not the frame before it"));
        }
        next = forward.map_err(|_| at("next names no frame"))?;
        before = Some(index);
        length += 1;
    }
    if tail == before {
        return Ok(length);
    }
    let what = "the last of a CPU's list is not its tail";
    Err(Violation::new(Invariant::Cached, zone, before.map(|index| memmap.pfn_of(index)), what))
}

fn check_block(
    (zone, memmap): (ZoneId, &Memmap),
    list: PcpIndex,
    index: FrameIdx,
) -> Result<(), Violation> {
    let state = memmap.state(index);
    if state.kind() != FrameKind::Cached {
        return Err(violation(zone, memmap, index, "on a CPU's list, but not marked cached"));
    }
    if state.zone() != zone || PcpIndex::new(state.order(), state.migratetype()) != list {
        let what = "on a CPU's list of another order, type or zone";
        return Err(violation(zone, memmap, index, what));
    }
    Ok(())
}

fn violation(zone: ZoneId, memmap: &Memmap, at: FrameIdx, what: &'static str) -> Violation {
    Violation::new(Invariant::Cached, zone, Some(memmap.pfn_of(at)), what)
}

/// As many frames of the zone are marked cached as the lists of all CPUs have blocks.
pub(crate) fn cached(zone: &crate::zone::ZoneMut<'_>, listed: usize) -> Result<(), Violation> {
    let heads = super::frames::heads(zone);
    if heads.filter(|(_, state)| state.kind() == FrameKind::Cached).count() == listed {
        return Ok(());
    }
    let what = "frames marked cached are on no CPU's list";
    Err(Violation::new(Invariant::Cached, zone.shared.id, None, what))
}
