//! The invariants, each a function that finds its violations.
//!
//! For tests, debug kernels and those who write to the tables on their own: a walk over every list
//! and every frame. The numbers are those of the crate's documentation.

mod frames;
mod lists;
mod pcps;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod planted_pcps;

pub(crate) use pcps::pcp;

use crate::zone::ZoneMut;
use crate::zone_id::ZoneId;
use crate::{NodeId, Pfn, ZoneType};
use core::fmt;

/// The invariants of the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Invariant {
    /// I1: link words are 0 or a frame of this memmap.
    Links,
    /// I2: a frame heads at most one list, and its state says which.
    OneList,
    /// I3: a block is aligned to its order and lies in one zone; its other frames are inside it. Memory
    /// that is only planned for is of no zone.
    Blocks,
    /// I4: no two free buddies of equal order below a pageblock. (From a pageblock up Linux leaves
    /// buddies apart after a change of their types.)
    Merged,
    /// I5: the counts of free blocks and frames are those of the lists.
    Counts,
    /// I6: every managed frame is free, cached or allocated, and what is allocated has a holder.
    Managed,
    /// I7: a free block is on the list of its recorded migratetype.
    Types,
    /// I8: the min watermark is not above the low one, nor the low above the high.
    Watermarks,
    /// I9: the blocks that are marked cached are those of the per-CPU lists, and their frames are
    /// counted.
    Cached,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Links => "I1",
            Self::OneList => "I2",
            Self::Blocks => "I3",
            Self::Merged => "I4",
            Self::Counts => "I5",
            Self::Managed => "I6",
            Self::Types => "I7",
            Self::Watermarks => "I8",
            Self::Cached => "I9",
        })
    }
}

/// An invariant that does not hold, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// The node of the zone.
    pub node: NodeId,
    /// The zone.
    pub zone: ZoneType,
    /// The frame, where there is one to name.
    pub pfn: Option<Pfn>,
    /// What was found.
    pub what: &'static str,
}

impl Violation {
    fn new(invariant: Invariant, zone: ZoneId, pfn: Option<Pfn>, what: &'static str) -> Self {
        Self { invariant, node: zone.node(), zone: zone.zone_type(), pfn, what }
    }
}

impl Violation {
    /// The lists of a CPU are in use, so that they can't be looked at.
    pub(crate) fn in_use(zone: ZoneId) -> Self {
        Self::new(Invariant::Cached, zone, None, "a CPU's lists are in use")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in zone {} of node {}", self.invariant, self.zone, self.node)?;
        if let Some(pfn) = self.pfn {
            write!(f, ", frame {pfn}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Violation {}

/// All invariants of one zone, of which CPUs have so many blocks on their lists. The order matters:
/// each check relies on those before it.
pub(crate) fn zone(zone: &ZoneMut<'_>, cached: usize) -> Result<(), Violation> {
    lists::links(zone)?;
    lists::one_list(zone)?;
    lists::types(zone)?;
    lists::counts(zone)?;
    frames::blocks(zone)?;
    frames::planned(zone)?;
    frames::merged(zone)?;
    frames::managed(zone)?;
    pcps::cached(zone, cached)?;
    watermarks(zone)
}

/// I8.
fn watermarks(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    use crate::WatermarkLevel::{High, Low, Min};
    use crate::zone::watermark::ZoneView;
    let [min, low, high] = [Min, Low, High].map(|level| zone.shared.watermark(level));
    if min <= low && low <= high {
        return Ok(());
    }
    Err(Violation::new(Invariant::Watermarks, zone.shared.id, None, "watermarks out of order"))
}
