//! The lines of `/proc/vmstat` that say what compaction did.

use crate::node::Machine;
use core::fmt;

/// What compaction did since `init`. Frames, but for what is counted by calls.
///
/// ```
/// use page_alloc::report::CompactEvents;
/// let events = CompactEvents { stall: 3, success: 2, fail: 1, ..CompactEvents::default() };
/// assert!(events.to_string().contains("\ncompact_stall 3\ncompact_fail 1\ncompact_success 2\n"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactEvents {
    /// Frames whose contents were moved.
    #[doc(alias = "PGMIGRATE_SUCCESS")]
    pub pgmigrate_success: u64,
    /// Frames that were to be moved and could not.
    #[doc(alias = "PGMIGRATE_FAIL")]
    pub pgmigrate_fail: u64,
    /// Looks of the migrate scanner at a block or a frame.
    #[doc(alias = "COMPACTMIGRATE_SCANNED")]
    pub migrate_scanned: u64,
    /// Looks of the free scanner.
    #[doc(alias = "COMPACTFREE_SCANNED")]
    pub free_scanned: u64,
    /// Frames that were collected to be moved, or taken to move others to.
    #[doc(alias = "COMPACTISOLATED")]
    pub isolated: u64,
    /// Calls of compaction for a request, in zones where it was worth a try.
    #[doc(alias = "COMPACTSTALL")]
    pub stall: u64,
    /// Those after which the request had no block.
    #[doc(alias = "COMPACTFAIL")]
    pub fail: u64,
    /// Those after which it had one.
    #[doc(alias = "COMPACTSUCCESS")]
    pub success: u64,
    /// Calls of kcompactd that had something to do.
    #[doc(alias = "KCOMPACTD_WAKE")]
    pub daemon_wake: u64,
    /// Looks of the migrate scanner for kcompactd.
    #[doc(alias = "KCOMPACTD_MIGRATE_SCANNED")]
    pub daemon_migrate_scanned: u64,
    /// Looks of the free scanner for kcompactd.
    #[doc(alias = "KCOMPACTD_FREE_SCANNED")]
    pub daemon_free_scanned: u64,
}

impl CompactEvents {
    pub(super) fn of(machine: &Machine) -> Self {
        let (stall, success) =
            (machine.events.compact_stalls.get(), machine.events.compact_successes.get());
        let fail = stall.saturating_sub(success);
        let daemon_wake = machine.events.kcompactd_wakes.get();
        let mut events = Self { stall, fail, success, daemon_wake, ..Self::default() };
        for zone in machine.online_zones() {
            let tally = &zone.shared.compaction.tally;
            events.pgmigrate_success += tally.moved.get();
            events.pgmigrate_fail += tally.failed.get();
            events.migrate_scanned += tally.migrate_scanned.get();
            events.free_scanned += tally.free_scanned.get();
            events.isolated += tally.isolated.get();
            events.daemon_migrate_scanned += tally.daemon_migrate_scanned.get();
            events.daemon_free_scanned += tally.daemon_free_scanned.get();
        }
        events
    }
}

impl fmt::Display for CompactEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("pgmigrate_success", self.pgmigrate_success),
            ("pgmigrate_fail", self.pgmigrate_fail),
            ("compact_migrate_scanned", self.migrate_scanned),
            ("compact_free_scanned", self.free_scanned),
            ("compact_isolated", self.isolated),
            ("compact_stall", self.stall),
            ("compact_fail", self.fail),
            ("compact_success", self.success),
            ("compact_daemon_wake", self.daemon_wake),
            ("compact_daemon_migrate_scanned", self.daemon_migrate_scanned),
        ];
        for (name, count) in lines {
            writeln!(f, "{name} {count}")?;
        }
        write!(f, "compact_daemon_free_scanned {}", self.daemon_free_scanned)
    }
}
