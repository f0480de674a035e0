//! What compaction did in a zone.

use crate::sync::Tally;

/// Counts of all compactions of a zone, in frames or looks at frames. Nobody needs the zone's lock for
/// them.
#[derive(Debug, Default)]
pub(crate) struct CompactTally {
    pub(crate) migrate_scanned: Tally,
    pub(crate) free_scanned: Tally,
    /// Collected to be moved, and taken to move to.
    pub(crate) isolated: Tally,
    pub(crate) moved: Tally,
    pub(crate) failed: Tally,
    /// Of the looks of the migrate scanner, those for kcompactd.
    pub(crate) daemon_migrate_scanned: Tally,
    /// Of the looks of the free scanner, those for kcompactd.
    pub(crate) daemon_free_scanned: Tally,
}
