//! What a frame is, told to those who name it from outside: is there an allocated block to free?

use crate::memmap::{FrameIdx, FrameKind, FrameState, Memmap, Place};
use crate::{FreeError, Order, Pages, Pfn};

/// Finds the allocated block of that order that starts at `pfn`.
///
/// The answer is exact for a block that the caller holds. For any other frame the state may change
/// at any time; what is told then was true at some moment.
pub(crate) fn find_allocated(
    memmap: &Memmap,
    pfn: Pfn,
    order: Order,
) -> Result<FrameIdx, FreeError> {
    let index = memmap.index_of(pfn).ok_or(FreeError::Foreign(pfn))?;
    check_allocated(memmap.state(index), pfn, order).map(|()| index)
}

/// Finds the block of a token, and its state; `None` if the token is of another allocator, or its
/// block is not what it says. The pfn is compared as well: a token that has outlived its allocator,
/// against the contract of `init`, may name a place in the tables of a later one.
#[inline(always)]
pub(crate) fn block_of_token(memmap: &Memmap, pages: &Pages) -> Option<(FrameIdx, FrameState)> {
    let place = memmap.find(pages.name().frame_address())?;
    let index = place.index();
    if place.pfn() != pages.pfn() || memmap.is_pristine(index) {
        return None;
    }
    let state = place.frame().state();
    state.is_block_of(pages.name()).then_some((index, state))
}

/// As [`block_of_token`], with the reason.
#[inline]
pub(crate) fn find_token(memmap: &Memmap, pages: &Pages) -> Result<FrameIdx, FreeError> {
    match block_of_token(memmap, pages) {
        Some((index, _)) => Ok(index),
        None => Err(no_such_block(memmap, pages)),
    }
}

/// Why a token has no block. Nothing of a pristine section is allocated, and most of its descriptors
/// were never written.
#[cold]
pub(crate) fn no_such_block(memmap: &Memmap, pages: &Pages) -> FreeError {
    let pfn = pages.pfn();
    match memmap.find(pages.name().frame_address()).map(Place::index) {
        Some(index) if memmap.pfn_of(index) == pfn => not_allocated(memmap.state(index), pfn),
        _ => FreeError::Foreign(pfn),
    }
}

/// Whether a frame's state is that of an allocated block of the order.
#[inline]
fn check_allocated(state: FrameState, pfn: Pfn, order: Order) -> Result<(), FreeError> {
    if state.is_allocated(order) { Ok(()) } else { Err(not_allocated(state, pfn)) }
}

#[cold]
fn not_allocated(state: FrameState, pfn: Pfn) -> FreeError {
    match state.kind() {
        FrameKind::Absent => FreeError::Foreign(pfn),
        FrameKind::Reserved => FreeError::Reserved(pfn),
        FrameKind::Free | FrameKind::Cached => FreeError::NotAllocated(pfn),
        FrameKind::Tail => FreeError::NotHead(pfn),
        FrameKind::Allocated => FreeError::WrongOrder { pfn, found: state.order() },
    }
}
