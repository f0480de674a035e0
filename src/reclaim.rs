//! The kernel above the allocator: who runs, what it may do, and whom to call when memory runs low.

use crate::{Gfp, NodeId, NodeMask, Order, ZoneType};
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
        /// In a handler that can't be masked.
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

/// What the allocator asks of the kernel around it. Each method has a default, so that
/// `impl Reclaim for MyKernel {}` is a beginning.
///
/// Every method is called with no lock held and may be called on all CPUs at once. None may sleep
/// unless the flags that it is given contain [`Gfp::DIRECT_RECLAIM`]. A hook may allocate, with
/// flags that don't lead back to itself.
///
/// ```
/// use page_alloc::{Context, NoReclaim, Reclaim};
/// assert_eq!(NoReclaim.context(), Context::TASK);
/// ```
pub trait Reclaim {
    /// What is running. The default says: an ordinary task.
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

    /// Fault injection: whether this request is to fail now. The default says no.
    fn should_fail_alloc_page(&self, gfp: Gfp, order: Order) -> bool {
        let _ = (gfp, order);
        false
    }

    /// Memory ran low: kswapd of that node should get to work. May be called in an interrupt.
    #[doc(alias = "wakeup_kswapd")]
    fn wake_kswapd(&self, wake: KswapdWake) {
        let _ = wake;
    }

    /// Whether cpusets are in use at all; if not, [`cpuset_node_allowed`](Self::cpuset_node_allowed)
    /// is never asked.
    fn cpusets_enabled(&self) -> bool {
        false
    }

    /// The nodes that the running task may use; asked only where cpusets are in use.
    #[doc(alias = "cpuset_current_mems_allowed")]
    fn cpuset_mems_allowed(&self) -> NodeMask {
        NodeMask::ALL
    }

    /// Whether the running task's cpuset allows memory of this node.
    #[doc(alias = "cpuset_zone_allowed")]
    fn cpuset_node_allowed(&self, node: NodeId, gfp: Gfp) -> bool {
        let _ = (node, gfp);
        true
    }

    /// Whether the node has room for more dirty pages: asked once a node, for requests with
    /// [`Gfp::WRITE`].
    fn node_dirty_ok(&self, node: NodeId) -> bool {
        let _ = node;
        true
    }

    /// The largest distance at which a node's memory is reclaimed before a farther node's free
    /// memory is used; `None`: no node reclaim. Linux's is 30 where node reclaim is on.
    #[doc(alias = "zone_reclaim_mode")]
    fn node_reclaim_distance(&self) -> Option<u8> {
        None
    }

    /// Frees some memory of this node; asked when its watermark fails and
    /// [`node_reclaim_distance`](Self::node_reclaim_distance) says that the node is near enough.
    fn node_reclaim(&self, node: NodeId, gfp: Gfp, order: Order) -> NodeReclaimed {
        let _ = (node, gfp, order);
        NodeReclaimed::NotScanned
    }
}

/// A kernel without reclaim: all defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReclaim;

impl Reclaim for NoReclaim {}
