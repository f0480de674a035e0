//! Memory of the host for peers that keep their tables in the frames they manage.

use memmap2::{MmapMut, MmapOptions};

/// So many bytes; only those that are written to take memory.
pub(crate) fn reserve(bytes: usize) -> MmapMut {
    MmapOptions::new().len(bytes).no_reserve_swap().map_anon().expect("address space")
}

/// The bytes of so many frames.
pub(crate) fn bytes(frames: u64) -> usize {
    usize::try_from(frames << 12).expect("64 bits")
}
