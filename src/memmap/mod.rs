//! Frames and their descriptors: the dense memmap, its sections, the lists over it, and the tokens
//! for blocks.
//!
//! Present memory is mapped in sections of the largest block (1024 frames). Each mapped section has
//! a number, dense from 1, and its frames have consecutive **frame indices**: the section's number
//! in the high bits, the offset in the low ten. So the 32-bit index 0 is free to mean "none", holes
//! cost nothing, and as sections are aligned, buddy arithmetic works on the index itself.

mod block;
mod build;
mod describe;
mod directory;
mod frame;
mod index;
#[expect(unsafe_code, reason = "descriptors by index, and lists of them")]
mod links;
mod lookup;
mod pageblock;
mod plan;
#[expect(unsafe_code, reason = "tables in memory that was carved at boot")]
mod raw;
mod section;
mod stack;
mod walk;

pub(crate) use block::{BlockName, FrameAddress, FreeBlock};
pub use block::{Pages, PagesIter};
pub use frame::Movability;
pub(crate) use frame::{Frame, FrameKind, FrameState, ZoneBits};
pub(crate) use index::FrameIdx;
pub(crate) use links::{Chain, FrameLinks, FrameList, ListEnd};
pub(crate) use pageblock::Pageblock;
pub(crate) use plan::MemmapPlan;
pub(crate) use raw::{
    Arena, ArenaFull, Fixed, FixedCell, FixedOr, LentMemmap, Memmap, Place, Rows, TABLE_ALIGN,
    Table,
};
pub(crate) use section::SECTION_FRAMES;
pub(crate) use stack::{FrameStack, StackEnd};
