//! The least zone, and before it a CPU's list of single frames as this crate has one: filled by batches, and
//! bounded, so that what is too much goes back.

use super::adaptor::{FrameAllocator, SharedAllocator};
use super::least_frame::{CACHED, Frame, Token, get, set};
use super::least_zone::LeastZone;
use super::ours::Machine;
use crate::groups::floor;
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::{CpuId, Order};
use std::iter;
use std::sync::atomic::{AtomicU32, Ordering};

/// A CPU's list, and the zone.
pub(crate) struct LeastMachine {
    zone: LeastZone,
    limits: PcpLimits,
    busy: AtomicU32,
    count: u32,
    /// 0: none.
    head: u32,
    tail: u32,
}

impl LeastMachine {
    fn frame(&self, index: u32) -> &Frame {
        &self.zone.frames[index as usize]
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) {
        let Self { zone, limits, head, tail, count, .. } = self;
        let frames = &zone.frames;
        zone.take_frames(limits.batch, |index| {
            let frame = &frames[index as usize];
            set(&frame.state, CACHED);
            set(&frame.prev, *tail);
            match *count {
                0 => *head = index,
                _ => set(&frames[*tail as usize].next, index),
            }
            (*tail, *count) = (index, *count + 1);
        });
        if *count > 0 {
            set(&frames[*tail as usize].next, 0);
        }
    }

    /// Gives back so much that a batch is left, the oldest first.
    #[cold]
    #[inline(never)]
    fn give_back(&mut self) {
        let frames = &self.zone.frames;
        let (tail, count) = (&mut self.tail, &mut self.count);
        let batch = self.limits.batch;
        self.zone.give_frames(iter::from_fn(|| {
            let index = *tail;
            (*count > batch).then(|| {
                (*tail, *count) = (get(&frames[index as usize].prev), *count - 1);
                index
            })
        }));
        set(&self.frame(self.tail).next, 0);
    }
}

impl FrameAllocator for LeastMachine {
    const NAME: &'static str = floor::NAME;
    type Block = Token;

    fn boot(frames: u64) -> Self {
        let ours = <Machine as SharedAllocator>::boot(frames, 1).0;
        // The zone that plain requests are served from.
        let zone = ours.zones().max_by_key(|zone| zone.managed_pages());
        let pageset = zone.and_then(|zone| zone.pageset(CpuId::BOOT));
        let limits = pageset.expect("a CPU of a machine has lists").limits();
        let zone = <LeastZone as SharedAllocator>::boot(frames, 1);
        Self { zone, limits, busy: AtomicU32::new(0), count: 0, head: 0, tail: 0 }
    }

    #[inline]
    fn alloc(&mut self, _: Order) -> Option<Token> {
        assert!(get(&self.busy) == 0);
        set(&self.busy, 1);
        if self.head == 0 {
            self.refill();
        }
        let index = self.head;
        let token = (index != 0).then(|| {
            let next = get(&self.frame(index).next);
            (self.head, self.count) = (next, self.count - 1);
            self.frame(index).hand_out(index, 0)
        });
        self.busy.store(0, Ordering::Release);
        token
    }

    #[inline]
    fn free(&mut self, token: Token) {
        assert!(get(&self.busy) == 0);
        set(&self.busy, 1);
        let (index, frame) = token.find(&self.zone.frames, 0);
        set(&frame.state, CACHED);
        set(&frame.next, self.head);
        match self.head {
            0 => self.tail = index,
            second => set(&self.frame(second).prev, index),
        }
        (self.head, self.count) = (index, self.count + 1);
        if self.count >= self.limits.high {
            self.give_back();
        }
        self.busy.store(0, Ordering::Release);
    }
}
