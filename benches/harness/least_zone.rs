//! The least that serves and takes back blocks of all orders from the places where this crate would: lists
//! by order through 16-byte descriptors, split and merged by buddies, under a lock, and a token that is
//! checked. No flags, migratetypes, watermarks, counts, several sections, zones or other holders: what those
//! cost is the rest.

use super::adaptor::SharedAllocator;
use super::least_frame::{FREE, Frame, TAIL, Token, get, of_order, set};
use crate::groups::floor;
use page_alloc::Order;
use spin::mutex::SpinMutex;
use std::sync::Arc;

const MAX: u32 = Order::MAX.get();

/// The first frame's index: none is 0, and blocks are aligned.
const FIRST: u32 = 1 << MAX;

/// The ends of a list.
const HEAD: usize = 0;
const LAST: usize = 1;

/// One zone under its lock.
pub(crate) struct LeastZone {
    frames: Arc<[Frame]>,
    lists: SpinMutex<Lists>,
}

/// The lists, by order.
#[derive(Default)]
struct Lists {
    /// A bit for each that has blocks.
    filled: u32,
    /// The first and the last block of each. More than there are orders, so that none is out of bounds.
    ends: [[u32; 16]; 2],
}

/// The zone while the lock is held.
struct Held<'a> {
    lists: &'a mut Lists,
    frames: &'a [Frame],
}

impl Held<'_> {
    fn frame(&self, index: u32) -> &Frame {
        &self.frames[index as usize]
    }

    fn end(&mut self, end: usize, order: u32) -> &mut u32 {
        &mut self.lists.ends[end][order as usize % 16]
    }

    fn has_blocks(&self, order: u32) -> bool {
        self.lists.filled >> order & 1 != 0
    }

    fn is_free(&self, index: u32, order: u32) -> bool {
        self.has_blocks(order) && get(&self.frame(index).state) == of_order(FREE, order)
    }

    /// Makes a block the only one of its list.
    fn fill(&mut self, index: u32, order: u32) {
        set(&self.frame(index).state, of_order(FREE, order));
        *self.end(HEAD, order) = index;
        *self.end(LAST, order) = index;
        self.lists.filled |= 1 << order;
    }

    fn empty(&mut self, order: u32) {
        self.lists.filled &= !(1 << order);
    }

    fn push(&mut self, index: u32, order: u32, to_tail: bool) {
        if !self.has_blocks(order) {
            return self.fill(index, order);
        }
        set(&self.frame(index).state, of_order(FREE, order));
        let other = std::mem::replace(self.end(usize::from(to_tail), order), index);
        let (block, beside) = (self.frame(index), self.frame(other));
        if to_tail {
            set(&block.prev, other);
            set(&beside.next, index);
        } else {
            set(&block.next, other);
            set(&beside.prev, index);
        }
    }

    /// Takes the first block of the smallest order that has one, from that order on; its order too.
    fn pop(&mut self, order: u32) -> Option<(u32, u32)> {
        if self.has_blocks(order) {
            return Some((self.pop_first(order), order));
        }
        let current = order + (self.lists.filled >> order).trailing_zeros();
        (current <= MAX).then(|| (self.pop_first(current), current))
    }

    fn pop_first(&mut self, current: u32) -> u32 {
        let first = *self.end(HEAD, current);
        if first == *self.end(LAST, current) {
            self.empty(current);
        } else {
            *self.end(HEAD, current) = get(&self.frame(first).next);
        }
        first
    }

    fn remove(&mut self, index: u32, order: u32) {
        let frame = self.frame(index);
        let [next, prev] = [&frame.next, &frame.prev].map(get);
        match [HEAD, LAST].map(|end| *self.end(end, order) == index) {
            [true, true] => self.empty(order),
            [true, false] => *self.end(HEAD, order) = next,
            [false, true] => *self.end(LAST, order) = prev,
            [false, false] => {
                set(&self.frame(next).prev, prev);
                set(&self.frame(prev).next, next);
            }
        }
    }

    fn alloc(&mut self, order: u32) -> Option<u32> {
        let (index, current) = self.pop(order)?;
        for half in order..current {
            self.fill(index + (1 << half), half);
        }
        Some(index)
    }

    #[inline(always)]
    fn free(&mut self, mut index: u32, mut order: u32) {
        while order < MAX && self.is_free(index ^ 1 << order, order) {
            let buddy = index ^ 1 << order;
            self.remove(buddy, order);
            set(&self.frame(index).state, TAIL);
            set(&self.frame(buddy).state, TAIL);
            index &= buddy;
            order += 1;
        }
        // Where the pair's buddy is free too, the block is used last.
        let above = order + 1;
        let to_tail = above < MAX && self.is_free(index & !(1 << order) ^ 1 << above, above);
        self.push(index, order, to_tail);
    }
}

impl LeastZone {
    #[inline]
    fn with<A>(&self, work: impl FnOnce(&mut Held<'_>) -> A) -> A {
        work(&mut Held { lists: &mut self.lists.lock(), frames: &self.frames })
    }
}

impl SharedAllocator for LeastZone {
    const NAME: &'static str = floor::NAME;
    type Block = Token;

    fn boot(frames: u64, _: u32) -> Self {
        let count = u32::try_from(frames).expect("below 16 TiB");
        let frames: Arc<[Frame]> = (0..FIRST + count).map(|_| Frame::default()).collect();
        let zone = Self { frames, lists: SpinMutex::default() };
        let whole = (FIRST..FIRST + count).step_by(1 << MAX);
        zone.with(|zone| whole.for_each(|index| zone.push(index, MAX, true)));
        zone
    }

    #[inline]
    fn alloc(&self, order: Order) -> Option<Token> {
        let index = self.with(|zone| zone.alloc(order.get()))?;
        Some(self.frames[index as usize].hand_out(index, order.get()))
    }

    #[inline]
    fn free(&self, token: Token) {
        let order = token.order();
        let (index, _) = token.find(&self.frames, order);
        self.with(|zone| zone.free(index, order));
    }
}
