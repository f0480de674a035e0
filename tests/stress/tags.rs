//! Blocks with a mark, so that one that two have is seen at once.

use crate::Machine;
use page_alloc::{Pages, Pfn, Platform};
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE_SHIFT: u32 = 12;

/// A block that bears its mark, in its descriptor and in the first word of each of its frames.
/// Frames that nobody has bear 0.
#[derive(Debug)]
pub(crate) struct Block {
    pages: Pages,
    mark: u64,
}

impl Block {
    /// Marks a block that was just allocated.
    pub(crate) fn new(machine: &Machine, pages: Pages, mark: u64) -> Self {
        assert_eq!(machine.private(&pages), Ok(0), "{pages:?}");
        machine.set_private(&pages, mark).expect("our block");
        change(machine, &pages, 0, mark);
        Self { pages, mark }
    }

    /// Frames of the block.
    pub(crate) fn len(&self) -> u64 {
        self.pages.order().nr_pages()
    }

    /// Takes the marks away; the block is to be freed.
    pub(crate) fn unmark(self, machine: &Machine) -> Pages {
        assert_eq!(machine.private(&self.pages), Ok(self.mark), "{:?}", self.pages);
        change(machine, &self.pages, self.mark, 0);
        self.pages
    }

    pub(crate) fn free(self, machine: &Machine) {
        machine.free_pages(self.unmark(machine)).expect("our block");
    }
}

/// The first word of a frame.
fn word(machine: &Machine, pfn: Pfn) -> &AtomicU64 {
    let address = machine.platform().phys_to_virt(pfn.start_address(PAGE_SHIFT));
    // SAFETY: the frame is the machine's memory, aligned, and all here reach this word as an atomic.
    // A frame is zeroed by its allocator only while nobody has it, if all is well; if not, the test
    // fails.
    unsafe { AtomicU64::from_ptr(address.cast()) }
}

fn change(machine: &Machine, pages: &Pages, from: u64, to: u64) {
    for pfn in pages.range().start.get()..pages.range().end.get() {
        let before = word(machine, Pfn::new(pfn)).swap(to, Ordering::Relaxed);
        assert_eq!(before, from, "frame {pfn} of {pages:?}");
    }
}
