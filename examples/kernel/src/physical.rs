//! Memory as the processor sees it: the boot page tables map the first 512 GiB where they are.

use core::ptr::{self, with_exposed_provenance, with_exposed_provenance_mut};
use core::slice;

unsafe extern "C" {
    static image_start: u8;
    static image_end: u8;
}

/// The first and the last address of the image, the last excluded.
pub(crate) fn image() -> (u64, u64) {
    let address = |place: *const u8| place.expose_provenance() as u64;
    (address(&raw const image_start), address(&raw const image_end))
}

/// The value at an address.
///
/// # Safety
///
/// There is one that was written, of a type of which every pattern of bits is a value.
pub(crate) unsafe fn at<T: Copy>(address: u64) -> T {
    let place: *const T = with_exposed_provenance(address as usize);
    // SAFETY: the caller's promise.
    unsafe { place.read_unaligned() }
}

/// The bytes at an address.
///
/// # Safety
///
/// They are there, and nobody ever changes them.
pub(crate) unsafe fn bytes(address: u64, length: usize) -> &'static [u8] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(with_exposed_provenance(address as usize), length) }
}

/// A pointer to an address.
pub(crate) fn pointer(address: u64) -> *mut u8 {
    with_exposed_provenance_mut(address as usize)
}

/// Copies bytes to an address.
///
/// # Safety
///
/// Nobody else uses the memory there.
pub(crate) unsafe fn copy_to(address: u64, bytes: &[u8]) {
    // SAFETY: the caller's promise.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), pointer(address), bytes.len()) };
}

/// Copies bytes from one address to another.
///
/// # Safety
///
/// Nobody else uses either, and they do not overlap.
pub(crate) unsafe fn copy(to: u64, from: u64, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { ptr::copy_nonoverlapping(pointer(from), pointer(to), bytes) };
}
