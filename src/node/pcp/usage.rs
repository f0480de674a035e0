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

    /// The frames of all blocks that came back: those that must have, as there are so many.
    pub(crate) fn frames_freed(&self) -> u64 {
        let gone = self.frames_allocated().wrapping_add(self.returned.get());
        u64::from(self.count()).wrapping_add(gone).wrapping_sub(self.supplied.get())
    }

    #[expect(clippy::cast_possible_truncation, reason = "differences count, modulo 2^32")]
    pub(super) fn usage(&self) -> Usage {
        let (taken, freed) = (self.frames_allocated() as u32, self.frames_freed() as u32);
        Usage { taken, freed, gained: freed.wrapping_sub(taken) }
    }
}
