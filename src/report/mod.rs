//! The state of an allocator as text, in the layouts of `/proc`.
//!
//! The types here are values: numbers, and how Linux prints them. Nothing of them refers to an
//! allocator, so a kernel may fill them from where it likes, and a tool may too. A value prints
//! without the newline at its end.

mod buddyinfo;
mod pagetypeinfo;
mod zone_ref;
mod zoneinfo;

pub use buddyinfo::BuddyInfoRow;
pub use pagetypeinfo::{CmaColumn, PageBlockRow, PageTypeInfo, PageTypeRow, ZonePageTypes};
pub use zone_ref::ZoneRef;
pub use zoneinfo::{DeviceColumn, NumaStat, Pageset, Protection, ZoneInfo, ZonePages};
