//! The kernel above the allocator: who runs, what it may do, and whom to call when memory runs low.

use crate::{
    AllocFlags, CompactPriority, CompactResult, Gfp, MigrateMode, Migrated, NodeId, NodeMask,
    NodeShrink, OomVerdict, Order, Pages, Pfn, Reclaimed, Shortage, ZoneType,
};
use bitflags::bitflags;

bitflags! {
    /// What the running code is, as far as allocation depends on it.
    ///
    /// ```
    /// use page_alloc::Context;
    /// assert!(!Context::TASK.in_interrupt());
    /// assert!(Context::SOFTIRQ.in_interrupt());
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Context: u32 {
        /// In a handler of a hardware interrupt.
        #[doc(alias = "in_hardirq")]
        const HARDIRQ = 1;
        /// In a handler that can't be masked: there the allocator must not be called, for freeing neither.
        #[doc(alias = "in_nmi")]
        const NMI = 2;
        /// Serving a soft interrupt.
        #[doc(alias = "in_serving_softirq")]
        const SOFTIRQ = 4;
        /// A task that has soft interrupts disabled.
        #[doc(alias = "local_bh_disable")]
        const BH_DISABLED = 8;
        /// A real-time or deadline task.
        #[doc(alias = "rt_task")]
        const RT_TASK = 0x10;
        /// Chosen by the out-of-memory killer.
        #[doc(alias = "tsk_is_oom_victim")]
        const OOM_VICTIM = 0x20;
        /// Freeing memory: may use all reserves, and must not enter reclaim again.
        #[doc(alias = "PF_MEMALLOC")]
        const MEMALLOC = 0x40;
        /// No I/O, whatever the flags say.
        #[doc(alias = "PF_MEMALLOC_NOIO")]
        const MEMALLOC_NOIO = 0x80;
        /// No file systems, whatever the flags say.
        #[doc(alias = "PF_MEMALLOC_NOFS")]
        const MEMALLOC_NOFS = 0x100;
        /// No memory that pinning would have to move again.
        #[doc(alias = "PF_MEMALLOC_PIN")]
        const MEMALLOC_PIN = 0x200;
        /// About to be killed: trying harder for its sake is in vain.
        #[doc(alias = "fatal_signal_pending")]
        const FATAL_SIGNAL = 0x400;
        /// A worker of a pool, which notices only when it sleeps that others have to run.
        #[doc(alias = "PF_WQ_WORKER")]
        const WORKER = 0x800;
        /// Writing a core dump: nobody is killed for its sake.
        #[doc(alias = "PF_DUMPCORE")]
        const DUMPS_CORE = 0x1000;
    }
}

impl Context {
    /// An ordinary task.
    pub const TASK: Self = Self::empty();

    /// Whether there is no task to account to or to put to sleep.
    #[must_use]
    pub const fn in_interrupt(self) -> bool {
        self.intersects(
            Self::HARDIRQ.union(Self::NMI).union(Self::SOFTIRQ).union(Self::BH_DISABLED),
        )
    }

    /// Whether a task runs, even one that has soft interrupts disabled.
    ///
    /// ```
    /// use page_alloc::Context;
    /// assert!(Context::BH_DISABLED.in_task() && Context::BH_DISABLED.in_interrupt());
    /// assert!(!Context::SOFTIRQ.in_task());
    /// ```
    #[must_use]
    pub const fn in_task(self) -> bool {
        !self.intersects(Self::HARDIRQ.union(Self::NMI).union(Self::SOFTIRQ))
    }
}

/// A request to kswapd: memory ran low in this zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KswapdWake {
    /// The node whose kswapd is meant.
    pub node: NodeId,
    /// The zone where it was noticed.
    pub zone: ZoneType,
    /// The order asked for; [`Order::ZERO`] when only a boosted watermark is to be restored.
    pub order: Order,
    /// The highest zone type that the request could use.
    pub highest: ZoneType,
    /// The flags of the request, empty for a boosted watermark.
    pub gfp: Gfp,
}

/// What node reclaim did ([`Reclaim::node_reclaim`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeReclaimed {
    /// Not tried.
    #[doc(alias = "NODE_RECLAIM_NOSCAN")]
    NotScanned,
    /// Tried, and nothing was to be had.
    #[doc(alias = "NODE_RECLAIM_FULL")]
    Full,
    /// Some pages were freed.
    #[doc(alias = "NODE_RECLAIM_SOME")]
    Some,
    /// As many as were asked for.
    #[doc(alias = "NODE_RECLAIM_SUCCESS")]
    Success,
}

/// What a kernel that compacts memory by itself did ([`Reclaim::compact`]).
#[derive(Debug, PartialEq, Eq)]
pub struct Compacted {
    /// How it ended.
    pub result: CompactResult,
    /// A block for the request, kept from everybody else. It has to be of the order asked for, in a
    /// zone that the request may use, and held by nobody else; any other is freed, and so is one that
    /// comes with [`CompactResult::Skipped`], of a compaction that was none.
    #[doc(alias = "capture_control")]
    pub captured: Option<Pages>,
}

impl From<CompactResult> for Compacted {
    fn from(result: CompactResult) -> Self {
        Self { result, captured: None }
    }
}

/// What the allocator asks of the kernel around it. Each method has a default, so that
/// `impl Reclaim for MyKernel {}` is a beginning.
///
/// Every method is called with no lock held and may be called on all CPUs at once. None may sleep
/// unless its text says so: one that only answers, or wakes somebody, is called in any context in
/// which memory is asked for, interrupts included.
///
/// # Recursion
///
/// A hook may free, and may allocate, with flags that don't lead back to itself: those that only
/// answer, and those that wake somebody, are called for every request that finds its first zone
/// wanting, so that they had better not allocate at all. One that frees, moves or kills has its
/// [`context`](Self::context) say [`Context::MEMALLOC`] meanwhile, which opens the reserves to it and
/// keeps it out of reclaim, compaction and killing (as Linux marks the task around direct reclaim and
/// compaction); or it allocates without [`Gfp::DIRECT_RECLAIM`]. With [`Gfp::NOMEMALLOC`], as in
/// [`Gfp::TRANSHUGE`], a large block is still made by compaction first, in Linux too: a hook that moves
/// does not ask for one so. The allocator can't know which task it serves, so a hook that says nothing
/// and asks comes back to itself for as long as it does so.
///
/// # Lies and panics
///
/// No answer is trusted: whatever these methods say, memory is neither lost nor given twice, and
/// every request ends ([`max_rounds`](Self::max_rounds)). Should a method panic, and the panic be
/// caught, what the allocator had in flight goes back: no frame is lost but those that the method
/// itself held, and nothing stays locked. What was wanted of kswapd or kcompactd may be forgotten, until
/// it is wanted again.
///
/// ```
/// use page_alloc::{Context, NoReclaim, Reclaim};
/// assert_eq!(NoReclaim.context(), Context::TASK);
/// ```
pub trait Reclaim {
    /// What is running. Asked by every request, and again in each round of the slow path and by
    /// compaction. The default says: an ordinary task.
    fn context(&self) -> Context {
        Context::TASK
    }

    /// Whether the running code may sleep now: called for requests with
    /// [`Gfp::DIRECT_RECLAIM`]; where the answer is no, they are refused. The default says yes
    /// unless [`context`](Self::context) is an interrupt.
    #[doc(alias = "might_sleep_if")]
    fn may_sleep(&self) -> bool {
        !self.context().in_interrupt()
    }

    /// Fault injection: whether this request is to fail now. Asked by every request, once. The default
    /// says no.
    fn should_fail_alloc_page(&self, gfp: Gfp, order: Order) -> bool {
        let _ = (gfp, order);
        false
    }

    /// Memory ran low: kswapd of that node should get to work. Called by requests that say
    /// [`Gfp::KSWAPD_RECLAIM`], at the beginning of each round of the slow path, and in an attempt that
    /// raised a zone's watermarks, when the request has its block already. May be called in an interrupt.
    /// The default wakes nobody.
    ///
    /// Passes `wake` on to [`wakeup_kswapd`](crate::PageAllocator::wakeup_kswapd), which notes what is wanted,
    /// and wakes the node's thread if that says [`Wakeup::Needed`](crate::kswapd::Wakeup::Needed). A thread
    /// that is woken without that goes for single frames only.
    #[doc(alias = "wakeup_kswapd")]
    fn wake_kswapd(&self, wake: KswapdWake) {
        let _ = wake;
    }

    /// Whether cpusets are in use at all; asked by most requests. The default says no. If not,
    /// [`cpuset_node_allowed`](Self::cpuset_node_allowed) is never asked.
    fn cpusets_enabled(&self) -> bool {
        false
    }

    /// The nodes that the running task may use; asked only where cpusets are in use. The default says
    /// all.
    #[doc(alias = "cpuset_current_mems_allowed")]
    fn cpuset_mems_allowed(&self) -> NodeMask {
        NodeMask::ALL
    }

    /// Whether the running task's cpuset allows memory of this node; asked only where cpusets are in
    /// use, in each attempt that keeps to the cpuset, by direct reclaim, and by
    /// [`wakeup_kswapd`](crate::PageAllocator::wakeup_kswapd). The default says yes.
    #[doc(alias = "cpuset_zone_allowed")]
    fn cpuset_node_allowed(&self, node: NodeId, gfp: Gfp) -> bool {
        let _ = (node, gfp);
        true
    }

    /// Whether the node has room for more dirty pages: asked once a node, for requests with
    /// [`Gfp::WRITE`], in the first attempt. The default says yes.
    fn node_dirty_ok(&self, node: NodeId) -> bool {
        let _ = node;
        true
    }

    /// The largest distance at which a node's memory is reclaimed before a farther node's free
    /// memory is used; `None`: no node reclaim. Linux's is 30 where node reclaim is on. Asked whenever a
    /// zone's watermark fails. The default says none.
    #[doc(alias = "zone_reclaim_mode")]
    fn node_reclaim_distance(&self) -> Option<u8> {
        None
    }

    /// Frees some memory of this node; asked when its watermark fails and
    /// [`node_reclaim_distance`](Self::node_reclaim_distance) says that the node is near enough, in any
    /// attempt. The default does not try.
    ///
    /// May sleep only if the request may wait (`gfp` has [`Gfp::DIRECT_RECLAIM`]) and the context is not
    /// [`Context::MEMALLOC`]: it is asked for all others, too, those in interrupts included, and has to
    /// answer [`NodeReclaimed::NotScanned`] then. So does Linux, and where the node has CPUs but the
    /// running one is not among them, and while somebody else reclaims the node. Its own allocations are
    /// made in [`Context::MEMALLOC`], or they come back here.
    #[doc(alias = "__node_reclaim")]
    fn node_reclaim(&self, node: NodeId, gfp: Gfp, order: Order) -> NodeReclaimed {
        let _ = (node, gfp, order);
        NodeReclaimed::NotScanned
    }

    /// A number that changes whenever the nodes that the running task may use change. A request that
    /// sees it change starts anew. Asked only where cpusets are in use, by the slow path. The default
    /// never changes.
    #[doc(alias = "read_mems_allowed_begin")]
    #[doc(alias = "read_mems_allowed_retry")]
    fn cpuset_generation(&self) -> u32 {
        0
    }

    /// Whether the running task may use one of these nodes; if not, the request forgets its nodemask.
    /// Asked only where cpusets are in use. The default asks
    /// [`cpuset_mems_allowed`](Self::cpuset_mems_allowed).
    #[doc(alias = "cpuset_nodemask_valid_mems_allowed")]
    fn cpuset_meets(&self, nodes: NodeMask) -> bool {
        !nodes.intersection(self.cpuset_mems_allowed()).is_empty()
    }

    /// Whether some cpuset may have movable memory only, so that it is worth asking if the running
    /// task's has a zone for a request at all. Asked only where cpusets are in use, by the slow path. The
    /// default says no.
    #[doc(alias = "cpusets_insane_config")]
    fn cpusets_insane(&self) -> bool {
        false
    }

    /// Frees memory for a request, [`nr_to_reclaim`](Shortage::nr_to_reclaim) frames if possible, by
    /// what [`gfp`](Shortage::gfp) allows, for a kernel that decides by itself where and how hard to
    /// try; `None`: the crate does, and asks [`shrink_node`](Self::shrink_node), as Linux does. The
    /// default leaves it to the crate.
    ///
    /// Called once a round of the slow path, for requests with [`Gfp::DIRECT_RECLAIM`], but for those in
    /// [`Context::MEMALLOC`]. May sleep, and allocate in [`Context::MEMALLOC`]. It does not go to nodes
    /// outside of the nodemask or of the task's cpuset.
    #[doc(alias = "try_to_free_pages")]
    #[doc(alias = "__perform_reclaim")]
    fn direct_reclaim(&self, shortage: &Shortage) -> Option<Reclaimed> {
        let _ = shortage;
        None
    }

    /// Half of what is kept for those who free memory is used up on that node: a request that is about
    /// to have memory freed had better wait until kswapd has freed some, that is until
    /// [`pfmemalloc_watermark_ok`](crate::PageAllocator::pfmemalloc_watermark_ok) says so, or the task
    /// is to be killed. Without [`Gfp::FS`] it waits for a second at most, as kswapd may need what it
    /// holds; threads of the kernel don't wait at all. May sleep. The default does not wait.
    ///
    /// Called where direct reclaim is the crate's. A kernel whose own it is asks by itself.
    #[doc(alias = "pfmemalloc_wait")]
    fn throttle_direct_reclaim(&self, node: NodeId, gfp: Gfp) {
        let _ = (node, gfp);
    }

    /// How many frames of a zone could be freed if need be: an estimate. Asked by the slow path when it
    /// weighs whether to go on, by kswapd's throttling, and by reclaim for large blocks. The default says
    /// none.
    #[doc(alias = "zone_reclaimable_pages")]
    fn reclaimable_pages(&self, node: NodeId, zone: ZoneType) -> u64 {
        let _ = (node, zone);
        0
    }

    /// Moves frames together, for a kernel that does so by itself; `None`: the crate's own
    /// compaction is to do it. Called once a round of the slow path at most, for requests with
    /// [`Gfp::DIRECT_RECLAIM`]. May sleep, but for [`CompactPriority::Async`], and allocate in
    /// [`Context::MEMALLOC`]. The default leaves it to the crate.
    #[doc(alias = "try_to_compact_pages")]
    fn compact(
        &self,
        shortage: &Shortage,
        flags: AllocFlags,
        priority: CompactPriority,
    ) -> Option<Compacted> {
        let _ = (shortage, flags, priority);
        None
    }

    /// Whether compaction would have room in some zone once all that can be freed is; for a kernel
    /// that compacts by itself. `None`: the crate is to find out. Asked when a request weighs whether to go
    /// on. The default leaves it to the crate.
    #[doc(alias = "compaction_zonelist_suitable")]
    fn compaction_suitable(&self, shortage: &Shortage, flags: AllocFlags) -> Option<bool> {
        let _ = (shortage, flags);
        None
    }

    /// Whether the kernel can move blocks at all: without that, there is no compaction. The default
    /// says no, as [`migrate`](Self::migrate) moves nothing by default. Then a request of several frames
    /// goes to the out-of-memory killer when no reclaim could make a block for it; a Linux without
    /// compaction would go on as long as single frames can be had.
    #[doc(alias = "CONFIG_COMPACTION")]
    fn can_migrate(&self) -> bool {
        false
    }

    /// Moves what is in a block to another one, for compaction. Called only if
    /// [`can_migrate`](Self::can_migrate) says yes.
    ///
    /// `from` is the first frame of a block of the same order as `target` that was asked for as
    /// MOVABLE, or marked as movable, when it was last looked at. The kernel looks up who has it, keeps
    /// him from using it, copies the frames, and **swaps the tokens**: `target` is then the owner's,
    /// and what `target` held stays in its place as the token of the old block, which the allocator
    /// frees. The new block has one reference, the old one's mark as movable, and its owner's word
    /// ([`private`](crate::PageAllocator::private)). If several hold the old block, each gets a
    /// reference to the new one, and the kernel frees their old tokens but for the one that it leaves
    /// here.
    ///
    /// If nobody has a block of that order there, or it can't be moved now, `target` stays as it is.
    /// What is left in `target` is freed in any case, unless it is the target itself; so no answer
    /// loses a frame. The owner's word was copied before the call: a kernel whose owners change it at
    /// any time copies it again once it has stopped them.
    ///
    /// May sleep as the mode says. `gfp` is what the request that waits may do, or what a kernel thread
    /// may: without [`Gfp::FS`] its task may hold locks of a file system, and nothing that needs these
    /// can be moved. A hook that allocates does so with flags without [`Gfp::DIRECT_RECLAIM`], or in a
    /// context with [`Context::MEMALLOC`], lest it come back here. The default moves nothing.
    #[doc(alias = "migrate_folio")]
    #[doc(alias = "move_to_new_page")]
    fn migrate(&self, from: Pfn, target: &mut Pages, mode: MigrateMode, gfp: Gfp) -> Migrated {
        let _ = (from, target, mode, gfp);
        Migrated::Unmovable
    }

    /// Large blocks are wanted on that node: kcompactd of it should call
    /// [`kcompactd`](crate::PageAllocator::kcompactd). Called by
    /// [`kswapd_balance`](crate::PageAllocator::kswapd_balance) and
    /// [`wakeup_kswapd`](crate::PageAllocator::wakeup_kswapd), so where these are called, which may be in
    /// an interrupt. The default wakes nobody.
    #[doc(alias = "wakeup_kcompactd")]
    fn wake_kcompactd(&self, node: NodeId) {
        let _ = node;
    }

    /// Frees memory of a node, in one pass: for kswapd, and for a request unless
    /// [`direct_reclaim`](Self::direct_reclaim) is the kernel's own
    /// ([`NodeShrink::reclaimer`] says which). May sleep, and allocate in [`Context::MEMALLOC`]. The
    /// default frees nothing.
    ///
    /// For a large block that can be made by compaction ([`can_migrate`](Self::can_migrate)) it is asked
    /// again in the same pass, as long as it frees something, until compaction has room in the node, or
    /// little is left that could be freed ([`reclaimable_pages`](Self::reclaimable_pages)): it need not
    /// look at the order. Where requests wait for writes that are under way, it is here: after a pass at
    /// priority 1 or 0 that freed nothing.
    fn shrink_node(&self, shrink: &NodeShrink) -> Reclaimed {
        let _ = shrink;
        Reclaimed::NOTHING
    }

    /// Takes the lock of the out-of-memory killer, without waiting. False: somebody else has it, and
    /// is about to make memory free: then the request sleeps for a tick, and begins anew. Called once a
    /// round of the slow path at most, where neither reclaim nor compaction helped. The default has no
    /// lock.
    #[doc(alias = "oom_lock")]
    fn try_lock_oom(&self) -> bool {
        true
    }

    /// Drops the lock of the out-of-memory killer. Follows each [`try_lock_oom`](Self::try_lock_oom) that
    /// got it, in the same task, whatever happens in between: also if the killer panics. May be on
    /// another CPU, as the killer may sleep. Must not sleep. The default has no lock.
    fn unlock_oom(&self) {}

    /// Reclaim has failed: kills somebody whose memory then comes free, if the request is worth it.
    /// Called with the killer's lock, once a round of the slow path at most, and not for costly orders,
    /// for requests that would rather fail or want one node or a low zone, nor for a task that dumps
    /// its core. May sleep, and allocate in [`Context::MEMALLOC`]. The default kills nobody.
    ///
    /// Requests without [`Gfp::FS`] come here, too. Linux kills nobody for these, as reclaim could not do
    /// all that it can, and says that it did, so that they go on. A page fault whose request failed after
    /// all is made again; nobody more is killed for it.
    ///
    /// While somebody who was killed is not dead yet, Linux kills nobody else, and says that it did. The
    /// request begins anew at once: a kernel that answers so waits for a moment here, lest the request
    /// use its rounds up before memory comes free.
    fn out_of_memory(&self, shortage: &Shortage) -> OomVerdict {
        let _ = shortage;
        OomVerdict::NothingToKill
    }

    /// A request that may wait, or compaction, has been busy: somebody else may run now. May sleep. The
    /// default goes on.
    fn cond_resched(&self) {}

    /// A request waits for others to make memory free: sleeps for a tick of the clock. Called where
    /// somebody else has the killer's lock, and for a [`Context::WORKER`] in each round. The default is
    /// [`cond_resched`](Self::cond_resched).
    #[doc(alias = "schedule_timeout_uninterruptible")]
    fn sleep_tick(&self) {
        self.cond_resched();
    }

    /// A request failed, and its caller did not say [`Gfp::NOWARN`]: the place to print
    /// [`failure_report`](crate::PageAllocator::failure_report), not too often. May be called in an
    /// interrupt. The default prints nothing.
    #[doc(alias = "warn_alloc")]
    fn alloc_failed(&self, shortage: &Shortage) {
        let _ = shortage;
    }

    /// How often a request may begin anew in the slow path, each time with reclaim, before it is
    /// given up, whatever the other hooks say: asked once for each request that gets there. The first
    /// time, at the min watermark and without reclaim, is counted, and always made; 0 is taken for 1.
    ///
    /// Linux has no such limit: there a request goes on while reclaim says that it makes progress,
    /// and one with [`Gfp::NOFAIL`] for ever. The default is [`MAX_ROUNDS`].
    fn max_rounds(&self) -> u32 {
        MAX_ROUNDS
    }
}

/// How often a request begins anew at most, unless the kernel says otherwise
/// ([`Reclaim::max_rounds`]): far more than any that memory can still be found for.
pub const MAX_ROUNDS: u32 = 1 << 16;

/// A kernel without reclaim: all defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReclaim;

impl Reclaim for NoReclaim {}
