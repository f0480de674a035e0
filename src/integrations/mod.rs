//! Adaptors to crates that kernels are built of, each behind a cargo feature of its own.
//!
//! | feature | what |
//! |---|---|
#![cfg_attr(feature = "x86_64", doc = "| `x86_64` | [`x86_64::Frames`]: frames for `Mapper`s |")]
#![cfg_attr(not(feature = "x86_64"), doc = "| `x86_64` | frames for `Mapper`s |")]
//!
//! All of them rest on the public interface of this crate: a kernel can write its own.

#[cfg(feature = "x86_64")]
#[cfg_attr(docsrs, doc(cfg(feature = "x86_64")))]
#[expect(unsafe_code, reason = "a contract of `x86_64` is signed, and frames are known by number")]
pub mod x86_64;
