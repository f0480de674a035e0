//! Pageblocks: 512 frames that have one migratetype.

use crate::MigrateType;
use crate::migratetype::AskedType;
use crate::sync::Latch;
use crate::zone_id::ZoneId;

/// A pageblock's migratetype and zone in one word, and whether its section is pristine.
///
/// | bits | meaning |
/// |---|---|
/// | 0..3 | the migratetype |
/// | 3 | frames of more than one zone, or frames of none: the frames' own words tell |
/// | 4 | compaction passes over it: it was looked at in vain. A hint, set and cleared without the lock |
/// | 16..25 | the zone, where all frames are of one |
/// | 31 | the section is pristine: the latch is closed |
///
/// Written under the zone's lock (where a pageblock belongs to two zones, under either: a change of
/// the migratetype by both at once leaves one of the two values, as in Linux). A change of the hint is
/// one atomic step, so that it never undoes another; others may undo it.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Pageblock(Latch);

/// As [`MigrateType::from_low_bits`] has it.
const TYPE_MASK: u32 = 7;
const MIXED: u32 = 1 << 3;
const SKIP: u32 = 1 << 4;
const ZONE_SHIFT: u32 = 16;

const ZONE_MASK: u32 = ((1 << ZoneId::BITS) - 1) << ZONE_SHIFT;

static_assertions::const_assert!(ZONE_SHIFT + ZoneId::BITS < u32::BITS);

impl Pageblock {
    /// A pageblock of no zone yet.
    pub(super) fn new() -> Self {
        Self(Latch::open(MIXED | MigrateType::Unmovable as u32))
    }

    /// Whether only the first descriptor of its section was written.
    #[inline]
    pub(super) fn is_pristine(&self) -> bool {
        !self.0.is_open()
    }

    /// All descriptors of its section have been written.
    pub(super) fn set_described(&self) {
        self.0.release();
    }

    #[inline]
    pub(crate) fn migratetype(&self) -> MigrateType {
        MigrateType::from_low_bits(self.0.label())
    }

    /// The migratetype, if it is one of those that requests have and the section is not pristine: then its
    /// frames have descriptors.
    #[inline(always)]
    pub(crate) fn listed_type(&self) -> Option<AskedType> {
        // What a closed latch shows is above all numbers of types.
        AskedType::of_number(self.0.look() & !(MIXED | SKIP | ZONE_MASK))
    }

    pub(crate) fn set_migratetype(&self, migratetype: MigrateType) {
        self.0.relabel(TYPE_MASK, migratetype as u32);
    }

    /// Whether compaction passes over it.
    #[doc(alias = "get_pageblock_skip")]
    pub(crate) fn is_skipped(&self) -> bool {
        self.0.label() & SKIP != 0
    }

    /// Has compaction pass over it.
    #[doc(alias = "set_pageblock_skip")]
    pub(crate) fn skip(&self) {
        self.0.mark(SKIP);
    }

    /// As [`skip`](Self::skip); whether that was so before.
    #[doc(alias = "test_and_set_skip")]
    pub(crate) fn test_and_skip(&self) -> bool {
        self.0.mark(SKIP) & SKIP != 0
    }

    /// Has compaction look at it again.
    #[doc(alias = "clear_pageblock_skip")]
    pub(crate) fn clear_skip(&self) {
        self.0.unmark(SKIP);
    }

    /// The zone of all the frames, `None` if they differ.
    #[inline]
    pub(crate) fn zone(&self) -> Option<ZoneId> {
        let word = self.0.label();
        (word & MIXED == 0).then(|| ZoneId::from_bits((word >> ZONE_SHIFT) as u16))
    }

    /// All frames are of this zone, the pageblock is of this type, and its section is pristine. Only at
    /// boot, or where its section was pristine before, and of no zone: nobody looks at more of it then.
    #[inline]
    pub(super) fn describe_pristine(&self, zone: ZoneId, migratetype: MigrateType) {
        self.0.init_closed(u32::from(zone.get()) << ZONE_SHIFT | migratetype as u32);
    }

    /// There are no frames yet, and its section is pristine. Only at boot.
    pub(super) fn describe_planned(&self) {
        self.0.init_closed(MIXED | MigrateType::Unmovable as u32);
    }

    /// All frames are of this zone.
    pub(crate) fn set_zone(&self, zone: ZoneId) {
        self.0.relabel(!TYPE_MASK, u32::from(zone.get()) << ZONE_SHIFT);
    }
}
