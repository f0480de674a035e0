//! How much was taken from a CPU's lists and freed to them. Only what is taken is counted at once; what
//! came back is what must have, by what is there and what came from the zone and went back to it.

use super::{Pcp, PcpIndex};

/// What happened up to some moment. Numbers wrap around: differences count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Frames handed out.
    pub(super) taken: u32,
    /// Frames that came back.
    pub(super) freed: u32,
    /// Frames that came back, less those handed out.
    pub(super) gained: u32,
}

impl Usage {
    /// What happened since an earlier moment.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            taken: self.taken.wrapping_sub(earlier.taken),
            freed: self.freed.wrapping_sub(earlier.freed),
            gained: self.gained.wrapping_sub(earlier.gained),
        }
    }
}

impl Pcp {
    /// The frames of all blocks handed out.
    pub(crate) fn frames_allocated(&self) -> u64 {
        let frames =
            |index: PcpIndex| self.allocated[index.get()].get() * u64::from(index.frames());
        PcpIndex::all().map(frames).fold(0, u64::wrapping_add)
    }

    /// The frames of all blocks that came back: those that must have, as there are so many. Exact
    /// under the lists' lock. Without it what happens in between counts as if more had come back: what
    /// frames come from is looked at first, and where they went to last.
    pub(crate) fn frames_freed(&self) -> u64 {
        let supplied = self.supplied.get();
        let left = u64::from(self.count());
        let gone = self.frames_allocated().wrapping_add(self.returned.get());
        let freed = left.wrapping_add(gone).wrapping_sub(supplied);
        // A CPU that is between its two counts may make it one block too few.
        freed.cast_signed().max(0).cast_unsigned()
    }

    #[expect(clippy::cast_possible_truncation, reason = "differences count, modulo 2^32")]
    pub(super) fn usage(&self) -> Usage {
        let (taken, freed) = (self.frames_allocated() as u32, self.frames_freed() as u32);
        Usage { taken, freed, gained: freed.wrapping_sub(taken) }
    }
}
