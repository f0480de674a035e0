//! The adaptors to other crates, used as kernels use them. Built with all features:
//! `cargo test --all-features --test adaptors`.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "adaptors/allocator_api2.rs"]
mod allocator_api2;
#[path = "adaptors/device_tree.rs"]
mod device_tree;
#[path = "adaptors/global_alloc.rs"]
mod global_alloc;
#[path = "adaptors/memory_maps.rs"]
mod memory_maps;
#[cfg(target_arch = "x86_64")] // whose tables the test has, as the crate compiles one's own only
#[path = "adaptors/page_table_multiarch.rs"]
mod page_table_multiarch;
#[path = "adaptors/x86_64.rs"]
mod x86_64;
