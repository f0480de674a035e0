//! Fragmentation indices.
