//! Describing frames: section by section at boot, and a pristine section when its first block is
//! split.

use super::frame::{FrameKind, FrameState};
use super::index::FrameIdx;
use super::pageblock::Pageblock;
use super::raw::Memmap;
use super::section::SECTION_PAGEBLOCKS;
use crate::zone_id::ZoneId;
use crate::{MigrateType, Order, PAGEBLOCK_ORDER};

impl Memmap {
    /// What a frame is, also in a pristine section.
    pub(crate) fn state(&self, index: FrameIdx) -> FrameState {
        if index.offset() == 0 || !self.is_pristine(index) {
            return self.frame(index).state();
        }
        inner_state(self.frame(index.align_down(Order::MAX)).state())
    }

    /// Writes the descriptors of a pristine section, so that its first block can be split. The
    /// caller holds the lock of the section's zone.
    #[inline]
    pub(crate) fn open_section(&self, index: FrameIdx) {
        if self.is_pristine(index) {
            self.write_section(index.align_down(Order::MAX));
        }
    }

    #[cold]
    fn write_section(&self, first: FrameIdx) {
        let inner = inner_state(self.frame(first).state());
        for index in self.frames_after(first) {
            self.frame(index).reset(inner);
        }
        self.set_described(first);
    }

    /// Whether only the first descriptor of the frame's section was written, and speaks for all.
    #[inline]
    pub(crate) fn is_pristine(&self, index: FrameIdx) -> bool {
        self.pageblock(index).is_pristine()
    }

    /// The pageblocks of a section.
    #[inline]
    fn pageblocks_of(&self, first: FrameIdx) -> [&Pageblock; SECTION_PAGEBLOCKS] {
        [first, first.upper_half(PAGEBLOCK_ORDER)].map(|index| self.pageblock(index))
    }

    /// All descriptors of a section have been written.
    fn set_described(&self, first: FrameIdx) {
        self.pageblocks_of(first).into_iter().for_each(Pageblock::set_described);
    }

    /// All frames of a section are of this zone and the first descriptor speaks for them; the pageblocks
    /// are MOVABLE. Only at boot, or if the section was [planned](Self::describe_planned).
    #[inline]
    fn describe_pristine(&self, first: FrameIdx, zone: ZoneId) {
        for pageblock in self.pageblocks_of(first) {
            pageblock.describe_pristine(zone, MigrateType::Movable);
        }
    }

    /// The section's other frames.
    fn frames_after(&self, first: FrameIdx) -> impl Iterator<Item = FrameIdx> {
        core::iter::successors(first.forward(1), |index| index.forward(1))
    }

    /// Describes a whole section, fresh from boot, by its first frame alone. Its pageblocks are
    /// MOVABLE.
    #[inline]
    pub(crate) fn describe_reserved(&self, first: FrameIdx, zone: ZoneId) {
        self.frame(first).reset(FrameState::reserved(zone));
        self.describe_pristine(first, zone);
    }

    /// As [`describe_reserved`](Self::describe_reserved), for a section that is about to be freed as
    /// one block: putting it on its list writes the words that matter.
    #[inline]
    pub(crate) fn describe_free(&self, first: FrameIdx, zone: ZoneId) {
        self.describe_pristine(first, zone);
    }

    /// Describes a section of which nothing is present, by its first frame alone.
    pub(crate) fn describe_planned(&self, first: FrameIdx) {
        self.frame(first).reset(FrameState::ABSENT);
        self.pageblocks_of(first).into_iter().for_each(Pageblock::describe_planned);
    }

    /// Whether nothing of the section has come yet that was planned.
    pub(crate) fn is_planned(&self, first: FrameIdx) -> bool {
        self.is_pristine(first) && self.frame(first).state() == FrameState::ABSENT
    }

    /// Describes every frame of a section as absent.
    pub(crate) fn describe_absent(&self, first: FrameIdx) {
        self.frame(first).reset(FrameState::ABSENT);
        for index in self.frames_after(first) {
            self.frame(index).reset(FrameState::ABSENT);
        }
        self.set_described(first);
    }
}

/// What the other frames of a section are whose first is `first`.
fn inner_state(first: FrameState) -> FrameState {
    match first.kind() {
        FrameKind::Reserved => first,
        FrameKind::Absent => FrameState::ABSENT,
        FrameKind::Tail | FrameKind::Free | FrameKind::Allocated | FrameKind::Cached => {
            FrameState::tail(first.zone())
        }
    }
}
