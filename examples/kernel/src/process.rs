//! A process that grows until it is killed.

use crate::frames::FRAMES;
use arrayvec::ArrayVec;
use core::sync::atomic::{AtomicU32, Ordering};
use page_alloc::{Gfp, OomVerdict, Order, Pages};
use spin::mutex::SpinMutex;

/// Blocks that it can have.
const MOST: usize = 1 << 17;

static MEMORY: SpinMutex<ArrayVec<Pages, MOST>> = SpinMutex::new(ArrayVec::new_const());

/// Processes that were killed.
static KILLED: AtomicU32 = AtomicU32::new(0);

/// Processes that were killed so far.
pub(crate) fn killed() -> u32 {
    KILLED.load(Ordering::Relaxed)
}

/// The process grows by blocks, large ones first, until it is killed.
pub(crate) fn grow() {
    let before = killed();
    for order in [Order::O10, Order::O5, Order::O2, Order::O0] {
        // What is left in large blocks goes fast; then it is tight, frame by frame.
        let gfp = if order > Order::O0 { Gfp::KERNEL - Gfp::RECLAIM } else { Gfp::KERNEL };
        while killed() == before {
            let Ok(pages) = FRAMES.alloc_pages(gfp | Gfp::NOWARN, order) else { break };
            let refused = MEMORY.lock().try_push(pages);
            if let Err(full) = refused {
                FRAMES.free_pages(full.element()).expect("an allocated block");
                return;
            }
        }
    }
}

/// Kills the process, if it has memory: all of that comes free.
pub(crate) fn kill() -> OomVerdict {
    if MEMORY.lock().is_empty() {
        return OomVerdict::NothingToKill;
    }
    // First of all it stops growing.
    KILLED.fetch_add(1, Ordering::Relaxed);
    loop {
        // A block at a time: all of them are too many for a stack.
        let Some(pages) = MEMORY.lock().pop() else { break };
        FRAMES.free_pages(pages).expect("an allocated block");
    }
    OomVerdict::Killed
}
