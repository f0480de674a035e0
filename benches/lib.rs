//! Nothing: the package is its two benches, `page_alloc.rs` and `instructions.rs`. It is a package of
//! its own so that whoever tests the allocator does not build its peers.
