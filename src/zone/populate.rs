//! Giving memory to a zone: describing its frames, and freeing them for the first time.
//!
//! Ranges come in ascending order. A range that covers a whole section costs one descriptor: the
//! others of a fresh largest block are written when it is first split. So giving memory costs what
//! its largest blocks cost, not its frames.

use super::buddy::FreeTo;
use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameState, FreeBlock, Memmap, SECTION_FRAMES};
use crate::zone_id::ZoneId;
use crate::{MigrateType, Mobility, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pfn, PfnRange};

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

    /// Writes down that this part of a section, not all of it, is memory of `zone`. Its pageblocks start
    /// as MOVABLE, but for one that begins below present memory.
    fn describe(&mut self, part: PfnRange, index: FrameIdx, zone: ZoneId, giving: Giving) {
        if self.described <= part.start {
            let first = index.align_down(Order::MAX);
            self.memmap.describe_absent(first);
            self.described = self.memmap.pfn_of(first) + SECTION_FRAMES;
        }
        for index in frames(index, part.len()) {
            self.memmap.frame(index).set_state(state(zone, giving));
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

/// What described frames are.
fn state(zone: ZoneId, giving: Giving) -> FrameState {
    match giving {
        // Not yet free: it becomes so when it is put on its list.
        Giving::Free => FrameState::tail(zone),
        Giving::Reserved => FrameState::reserved(zone),
    }
}

fn whole_pageblock(memmap: &Memmap, range: PfnRange) -> Option<FrameIdx> {
    if range.len() < PAGEBLOCK_NR_PAGES { None } else { memmap.index_of(range.start) }
}

/// A range as what lies before its first whole section, its whole sections, and what is left.
fn around_sections(range: PfnRange) -> (PfnRange, PfnRange, PfnRange) {
    let up = range.start.get().next_multiple_of(SECTION_FRAMES);
    let start = Pfn::new(up).min(range.end);
    let down = range.end.get() & !(SECTION_FRAMES - 1);
    let end = Pfn::new(down).max(start);
    (PfnRange::new(range.start, start), PfnRange::new(start, end), PfnRange::new(end, range.end))
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
pub(super) fn frames(index: FrameIdx, count: u64) -> impl Iterator<Item = FrameIdx> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    core::iter::successors(Some(index), |index| index.forward(1)).take(count)
}

impl ZoneMut<'_> {
    /// Takes present memory in: describes it, and frees what is to be free. Section by section, so
    /// that a descriptor comes into the cache once. What is freed is managed from then on (I6).
    pub(crate) fn give(&mut self, describer: &mut Describer<'_>, range: PfnRange, giving: Giving) {
        let (before, whole, after) = around_sections(range);
        self.give_part(describer, before, giving);
        if !whole.is_empty() {
            self.give_sections(whole, giving);
            describer.described = whole.end;
        }
        self.give_part(describer, after, giving);
        self.shared.present.add(range.len());
        if giving == Giving::Free {
            self.shared.managed.add(range.len());
        }
    }

    /// Takes a part of a section in; there may be none.
    fn give_part(&mut self, describer: &mut Describer<'_>, part: PfnRange, giving: Giving) {
        let Some(index) = self.memmap.index_of(part.start).filter(|_| !part.is_empty()) else {
            return;
        };
        describer.describe(part, index, self.shared.id, giving);
        if giving == Giving::Free {
            self.free_boot_part(part, index);
        }
    }

    /// Takes whole sections in. Their pageblocks are MOVABLE.
    fn give_sections(&mut self, range: PfnRange, giving: Giving) {
        let (memmap, zone) = (self.memmap, self.shared.id);
        let firsts = memmap.whole_sections(range);
        match giving {
            Giving::Reserved => firsts.for_each(|first| memmap.describe_reserved(first, zone)),
            Giving::Free => {
                let blocks = firsts.map(|first| {
                    memmap.describe_free(first, zone);
                    FreeBlock::new(first)
                });
                self.add_all(blocks, Order::MAX, MigrateType::Movable);
                self.shared.add_free(MigrateType::Movable, range.len());
            }
        }
    }

    /// Takes whole sections in that were planned for. All of it is free, and comes after what is free
    /// already: as in Linux, which has it isolated first, and then gives it back block by block.
    #[doc(alias = "online_pages_range")]
    #[doc(alias = "move_pfn_range_to_zone")]
    pub(crate) fn online(&mut self, range: PfnRange) {
        self.shared.grow_span(range);
        self.give_sections(range, Giving::Free);
        if self.shared.mobility() == Mobility::Disabled {
            for first in self.memmap.whole_sections(range) {
                self.set_pageblocks(first, Order::MAX, MigrateType::Movable);
            }
        }
        self.shared.present.add(range.len());
        self.shared.managed.add(range.len());
    }

    /// Frees a described part of a section in the largest aligned blocks, ascending, each to the
    /// tail of its list.
    #[doc(alias = "__free_pages_memory")]
    fn free_boot_part(&mut self, part: PfnRange, index: FrameIdx) {
        let mut start = part.start;
        let mut next = Some(index);
        while let Some(index) = next.filter(|_| start < part.end) {
            let (block, order) = (FreeBlock::new(index), largest_order(start, part.end));
            let migratetype = self.memmap.pageblock(index).migratetype();
            self.free_one_page(block, order, migratetype, FreeTo::Tail);
            start = start + order.nr_pages();
            next = index.forward(1 << order.get());
        }
    }

    /// Gives a reserved pageblock to a CMA area: its frames are free for movable requests.
    #[doc(alias = "init_cma_reserved_pageblock")]
    pub(crate) fn init_cma_pageblock(&mut self, index: FrameIdx) {
        self.memmap.open_section(index);
        let first = index.align_down(PAGEBLOCK_ORDER);
        for index in frames(first, PAGEBLOCK_NR_PAGES) {
            self.memmap.frame(index).set_state(FrameState::tail(self.shared.id));
        }
        self.set_pageblock_migratetype(first, MigrateType::Cma);
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
