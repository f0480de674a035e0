//! The frame descriptor: 16 bytes for every present frame.

use super::BlockName;
use crate::sync::RefCount;
use crate::zone_id::ZoneId;
use crate::{MigrateType, Order};
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

/// What is known of one frame. The first frame of a block speaks for the block.
///
/// While the block is on a list the link words are the list's. While it is allocated they are the
/// owner's, as one 64-bit value.
///
/// # Invariants
///
/// All of it is atomics: any number of threads may look at it and write to it at any time.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Frame {
    next: AtomicU32,
    prev: AtomicU32,
    state: AtomicU32,
    /// How many hold the allocated block that starts here; of other frames, anything.
    pub(crate) count: RefCount,
}

static_assertions::const_assert!(size_of::<Frame>() == 16);

/// A link word of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    Next,
    Prev,
}

impl Frame {
    #[inline]
    pub(super) fn link(&self, link: Link) -> u32 {
        self.word(link).load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_link(&self, link: Link, word: u32) {
        self.word(link).store(word, Ordering::Relaxed);
    }

    #[inline]
    fn word(&self, link: Link) -> &AtomicU32 {
        match link {
            Link::Next => &self.next,
            Link::Prev => &self.prev,
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> FrameState {
        FrameState(self.state.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set_state(&self, state: FrameState) {
        self.state.store(state.0, Ordering::Relaxed);
    }

    /// Changes the state of an allocated block, in one step: its holders may do so at the same time.
    pub(crate) fn update_state(&self, change: impl Fn(FrameState) -> FrameState) {
        let change = |word| Some(change(FrameState(word)).0);
        // Never refused: the closure has an answer for each word.
        let _before = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// One more holder; false: there are as many as can be counted. The block is marked first, as one that
    /// has had several: a block without the mark has one, and who has its token knows of no other.
    pub(crate) fn get_page(&self) -> bool {
        self.state.fetch_or(SHARED, Ordering::Relaxed);
        self.count.get()
    }

    /// Whether the allocated block of that order that starts here has one holder, who asks.
    #[inline(always)]
    pub(crate) fn is_sole(&self, state: FrameState, order: Order) -> bool {
        if state.is_unshared(order) {
            return true;
        }
        core::hint::cold_path();
        state.is_allocated(order) && self.count.references() == 1
    }

    /// Writes the whole descriptor of a frame that is on no list, whatever was there before.
    #[inline]
    pub(crate) fn reset(&self, state: FrameState) {
        self.set_private(0);
        self.set_state(state);
        self.count.init(0);
    }

    /// The descriptor of a block that somebody gets now, with one reference.
    #[inline]
    pub(crate) fn hand_out(&self, allocated: FrameState) {
        self.set_state(allocated);
        self.set_private(0);
        self.count.init(1);
    }

    /// The owner's word of an allocated block.
    pub(crate) fn private(&self) -> u64 {
        u64::from(self.link(Link::Next)) | u64::from(self.link(Link::Prev)) << 32
    }

    #[expect(clippy::cast_possible_truncation, reason = "the value is cut into its two halves")]
    #[inline]
    pub(crate) fn set_private(&self, value: u64) {
        self.set_link(Link::Next, value as u32);
        self.set_link(Link::Prev, (value >> 32) as u32);
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// No memory there.
    Absent,
    /// Inside a block, not its first frame.
    Tail,
    /// The first frame of a free block, which is on a list.
    Free,
    /// The first frame of an allocated block.
    Allocated,
    /// Memory that was not given to the allocator.
    Reserved,
    /// The first frame of a block on a per-CPU list.
    Cached,
}

/// Whether an allocated block can be moved (Linux: is on the LRU list, or a movable driver page). Until
/// the kernel says so or otherwise, one that was asked for as MOVABLE is tried by compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movability {
    /// It stays where it is.
    Pinned,
    /// It can be moved.
    Movable,
}

/// A frame's state word. Every value of the type is legal:
///
/// | bits | meaning |
/// |---|---|
/// | 0..3 | the [`FrameKind`]; numbers of no kind count as `Absent` |
/// | 3..7 | `Free`, `Allocated`, `Cached`: the block's order |
/// | 7 | `Allocated`: it has had a second holder since it was described |
/// | 8 | 0 |
/// | 9..18 | the zone; of an absent frame, anything |
/// | 18..25 | 0 |
/// | 25..28 | a migratetype: `Free`: of the list that it is on; `Cached`: of that to which it will go; `Allocated`: that it was asked for as, UNMOVABLE if nobody said |
/// | 28 | `Allocated`: the block can be moved (Linux: it is on the LRU) |
/// | 29 | `Allocated`: it came from the reserves of last resort |
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct FrameState(u32);

const KIND_MASK: u32 = 7;
const ORDER_SHIFT: u32 = 3;
const ORDER_MASK: u32 = 15 << ORDER_SHIFT;
const KIND_AND_ORDER: u32 = KIND_MASK | ORDER_MASK;
const SHARED: u32 = 1 << 7;
const TYPE_SHIFT: u32 = 25;
const TYPE_MASK: u32 = 7 << TYPE_SHIFT;
const MOVABLE: u32 = 1 << 28;
const PFMEMALLOC: u32 = 1 << 29;
const ZONE_SHIFT: u32 = 9;
const ZONE_MASK: u32 = ((1 << ZoneId::BITS) - 1) << ZONE_SHIFT;

static_assertions::const_assert!(
    KIND_AND_ORDER < SHARED && SHARED < ZONE_MASK & ZONE_MASK.wrapping_neg()
);
static_assertions::const_assert!(TYPE_MASK > ZONE_MASK);
static_assertions::const_assert!(TYPE_MASK & (ZONE_MASK | MOVABLE | PFMEMALLOC) == 0);
static_assertions::const_assert!(MOVABLE > ZONE_MASK && PFMEMALLOC > ZONE_MASK);

/// A zone as it stands in a state word: who makes many words of one zone keeps this. In a table with a
/// place of [`ONE`](Self::ONE) bytes for each zone, it is where the zone's place begins.
///
/// # Invariants
///
/// It is a multiple of `ONE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ZoneBits(u32);

impl ZoneBits {
    /// What the next zone has more.
    pub(crate) const ONE: usize = 1 << ZONE_SHIFT;

    /// The bytes before the zone's place.
    #[inline]
    pub(super) fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl From<ZoneId> for ZoneBits {
    #[inline]
    fn from(zone: ZoneId) -> Self {
        // INVARIANT: nothing is below the shift.
        Self(u32::from(zone.get()) << ZONE_SHIFT)
    }
}

impl FrameState {
    /// Numbers of migratetypes that a word has room for; some are of no type.
    pub(crate) const TYPES: usize = 1 << TYPE_MASK.count_ones();

    pub(crate) const ABSENT: Self = Self(FrameKind::Absent as u32);

    /// The parts are disjoint, and so may be added: one instruction adds more than two.
    #[inline]
    fn new(kind: FrameKind, order: Order, zone: impl Into<ZoneBits>) -> Self {
        Self(zone.into().0 + (order.get() << ORDER_SHIFT) + kind as u32)
    }

    /// This state, of order 0, as one of another order.
    #[inline]
    pub(crate) fn with_order(self, order: Order) -> Self {
        Self(self.0 + (order.get() << ORDER_SHIFT))
    }

    #[inline]
    fn with_type(self, migratetype: MigrateType) -> Self {
        Self(self.0 + ((migratetype as u32) << TYPE_SHIFT))
    }

    pub(crate) fn reserved(zone: ZoneId) -> Self {
        Self::new(FrameKind::Reserved, Order::ZERO, zone)
    }

    #[inline]
    pub(crate) fn tail(zone: impl Into<ZoneBits>) -> Self {
        Self::new(FrameKind::Tail, Order::ZERO, zone)
    }

    #[inline]
    pub(crate) fn free(order: Order, migratetype: MigrateType, zone: impl Into<ZoneBits>) -> Self {
        Self::new(FrameKind::Free, order, zone).with_type(migratetype)
    }

    /// The state of a free block of the next larger order, below the largest, on a list of the same
    /// type and zone.
    #[inline]
    pub(crate) fn free_above(self) -> Self {
        Self(self.0 + (1 << ORDER_SHIFT))
    }

    #[inline]
    pub(crate) fn cached(
        order: Order,
        migratetype: MigrateType,
        zone: impl Into<ZoneBits>,
    ) -> Self {
        Self::new(FrameKind::Cached, order, zone).with_type(migratetype)
    }

    #[inline]
    pub(crate) fn allocated(order: Order, zone: impl Into<ZoneBits>) -> Self {
        Self::new(FrameKind::Allocated, order, zone)
    }

    /// Whether it heads a free block of that order in that zone: one compare.
    #[inline]
    pub(crate) fn is_free(self, order: Order, zone: impl Into<ZoneBits>) -> bool {
        self.0 & !TYPE_MASK == Self::new(FrameKind::Free, order, zone).0
    }

    /// Whether it heads an allocated block of that order, whatever its marks and its zone.
    #[inline]
    pub(crate) fn is_allocated(self, order: Order) -> bool {
        self.is_allocated_of(order.get())
    }

    /// Whether it heads an allocated block of that order which has had one holder only.
    #[inline]
    pub(crate) fn is_unshared(self, order: Order) -> bool {
        self.0 & (KIND_AND_ORDER | SHARED)
            == FrameKind::Allocated as u32 | order.get() << ORDER_SHIFT
    }

    /// Whether it heads an allocated block of the same order and zone as another that has had one holder
    /// only, and has had one only too.
    #[inline]
    pub(crate) fn is_unshared_as(self, other: Self) -> bool {
        (self.0 ^ other.0) & (KIND_AND_ORDER | SHARED | ZONE_MASK) == 0
    }

    /// Whether the allocated block has had a second holder.
    pub(crate) fn is_shared(self) -> bool {
        self.0 & SHARED != 0
    }

    /// Whether it heads the allocated block of a token.
    #[inline]
    pub(crate) fn is_block_of(self, name: BlockName) -> bool {
        self.is_allocated_of(name.order_bits())
    }

    #[inline]
    fn is_allocated_of(self, order: u32) -> bool {
        self.0 & KIND_AND_ORDER == FrameKind::Allocated as u32 | order << ORDER_SHIFT
    }

    /// The state of the same allocated block when it goes from its last holder to a per-CPU list, of a
    /// pageblock whose migratetype has that number.
    #[inline]
    pub(crate) fn to_cached(self, kind: u32) -> Self {
        let kept = self.0 & (ORDER_MASK | ZONE_MASK);
        Self(kept + (FrameKind::Cached as u32 + (kind << TYPE_SHIFT)))
    }

    #[inline]
    pub(crate) fn kind(self) -> FrameKind {
        match self.0 & KIND_MASK {
            1 => FrameKind::Tail,
            2 => FrameKind::Free,
            3 => FrameKind::Allocated,
            4 => FrameKind::Reserved,
            5 => FrameKind::Cached,
            _ => FrameKind::Absent,
        }
    }

    /// The order of the block that a `Free`, `Allocated` or `Cached` frame heads.
    #[inline]
    pub(crate) fn order(self) -> Order {
        Order::new((self.0 & ORDER_MASK) >> ORDER_SHIFT).unwrap_or(Order::MAX)
    }

    /// The list on which a `Free` frame's block is, or to which a `Cached` one's will go.
    #[inline]
    pub(crate) fn migratetype(self) -> MigrateType {
        MigrateType::from_low_bits(self.0 >> TYPE_SHIFT)
    }

    /// The number of that migratetype, below [`TYPES`](Self::TYPES) whatever the word.
    #[inline]
    pub(crate) fn type_number(self) -> usize {
        ((self.0 & TYPE_MASK) >> TYPE_SHIFT) as usize
    }

    #[inline]
    pub(crate) fn zone(self) -> ZoneId {
        ZoneId::from_bits(((self.0 & ZONE_MASK) >> ZONE_SHIFT) as u16)
    }

    /// The zone, as it stands here.
    #[inline]
    pub(crate) fn zone_bits(self) -> ZoneBits {
        // INVARIANT: the mask has nothing below the shift.
        ZoneBits(self.0 & ZONE_MASK)
    }

    pub(crate) fn is_movable(self) -> bool {
        self.0 & MOVABLE != 0
    }

    /// Whether it is worth asking the kernel to move it: it is marked as movable, or it was asked for as
    /// that, and nobody said otherwise since.
    pub(crate) fn may_be_moved(self) -> bool {
        let asked = self.0 & TYPE_MASK;
        self.is_movable() || asked == (MigrateType::Movable as u32) << TYPE_SHIFT
    }

    pub(crate) fn with_movability(self, movability: Movability) -> Self {
        Self(match movability {
            Movability::Movable => self.0 | MOVABLE,
            Movability::Pinned => self.0 & !(MOVABLE | TYPE_MASK),
        })
    }

    /// This state of a block that was just allocated, for a request of that migratetype.
    #[inline]
    pub(crate) fn asked_for(self, migratetype: MigrateType) -> Self {
        Self(self.0 | (migratetype as u32) << TYPE_SHIFT)
    }

    /// This state, with what another says of whether the block can be moved.
    pub(crate) fn as_movable_as(self, other: Self) -> Self {
        Self(self.0 | other.0 & (MOVABLE | TYPE_MASK))
    }

    /// This state, with the marks of another.
    pub(crate) fn with_marks_of(self, other: Self) -> Self {
        Self(self.as_movable_as(other).0 | other.0 & PFMEMALLOC)
    }

    pub(crate) fn is_pfmemalloc(self) -> bool {
        self.0 & PFMEMALLOC != 0
    }

    pub(crate) fn with_pfmemalloc(self) -> Self {
        Self(self.0 | PFMEMALLOC)
    }
}

impl fmt::Debug for FrameState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.zone(), self.kind())?;
        match self.kind() {
            FrameKind::Free | FrameKind::Cached => {
                write!(f, " order {} {}", self.order(), self.migratetype())
            }
            FrameKind::Allocated if self.is_movable() => {
                write!(f, " order {} movable", self.order())
            }
            FrameKind::Allocated => write!(f, " order {}", self.order()),
            FrameKind::Absent | FrameKind::Tail | FrameKind::Reserved => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeId, ZoneType};

    #[test]
    fn a_state_gives_back_what_was_put_in() {
        let zone = ZoneId::new(NodeId::new(63).unwrap(), ZoneType::Movable);
        for order in Order::ALL {
            for migratetype in MigrateType::ALL {
                let state = FrameState::free(order, migratetype, zone);
                assert_eq!(state.kind(), FrameKind::Free);
                assert_eq!((state.order(), state.migratetype()), (order, migratetype));
                assert_eq!(state.zone(), zone);
                assert!(state.is_free(order, zone) && !state.is_allocated(order));
            }
            let state = FrameState::allocated(order, zone).with_pfmemalloc();
            let state = state.with_movability(Movability::Movable);
            assert!(state.is_allocated(order) && state.is_movable() && state.is_pfmemalloc());
            assert!(!state.is_free(order, zone));
            assert!(!state.with_movability(Movability::Pinned).is_movable());
        }
    }

    /// What has had two holders is allocated as before, but not as one that has had one only; nothing of
    /// that is left once it is on a list.
    #[test]
    fn what_was_shared() {
        let zone = ZoneId::new(NodeId::new(63).unwrap(), ZoneType::Movable);
        let frame = Frame {
            next: AtomicU32::new(0),
            prev: AtomicU32::new(0),
            state: AtomicU32::new(0),
            count: RefCount::new(0),
        };
        frame.hand_out(FrameState::allocated(Order::O3, zone));
        let state = frame.state();
        assert!(state.is_unshared(Order::O3) && !state.is_unshared(Order::O2));
        assert!(frame.is_sole(state, Order::O3) && !frame.is_sole(state, Order::O2));
        assert!(frame.get_page());
        frame.update_state(|state| state.with_movability(Movability::Movable));
        let state = frame.state();
        assert!(state.is_allocated(Order::O3) && state.is_movable() && state.is_shared());
        assert!(!state.is_unshared(Order::O3) && !frame.is_sole(state, Order::O3));
        assert_eq!((state.order(), state.zone()), (Order::O3, zone));
        assert_eq!(frame.count.put_testzero(), Some(false));
        assert!(frame.is_sole(state, Order::O3) && !frame.is_sole(state, Order::O2));
        assert_eq!(state.to_cached(1), FrameState::allocated(Order::O3, zone).to_cached(1));
        frame.count.init(u32::MAX);
        assert!(!frame.get_page());
    }

    /// A block may be moved that was asked for as MOVABLE or is marked, until it is said to be pinned;
    /// another's parts stay as they are.
    #[test]
    fn what_was_asked_for() {
        let zone = ZoneId::new(NodeId::new(63).unwrap(), ZoneType::Movable);
        let plain = FrameState::allocated(Order::O3, zone);
        for migratetype in MigrateType::ALL {
            let state = plain.asked_for(migratetype);
            assert_eq!(state.may_be_moved(), migratetype == MigrateType::Movable);
            assert!(state.with_movability(Movability::Movable).may_be_moved());
            assert!(!state.with_movability(Movability::Pinned).may_be_moved());
            assert_eq!(plain.as_movable_as(state.with_pfmemalloc()), state);
            assert!(state.is_allocated(Order::O3) && !state.is_movable());
            assert_eq!(state.zone(), zone);
        }
    }

    #[test]
    fn buddies_of_another_zone_or_order_are_not_taken_for_free() {
        let zone = |n| ZoneId::new(NodeId::new(n).unwrap(), ZoneType::Normal);
        let state = FrameState::free(Order::O4, MigrateType::Movable, zone(0));
        assert!(!state.is_free(Order::O4, zone(1)));
        assert!(!state.is_free(Order::O5, zone(0)));
        assert!(!FrameState::tail(zone(0)).is_free(Order::ZERO, zone(0)));
    }
}
