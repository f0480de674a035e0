//! The adaptors to other crates, used as kernels use them. Built with all features:
//! `cargo test --all-features --test adaptors`.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "adaptors/x86_64.rs"]
mod x86_64;
