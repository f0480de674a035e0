//! Blocks whose frames say whose they are: one that is given out twice, or written to by somebody else,
//! is seen at once.

use crate::cpu::Cpu;
use crate::physical;
use core::sync::atomic::Ordering;
use page_alloc::{Pages, Pfn};

/// In the marks of a timer's handler.
pub(crate) const HANDLER: u32 = 1 << 16;

/// In the word of a frame that somebody has. Free frames have any other word.
pub(crate) const TAKEN: u64 = 0x5afe_f00d << 32;

/// A block with its owner's mark in each frame.
#[derive(Debug)]
pub(crate) struct Marked {
    pages: Pages,
    owner: u32,
}

impl Marked {
    /// Marks a block that was just allocated.
    pub(crate) fn new(pages: Pages, owner: u32) -> Self {
        for frame in frames(&pages) {
            // SAFETY: the frame is the block's, which is this function's alone.
            let word = unsafe { frame.read_volatile() };
            assert!(
                word & !0xffff_ffff != TAKEN,
                "{pages:?}: frame of {word:#x} given to {owner:#x}"
            );
            // SAFETY: as above.
            unsafe { frame.write_volatile(TAKEN | u64::from(owner)) };
        }
        Cpu::current().marked.fetch_add(pages.order().nr_pages(), Ordering::Relaxed);
        Self { pages, owner }
    }

    /// Gives the block without its marks, which have to be there still.
    pub(crate) fn into_pages(self) -> Pages {
        let Self { pages, owner } = self;
        for frame in frames(&pages) {
            // SAFETY: the frame is the block's, which is this function's alone.
            let word = unsafe { frame.read_volatile() };
            assert_eq!(word, TAKEN | u64::from(owner), "{pages:?}: somebody else wrote to it");
            // SAFETY: as above.
            unsafe { frame.write_volatile(0) };
        }
        Cpu::current().unmarked.fetch_add(pages.order().nr_pages(), Ordering::Relaxed);
        pages
    }

    /// Frees the block.
    pub(crate) fn free(self) {
        crate::frames::FRAMES.free_pages(self.into_pages()).expect("an allocated block");
    }
}

/// The first word of each frame.
fn frames(pages: &Pages) -> impl Iterator<Item = *mut u64> + use<> {
    let range = pages.range();
    (range.start.get()..range.end.get())
        .map(|number| physical::pointer(Pfn::new(number).start_address(12).get()).cast())
}
