//! Giving memory to a zone: describing its frames, and freeing them for the first time.
//!
//! Ranges come in ascending order. A range that covers a whole section costs one descriptor: the
//! others of a fresh largest block are written when it is first split. So giving memory costs what
//! its largest blocks cost, not its frames.

use super::buddy::FreeTo;
use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameState, FreeBlock, Memmap, SECTION_FRAMES};
use crate::zone_id::ZoneId;
use crate::{MigrateType, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn, PfnRange};

/// What becomes of present memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Giving {
    /// It is given to the allocator.
    Free,
    /// It stays with whoever has it.
    Reserved,
}

/// Describes present memory, range after range, ascending.
#[derive(Debug)]
pub(crate) struct Describer<'m> {
    memmap: &'m Memmap,
    /// One past the last frame of the last section whose frames were described.
    described: Pfn,
}

impl<'m> Describer<'m> {
    pub(crate) fn new(memmap: &'m Memmap) -> Self {
        Self { memmap, described: Pfn::new(0) }
    }

    /// Writes down that `range` is memory of `zone`. Its pageblocks start as MOVABLE, but for one
    /// that begins below present memory.
    pub(crate) fn describe(&mut self, range: PfnRange, zone: ZoneId, giving: Giving) {
        for part in parts(range, SECTION_FRAMES) {
            let Some(index) = self.memmap.index_of(part.start) else { continue };
            if part.len() == SECTION_FRAMES {
                self.memmap.describe_whole(index, whole_state(zone, giving));
                self.set_movable(part);
                self.described = part.end;
            } else {
                self.describe_part(part, index, zone, giving);
            }
        }
    }

    fn describe_part(&mut self, part: PfnRange, index: FrameIdx, zone: ZoneId, giving: Giving) {
        if self.described <= part.start {
            let first = index.align_down(Order::MAX);
            self.memmap.describe_absent(first);
            self.described = self.memmap.pfn_of(first) + SECTION_FRAMES;
        }
        let state = match giving {
            Giving::Free => FrameState::tail(zone),
            Giving::Reserved => FrameState::reserved(zone),
        };
        for index in frames(index, part.len()) {
            self.memmap.frame(index).set_state(state);
        }
        for pageblock in parts(part, PAGEBLOCK_NR_PAGES) {
            if let Some(index) = whole_pageblock(self.memmap, pageblock) {
                self.memmap.pageblock(index).set_zone(zone);
            }
        }
        self.set_movable(part);
    }

    /// The pageblocks whose first frame is in the range become MOVABLE.
    #[doc(alias = "memmap_init_range")]
    fn set_movable(&self, part: PfnRange) {
        for pageblock in parts(part, PAGEBLOCK_NR_PAGES) {
            let Some(index) = self.memmap.index_of(pageblock.start) else { continue };
            if index.is_aligned(PAGEBLOCK_ORDER) {
                self.memmap.pageblock(index).set_migratetype(MigrateType::Movable);
            }
        }
    }
}

fn whole_state(zone: ZoneId, giving: Giving) -> FrameState {
    match giving {
        // Not yet free: it becomes so when it is put on its list.
        Giving::Free => FrameState::tail(zone),
        Giving::Reserved => FrameState::reserved(zone),
    }
}

fn whole_pageblock(memmap: &Memmap, range: PfnRange) -> Option<FrameIdx> {
    if range.len() < PAGEBLOCK_NR_PAGES { None } else { memmap.index_of(range.start) }
}

/// The parts of a range between multiples of `size`.
fn parts(range: PfnRange, size: u64) -> impl Iterator<Item = PfnRange> {
    let mut start = range.start;
    core::iter::from_fn(move || {
        if start >= range.end {
            return None;
        }
        let border = (start.get() / size + 1) * size;
        let part = PfnRange::new(start, range.end.min(Pfn::new(border)));
        start = part.end;
        Some(part)
    })
}

/// `count` frames of one section, from `index` on.
fn frames(index: FrameIdx, count: u64) -> impl Iterator<Item = FrameIdx> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    core::iter::successors(Some(index), |index| index.forward(1)).take(count)
}

impl ZoneMut<'_> {
    /// Frees a described range of `Giving::Free` in the largest aligned blocks, ascending, each to
    /// the tail of its list, and counts it as managed (I6).
    #[doc(alias = "__free_pages_memory")]
    pub(crate) fn free_boot_range(&mut self, range: PfnRange) {
        let mut start = range.start;
        while start < range.end {
            let order = largest_order(start, range.end);
            if let Some(index) = self.memmap.index_of(start) {
                let migratetype = self.memmap.pageblock(index).migratetype();
                self.free_one_page(FreeBlock::new(index), order, migratetype, FreeTo::Tail);
            }
            start = start + order.nr_pages();
        }
        self.shared.managed.add(range.len());
    }

    /// Gives a reserved pageblock to a CMA area: its frames are free for movable requests.
    #[doc(alias = "init_cma_reserved_pageblock")]
    pub(crate) fn init_cma_pageblock(&mut self, index: FrameIdx) {
        self.memmap.open_section(index);
        let first = index.align_down(PAGEBLOCK_ORDER);
        for index in frames(first, PAGEBLOCK_NR_PAGES) {
            self.memmap.frame(index).set_state(FrameState::tail(self.shared.id));
        }
        self.memmap.pageblock(first).set_migratetype(MigrateType::Cma);
        self.free_one_page(FreeBlock::new(first), PAGEBLOCK_ORDER, MigrateType::Cma, FreeTo::Head);
        self.shared.managed.add(PAGEBLOCK_NR_PAGES);
        self.shared.cma.add(PAGEBLOCK_NR_PAGES);
    }
}

/// The largest order of a block that starts at `start` (I3) and ends at or before `end`.
fn largest_order(start: Pfn, end: Pfn) -> Order {
    let aligned = start.get().trailing_zeros().min(Order::MAX.get());
    let fits = (end.get() - start.get()).ilog2();
    Order::new(aligned.min(fits)).unwrap_or(Order::ZERO)
}
