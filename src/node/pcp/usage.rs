//! How much was taken from a CPU's lists and freed to them, by the counts of each list.

use super::{Pcp, PcpEvents, PcpIndex};
use crate::sync::Counter;

/// What happened up to some moment. Numbers wrap around: differences count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Blocks handed out.
    pub(super) taken: u32,
    /// Blocks that came back.
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
    /// All frames handed out.
    pub(crate) fn frames_allocated(&self) -> u64 {
        self.frames(|list| &list.allocated)
    }

    /// All frames that came back.
    pub(crate) fn frames_freed(&self) -> u64 {
        self.frames(|list| &list.freed)
    }

    /// The sum of a count over all lists, each block with all its frames.
    fn frames(&self, count: impl Fn(&PcpEvents) -> &Counter) -> u64 {
        PcpIndex::all().fold(0, |sum: u64, index| {
            let blocks = count(&self.events[index.get()]).get();
            sum.wrapping_add(blocks << index.order().get())
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "differences count, modulo 2^32")]
    pub(super) fn usage(&self) -> Usage {
        Usage {
            taken: self.nr_allocated() as u32,
            freed: self.nr_freed() as u32,
            gained: self.frames_freed().wrapping_sub(self.frames_allocated()) as u32,
        }
    }
}
