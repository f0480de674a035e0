//! Reserved memory that becomes the allocator's after boot.
//!
//! In three passes over the frames: is each of them reserved; claimed under its zone's lock, as an
//! allocated block that nobody else knows; freed as any such block. So the third can't fail, and what
//! the second has claimed can be put back when another call has claimed the next.

use super::PageAllocator;
use crate::boot::InitError;
use crate::memmap::{FrameIdx, FrameKind, Memmap};
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::ZoneMut;
use crate::zone_id::ZoneId;
use crate::{Order, Pfn, PfnRange};
use core::fmt;

/// Why memory was not given to the allocator. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The allocator has not been initialised.
    Uninitialized,
    /// There was no memory at boot where this frame would be.
    NoMemory(Pfn),
    /// The frame was given before: it is free, at hand on a CPU's list, or allocated.
    Managed(Pfn),
    /// The allocator's own tables lie in the frame.
    Tables(Pfn),
    /// What was said of the machine makes no sense.
    BootInfo(InitError),
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uninitialized => f.write_str("the allocator has not been initialised"),
            Self::NoMemory(pfn) => write!(f, "frame {pfn} is no memory"),
            Self::Managed(pfn) => write!(f, "frame {pfn} is the allocator's already"),
            Self::Tables(pfn) => write!(f, "frame {pfn} holds the allocator's tables"),
            Self::BootInfo(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for ReleaseError {}

/// Frames of one section and zone.
#[derive(Clone, Copy)]
struct Part {
    first: FrameIdx,
    frames: u64,
    zone: ZoneId,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Gives reserved frames to their zones, all or none, and tells how many. `ranges` ascend.
    pub(super) fn release_reserved(
        &self,
        ranges: impl Iterator<Item = PfnRange> + Clone,
    ) -> Result<u64, ReleaseError> {
        let machine = self.machine().ok_or(ReleaseError::Uninitialized)?;
        ranges.clone().try_for_each(|range| check_reserved(machine, range))?;
        let parts = ranges.flat_map(|range| parts(&machine.memmap, range));
        self.claim_all(machine, parts.clone())?;
        Ok(parts.map(|part| self.free_claimed(machine, part)).sum())
    }

    /// Claims all parts; if one of them is no longer reserved, none.
    fn claim_all(
        &self,
        machine: &Machine,
        parts: impl Iterator<Item = Part> + Clone,
    ) -> Result<(), ReleaseError> {
        for (claimed, part) in parts.clone().enumerate() {
            let claim = |zone: &mut ZoneMut<'_>| zone.claim_reserved(part.first, part.frames);
            let Some(Err(taken)) = self.in_zone(machine, part.zone, claim) else { continue };
            for part in parts.take(claimed) {
                self.in_zone(machine, part.zone, |zone| {
                    zone.unclaim_reserved(part.first, part.frames);
                });
            }
            return Err(ReleaseError::Managed(machine.memmap.pfn_of(taken)));
        }
        Ok(())
    }

    fn in_zone<A>(
        &self,
        machine: &Machine,
        zone: ZoneId,
        f: impl FnOnce(&mut ZoneMut<'_>) -> A,
    ) -> Option<A> {
        let zone = machine.zone(zone)?;
        let irq = IrqGuard::new(&self.platform);
        Some(zone.with(&machine.memmap, &irq, f))
    }

    /// Frees what was claimed, frame by frame; tells how many.
    fn free_claimed(&self, machine: &Machine, part: Part) -> u64 {
        let frames = frames_from(part.first, part.frames);
        let tokens = frames.map(|index| machine.memmap.token(index, Order::ZERO));
        tokens.map(|page| u64::from(self.free_pages(page).is_ok())).sum()
    }
}

/// Whether all frames of a range are reserved, and nobody's but the caller's.
fn check_reserved(machine: &Machine, range: PfnRange) -> Result<(), ReleaseError> {
    let mut pfn = range.start;
    while pfn < range.end {
        let index = machine.memmap.index_of(pfn).ok_or(ReleaseError::NoMemory(pfn))?;
        match machine.memmap.state(index).kind() {
            FrameKind::Absent => return Err(ReleaseError::NoMemory(pfn)),
            FrameKind::Reserved if machine.tables.contains(pfn) => {
                return Err(ReleaseError::Tables(pfn));
            }
            FrameKind::Reserved => {}
            FrameKind::Tail | FrameKind::Free | FrameKind::Allocated | FrameKind::Cached => {
                return Err(ReleaseError::Managed(pfn));
            }
        }
        pfn = pfn + 1;
    }
    Ok(())
}

/// A range of present frames, cut where sections end and where the zone changes.
fn parts(memmap: &Memmap, range: PfnRange) -> impl Iterator<Item = Part> + Clone {
    let mut rest = range;
    core::iter::from_fn(move || {
        let first = memmap.index_of(rest.start).filter(|_| !rest.is_empty())?;
        let zone = memmap.state(first).zone();
        let alike = |index: &FrameIdx| memmap.state(*index).zone() == zone;
        let frames = frames_from(first, rest.len()).take_while(alike).count() as u64;
        rest.start = rest.start + frames;
        Some(Part { first, frames, zone })
    })
}

/// So many frames from `first` on, or up to the end of its section.
fn frames_from(first: FrameIdx, count: u64) -> impl Iterator<Item = FrameIdx> + Clone {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    core::iter::successors(Some(first), |index| index.forward(1)).take(count)
}
