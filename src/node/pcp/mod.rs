//! Per-CPU lists: frames that a CPU keeps at hand, for each zone and each kind of request.
//!
//! Most requests of the small orders are served from the lists of the running CPU, and most frees
//! go there: no lock is taken, and no other CPU's cache lines are touched. An empty list is refilled
//! with a batch of blocks under the zone's lock; when a CPU has more than `high` frames of a zone, a
//! batch goes back. To the zone these frames are neither free nor allocated.
//!
//! The lists and their lengths belong to whoever has the CPU's lock (`PerCpu`); limits and counts
//! may be read by anybody.

mod bulk;
mod index;
pub mod limits;
mod table;
#[cfg(test)]
mod tests;
mod trend;
mod usage;

pub(crate) use index::{NR_PCP_LISTS, PcpIndex};
pub use index::{PcpList, PcpOrders};
pub use limits::PcpHigh;
pub(crate) use table::Pcps;

use crate::memmap::{FrameQueue, FreeBlock, Memmap};
use crate::sync::{Counter, PerCpu};
use crate::zone::ReclaimActive;
use crate::{CpuId, Order};
use core::sync::atomic::{AtomicU32, Ordering};
use limits::PcpLimits;
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
    high: AtomicU32,
    /// `high`, or less while memory of the zone is reclaimed.
    bound: AtomicU32,
    batch: AtomicU32,
    /// How often in a row a batch was given back with nothing allocated in between.
    free_factor: AtomicU32,
    /// Rounds of ageing until a batch is given back.
    expire: AtomicU32,
    /// Blocks taken and given at the last round of ageing.
    used_before: Counter,
    /// By list.
    events: [PcpEvents; PcpIndex::PLACES],
    pub(crate) lists: PerCpu<PcpLists>,
    trend: Trend,
}

static_assertions::const_assert!(size_of::<Pcp>().is_multiple_of(128));
static_assertions::const_assert!(align_of::<Pcp>() == 128);

/// What happened on a list, changed under its lock: plain words of one CPU, summed by who reads them.
#[derive(Debug, Default)]
pub(crate) struct PcpEvents {
    /// Blocks handed out.
    allocated: Counter,
    /// Blocks that came back.
    freed: Counter,
}

/// The lists, one for each order and type.
#[derive(Debug)]
pub(crate) struct PcpLists([FrameQueue; PcpIndex::PLACES]);

impl PcpLists {
    const EMPTY: Self = Self([FrameQueue::EMPTY; PcpIndex::PLACES]);

    /// One of them.
    #[inline]
    pub(crate) fn list(&self, index: PcpIndex) -> &FrameQueue {
        &self.0[index.get()]
    }

    #[inline]
    fn list_mut(&mut self, index: PcpIndex) -> &mut FrameQueue {
        &mut self.0[index.get()]
    }
}

impl Pcp {
    /// Empty lists of some zone for a CPU.
    pub(crate) fn new(owner: CpuId) -> Self {
        Self {
            count: AtomicU32::new(0),
            high: AtomicU32::new(0),
            bound: AtomicU32::new(0),
            batch: AtomicU32::new(1),
            free_factor: AtomicU32::new(0),
            expire: AtomicU32::new(PCP_EXPIRE_ROUNDS),
            used_before: Counter::default(),
            events: core::array::from_fn(|_| PcpEvents::default()),
            lists: PerCpu::new(owner, PcpLists::EMPTY),
            trend: Trend::default(),
        }
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
        self.bound.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn free_factor(&self) -> u32 {
        self.free_factor.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_free_factor(&self, factor: u32) {
        self.free_factor.store(factor, Ordering::Relaxed);
    }

    pub(crate) fn limits(&self) -> PcpLimits {
        PcpLimits { batch: self.batch(), high: self.high() }
    }

    pub(crate) fn set_limits(&self, limits: PcpLimits, reclaim: ReclaimActive) {
        self.batch.store(limits.batch, Ordering::Relaxed);
        self.high.store(limits.high, Ordering::Relaxed);
        self.set_reclaim(reclaim);
    }

    /// While memory of the zone is reclaimed, a CPU keeps at most four batches.
    #[doc(alias = "nr_pcp_high")]
    pub(crate) fn set_reclaim(&self, reclaim: ReclaimActive) {
        let bound = match reclaim {
            ReclaimActive::No => self.high(),
            ReclaimActive::Yes => self.high().min(self.batch().saturating_mul(4)),
        };
        self.bound.store(bound, Ordering::Relaxed);
    }

    #[inline]
    fn add_count(&self, frames: u32) {
        self.count.store(self.count().wrapping_add(frames), Ordering::Relaxed);
    }

    #[inline]
    fn sub_count(&self, frames: u32) {
        self.count.store(self.count().wrapping_sub(frames), Ordering::Relaxed);
    }

    /// Takes the first block of a list, whose blocks have that order.
    #[inline(always)]
    pub(crate) fn pop(
        &self,
        lists: &mut PcpLists,
        (index, order): (PcpIndex, Order),
        memmap: &Memmap,
    ) -> Option<FreeBlock> {
        let block = lists.list_mut(index).pop_front(memmap)?;
        self.sub_count(1 << order.get());
        Some(block)
    }

    /// Puts a block at the head of a list, whose blocks have so many frames. Gives the number of
    /// frames that there are now.
    #[inline(always)]
    pub(crate) fn push(
        &self,
        lists: &mut PcpLists,
        (index, frames): (PcpIndex, u32),
        (memmap, block): (&Memmap, FreeBlock),
    ) -> u32 {
        lists.list_mut(index).push_front(memmap, block);
        let count = self.count().wrapping_add(frames);
        self.count.store(count, Ordering::Relaxed);
        count
    }

    /// A round of ageing: true in the third one since something was taken or given here, that one
    /// included, and in each third one after it, while there are frames.
    pub(crate) fn expires(&self) -> bool {
        let used = self.nr_allocated().wrapping_add(self.nr_freed());
        if used != self.used_before.get() {
            self.used_before.set(used);
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
    pub(crate) fn nr_allocated(&self) -> u64 {
        self.events.iter().fold(0, |sum: u64, list| sum.wrapping_add(list.allocated.get()))
    }

    /// All blocks that came back.
    pub(crate) fn nr_freed(&self) -> u64 {
        self.events.iter().fold(0, |sum: u64, list| sum.wrapping_add(list.freed.get()))
    }

    /// Counts a block that was handed out.
    #[inline]
    pub(crate) fn count_allocated(&self, index: PcpIndex) {
        self.events[index.get()].allocated.add(1);
    }

    /// Counts a block that came back.
    #[inline]
    pub(crate) fn count_freed(&self, index: PcpIndex) {
        self.events[index.get()].freed.add(1);
    }

    /// Something is being allocated.
    #[inline]
    pub(crate) fn halve_free_factor(&self) {
        let factor = self.free_factor();
        if factor != 0 {
            self.set_free_factor(factor >> 1);
        }
    }

    /// Whether a batch is to go back, now that a block of this order was freed and there are so many
    /// frames.
    #[inline]
    pub(crate) fn has_too_many(&self, count: u32, order: u32) -> bool {
        count >= self.bound() || self.frees_all(order)
    }

    /// As [`has_too_many`](Self::has_too_many), for a block of that order before it is put.
    #[inline]
    pub(crate) fn would_be_too_many(&self, frames: u32, order: u32) -> bool {
        self.has_too_many(self.count().wrapping_add(frames), order)
    }

    /// Whether blocks of several frames are only being freed: they are not kept then.
    #[inline]
    fn frees_all(&self, order: u32) -> bool {
        (1..=crate::PAGE_ALLOC_COSTLY_ORDER.get()).contains(&order) && self.free_factor() != 0
    }
}
