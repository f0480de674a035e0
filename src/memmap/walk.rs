//! Mapped frames, one after the other; tokens of blocks, and what link words name.

use super::frame::{Frame, Link};
use super::index::FrameIdx;
use super::raw::Memmap;
use super::section::{SECTION_FRAMES, SECTION_SHIFT};
use crate::zone_id::ZoneId;
use crate::{Order, Pages, PfnRange};

/// A link word as the frame that it names; `Err` with the word if it names none.
pub(crate) type LinkWord = Result<Option<FrameIdx>, u32>;

impl Memmap {
    /// The token of the allocated block of that order at `index`; the caller owns a reference to it.
    #[inline]
    pub(crate) fn token(&self, index: FrameIdx, order: Order) -> Pages {
        self.token_of((index, self.frame(index)), order)
    }

    /// As [`token`](Self::token), where the descriptor is known already.
    #[inline]
    pub(crate) fn token_of(&self, (index, frame): (FrameIdx, &Frame), order: Order) -> Pages {
        debug_assert!(!self.is_pristine(index));
        Pages::new(self.pfn_of(index), frame, order)
    }

    /// The frames that the two link words name, checked: `Err` with the word for one that names no
    /// mapped frame.
    pub(crate) fn links_of(&self, index: FrameIdx) -> (LinkWord, LinkWord) {
        let frame = self.frame(index);
        let check = |word: u32| match FrameIdx::from_link(word) {
            None => Ok(None),
            Some(index) if self.is_mapped(index) => Ok(Some(index)),
            Some(_) => Err(word),
        };
        (check(frame.link(Link::Next)), check(frame.link(Link::Prev)))
    }

    /// Whether an index of unknown origin is one of this memmap.
    #[inline]
    pub(crate) fn is_mapped(&self, index: FrameIdx) -> bool {
        index.section() != 0 && (index.section() as usize) < self.bases.as_slice().len()
    }

    /// The zone of a frame of a block or reserve.
    pub(crate) fn zone_of(&self, index: FrameIdx) -> ZoneId {
        self.pageblock(index).zone().unwrap_or_else(|| self.state(index).zone())
    }

    /// One past the number of the last mapped section.
    fn sections_end(&self) -> u32 {
        u32::try_from(self.bases.as_slice().len()).unwrap_or(0)
    }

    /// The first frames of the sections of a range of whole, present ones. These are numbered one after
    /// the other.
    pub(crate) fn whole_sections(&self, range: PfnRange) -> impl Iterator<Item = FrameIdx> {
        let first = self.index_of(range.start).map_or(u32::MAX, FrameIdx::section);
        let count = u32::try_from(range.len() / SECTION_FRAMES).unwrap_or(u32::MAX);
        let end = first.saturating_add(count).min(self.sections_end());
        // INVARIANT: mapped sections are numbered from 1 to that end.
        (first..end).map(|number| FrameIdx::of_section(number << SECTION_SHIFT))
    }

    /// The first frames of all mapped sections, ascending by frame number.
    pub(crate) fn first_frames(&self) -> impl Iterator<Item = FrameIdx> {
        // INVARIANT: mapped sections are numbered from 1 to that end.
        (1..self.sections_end()).map(|number| FrameIdx::of_section(number << SECTION_SHIFT))
    }
}
