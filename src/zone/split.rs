//! Splitting an allocated block into smaller allocated blocks. The free lists are not touched, so
//! no lock is needed: the block belongs to the caller.

use crate::Order;
use crate::memmap::{FrameIdx, FrameState, Memmap};

/// Makes the block of order `from` at `index` into blocks of order `to`, each with one reference
/// and the marks of the whole.
pub(crate) fn split_allocated(memmap: &Memmap, index: FrameIdx, from: Order, to: Order) {
    let state = memmap.frame(index).state();
    let new = FrameState::allocated(to, state.zone()).with_marks_of(state);
    let step = 1 << to.get();
    let mut next = Some(index);
    for _ in 0..1_u32 << from.get().saturating_sub(to.get()) {
        let Some(head) = next else { return };
        let frame = memmap.frame(head);
        frame.reset(new);
        frame.count.init(1);
        next = head.forward(step);
    }
}
