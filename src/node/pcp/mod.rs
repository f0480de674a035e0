//! Per-CPU lists: frames that a CPU keeps at hand, for each zone and each kind of request.
//!
//! Most requests of the small orders are served from the lists of the running CPU, and most frees
//! go there: no lock is taken, and no other CPU's cache lines are touched. An empty list is refilled
//! with a batch of blocks under the zone's lock; when a CPU has come to `high` frames of a zone, a
//! batch goes back. To the zone these frames are neither free nor allocated.
//!
//! The lists and their lengths belong to whoever has the CPU's lock (`PerCpu`); limits and counts
//! may be read by anybody.

mod bulk;
mod gate;
mod index;
pub mod limits;
mod many;
mod table;
#[cfg(test)]
mod tests;
mod trend;
mod usage;

pub(crate) use index::{NR_PCP_LISTS, PcpIndex};
pub use index::{PcpList, PcpOrders};
pub use limits::{PcpHigh, PcpLimits};
pub(crate) use table::Pcps;

use crate::memmap::{Fixed, Frame, FrameLinks, FrameStack, FrameState, FreeBlock};
use crate::migratetype::AskedType;
use crate::platform::Platform;
use crate::sync::{Counter, CpuGuard, Own, PerCpu};
use crate::zone::{Ample, ReclaimActive};
use crate::zone_id::ZoneId;
use crate::{CpuId, MIGRATE_PCPTYPES, Order};
use core::sync::atomic::{AtomicU32, Ordering};
use gate::AmpleGate;
use trend::Trend;

/// Rounds of ageing after which unused lists shrink.
const PCP_EXPIRE_ROUNDS: u32 = 3;

/// What one CPU has of one zone.
///
/// # Invariants
///
/// `count` is the number of frames on the lists, and changes with them, under the lock of `lists`
/// (I9). No two CPUs' values share a cache line, nor a pair of lines that is fetched together.
#[doc(alias = "per_cpu_pages")]
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Pcp {
    count: AtomicU32,
    /// How often in a row a batch was given back with nothing allocated in between; halved by each
    /// block that was handed out since the count of these was `factored`.
    factor: AtomicU32,
    /// The states of a frame of the zone that comes to these lists, by its pageblock's migratetype.
    cached: [FrameState; MIGRATE_PCPTYPES],
    /// The states of one that is handed out, by the migratetype that was asked for.
    handed_out: [FrameState; MIGRATE_PCPTYPES],
    /// Their limit is the bound: `high`, or less while memory of the zone is reclaimed. Their gate is the
    /// zone's mark.
    pub(crate) lists: PerCpu<PcpLists, AmpleGate>,
    /// Blocks handed out, by list.
    allocated: [Counter; PcpIndex::PLACES],
    factored: Counter,
    /// Frames that came from the zone.
    supplied: Counter,
    /// Frames that went back to the zone.
    returned: Counter,
    /// Frames taken and given at the last round of ageing.
    used_before: Counter,
    high: AtomicU32,
    batch: AtomicU32,
    /// Rounds of ageing until a batch is given back.
    expire: AtomicU32,
    trend: Trend,
}

static_assertions::const_assert!(size_of::<Pcp>().is_multiple_of(128));
static_assertions::const_assert!(align_of::<Pcp>() == 128);

/// The lists in use on their own CPU.
pub(crate) type OwnLists<'a> = Own<'a, PcpLists, AmpleGate>;

/// The lists, one for each order and type.
#[derive(Debug)]
pub(crate) struct PcpLists([FrameStack; PcpIndex::PLACES]);

impl PcpLists {
    const EMPTY: Self = Self([const { FrameStack::EMPTY }; PcpIndex::PLACES]);

    /// One of them.
    #[inline]
    pub(crate) fn list(&self, index: PcpIndex) -> &FrameStack {
        &self.0[index.get()]
    }

    #[inline]
    fn list_mut(&mut self, index: PcpIndex) -> &mut FrameStack {
        &mut self.0[index.get()]
    }
}

impl Pcp {
    /// Empty lists of a zone for a CPU.
    pub(crate) fn new(owner: CpuId, zone: ZoneId, ample: Fixed<Ample>) -> Self {
        let allocated = FrameState::allocated(Order::ZERO, zone);
        Self {
            count: AtomicU32::new(0),
            factor: AtomicU32::new(0),
            cached: AskedType::ALL.map(|to| FrameState::cached(Order::ZERO, to.into(), zone)),
            handed_out: AskedType::ALL.map(|asked| allocated.asked_for(asked.into())),
            lists: PerCpu::new(owner, AmpleGate::new(ample), PcpLists::EMPTY),
            allocated: [const { Counter::new(0) }; PcpIndex::PLACES],
            factored: Counter::default(),
            supplied: Counter::default(),
            returned: Counter::default(),
            used_before: Counter::default(),
            high: AtomicU32::new(0),
            batch: AtomicU32::new(1),
            expire: AtomicU32::new(PCP_EXPIRE_ROUNDS),
            trend: Trend::default(),
        }
    }

    /// The lists, for their CPU, if the zone is ample for requests of this order.
    #[inline(always)]
    pub(crate) fn own_if_ample<'a, P: Platform>(
        &'a self,
        here: &'a CpuGuard<'_, P>,
        order: Order,
    ) -> Option<OwnLists<'a>> {
        self.lists.own_past(here, order)
    }

    /// The state of a frame that heads a block of that order, when it comes to these lists from a
    /// pageblock of the migratetype with that number, one of those that requests have.
    #[inline]
    pub(crate) fn cached(&self, order: Order, kind: u32) -> FrameState {
        self.cached[kind as usize % MIGRATE_PCPTYPES].with_order(order)
    }

    /// The state of a frame that heads a block of that order, when it is handed out to who asked for that
    /// type.
    #[inline(always)]
    pub(crate) fn handed_out_as(&self, order: Order, asked: AskedType) -> FrameState {
        self.handed_out[asked as usize].with_order(order)
    }

    /// The same, where it is not yet said what was asked for.
    #[inline]
    pub(crate) fn handed_out(&self, order: Order) -> FrameState {
        FrameState::allocated(order, self.cached[0].zone())
    }

    /// Frames on the lists.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// A batch goes back when there are so many frames; 0: every frame goes back at once.
    #[inline]
    pub(crate) fn high(&self) -> u32 {
        self.high.load(Ordering::Relaxed)
    }

    /// Frames of a batch.
    #[inline]
    pub(crate) fn batch(&self) -> u32 {
        self.batch.load(Ordering::Relaxed)
    }

    /// A batch goes back when there are so many frames now.
    #[inline]
    fn bound(&self) -> u32 {
        self.lists.limit()
    }

    /// How often in a row a batch was given back; halved by each block handed out. Those who hand one out
    /// need not touch it: it is reckoned when it is asked for.
    #[inline]
    pub(crate) fn free_factor(&self) -> u32 {
        let factor = self.factor.load(Ordering::Relaxed);
        if factor == 0 {
            return 0;
        }
        let since = self.nr_allocated().wrapping_sub(self.factored.get());
        factor.checked_shr(u32::try_from(since).unwrap_or(u32::MAX)).unwrap_or(0)
    }

    #[inline]
    pub(crate) fn set_free_factor(&self, factor: u32) {
        self.factor.store(factor, Ordering::Relaxed);
        if factor != 0 {
            self.factored.set(self.nr_allocated());
        }
    }

    pub(crate) fn limits(&self) -> PcpLimits {
        PcpLimits { batch: self.batch(), high: self.high() }
    }

    fn set_batch(&self, batch: u32) {
        self.batch.store(batch, Ordering::Relaxed);
    }

    /// While memory of the zone is reclaimed, a CPU keeps at most four batches.
    #[doc(alias = "nr_pcp_high")]
    fn set_reclaim(&self, reclaim: ReclaimActive) {
        let bound = match reclaim {
            ReclaimActive::No => self.high(),
            ReclaimActive::Yes => self.high().min(self.batch().saturating_mul(4)),
        };
        self.set_bound(bound);
    }

    /// Written only when it changes: the CPU has the line.
    fn set_bound(&self, bound: u32) {
        if bound != self.bound() {
            self.lists.set_limit(bound);
        }
    }

    #[inline]
    fn add_count(&self, frames: u32) {
        self.count.store(self.count().wrapping_add(frames), Ordering::Relaxed);
    }

    #[inline]
    fn sub_count(&self, frames: u32) {
        self.add_count(frames.wrapping_neg());
    }

    /// So many frames came from the zone.
    fn add_supplied(&self, frames: u32) {
        self.add_count(frames);
        self.supplied.add(u64::from(frames));
    }

    /// So many frames went back to the zone.
    #[inline]
    fn add_returned(&self, frames: u32) {
        self.sub_count(frames);
        self.returned.add(u64::from(frames));
    }

    /// Takes the first block of a list, whose blocks have that order.
    #[inline(always)]
    pub(crate) fn pop(
        &self,
        lists: &mut PcpLists,
        (index, order): (PcpIndex, Order),
        links: FrameLinks,
    ) -> Option<FreeBlock> {
        let block = lists.list_mut(index).pop(links)?;
        self.sub_count(1 << order.get());
        Some(block)
    }

    /// Puts a block, which `frame` describes, at the head of a list. Then there are so many frames ([`with`](Self::with)).
    #[inline(always)]
    pub(crate) fn push(
        &self,
        lists: &mut PcpLists,
        (index, count): (PcpIndex, u32),
        (links, block, frame): (FrameLinks, FreeBlock, &Frame),
    ) {
        lists.list_mut(index).push(links, (block, frame));
        self.count.store(count, Ordering::Relaxed);
    }

    /// How many frames there are with so many more.
    #[inline]
    pub(crate) fn with(&self, frames: u32) -> u32 {
        self.count().wrapping_add(frames)
    }

    /// A round of ageing: true in the third one since something was taken or given here, that one
    /// included, and in each third one after it, while there are frames.
    pub(crate) fn expires(&self) -> bool {
        let used = self.frames_allocated().wrapping_add(self.frames_freed());
        let before = self.used_before.get();
        self.used_before.set(used);
        // Compared as it is kept: a counter wraps with the machine's word.
        if self.used_before.get() != before {
            self.expire.store(PCP_EXPIRE_ROUNDS, Ordering::Relaxed);
        }
        if self.count() == 0 {
            return false;
        }
        let left = self.expire.load(Ordering::Relaxed).saturating_sub(1);
        let next = if left == 0 { PCP_EXPIRE_ROUNDS } else { left };
        self.expire.store(next, Ordering::Relaxed);
        left == 0
    }

    /// All blocks handed out.
    #[inline]
    pub(crate) fn nr_allocated(&self) -> u64 {
        self.allocated.iter().fold(0, |sum: u64, list| sum.wrapping_add(list.get()))
    }

    /// Counts a block that was handed out, which halves the factor of frees.
    #[inline]
    pub(crate) fn count_allocated(&self, index: PcpIndex) {
        self.allocated[index.get()].add(1);
    }

    /// Counts blocks that were handed out and do not halve the factor.
    #[inline]
    fn count_beside(&self, index: PcpIndex, blocks: u32) {
        self.allocated[index.get()].add(blocks.into());
        self.factored.add(blocks.into());
    }

    /// Something was to be allocated, but the list is empty.
    #[inline]
    pub(crate) fn halve_free_factor(&self) {
        self.set_free_factor(self.free_factor() >> 1);
    }

    /// Counts a block that was handed out after that.
    #[inline]
    pub(crate) fn count_refilled(&self, index: PcpIndex) {
        self.count_beside(index, 1);
    }

    /// Whether a batch is to go back, now that a block of this order was freed and there are so many
    /// frames.
    #[inline]
    pub(crate) fn has_too_many(&self, count: u32, order: u32) -> bool {
        let all = self.frees_all(order);
        count >= self.bound() || all
    }

    /// Whether blocks of several frames are only being freed: they are not kept then.
    #[inline]
    fn frees_all(&self, order: u32) -> bool {
        if !self.may_free_all(order) {
            return false;
        }
        // What is 0 by now is written down, so that it need not be reckoned again.
        self.set_free_factor(self.free_factor());
        self.free_factor() != 0
    }

    /// No: blocks of several frames are kept. Yes says nothing.
    #[inline]
    pub(crate) fn may_free_all(&self, order: u32) -> bool {
        (1..=crate::PAGE_ALLOC_COSTLY_ORDER.get()).contains(&order)
            && self.factor.load(Ordering::Relaxed) != 0
    }
}
