//! The state of an allocator as text, in the layouts of `/proc`.
//!
//! [`PageAllocator::buddyinfo`](crate::PageAllocator::buddyinfo),
//! [`pagetypeinfo`](crate::PageAllocator::pagetypeinfo) and
//! [`zoneinfo`](crate::PageAllocator::zoneinfo) print whole files from an allocator, and give their
//! rows to programs; [`vm_events`](crate::PageAllocator::vm_events) prints lines of `/proc/vmstat`.
//! [`zonelists`](crate::PageAllocator::zonelists) and [`cpus`](crate::PageAllocator::cpus) print what
//! Linux has no file for, a line for each node and for each CPU.
//!
//! The rows are values: numbers, and how Linux prints them. Nothing of them refers to an allocator,
//! so a kernel may fill them from where it likes, and a tool may too. A row prints without the
//! newline at its end.

mod buddyinfo;
mod compact_events;
mod cpus;
mod failure;
mod files;
mod node_ref;
mod pageset_ref;
mod pagetypeinfo;
mod vmstat;
mod zone_ref;
mod zoneinfo;
mod zonelists;

pub use buddyinfo::BuddyInfoRow;
pub use compact_events::CompactEvents;
pub use cpus::{CpuRow, CpuRows};
pub use failure::FailureReport;
pub use files::{BuddyInfo, PageTypeInfos, PagesetRows, Pagesets, ZoneInfos};
pub use node_ref::NodeRef;
pub use pageset_ref::PagesetRef;
pub use pagetypeinfo::{CmaColumn, PageBlockRow, PageTypeInfo, PageTypeRow, ZonePageTypes};
pub use vmstat::VmEvents;
pub use zone_ref::ZoneRef;
pub use zoneinfo::{DeviceColumn, NumaStat, Pageset, Protection, ZoneInfo, ZonePages};
pub use zonelists::{ZonelistRow, Zonelists};
