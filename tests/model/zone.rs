//! The model's zone: frames, free lists, boot and free.

use super::port::{Boot, Counters, ORDERS, PAGEBLOCK, Setup, Span, TYPES, ZoneUnderTest, ZoneView};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

pub const UNMOVABLE: u8 = 0;
pub const MOVABLE: u8 = 1;
pub const RECLAIMABLE: u8 = 2;
pub const HIGHATOMIC: u8 = 3;
pub const CMA: u8 = 4;
pub const ISOLATE: u8 = 5;

/// The order of a pageblock.
pub const PAGEBLOCK_ORDER: u32 = 9;
/// The largest order.
pub const TOP: u32 = 10;

/// What one frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    Absent,
    /// Present, but never given to the allocator.
    Reserved,
    /// The first frame of a free block, and the list that it is on.
    Free {
        order: u32,
        list: u8,
    },
    /// The first frame of an allocated block.
    Used {
        order: u32,
    },
    /// Another frame of a block, free or allocated.
    Inside,
}

/// To which end of its list a block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Tail,
    /// To the tail if the block is likely to merge soon, else to the head.
    ByBuddy,
}

/// Whether a type may merge with another such type above the pageblock order, and is asked for by
/// ordinary requests.
pub fn is_ordinary(migratetype: u8) -> bool {
    migratetype <= RECLAIMABLE
}

/// The largest aligned blocks that cover `span`, ascending.
pub fn largest_blocks(span: Span) -> Vec<(u64, u32)> {
    let (mut pfn, end) = span;
    let mut blocks = Vec::new();
    while pfn < end {
        let mut order = pfn.trailing_zeros().min(TOP);
        while pfn + (1 << order) > end {
            order -= 1;
        }
        blocks.push((pfn, order));
        pfn += 1 << order;
    }
    blocks
}

/// The migratetypes of pageblocks, by number (first frame / size); those not named are unmovable.
/// Zones that share a pageblock share its type.
pub type Types = Rc<RefCell<HashMap<u64, u8>>>;

/// One zone.
#[derive(Debug)]
pub struct Zone {
    pub(super) span: Span,
    pub(super) frames: Vec<Frame>,
    pub(super) movable: Vec<bool>,
    types: Types,
    /// By order, then migratetype; the head first.
    lists: Vec<Vec<Vec<u64>>>,
    pub(super) counters: Counters,
    pub(super) boosted: bool,
    pub(super) managed: u64,
    pub(super) marks: [u64; 3],
    pub(super) boost_factor: u64,
    pub(super) mobility_disabled: bool,
    pub(super) all_movable: bool,
}

impl Zone {
    /// The zone as boot leaves it.
    pub fn new(setup: &Setup) -> Self {
        let mut zone = Self::with_types(setup, Types::default());
        zone.hand_over_all(setup);
        zone
    }

    /// One of several zones, without memory: all of them set the types of their pageblocks before
    /// the first is given memory.
    pub fn with_types(setup: &Setup, types: Types) -> Self {
        let mut zone = Self::empty(setup, types);
        for &range in &setup.present {
            zone.frames_mut(range).fill(Frame::Reserved);
        }
        zone.set_first_types();
        zone.mobility_disabled = setup.mobility_disabled;
        zone
    }

    /// Gives the zone its memory.
    pub fn hand_over_all(&mut self, setup: &Setup) {
        for range in usable(setup) {
            for (pfn, order) in largest_blocks(range) {
                self.hand_over(pfn, order, Place::Tail);
            }
        }
        for &(start, end) in &setup.cma {
            for pfn in (start..end).step_by(PAGEBLOCK as usize) {
                self.set_type(pfn, CMA);
                self.hand_over(pfn, PAGEBLOCK_ORDER, Place::ByBuddy);
            }
        }
    }

    fn empty(setup: &Setup, types: Types) -> Self {
        let (start, end) = setup.span;
        let nr_frames = (end - start) as usize;
        Self {
            span: setup.span,
            frames: vec![Frame::Absent; nr_frames],
            movable: vec![false; nr_frames],
            types,
            lists: vec![vec![Vec::new(); TYPES]; ORDERS],
            counters: Counters::default(),
            boosted: false,
            managed: 0,
            marks: setup.marks,
            boost_factor: setup.boost_factor,
            mobility_disabled: false,
            all_movable: setup.all_movable,
        }
    }

    fn set_first_types(&mut self) {
        let (start, end) = self.span;
        for pfn in start..end {
            if pfn % PAGEBLOCK == 0 && self.frame(pfn) != Frame::Absent {
                self.set_type(pfn, MOVABLE);
            }
        }
    }

    fn hand_over(&mut self, pfn: u64, order: u32, place: Place) {
        self.managed += 1 << order;
        self.free_one_page(pfn, order, self.type_of(pfn), place);
    }

    fn index(&self, pfn: u64) -> usize {
        (pfn - self.span.0) as usize
    }

    fn frames_mut(&mut self, (start, end): Span) -> &mut [Frame] {
        let (start, end) = (self.index(start), self.index(end));
        &mut self.frames[start..end]
    }

    pub fn holds(&self, pfn: u64) -> bool {
        self.span.0 <= pfn && pfn < self.span.1
    }

    /// What the frame is; a frame outside of the zone is absent.
    pub fn frame(&self, pfn: u64) -> Frame {
        if self.holds(pfn) { self.frames[self.index(pfn)] } else { Frame::Absent }
    }

    pub fn is_mobility_disabled(&self) -> bool {
        self.mobility_disabled
    }

    /// Frames that were given to the allocator.
    pub fn nr_managed(&self) -> u64 {
        self.managed
    }

    pub fn is_movable(&self, pfn: u64) -> bool {
        self.movable[self.index(pfn)]
    }

    pub(super) fn type_of(&self, pfn: u64) -> u8 {
        self.types.borrow().get(&(pfn / PAGEBLOCK)).copied().unwrap_or(UNMOVABLE)
    }

    pub(super) fn set_type(&mut self, pfn: u64, migratetype: u8) {
        let grouped = !self.mobility_disabled || !is_ordinary(migratetype);
        let migratetype = if grouped { migratetype } else { UNMOVABLE };
        self.types.borrow_mut().insert(pfn / PAGEBLOCK, migratetype);
    }

    pub(super) fn list(&self, order: u32, migratetype: u8) -> &[u64] {
        &self.lists[order as usize][migratetype as usize]
    }

    pub(super) fn count_free(&mut self, order: u32, migratetype: u8) {
        if migratetype != ISOLATE {
            self.counters.free += 1 << order;
        }
        if migratetype == CMA {
            self.counters.cma += 1 << order;
        }
    }

    pub(super) fn count_taken(&mut self, order: u32, migratetype: u8) {
        if migratetype != ISOLATE {
            self.counters.free -= 1 << order;
        }
        if migratetype == CMA {
            self.counters.cma -= 1 << order;
        }
    }

    /// Marks the frames of a block: the first one as `head`, the others as inside.
    pub(super) fn mark(&mut self, pfn: u64, order: u32, head: Frame) {
        let frames = self.frames_mut((pfn, pfn + (1 << order)));
        frames.fill(Frame::Inside);
        frames[0] = head;
    }

    /// Puts a block on a list; counters are not touched.
    pub(super) fn put(&mut self, pfn: u64, order: u32, list: u8, at_tail: bool) {
        self.mark(pfn, order, Frame::Free { order, list });
        let blocks = &mut self.lists[order as usize][list as usize];
        let at = if at_tail { blocks.len() } else { 0 };
        blocks.insert(at, pfn);
    }

    /// Takes a free block off its list; counters are not touched.
    pub(super) fn take(&mut self, pfn: u64) -> (u32, u8) {
        let Frame::Free { order, list } = self.frame(pfn) else {
            panic!("frame {pfn} heads no free block");
        };
        let blocks = &mut self.lists[order as usize][list as usize];
        let at = blocks.iter().position(|&block| block == pfn).expect("it is on its list");
        blocks.remove(at);
        (order, list)
    }

    pub(super) fn is_free_block(&self, pfn: u64, order: u32) -> bool {
        matches!(self.frame(pfn), Frame::Free { order: found, .. } if found == order)
    }

    /// Whether two pageblocks of these types may become one block.
    fn may_merge(&self, order: u32, migratetype: u8, buddy: u64) -> bool {
        let other = self.type_of(buddy);
        order < PAGEBLOCK_ORDER
            || migratetype == other
            || (is_ordinary(migratetype) && is_ordinary(other))
    }

    /// Frees a block to the list of `migratetype`, merged as far as it goes.
    pub(super) fn free_one_page(&mut self, pfn: u64, order: u32, migratetype: u8, place: Place) {
        self.count_free(order, migratetype);
        let (mut pfn, mut order) = (pfn, order);
        while order < TOP {
            let buddy = pfn ^ (1 << order);
            if !self.is_free_block(buddy, order) || !self.may_merge(order, migratetype, buddy) {
                break;
            }
            self.take(buddy);
            pfn = pfn.min(buddy);
            order += 1;
        }
        let at_tail = place == Place::Tail || self.merges_soon(pfn, order);
        self.put(pfn, order, migratetype, at_tail);
    }

    /// Whether only this block's buddy is missing for a merge two orders up.
    fn merges_soon(&self, pfn: u64, order: u32) -> bool {
        let parent = pfn & !(1 << order);
        order < TOP - 1 && self.is_free_block(parent ^ (1 << (order + 1)), order + 1)
    }

    /// An allocated block becomes two, each as movable as the whole was.
    pub fn halve(&mut self, pfn: u64, order: u32) {
        self.expect_used(pfn, order);
        for half in [pfn, pfn + (1 << (order - 1))] {
            self.mark(half, order - 1, Frame::Used { order: order - 1 });
        }
    }

    fn expect_used(&self, pfn: u64, order: u32) {
        assert_eq!(self.frame(pfn), Frame::Used { order }, "frame {pfn}");
    }
}

/// The present frames that boot hands over first: neither reserved nor of a CMA area.
fn usable(setup: &Setup) -> Vec<Span> {
    let mut ranges = setup.present.clone();
    for &(cut_start, cut_end) in setup.reserved.iter().chain(&setup.cma) {
        ranges = ranges
            .into_iter()
            .flat_map(|(start, end)| {
                [(start, end.min(cut_start)), (start.max(cut_end), end)].into_iter()
            })
            .filter(|(start, end)| start < end)
            .collect();
    }
    ranges.sort_unstable();
    ranges
}

impl ZoneView for Zone {
    fn counters(&self) -> Counters {
        self.counters
    }

    fn for_each_free(&self, visit: &mut dyn FnMut(u32, u8, u64)) {
        for (order, lists) in (0..).zip(&self.lists) {
            for (list, blocks) in (0..).zip(lists) {
                for &pfn in blocks {
                    visit(order, list, pfn);
                }
            }
        }
    }

    fn pageblock_type(&self, pfn: u64) -> u8 {
        self.type_of(pfn)
    }

    fn verify(&self) -> Result<(), String> {
        let mut counted = Counters { free: 0, cma: 0, ..self.counters };
        let mut wrong = None;
        self.for_each_free(&mut |order, list, pfn| {
            let split_pair =
                order < PAGEBLOCK_ORDER && self.is_free_block(pfn ^ (1 << order), order);
            let isolated = list == ISOLATE;
            counted.free += if isolated { 0 } else { 1 << order };
            counted.cma += if list == CMA { 1 << order } else { 0 };
            if self.frame(pfn) != (Frame::Free { order, list })
                || pfn % (1 << order) != 0
                || split_pair
            {
                wrong = Some(pfn);
            }
        });
        match wrong {
            Some(pfn) => Err(format!("frame {pfn} can't be on its list: {:?}", self.frame(pfn))),
            None if counted != self.counters => {
                Err(format!("counted {counted:?}, kept {:?}", self.counters))
            }
            None => Ok(()),
        }
    }
}

impl ZoneUnderTest for Zone {
    fn rmqueue(&mut self, order: u32, migratetype: u8, flags: &str) -> Option<u64> {
        self.rmqueue_buddy(order, migratetype, flags)
    }

    fn take_boosted(&mut self) -> bool {
        std::mem::take(&mut self.boosted)
    }

    fn reserve_highatomic(&mut self, pfn: u64, _order: u32) {
        self.reserve_highatomic_pageblock(pfn);
    }

    fn set_movable(&mut self, pfn: u64, order: u32) {
        self.expect_used(pfn, order);
        let at = self.index(pfn);
        self.movable[at..at + (1 << order)].fill(true);
    }

    fn free(&mut self, pfn: u64, order: u32) {
        self.expect_used(pfn, order);
        let at = self.index(pfn);
        self.movable[at..at + (1 << order)].fill(false);
        self.free_one_page(pfn, order, self.type_of(pfn), Place::ByBuddy);
    }

    fn split(&mut self, pfn: u64, order: u32, movable: bool) {
        self.expect_used(pfn, order);
        let at = self.index(pfn);
        self.movable[at..at + (1 << order)].fill(movable);
        self.frames[at..at + (1 << order)].fill(Frame::Used { order: 0 });
    }

    fn unreserve_highatomic(&mut self, migratetype: u8, force: bool) -> bool {
        self.unreserve_highatomic_pageblock(migratetype, force)
    }

    fn reset_boost(&mut self) {
        self.counters.boost = 0;
    }

    fn isolate(&mut self, pfn: u64, migratetype: u8) -> bool {
        self.isolate_pageblock(pfn, migratetype)
    }

    fn unisolate(&mut self, pfn: u64, migratetype: u8) {
        self.unisolate_pageblock(pfn, migratetype);
    }
}

/// Boots model zones.
#[derive(Debug)]
pub struct Naive;

impl Boot for Naive {
    fn boot<R>(setup: &Setup, work: impl FnOnce(&mut dyn ZoneUnderTest) -> R) -> R {
        work(&mut Zone::new(setup))
    }
}
