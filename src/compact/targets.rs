//! Free blocks that were taken off their lists so that other blocks can be moved into them.

use crate::Order;
use crate::memmap::{FrameIdx, Memmap};
use crate::zone::split_allocated;

/// A block that the compactor holds: allocated, with one reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) index: FrameIdx,
    pub(super) order: Order,
}

/// Places for targets.
const PLACES: usize = 64;

/// Places that splitting one target may take.
const RESERVE: usize = 2 * Order::MAX as usize;

/// Targets that wait for their sources.
///
/// # Invariants
///
/// The holder has the only reference to each.
#[derive(Debug)]
pub(super) struct Targets {
    blocks: [Option<Target>; PLACES],
    len: usize,
    frames: u64,
}

impl Targets {
    pub(super) fn new() -> Self {
        Self { blocks: [None; PLACES], len: 0, frames: 0 }
    }

    /// The frames of all targets.
    #[doc(alias = "nr_freepages")]
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether one of them is at least that large.
    pub(super) fn has(&self, order: Order) -> bool {
        self.blocks.iter().take(self.len).flatten().any(|block| block.order >= order)
    }

    /// Whether another free block should not be added: the places left are for parts of these.
    pub(super) fn is_full(&self) -> bool {
        self.len + RESERVE > PLACES
    }

    /// Adds a target; gives it back if there is no place.
    pub(super) fn push(&mut self, target: Target) -> Option<Target> {
        let Some(place) = self.blocks.get_mut(self.len) else { return Some(target) };
        *place = Some(target);
        self.len += 1;
        self.frames += target.order.nr_pages();
        None
    }

    /// Takes any target.
    pub(super) fn pop(&mut self) -> Option<Target> {
        self.len = self.len.checked_sub(1)?;
        self.removed(self.len)
    }

    /// Takes a target of that order, split off from the smallest that is large enough.
    #[doc(alias = "compaction_alloc")]
    pub(super) fn take(&mut self, order: Order, memmap: &Memmap) -> Option<Target> {
        let fitting = self.blocks.iter().enumerate().take(self.len);
        let fitting = fitting.filter_map(|(at, block)| Some((at, (*block)?)));
        let fitting = fitting.filter(|(_, block)| block.order >= order);
        let (at, found) = fitting.min_by_key(|(_, block)| block.order)?;
        let parts = found.order.index() - order.index();
        if self.len - 1 + parts > PLACES {
            return None;
        }
        self.len -= 1;
        self.blocks.swap(at, self.len);
        let mut target = self.removed(self.len)?;
        while target.order > order {
            let half = target.order.below()?;
            split_allocated(memmap, target.index, target.order, half);
            let _placed = self.push(Target { index: target.index.upper_half(half), order: half });
            target.order = half;
        }
        Some(target)
    }

    fn removed(&mut self, at: usize) -> Option<Target> {
        let target = self.blocks.get_mut(at)?.take()?;
        self.frames -= target.order.nr_pages();
        Some(target)
    }
}
