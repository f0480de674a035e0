//! Per-CPU lists: frames that a CPU keeps at hand, for each zone and each kind of request.
//!
//! Most requests of the small orders are served from the lists of the running CPU, and most frees
//! go there: no lock is taken, and no other CPU's cache lines are touched. An empty list is refilled
//! with a batch of blocks under the zone's lock; when a CPU has more than `high` frames of a zone, a
//! batch goes back. To the zone these frames are neither free nor allocated.
//!
//! The lists and their lengths belong to whoever has the CPU's lock ([`PerCpu`]); limits and counts
//! may be read by anybody.

mod bulk;
mod index;
pub mod limits;
mod table;

pub(crate) use index::{NR_PCP_LISTS, PcpIndex};
pub use index::{PcpList, PcpOrders};
pub(crate) use table::Pcps;

use crate::memmap::{FrameIdx, FrameList, FreeBlock, Memmap};
use crate::sync::{Counter, PerCpu};
use crate::zone::ReclaimActive;
use crate::{CpuId, Order};
use core::fmt;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicU32, Ordering};
use limits::PcpLimits;

/// Rounds of ageing after which unused lists begin to shrink.
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
    batch: AtomicU32,
    /// How often in a row a batch was given back with nothing allocated in between.
    free_factor: AtomicU32,
    /// Rounds of ageing until a batch is given back.
    expire: AtomicU32,
    /// Blocks taken and given at the last round of ageing.
    used_before: Counter,
    pub(crate) events: PcpEvents,
    pub(crate) lists: PerCpu<PcpLists>,
}

static_assertions::const_assert!(size_of::<Pcp>() % 128 == 0);
static_assertions::const_assert!(align_of::<Pcp>() == 128);

/// What happened on a CPU's lists of a zone; changed under their lock.
#[derive(Debug, Default)]
pub(crate) struct PcpEvents {
    /// Blocks handed out, by list order.
    pub(crate) allocated: [Counter; PcpOrders::COUNT],
    /// Blocks that came back, by list order.
    pub(crate) freed: [Counter; PcpOrders::COUNT],
}

impl PcpEvents {
    /// All blocks handed out.
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated.iter().map(Counter::get).sum()
    }
}

/// The lists, one for each order and type.
pub(crate) struct PcpLists {
    /// Never dropped: dropping a list would walk it, and the memmap may be gone by then.
    lists: ManuallyDrop<[FrameList; NR_PCP_LISTS]>,
}

impl fmt::Debug for PcpLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PcpLists")
    }
}

impl PcpLists {
    fn new(memmap: &Memmap) -> Self {
        let list = |_| FrameList::new(memmap.links());
        Self { lists: ManuallyDrop::new(core::array::from_fn(list)) }
    }

    #[inline]
    fn list(&mut self, index: PcpIndex) -> &mut FrameList {
        &mut self.lists[index.get()]
    }

    /// The blocks of one list, from the head.
    pub(crate) fn blocks(
        &self,
        index: PcpIndex,
        memmap: &Memmap,
    ) -> impl Iterator<Item = FrameIdx> {
        let links = memmap.links();
        self.lists[index.get()].iter().map(move |frame| links.index_of(frame))
    }

    /// The frame at the head of a list, without looking at its links.
    pub(crate) fn head(&self, index: PcpIndex, memmap: &Memmap) -> Option<FrameIdx> {
        let list = &self.lists[index.get()];
        list.front().get().map(|frame| memmap.links().index_of(frame))
    }

    /// The frame at the tail of a list, without looking at its links.
    pub(crate) fn tail(&self, index: PcpIndex, memmap: &Memmap) -> Option<FrameIdx> {
        let list = &self.lists[index.get()];
        list.back().get().map(|frame| memmap.links().index_of(frame))
    }
}

impl Pcp {
    /// Empty lists of some zone for a CPU.
    pub(crate) fn new(owner: CpuId, memmap: &Memmap) -> Self {
        Self {
            count: AtomicU32::new(0),
            high: AtomicU32::new(0),
            batch: AtomicU32::new(1),
            free_factor: AtomicU32::new(0),
            expire: AtomicU32::new(PCP_EXPIRE_ROUNDS),
            used_before: Counter::default(),
            events: PcpEvents::default(),
            lists: PerCpu::new(owner, PcpLists::new(memmap)),
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

    pub(crate) fn set_limits(&self, limits: PcpLimits) {
        self.batch.store(limits.batch, Ordering::Relaxed);
        self.high.store(limits.high, Ordering::Relaxed);
    }

    #[inline]
    fn add_count(&self, frames: u32) {
        self.count.store(self.count().wrapping_add(frames), Ordering::Relaxed);
    }

    #[inline]
    fn sub_count(&self, frames: u32) {
        self.count.store(self.count().wrapping_sub(frames), Ordering::Relaxed);
    }

    /// Takes the first block of a list; the free factor halves, as something is allocated.
    #[inline]
    pub(crate) fn pop(&self, lists: &mut PcpLists, index: PcpIndex) -> Option<FreeBlock> {
        let block = lists.list(index).pop_front()?;
        self.sub_count(index.frames());
        Some(block)
    }

    /// Puts a block at the head of a list.
    #[inline]
    pub(crate) fn push(&self, lists: &mut PcpLists, index: PcpIndex, block: FreeBlock) {
        lists.list(index).push_front(block);
        self.add_count(index.frames());
    }

    /// A round of ageing: true if nothing was taken or given here for three rounds, while there are
    /// frames.
    pub(crate) fn expires(&self) -> bool {
        let used = self.events.allocated.iter().chain(&self.events.freed);
        let used = used.fold(0, |sum: u64, count| sum.wrapping_add(count.get()));
        if used != self.used_before.get() || self.count() == 0 {
            self.used_before.set(used);
            self.expire.store(PCP_EXPIRE_ROUNDS, Ordering::Relaxed);
            return false;
        }
        let left = self.expire.load(Ordering::Relaxed).saturating_sub(1);
        self.expire.store(left, Ordering::Relaxed);
        left == 0
    }

    /// Counts a block that was handed out.
    #[inline]
    pub(crate) fn count_allocated(&self, index: PcpIndex) {
        self.events.allocated[index.order_slot()].add(1);
    }

    /// Counts a block that came back.
    #[inline]
    pub(crate) fn count_freed(&self, index: PcpIndex) {
        self.events.freed[index.order_slot()].add(1);
    }

    /// Something is being allocated.
    #[inline]
    pub(crate) fn halve_free_factor(&self) {
        let factor = self.free_factor();
        if factor != 0 {
            self.set_free_factor(factor >> 1);
        }
    }

    /// The number of frames from which on a batch goes back, for a block of this order just freed:
    /// none may stay when blocks above order 0 are only freed.
    #[doc(alias = "nr_pcp_high")]
    #[inline]
    pub(crate) fn high_for(&self, order: Order, reclaim: ReclaimActive) -> u32 {
        if self.frees_all(order) {
            return 0;
        }
        match reclaim {
            ReclaimActive::No => self.high(),
            ReclaimActive::Yes => self.high().min(self.batch().saturating_mul(4)),
        }
    }

    /// Whether blocks of several frames are only being freed: they are not kept then.
    #[inline]
    fn frees_all(&self, order: Order) -> bool {
        order > Order::ZERO && order <= crate::PAGE_ALLOC_COSTLY_ORDER && self.free_factor() != 0
    }
}
