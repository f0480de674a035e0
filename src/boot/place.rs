//! Where the allocator's own tables lie.
