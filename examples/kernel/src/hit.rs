//! How long the allocator takes where it does least.

use crate::frames::FRAMES;
use core::arch::x86_64::_rdtsc;
use page_alloc::Gfp;
use x86_64::instructions::interrupts::without_interrupts;

const PAIRS: u64 = 10_000;

/// Cycles of a frame that the processor has at hand, allocated and freed. Under emulation they say
/// little.
pub(crate) fn cycles() -> u64 {
    without_interrupts(|| {
        let start = now();
        for _ in 0..PAIRS {
            let page = FRAMES.alloc_page(Gfp::KERNEL).expect("memory");
            FRAMES.free_pages(page).expect("an allocated block");
        }
        (now() - start) / PAIRS
    })
}

fn now() -> u64 {
    // SAFETY: every processor of this kind has the counter.
    unsafe { _rdtsc() }
}
