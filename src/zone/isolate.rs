//! Isolation: withdrawing a pageblock from allocation, and giving it back.

use super::buddy::FreeTo;
use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameKind, FrameState, FreeBlock, ListEnd};
use crate::{MigrateType, Order, PAGEBLOCK_ORDER, Pfn, ZoneType};
use core::fmt;

/// Why a pageblock can't be isolated. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IsolateError {
    /// There is no such frame in the zone.
    NoSuchFrame(Pfn),
    /// It is isolated already.
    AlreadyIsolated(Pfn),
    /// Pageblocks are isolated for MOVABLE memory or for a CMA area, not for this.
    IllegalType(MigrateType),
    /// It belongs to a CMA area, and the caller is not the area.
    Cma(Pfn),
    /// A frame that can't be moved out of the way: allocated and not movable, reserved, or absent.
    Unmovable(Pfn),
    /// The pageblock is to be part of a CMA area, or no longer, and a CPU has this frame of it at hand,
    /// counted as what it was: its lists have to be drained before.
    AtHand(Pfn),
}

impl fmt::Display for IsolateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchFrame(pfn) => write!(f, "frame {pfn} is not in this zone"),
            Self::AlreadyIsolated(pfn) => write!(f, "the pageblock at {pfn} is isolated already"),
            Self::IllegalType(other) => write!(f, "pageblocks are not isolated for {other} memory"),
            Self::Cma(pfn) => write!(f, "the pageblock at {pfn} belongs to a CMA area"),
            Self::Unmovable(pfn) => write!(f, "frame {pfn} can't be moved"),
            Self::AtHand(pfn) => write!(f, "a CPU has frame {pfn} at hand"),
        }
    }
}

impl core::error::Error for IsolateError {}

fn check_type(migratetype: MigrateType) -> Result<(), IsolateError> {
    match migratetype {
        MigrateType::Movable | MigrateType::Cma => Ok(()),
        other => Err(IsolateError::IllegalType(other)),
    }
}

impl ZoneMut<'_> {
    /// Withdraws the pageblock around a frame: its free blocks no longer count as free and can't
    /// be allocated, and what is freed in it joins them. `migratetype` is CMA for the owner of a
    /// CMA area, else MOVABLE.
    #[doc(alias = "set_migratetype_isolate")]
    pub(crate) fn isolate_pageblock(
        &mut self,
        index: FrameIdx,
        migratetype: MigrateType,
    ) -> Result<(), IsolateError> {
        check_type(migratetype)?;
        let first = index.align_down(PAGEBLOCK_ORDER);
        let pageblock_type = self.memmap.pageblock(first).migratetype();
        if pageblock_type == MigrateType::Isolate {
            return Err(IsolateError::AlreadyIsolated(self.memmap.pfn_of(first)));
        }
        self.check_movable(first, pageblock_type, migratetype)?;
        self.split_largest(first);
        self.set_pageblock_migratetype(first, MigrateType::Isolate);
        self.shared.nr_isolated.add(1);
        self.move_freepages_block(index, MigrateType::Isolate);
        Ok(())
    }

    /// Whether everything in the pageblock is free or can be moved away.
    #[doc(alias = "has_unmovable_pages")]
    fn check_movable(
        &self,
        first: FrameIdx,
        pageblock_type: MigrateType,
        migratetype: MigrateType,
    ) -> Result<(), IsolateError> {
        if pageblock_type == MigrateType::Cma {
            return match migratetype {
                MigrateType::Cma => Ok(()),
                _ => Err(IsolateError::Cma(self.memmap.pfn_of(first))),
            };
        }
        let mut next = Some(first);
        while let Some(index) = next.filter(|i| i.align_down(PAGEBLOCK_ORDER) == first) {
            let frames = self
                .movable_frames(self.memmap.state(index))
                .ok_or_else(|| IsolateError::Unmovable(self.memmap.pfn_of(index)))?;
            next = index.forward(frames);
        }
        Ok(())
    }

    /// How many frames a frame's state lets the walk pass over; `None` if it can't be moved. Of an
    /// allocated block only the first frame counts.
    fn movable_frames(&self, state: FrameState) -> Option<u32> {
        let movable_zone = self.shared.zone_type() == ZoneType::Movable;
        match state.kind() {
            FrameKind::Absent | FrameKind::Reserved => None,
            _ if state.zone() != self.shared.id => None,
            FrameKind::Tail => Some(1),
            FrameKind::Allocated if !state.is_movable() && !movable_zone => None,
            FrameKind::Free | FrameKind::Allocated | FrameKind::Cached => {
                Some(1 << state.order().get())
            }
        }
    }

    /// If a free block covers the pageblock and its neighbour, halves it, so that the pageblock can
    /// be withdrawn or given back alone. (Linux would move all of it, and count its frames wrongly.)
    fn split_largest(&mut self, first: FrameIdx) {
        let Some(head) = self.free_head(first.align_down(Order::MAX)) else { return };
        if head.order() < Order::MAX {
            return;
        }
        let migratetype = head.migratetype();
        let index = self.remove(head).into_index();
        for half in [index.upper_half(PAGEBLOCK_ORDER), index] {
            self.add(FreeBlock::new(half), PAGEBLOCK_ORDER, migratetype, ListEnd::Head);
        }
    }

    /// Gives an isolated pageblock back as `migratetype`. Nothing happens if it is not isolated.
    #[doc(alias = "unset_migratetype_isolate")]
    pub(crate) fn unisolate_pageblock(
        &mut self,
        index: FrameIdx,
        migratetype: MigrateType,
    ) -> Result<(), IsolateError> {
        check_type(migratetype)?;
        let first = index.align_down(PAGEBLOCK_ORDER);
        if self.memmap.pageblock(first).migratetype() != MigrateType::Isolate {
            return Ok(());
        }
        if let Some(index) = self.cached_otherwise(first, migratetype) {
            return Err(IsolateError::AtHand(self.memmap.pfn_of(index)));
        }
        self.split_largest(first);
        let whole = self.take_mergeable(first);
        if whole.is_none() {
            self.move_freepages_block(index, migratetype);
        }
        self.set_pageblock_migratetype(first, migratetype);
        let isolated = self.shared.nr_isolated.get();
        self.shared.nr_isolated.set(isolated.saturating_sub(1));
        if let Some(block) = whole {
            self.free_one_page(block, PAGEBLOCK_ORDER, migratetype, FreeTo::Tail);
        }
        Ok(())
    }

    /// A frame of the pageblock on a CPU's list that would go to a list of CMA memory and is none now, or the
    /// other way round. (Linux would count it wrongly.)
    fn cached_otherwise(&self, first: FrameIdx, migratetype: MigrateType) -> Option<FrameIdx> {
        let is_cma = |migratetype| migratetype == MigrateType::Cma;
        let otherwise = |index: &FrameIdx| {
            let state = self.memmap.state(*index);
            state.kind() == FrameKind::Cached && is_cma(state.migratetype()) != is_cma(migratetype)
        };
        let frames = core::iter::successors(Some(first), |index| index.forward(1));
        frames.take_while(|index| index.align_down(PAGEBLOCK_ORDER) == first).find(otherwise)
    }

    /// An isolated pageblock that is one free block could not merge with its buddy; where that is
    /// possible now, the block is taken off its list to be freed anew.
    fn take_mergeable(&mut self, first: FrameIdx) -> Option<FreeBlock> {
        let head = self.free_head(first).filter(|head| head.order() == PAGEBLOCK_ORDER)?;
        let buddy = self.find_buddy(first, PAGEBLOCK_ORDER)?;
        let buddy_type = self.memmap.pageblock(buddy.index()).migratetype();
        (buddy_type != MigrateType::Isolate).then(|| self.remove(head))
    }
}
