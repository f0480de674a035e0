//! Adaptors to crates that kernels are built of, each behind a cargo feature of its own.
//!
//! | feature | what |
//! |---|---|
//! | none | [`PageHeap`]: a `GlobalAlloc` of whole blocks |
//! | `allocator-api2-02`, `allocator-api2-04` | `PageHeap` as that crate's `Allocator` |
//! | `page_table_multiarch` | `page_table_multiarch::TableHandler`: frames for page tables |
//! | `x86_64` | `x86_64::Frames`: frames for page tables, and for what they map |
//!
//! All of them rest on the public interface of this crate: a kernel can write its own.

#[cfg(any(feature = "allocator-api2-02", feature = "allocator-api2-04"))]
#[expect(unsafe_code, reason = "signs the contract of `Allocator`")]
mod allocator_api2;
#[expect(unsafe_code, reason = "signs the contract of `GlobalAlloc`, and knows blocks by address")]
mod page_heap;
#[cfg(feature = "page_table_multiarch")]
#[cfg_attr(docsrs, doc(cfg(feature = "page_table_multiarch")))]
#[expect(unsafe_code, reason = "names an allocator, whose frames are known by number")]
pub mod page_table_multiarch;
#[cfg(feature = "x86_64")]
#[cfg_attr(docsrs, doc(cfg(feature = "x86_64")))]
#[expect(unsafe_code, reason = "a contract of `x86_64` is signed, and frames are known by number")]
pub mod x86_64;

pub use page_heap::{DirectMap, PageHeap};
