//! Free blocks that were taken off their lists so that other blocks can be moved into them.

use crate::memmap::{FrameIdx, Memmap};
use crate::zone::split_allocated;
use crate::{MAX_ORDER, Order};

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

/// A place, and the place that comes after it on its list.
#[derive(Clone, Copy, Debug)]
struct Slot {
    target: Option<Target>,
    next: Option<u8>,
}

/// The places of one order, the first found in front.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    head: Option<u8>,
    tail: Option<u8>,
}

/// Targets that wait for their sources, in a list for each order.
///
/// # Invariants
///
/// The holder has the only reference to each.
#[derive(Debug)]
pub(super) struct Targets {
    slots: [Slot; PLACES],
    lists: [List; MAX_ORDER],
    /// Places that have been used and are empty.
    spare: Option<u8>,
    /// Places that have been used.
    used: u8,
    len: usize,
    frames: u64,
}

impl Targets {
    pub(super) fn new() -> Self {
        Self {
            slots: [Slot { target: None, next: None }; PLACES],
            lists: [List::default(); MAX_ORDER],
            spare: None,
            used: 0,
            len: 0,
            frames: 0,
        }
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
        let Some(place) = self.free_place() else { return Some(target) };
        self.slots[usize::from(place)] = Slot { target: Some(target), next: None };
        let list = &mut self.lists[target.order.index()];
        match list.tail.replace(place) {
            Some(last) => self.slots[usize::from(last)].next = Some(place),
            None => list.head = Some(place),
        }
        self.len += 1;
        self.frames += target.order.nr_pages();
        None
    }

    fn free_place(&mut self) -> Option<u8> {
        if let Some(place) = self.spare {
            self.spare = self.slots[usize::from(place)].next;
            return Some(place);
        }
        let place = self.used;
        (usize::from(place) < PLACES).then(|| {
            self.used += 1;
            place
        })
    }

    /// Takes any target.
    pub(super) fn pop(&mut self) -> Option<Target> {
        self.first_of(Order::ZERO)
    }

    /// Takes a target of that order, split off from the smallest that is large enough; of several the
    /// one that was found first, so that none is left far behind the scanner.
    #[doc(alias = "compaction_alloc")]
    pub(super) fn take(&mut self, order: Order, memmap: &Memmap) -> Option<Target> {
        let parts = self.lists[order.index()..].iter().position(|list| list.head.is_some())?;
        // With the room that is kept for parts, there always is enough.
        if self.len - 1 + parts > PLACES {
            return None;
        }
        let mut target = self.first_of(order)?;
        // The lists of the orders between are empty: the halves are first there.
        while let Some(half) = target.order.below().filter(|half| *half >= order) {
            split_allocated(memmap, target.index, target.order, half);
            let upper = Target { index: target.index.upper_half(half), order: half };
            let _placed = self.push(upper);
            target.order = half;
        }
        Some(target)
    }

    /// Takes the first target of the smallest order that is large enough.
    fn first_of(&mut self, order: Order) -> Option<Target> {
        let list = self.lists[order.index()..].iter_mut().find(|list| list.head.is_some())?;
        let place = list.head?;
        let slot = &mut self.slots[usize::from(place)];
        list.head = slot.next;
        if list.head.is_none() {
            list.tail = None;
        }
        slot.next = self.spare.replace(place);
        let target = slot.target.take()?;
        self.len -= 1;
        self.frames -= target.order.nr_pages();
        Some(target)
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
        let order = |at: usize| if at.is_multiple_of(2) { Order::ZERO } else { Order::O1 };
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
