//! Reserved memory that is given to the allocator after boot.

use super::populate::frames;
use super::shared::ZoneMut;
use crate::Order;
use crate::memmap::{FrameIdx, FrameState, FreeBlock};

impl ZoneMut<'_> {
    /// Makes reserved frames of one section, from `first` on, allocated blocks of one frame each. They are
    /// managed from then on (I6), and the one reference to each is the caller's.
    ///
    /// If one of them is no reserved frame of this zone, nothing changes, and it is told.
    pub(crate) fn claim_reserved(&mut self, first: FrameIdx, count: u64) -> Result<(), FrameIdx> {
        let reserved = FrameState::reserved(self.shared.id);
        let other = frames(first, count).find(|index| self.memmap.state(*index) != reserved);
        if let Some(other) = other {
            return Err(other);
        }
        self.memmap.open_section(first);
        for index in frames(first, count) {
            self.set_allocated(FreeBlock::new(index), Order::ZERO);
        }
        self.shared.managed.add(count);
        Ok(())
    }

    /// The reverse of [`claim_reserved`](Self::claim_reserved), by who called it.
    pub(crate) fn unclaim_reserved(&mut self, first: FrameIdx, count: u64) {
        for index in frames(first, count) {
            self.memmap.frame(index).reset(FrameState::reserved(self.shared.id));
        }
        self.shared.managed.sub(count);
    }
}
