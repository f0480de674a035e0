//! Allocation and freeing.

pub mod flags;
