//! From a firmware memory map to a running allocator.

mod error;
mod memory_map;
mod movable;
mod numa;
mod place;
mod srat;
