//! The model's isolation: withdrawing a pageblock and giving it back.

use super::port::PAGEBLOCK;
use super::zone::{CMA, Frame, ISOLATE, PAGEBLOCK_ORDER, Place, TOP, Zone};

impl Zone {
    pub(super) fn isolate_pageblock(&mut self, pfn: u64, wanted: u8) -> bool {
        let old = self.type_of(pfn);
        if old == ISOLATE || self.holds_unmovable(pfn, old, wanted) {
            return false;
        }
        self.set_type(pfn, ISOLATE);
        let (moved, _) = self.move_pageblock(pfn, ISOLATE);
        self.counters.free -= moved;
        self.counters.cma -= if old == CMA { moved } else { 0 };
        true
    }

    fn holds_unmovable(&self, pfn: u64, old: u8, wanted: u8) -> bool {
        if old == CMA {
            return wanted != CMA;
        }
        (pfn..pfn + PAGEBLOCK).any(|at| match self.frame(at) {
            Frame::Absent | Frame::Reserved => true,
            Frame::Used { .. } => !self.all_movable && !self.is_movable(at),
            Frame::Free { .. } | Frame::Inside => false,
        })
    }

    pub(super) fn unisolate_pageblock(&mut self, pfn: u64, wanted: u8) {
        if self.type_of(pfn) != ISOLATE {
            return;
        }
        let merges = self.merges_when_back(pfn);
        if merges {
            self.take(pfn);
        } else {
            let (moved, _) = self.move_pageblock(pfn, wanted);
            self.counters.free += moved;
            self.counters.cma += if wanted == CMA { moved } else { 0 };
        }
        self.set_type(pfn, wanted);
        if merges {
            self.free_one_page(pfn, PAGEBLOCK_ORDER, wanted, Place::Tail);
        }
    }

    /// Whether the pageblock is one free block whose buddy is free and not isolated.
    fn merges_when_back(&self, pfn: u64) -> bool {
        let buddy = pfn ^ PAGEBLOCK;
        PAGEBLOCK_ORDER < TOP
            && self.is_free_block(pfn, PAGEBLOCK_ORDER)
            && self.is_free_block(buddy, PAGEBLOCK_ORDER)
            && self.type_of(buddy) != ISOLATE
    }
}
