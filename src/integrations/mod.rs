//! Adaptors to crates that kernels are built of, each behind a cargo feature of its own.
//!
//! | feature | what |
//! |---|---|
//! | none | [`PageHeap`]: a `GlobalAlloc` of whole blocks |
//! | `allocator-api2-02`, `allocator-api2-04` | `PageHeap` as that crate's `Allocator` |
//! | `bootloader_api` | memory maps and reservations from the boot loader `bootloader` |
//! | `dtoolkit` | `dtoolkit::DeviceTree`: memory, reservations, CMA areas, nodes and distances |
//! | `limine` | memory maps of the Limine protocol |
//! | `multiboot2` | memory maps and reservations of Multiboot2 |
//! | `page_table_multiarch` | `page_table_multiarch::TableHandler`: frames for page tables |
//! | `uefi-raw` | memory maps of UEFI |
//! | `x86_64` | `x86_64::Frames`: frames for page tables, and for what they map |
//!
//! Entries of memory maps convert with `From`; [`fill`] collects them without a heap.
//!
//! All of them rest on the public interface of this crate: a kernel can write its own.

#[cfg(any(feature = "allocator-api2-02", feature = "allocator-api2-04"))]
#[expect(unsafe_code, reason = "signs the contract of `Allocator`")]
mod allocator_api2;
#[cfg(feature = "bootloader_api")]
#[cfg_attr(docsrs, doc(cfg(feature = "bootloader_api")))]
pub mod bootloader_api;
#[cfg(feature = "dtoolkit")]
#[cfg_attr(docsrs, doc(cfg(feature = "dtoolkit")))]
pub mod dtoolkit;
#[cfg(feature = "limine")]
#[cfg_attr(docsrs, doc(cfg(feature = "limine")))]
pub mod limine;
#[cfg(feature = "multiboot2")]
#[cfg_attr(docsrs, doc(cfg(feature = "multiboot2")))]
pub mod multiboot2;
#[expect(unsafe_code, reason = "signs the contract of `GlobalAlloc`, and knows blocks by address")]
mod page_heap;
#[cfg(feature = "page_table_multiarch")]
#[cfg_attr(docsrs, doc(cfg(feature = "page_table_multiarch")))]
#[expect(unsafe_code, reason = "names an allocator, whose frames are known by number")]
pub mod page_table_multiarch;
mod slots;
#[cfg(feature = "uefi-raw")]
#[cfg_attr(docsrs, doc(cfg(feature = "uefi-raw")))]
pub mod uefi_raw;
#[cfg(feature = "x86_64")]
#[cfg_attr(docsrs, doc(cfg(feature = "x86_64")))]
#[expect(unsafe_code, reason = "a contract of `x86_64` is signed, and frames are known by number")]
pub mod x86_64;

pub use page_heap::{DirectMap, PageHeap};
pub use slots::{TooFewSlots, fill};
