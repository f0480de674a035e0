//! One zone: its free lists, watermarks and reserves.
//!
//! The code of this tier is single-threaded: it works on a zone that somebody has locked, or owns.

mod ample;
mod buddy;
mod bulk;
mod capture;
mod checks;
mod compact_tally;
mod compaction;
mod fallback;
pub mod fragmentation;
#[expect(unsafe_code, reason = "takes blocks out of the middle of lists")]
mod free_area;
mod highatomic;
mod isolate;
mod locked;
mod pageblock;
mod populate;
mod reserved;
mod rmqueue;
mod run;
mod shared;
mod split;
mod target;
#[cfg(test)]
mod tests;
pub mod watermark;

pub(crate) use ample::{Ample, NEVER_AMPLE};
pub(crate) use bulk::ExtfragLog;
pub(crate) use checks::{block_of_token, find_allocated, find_token, no_such_block};
pub(crate) use compaction::{CompactionState, Outlook, Waiting, last_pageblock};
pub use fallback::{Fallback, Takeover};
pub(crate) use free_area::FreeAreas;
pub use highatomic::Force;
pub use isolate::IsolateError;
pub(crate) use locked::Zone;
pub(crate) use populate::{Describer, Giving};
pub(crate) use rmqueue::{HighAtomicUse, Taken};
pub use shared::ReclaimActive;
pub(crate) use shared::{ZoneMut, ZoneShared};
pub(crate) use split::split_allocated;
pub(crate) use target::NotIsolated;
