//! The least that serves and takes back single frames as this crate promises: a list through 16-byte
//! descriptors, a busy word against interrupts, a token that is checked, a bound. No flags, zones,
//! watermarks, counters, several sections or other holders: what those cost is the rest.

use super::adaptor::FrameAllocator;
use super::least_frame::{CACHED, Frame, Token, get, set};
use crate::groups::floor;
use page_alloc::Order;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One list of one CPU, with cache lines of its own.
#[repr(align(128))]
pub(crate) struct Least {
    frames: Arc<[Frame]>,
    busy: AtomicU32,
    /// 0: none.
    head: AtomicU32,
    count: AtomicU32,
    bound: AtomicU32,
}

impl Least {
    /// The list, while nobody else has it.
    #[inline]
    fn with<A>(&self, work: impl FnOnce(&Self) -> Option<A>) -> Option<A> {
        if get(&self.busy) != 0 {
            return None;
        }
        set(&self.busy, 1);
        let done = work(self);
        self.busy.store(0, Ordering::Release);
        done
    }

    #[inline]
    fn pop(&self) -> Option<u32> {
        let index = get(&self.head);
        let frame = self.frames.get(index as usize).filter(|_| index != 0)?;
        set(&self.head, get(&frame.next));
        set(&self.count, get(&self.count) - 1);
        Some(index)
    }

    #[inline]
    fn push(&self, index: u32, frame: &Frame) -> Option<()> {
        let count = get(&self.count) + 1;
        if count >= get(&self.bound) {
            return None;
        }
        set(&frame.state, CACHED);
        let head = get(&self.head);
        set(&frame.next, head);
        set(&self.frames.get(head as usize)?.prev, index);
        set(&self.head, index);
        set(&self.count, count);
        Some(())
    }
}

impl Least {
    pub(crate) fn new(frames: u64) -> Self {
        let [least] = Self::in_turn(frames, u32::MAX);
        least
    }

    /// Several lists: so many of the frames are on the first one, as many on the next, and so on in turn.
    pub(crate) fn in_turn<const N: usize>(frames: u64, turn: u32) -> [Self; N] {
        let count = u32::try_from(frames).expect("below 16 TiB");
        let frames: Arc<[Frame]> = (0..count).map(|_| Frame::default()).collect();
        let of = |list: usize| {
            let least = Self {
                frames: frames.clone(),
                busy: AtomicU32::new(0),
                head: AtomicU32::new(0),
                count: AtomicU32::new(0),
                bound: AtomicU32::new(u32::MAX),
            };
            let own = |index: &u32| (index / turn) as usize % N == list;
            for index in (1..count).rev().filter(own) {
                least.push(index, &frames[index as usize]);
            }
            least
        };
        std::array::from_fn(of)
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<Token> {
        let index = self.with(Self::pop)?;
        Some(self.frames[index as usize].hand_out(index, 0))
    }

    #[inline]
    pub(crate) fn put(&self, token: Token) {
        let (index, frame) = token.find(&self.frames, 0);
        self.with(|list| list.push(index, frame)).expect("room");
    }
}

impl FrameAllocator for Least {
    const NAME: &'static str = floor::NAME;
    type Block = Token;

    fn boot(frames: u64) -> Self {
        Self::new(frames)
    }

    #[inline]
    fn alloc(&mut self, _: Order) -> Option<Token> {
        self.get()
    }

    #[inline]
    fn free(&mut self, token: Token) {
        self.put(token);
    }
}
