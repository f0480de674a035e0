//! Pageblocks: 512 frames that have one migratetype.

use crate::MigrateType;
use crate::zone_id::ZoneId;
use core::sync::atomic::{AtomicU32, Ordering};

/// A pageblock's migratetype and zone in one word.
///
/// | bits | meaning |
/// |---|---|
/// | 0..3 | the migratetype |
/// | 3 | frames of more than one zone, or frames of none: the frames' own words tell |
/// | 4 | compaction passes over it: it was looked at in vain. A hint, set and cleared without the lock |
/// | 16..25 | the zone, where all frames are of one |
///
/// Written under the zone's lock (where a pageblock belongs to two zones, under either: a change of
/// the migratetype by both at once leaves one of the two values, as in Linux). A change of the hint is
/// one atomic step, so that it never undoes another; others may undo it.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Pageblock(AtomicU32);

/// As [`MigrateType::from_low_bits`] has it.
const TYPE_MASK: u32 = 7;
const MIXED: u32 = 1 << 3;
const SKIP: u32 = 1 << 4;
const ZONE_SHIFT: u32 = 16;

static_assertions::const_assert!(ZONE_SHIFT + ZoneId::BITS <= u32::BITS);

impl Pageblock {
    /// A pageblock of no zone yet.
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(MIXED | MigrateType::Unmovable as u32))
    }

    #[inline]
    pub(crate) fn migratetype(&self) -> MigrateType {
        MigrateType::from_low_bits(self.0.load(Ordering::Relaxed))
    }

    /// The number of the migratetype.
    #[inline]
    pub(crate) fn kind(&self) -> u32 {
        self.0.load(Ordering::Relaxed) & TYPE_MASK
    }

    pub(crate) fn set_migratetype(&self, migratetype: MigrateType) {
        let word = self.0.load(Ordering::Relaxed) & !TYPE_MASK;
        self.0.store(word | migratetype as u32, Ordering::Relaxed);
    }

    /// Whether compaction passes over it.
    #[doc(alias = "get_pageblock_skip")]
    pub(crate) fn is_skipped(&self) -> bool {
        self.0.load(Ordering::Relaxed) & SKIP != 0
    }

    /// Has compaction pass over it.
    #[doc(alias = "set_pageblock_skip")]
    pub(crate) fn skip(&self) {
        self.0.fetch_or(SKIP, Ordering::Relaxed);
    }

    /// As [`skip`](Self::skip); whether that was so before.
    #[doc(alias = "test_and_set_skip")]
    pub(crate) fn test_and_skip(&self) -> bool {
        self.0.fetch_or(SKIP, Ordering::Relaxed) & SKIP != 0
    }

    /// Has compaction look at it again.
    #[doc(alias = "clear_pageblock_skip")]
    pub(crate) fn clear_skip(&self) {
        self.0.fetch_and(!SKIP, Ordering::Relaxed);
    }

    /// The zone of all the frames, `None` if they differ.
    #[inline]
    pub(crate) fn zone(&self) -> Option<ZoneId> {
        let word = self.0.load(Ordering::Relaxed);
        (word & MIXED == 0).then(|| ZoneId::from_bits((word >> ZONE_SHIFT) as u16))
    }

    /// All frames are of this zone, and the pageblock is of this type.
    pub(super) fn describe(&self, zone: ZoneId, migratetype: MigrateType) {
        let word = u32::from(zone.get()) << ZONE_SHIFT | migratetype as u32;
        self.0.store(word, Ordering::Relaxed);
    }

    /// All frames are of this zone.
    pub(crate) fn set_zone(&self, zone: ZoneId) {
        let word = self.0.load(Ordering::Relaxed) & TYPE_MASK;
        self.0.store(word | u32::from(zone.get()) << ZONE_SHIFT, Ordering::Relaxed);
    }
}
