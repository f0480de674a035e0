//! A descriptor as this crate has one, and a token that is checked.

use std::sync::atomic::{AtomicU32, Ordering};

pub(super) const TAIL: u32 = 1;
pub(super) const FREE: u32 = 2;
const ALLOCATED: u32 = 3;
pub(super) const CACHED: u32 = 5;
const ORDER_SHIFT: u32 = 3;

/// A descriptor as this crate has one.
#[repr(align(16))]
#[derive(Default)]
pub(super) struct Frame {
    pub(super) next: AtomicU32,
    pub(super) prev: AtomicU32,
    pub(super) state: AtomicU32,
    count: AtomicU32,
}

/// A frame's number, and the place of its descriptor with the block's order.
pub(crate) struct Token {
    pfn: u64,
    place: usize,
}

#[inline]
pub(super) fn get(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed)
}

#[inline]
pub(super) fn set(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Relaxed);
}

/// The state of a block of that order.
#[inline]
pub(super) fn of_order(state: u32, order: u32) -> u32 {
    state + (order << ORDER_SHIFT)
}

impl Frame {
    /// Describes a block that somebody gets.
    #[inline]
    pub(super) fn hand_out(&self, index: u32, order: u32) -> Token {
        set(&self.state, of_order(ALLOCATED, order));
        set(&self.next, 0);
        set(&self.prev, 0);
        set(&self.count, 1);
        let place = std::ptr::from_ref(self).addr() | order as usize;
        Token { pfn: u64::from(index), place }
    }
}

impl Token {
    /// The order of the block.
    #[expect(clippy::cast_possible_truncation, reason = "below the size of a descriptor")]
    #[inline]
    pub(super) fn order(&self) -> u32 {
        (self.place % size_of::<Frame>()) as u32
    }

    /// Its block, which is allocated and of that order.
    #[inline]
    pub(super) fn find(self, frames: &[Frame], order: u32) -> (u32, &Frame) {
        let index = self.place.wrapping_sub(frames.as_ptr().addr()) / size_of::<Frame>();
        let frame = frames.get(index).expect("a frame of this allocator");
        let ours = index as u64 == self.pfn && get(&frame.state) == of_order(ALLOCATED, order);
        assert!(ours && get(&frame.count) == 1, "allocated here");
        (u32::try_from(index).expect("below 16 TiB"), frame)
    }
}
