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
    /// With each, how many were found before it, or before the block that it was a part of.
    blocks: [Option<(Target, u32)>; PLACES],
    len: usize,
    frames: u64,
    found: u32,
}

impl Targets {
    pub(super) fn new() -> Self {
        Self { blocks: [None; PLACES], len: 0, frames: 0, found: 0 }
    }

    /// The frames of all targets.
    #[doc(alias = "nr_freepages")]
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether another free block should not be added: the places left are for parts of these.
    pub(super) fn is_full(&self) -> bool {
        self.len + RESERVE > PLACES
    }

    /// Adds a target; gives it back if there is no place.
    pub(super) fn push(&mut self, target: Target) -> Option<Target> {
        self.found = self.found.wrapping_add(1);
        self.place(target, self.found)
    }

    fn place(&mut self, target: Target, found: u32) -> Option<Target> {
        let Some(place) = self.blocks.get_mut(self.len) else { return Some(target) };
        *place = Some((target, found));
        self.len += 1;
        self.frames += target.order.nr_pages();
        None
    }

    /// Takes any target.
    pub(super) fn pop(&mut self) -> Option<Target> {
        self.len = self.len.checked_sub(1)?;
        self.removed(self.len).map(|(target, _)| target)
    }

    /// Takes a target of that order, split off from the smallest that is large enough; of several the
    /// one that was found first, so that none is left far behind the scanner.
    #[doc(alias = "compaction_alloc")]
    pub(super) fn take(&mut self, order: Order, memmap: &Memmap) -> Option<Target> {
        let fitting = self.blocks.iter().enumerate().take(self.len);
        let fitting = fitting.filter_map(|(at, block)| Some((at, (*block)?)));
        let fitting = fitting.filter(|(_, (block, _))| block.order >= order);
        let (at, (smallest, _)) =
            fitting.min_by_key(|(_, (block, found))| (block.order, *found))?;
        let parts = smallest.order.index() - order.index();
        if self.len - 1 + parts > PLACES {
            return None;
        }
        self.len -= 1;
        self.blocks.swap(at, self.len);
        let (mut target, found) = self.removed(self.len)?;
        while target.order > order {
            let half = target.order.below()?;
            split_allocated(memmap, target.index, target.order, half);
            let upper = Target { index: target.index.upper_half(half), order: half };
            let _placed = self.place(upper, found);
            target.order = half;
        }
        Some(target)
    }

    fn removed(&mut self, at: usize) -> Option<(Target, u32)> {
        let (target, found) = self.blocks.get_mut(at)?.take()?;
        self.frames -= target.order.nr_pages();
        Some((target, found))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Target, Targets};
    use crate::{AllocFlags, MigrateType, Order, Pfn, PfnRange, RawZone, RawZoneConfig};
    use std::vec;
    use std::vec::Vec;

    /// The smallest that is large enough goes first, of several the one that was found first, and a
    /// larger one is split from its beginning.
    #[test]
    fn targets_go_in_the_order_in_which_they_were_found() {
        let span = PfnRange::new(Pfn::new(0x1000), Pfn::new(0x1400));
        let present = [span];
        let config = RawZoneConfig::new(span, &present);
        let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
        let mut zone = RawZone::new(&mut memory, &config).unwrap();
        let order = |at: usize| if at % 2 == 0 { Order::ZERO } else { Order::O1 };
        let blocks: Vec<_> = (0..6)
            .map(|at| zone.rmqueue(order(at), MigrateType::Movable, AllocFlags::empty()).unwrap())
            .collect();
        let zone = zone.zone();
        let index = |pfn| zone.memmap.index_of(pfn).unwrap();
        let mut targets = Targets::new();
        for block in &blocks {
            let target = Target { index: index(block.pfn()), order: block.order() };
            assert_eq!(targets.push(target), None);
        }
        assert_eq!(targets.frames(), 9);
        let mut take = || {
            let target = targets.take(Order::ZERO, zone.memmap)?;
            Some(zone.memmap.pfn_of(target.index))
        };
        let taken: Vec<_> = std::iter::from_fn(&mut take).collect();
        let frames = |at: usize| (0..order(at).nr_pages()).map(move |frame| (at, frame));
        let expected = [0, 2, 4, 1, 3, 5].into_iter().flat_map(frames);
        let expected: Vec<_> = expected.map(|(at, frame)| blocks[at].pfn() + frame).collect();
        assert_eq!(taken, expected);
    }
}
