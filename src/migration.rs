//! Moving a block: how long the kernel may wait for it, and how it ended.

/// How long the kernel may wait for a block that compaction wants moved.
#[doc(alias = "migrate_mode")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MigrateMode {
    /// Not at all.
    #[doc(alias = "MIGRATE_ASYNC")]
    Async,
    /// For locks, but not for writes to finish.
    #[doc(alias = "MIGRATE_SYNC_LIGHT")]
    SyncLight,
    /// For everything.
    #[doc(alias = "MIGRATE_SYNC")]
    Sync,
}

/// How the move of a block ended ([`Reclaim::migrate`](crate::Reclaim::migrate)). What counts is the
/// token that the hook leaves; the answer says whether to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrated {
    /// It was moved.
    #[doc(alias = "MIGRATEPAGE_SUCCESS")]
    Done,
    /// It is in use now; asking again may help.
    #[doc(alias = "EAGAIN")]
    Busy,
    /// It stays where it is, or nobody has it.
    Unmovable,
}
