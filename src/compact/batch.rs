//! The blocks that are to be moved next.

use super::COMPACT_CLUSTER_MAX;
use crate::{Order, Pfn};

/// An allocated block that the kernel says can be moved. Nobody keeps it from being freed: it is
/// looked at again before it is moved, and the kernel knows best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) pfn: Pfn,
    pub(super) order: Order,
}

/// Up to a cluster of them.
#[derive(Debug)]
pub(super) struct Batch {
    sources: [Source; COMPACT_CLUSTER_MAX],
    len: usize,
    frames: u64,
}

impl Batch {
    pub(super) fn new() -> Self {
        let nothing = Source { pfn: Pfn::new(0), order: Order::ZERO };
        Self { sources: [nothing; COMPACT_CLUSTER_MAX], len: 0, frames: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The frames of all blocks.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether there is a cluster's worth, so that there may be no room for another.
    pub(super) fn is_full(&self) -> bool {
        self.frames >= COMPACT_CLUSTER_MAX as u64
    }

    /// Adds a block, if there is room.
    pub(super) fn push(&mut self, source: Source) {
        if let Some(place) = self.sources.get_mut(self.len) {
            *place = source;
            self.len += 1;
            self.frames += source.order.nr_pages();
        }
    }

    /// Forgets all blocks.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.frames = 0;
    }

    /// Asks about each block, in order; those of which `keep` says no are forgotten.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(Source, u64) -> bool) {
        let mut kept = 0;
        for at in 0..self.len {
            let source = self.sources[at];
            if keep(source, self.frames) {
                self.sources[kept] = source;
                kept += 1;
            } else {
                self.frames -= source.order.nr_pages();
            }
        }
        self.len = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks leave one by one, in order, and a batch never has more than fit.
    #[test]
    fn a_batch_is_bounded() {
        let mut batch = Batch::new();
        for pfn in 0..40 {
            batch.push(Source { pfn: Pfn::new(pfn), order: Order::O1 });
        }
        assert!(batch.is_full() && batch.frames() == 64);
        let mut seen = std::vec::Vec::new();
        batch.retain(|source, frames| {
            seen.push(frames);
            source.pfn.get().is_multiple_of(2)
        });
        assert_eq!((seen[0], seen[1], seen[2]), (64, 64, 62));
        assert_eq!(batch.frames(), 32);
        batch.retain(|_, _| false);
        assert!(batch.is_empty() && batch.frames() == 0);
    }
    extern crate std;
}
