//! What a frame is, told to those who name it from outside: is there an allocated block to free?

use crate::memmap::{FrameIdx, FrameKind, FrameState, Memmap};
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

/// Finds the block of a token. The pfn is compared as well: a token that has outlived its allocator
/// may name a place in the tables of a later one.
#[inline]
pub(crate) fn find_token(memmap: &Memmap, pages: &Pages) -> Result<FrameIdx, FreeError> {
    let pfn = pages.pfn();
    let place = memmap.find(pages.name()).ok_or(FreeError::Foreign(pfn))?;
    let index = place.index();
    if !place.section().describes(index, pfn) || !place.frame().state().is_block_of(pages.name()) {
        return Err(no_such_block(memmap, index, pfn));
    }
    Ok(index)
}

/// Nothing of a pristine section is allocated, and most of its descriptors were never written.
#[cold]
fn no_such_block(memmap: &Memmap, index: FrameIdx, pfn: Pfn) -> FreeError {
    if memmap.pfn_of(index) != pfn {
        return FreeError::Foreign(pfn);
    }
    not_allocated(memmap.state(index), pfn)
}

/// Whether a frame's state is that of an allocated block of the order.
#[inline]
pub(crate) fn check_allocated(state: FrameState, pfn: Pfn, order: Order) -> Result<(), FreeError> {
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
