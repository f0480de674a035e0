//! The doors for callers that know frames by number.
#![expect(unsafe_code, reason = "the doors are unsafe: the caller's word counts")]

use page_alloc::sim::Sim;
use page_alloc::{FreeError, Order, Pages, Pfn};

/// Frees a block by number, rightly or wrongly.
pub fn free(sim: &Sim, pfn: Pfn, order: Order) -> Result<(), FreeError> {
    // SAFETY: nothing is kept in the frames of a simulated machine, so that no reference to them
    // can be broken.
    unsafe { sim.free_pages_raw(pfn, order) }
}

/// The token of a block known by number.
pub fn token(sim: &Sim, pfn: Pfn, order: Order) -> Result<Pages, FreeError> {
    // SAFETY: as above.
    unsafe { sim.pages_from_raw(pfn, order) }
}
