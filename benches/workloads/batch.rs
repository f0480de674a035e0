//! Many single frames are allocated, then all are freed.

use crate::harness::adaptor::{FrameAllocator, Group};
use crate::harness::failure::{Deadline, Failure};
use crate::harness::free_order::FreeOrder;
use crate::harness::recorder::Recorder;
use page_alloc::Order;
use std::iter;
use std::time::Instant;

/// Places for the blocks of a batch.
pub(crate) struct Batch<B> {
    blocks: Vec<Option<B>>,
    /// The order in which they are freed.
    places: Vec<usize>,
}

impl<B> Batch<B> {
    pub(crate) fn new(blocks: u32, order: FreeOrder) -> Self {
        let places = order.places(blocks as usize);
        Self { blocks: iter::repeat_with(|| None).take(places.len()).collect(), places }
    }

    /// Allocates all.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        mut alloc: impl FnMut() -> Option<B>,
        deadline: &Deadline,
    ) -> Result<(), Failure> {
        for (step, block) in (0..).zip(&mut self.blocks) {
            *block = alloc();
            deadline.check_after(step)?;
        }
        Ok(())
    }

    /// Frees all.
    #[inline]
    pub(crate) fn clear(
        &mut self,
        mut free: impl FnMut(B),
        deadline: &Deadline,
    ) -> Result<(), Failure> {
        for (step, place) in (0..).zip(&self.places) {
            let block = self.blocks[*place].take();
            free(block.ok_or(Failure::NoMemory)?);
            deadline.check_after(step)?;
        }
        Ok(())
    }
}

/// Batches of so many frames; one operation is one frame.
pub(crate) fn batches<A: FrameAllocator>(
    recorder: &mut Recorder,
    group: Group,
    blocks: u32,
    free_order: FreeOrder,
) {
    let case = format!("batch {blocks} order 0, {}", free_order.name());
    let patience = recorder.patience();
    let setup = || Ok((A::boot(group.frames), Batch::new(blocks, free_order)));
    let ops = u64::from(blocks);
    recorder.case((group.name, &case, A::NAME), ops, setup, |(allocator, batch), times| {
        let deadline = patience.begin();
        let start = Instant::now();
        for _ in 0..times {
            batch.fill(|| allocator.alloc(Order::ZERO), &deadline)?;
            batch.clear(|block| allocator.free(block), &deadline)?;
        }
        Ok(start.elapsed())
    });
}
