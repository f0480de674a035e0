//! What compactions did, in numbers.

use core::ops::AddAssign;

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactStats {
    /// Blocks, free ones and single frames that the migrate scanner looked at.
    #[doc(alias = "COMPACTMIGRATE_SCANNED")]
    pub migrate_scanned: u64,
    /// The same for the free scanner.
    #[doc(alias = "COMPACTFREE_SCANNED")]
    pub free_scanned: u64,
    /// Frames that were collected to be moved.
    pub collected: u64,
    /// Free frames that were taken as targets.
    pub isolated: u64,
    /// Frames whose contents were moved.
    #[doc(alias = "PGMIGRATE_SUCCESS")]
    pub moved: u64,
    /// Frames that could not be moved.
    #[doc(alias = "PGMIGRATE_FAIL")]
    pub failed: u64,
}

impl AddAssign for CompactStats {
    fn add_assign(&mut self, other: Self) {
        self.migrate_scanned += other.migrate_scanned;
        self.free_scanned += other.free_scanned;
        self.collected += other.collected;
        self.isolated += other.isolated;
        self.moved += other.moved;
        self.failed += other.failed;
    }
}
