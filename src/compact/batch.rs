//! The blocks that are to be moved next.

use super::COMPACT_CLUSTER_MAX;
use super::aligned::start_of;
use crate::{Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn};

/// An allocated block that the kernel says can be moved. Nobody keeps it from being freed: it is
/// looked at again before it is moved, and the kernel knows best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) pfn: Pfn,
    pub(super) order: Order,
}

/// As many as a pageblock has frames.
const PLACES: usize = 1 << PAGEBLOCK_ORDER.get();

/// A block's place in its pageblock, and its order in the lowest bits.
type Packed = u16;

const ORDER_BITS: u32 = 4;

static_assertions::const_assert!(Order::MAX.get() < 1 << ORDER_BITS);
static_assertions::const_assert!(PAGEBLOCK_NR_PAGES << ORDER_BITS <= 1 << Packed::BITS);

/// Blocks of one pageblock, in a ring: those that came first leave first.
#[derive(Debug)]
pub(super) struct Batch {
    /// The pageblock.
    start: Pfn,
    sources: [Packed; PLACES],
    /// The place of the first one.
    first: usize,
    len: usize,
    frames: u64,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { start: Pfn::new(0), sources: [0; PLACES], first: 0, len: 0, frames: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The frames of all blocks.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether there is a cluster's worth, enough for once.
    pub(super) fn is_full(&self) -> bool {
        self.frames >= COMPACT_CLUSTER_MAX as u64
    }

    /// Adds a block of the same pageblock as the others.
    pub(super) fn push(&mut self, source: Source) {
        if self.is_empty() {
            self.start = start_of(source.pfn, PAGEBLOCK_ORDER);
            self.first = 0;
        }
        if self.len < PLACES {
            self.sources[(self.first + self.len) % PLACES] = self.pack(source);
            self.len += 1;
            self.frames += source.order.nr_pages();
        }
    }

    /// Takes the first block.
    pub(super) fn pop(&mut self) -> Option<Source> {
        self.len = self.len.checked_sub(1)?;
        let source = self.unpack(self.sources[self.first % PLACES]);
        self.first += 1;
        self.frames -= source.order.nr_pages();
        Some(source)
    }

    /// Forgets all blocks.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.frames = 0;
    }

    #[expect(clippy::cast_possible_truncation, reason = "a place in a pageblock and an order fit")]
    fn pack(&self, source: Source) -> Packed {
        let place = source.pfn.get() - self.start.get();
        (place << ORDER_BITS) as Packed | source.order.get() as Packed
    }

    fn unpack(&self, packed: Packed) -> Source {
        let order = Order::new(u32::from(packed) % (1 << ORDER_BITS)).unwrap_or(Order::ZERO);
        Source { pfn: self.start + u64::from(packed >> ORDER_BITS), order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks leave in the order in which they came, as they were put in, also those that come back.
    #[test]
    fn the_first_leaves_first() {
        let mut batch = Batch::new();
        let block = |at: u64| Source { pfn: Pfn::new(0xfffe00 + 2 * at), order: Order::O1 };
        (0..256).for_each(|at| batch.push(block(at)));
        assert!(batch.is_full() && (batch.len(), batch.frames()) == (256, 512));
        for round in 0..3 {
            for at in (0..256).filter(|at| at % (1 << round) == 0) {
                assert_eq!(batch.pop(), Some(block(at)));
                if at % (2 << round) == 0 {
                    batch.push(block(at));
                }
            }
            assert_eq!((batch.len(), batch.frames()), (128 >> round, 256 >> round));
        }
        batch.clear();
        assert!(batch.is_empty() && batch.frames() == 0 && batch.pop().is_none());
    }

    /// A cluster is enough for once; a batch never has more blocks than a pageblock has frames.
    #[test]
    fn a_batch_is_bounded() {
        let mut batch = Batch::new();
        for at in 0..600 {
            assert_eq!(batch.is_full(), at >= 32);
            batch.push(Source { pfn: Pfn::new(1024 + at % 512), order: Order::ZERO });
        }
        assert_eq!(batch.frames(), 512);
    }
}
