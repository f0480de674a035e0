//! Taking a block from a zone: which lists are tried, in which order.

use super::shared::ZoneMut;
use super::watermark::ZoneView;
use crate::memmap::{FrameIdx, FrameState, FreeBlock};
use crate::{AllocFlags, Extfrag, MigrateType, Order};

/// A block that was taken from a zone's lists, and is now allocated.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) index: FrameIdx,
    /// The migratetype of the list that it was on.
    pub(crate) list_type: MigrateType,
    /// Set when memory of another migratetype was taken over for it.
    pub(crate) extfrag: Option<Extfrag>,
}

/// When a request that may use the high-atomic reserve goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HighAtomicUse {
    /// Before the ordinary lists: requests above order 0 that come to the zone itself.
    First,
    /// Only when the ordinary lists fail: requests that pass through the per-CPU lists.
    Last,
}

impl ZoneMut<'_> {
    /// Takes the first block of the list of the request's order and type, if that is all there is to
    /// it, and marks it allocated. `None`: look closer; nothing happened.
    #[inline(always)]
    pub(crate) fn rmqueue_at_hand(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<FrameIdx> {
        let block = self.take_at_hand(order, migratetype, flags)?;
        Some(self.set_allocated(block, order))
    }

    /// As [`rmqueue_at_hand`](Self::rmqueue_at_hand); the descriptor says for which type it was asked, too.
    #[inline(always)]
    pub(crate) fn rmqueue_asked(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<FrameIdx> {
        let index = self.take_at_hand(order, migratetype, flags)?.into_index();
        let state = FrameState::allocated(order, self.bits).asked_for(migratetype);
        // INVARIANT: as `set_allocated` has it (I6).
        self.links.frame(index).hand_out(state);
        Some(index)
    }

    /// The first block of the list of that order and type, counted as taken.
    #[inline(always)]
    fn take_at_hand(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<FreeBlock> {
        if self.is_elsewhere(flags) {
            return None;
        }
        let block = self.pop_described(order, migratetype)?;
        self.shared.sub_free(migratetype, order.nr_pages());
        Some(block)
    }

    /// Whether another list than that of its type comes first for a request.
    #[inline]
    fn is_elsewhere(&self, flags: AllocFlags) -> bool {
        flags.contains(AllocFlags::HIGHATOMIC) || self.is_cma_first(flags)
    }

    /// Takes a block for a request, whatever the watermarks say, and marks it allocated.
    #[inline]
    pub(crate) fn rmqueue_buddy(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
        high_atomic: HighAtomicUse,
    ) -> Option<Taken> {
        if let Some(index) = self.rmqueue_own(order, migratetype, flags) {
            return Some(Taken { index, list_type: migratetype, extfrag: None });
        }
        self.again().rmqueue_elsewhere(order, migratetype, flags, high_atomic)
    }

    /// Takes a block from the lists of the request's type, if these come first for it, and marks it
    /// allocated.
    #[inline(always)]
    fn rmqueue_own(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<FrameIdx> {
        match self.rmqueue_at_hand(order, migratetype, flags) {
            Some(index) => Some(index),
            None => self.again().rmqueue_larger(order, migratetype, flags),
        }
    }

    /// [`rmqueue_split`](Self::rmqueue_split), not in place.
    #[inline(never)]
    fn rmqueue_larger(
        mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<FrameIdx> {
        self.rmqueue_split(order, migratetype, flags)
    }

    /// As [`rmqueue_own`](Self::rmqueue_own), from a larger or fresh block, too: in place.
    #[inline(always)]
    pub(crate) fn rmqueue_split(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
    ) -> Option<FrameIdx> {
        if self.is_elsewhere(flags) {
            return None;
        }
        let block = self.rmqueue_smallest(order, migratetype)?;
        self.shared.sub_free(migratetype, order.nr_pages());
        Some(self.set_allocated(block, order))
    }

    /// Takes a block that does not simply come from the list of the request's type.
    #[cold]
    #[inline(never)]
    fn rmqueue_elsewhere(
        mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
        high_atomic: HighAtomicUse,
    ) -> Option<Taken> {
        let mut extfrag = None;
        let mut found = None;
        let reserve_first = high_atomic == HighAtomicUse::First && order > Order::ZERO;
        if reserve_first && flags.contains(AllocFlags::HIGHATOMIC) {
            found = self.take(order, MigrateType::HighAtomic);
        }
        if found.is_none() {
            found = self.rmqueue(order, migratetype, flags, &mut extfrag);
        }
        if found.is_none() && self.may_dip(order, flags) {
            found = self.take(order, MigrateType::HighAtomic);
        }
        Some(self.taken(found?, order, extfrag))
    }

    /// Counts a block that came from the list of that type, and marks it allocated.
    #[inline]
    fn taken(
        &mut self,
        (block, list_type): (FreeBlock, MigrateType),
        order: Order,
        extfrag: Option<Extfrag>,
    ) -> Taken {
        self.shared.sub_free(list_type, order.nr_pages());
        Taken { index: self.set_allocated(block, order), list_type, extfrag }
    }

    /// Whether a request whose type has run out may have of the high-atomic reserve.
    fn may_dip(&self, order: Order, flags: AllocFlags) -> bool {
        let high = flags.contains(AllocFlags::HIGHATOMIC) && order > Order::ZERO;
        high || flags.intersects(AllocFlags::OOM | AllocFlags::NON_BLOCK)
    }

    #[inline(never)]
    fn take(&mut self, order: Order, migratetype: MigrateType) -> Option<(FreeBlock, MigrateType)> {
        self.rmqueue_smallest(order, migratetype).map(|block| (block, migratetype))
    }

    /// The block and the list that it came from.
    #[doc(alias = "__rmqueue")]
    pub(super) fn rmqueue(
        &mut self,
        order: Order,
        migratetype: MigrateType,
        flags: AllocFlags,
        extfrag: &mut Option<Extfrag>,
    ) -> Option<(FreeBlock, MigrateType)> {
        let cma = flags.contains(AllocFlags::CMA);
        if self.is_cma_first(flags)
            && let Some(found) = self.take(order, MigrateType::Cma)
        {
            return Some(found);
        }
        if let Some(found) = self.take(order, migratetype) {
            return Some(found);
        }
        if cma && let Some(found) = self.take(order, MigrateType::Cma) {
            return Some(found);
        }
        *extfrag = self.rmqueue_fallback(order, migratetype, flags);
        extfrag.as_ref()?;
        self.take(order, migratetype)
    }

    /// Whether the request may use CMA and more than half of the zone's free frames are CMA: it
    /// then uses CMA first, to keep the two in balance.
    #[inline]
    pub(super) fn is_cma_first(&self, flags: AllocFlags) -> bool {
        flags.contains(AllocFlags::CMA)
            && self.shared.free_cma_pages() > self.shared.free_pages() / 2
    }
}
