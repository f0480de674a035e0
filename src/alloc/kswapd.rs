//! The work of kswapd and kcompactd, through the allocator.

use super::PageAllocator;
use super::tune::TuneError;
use crate::NodeId;
use crate::kswapd::{Balancer, KswapdReport, Wakeup};
use crate::node::{Machine, Node};
use crate::platform::Platform;
use crate::reclaim::{KswapdWake, Reclaim};
use crate::trace::Trace;

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// One round of kswapd's work for a node: has the kernel free memory
    /// ([`Reclaim::shrink_node`]) until one of the zones that would do is above its high watermark, with a
    /// block of the order that is wanted, ends boosts, and wakes kcompactd. The module
    /// [`kswapd`](crate::kswapd) says how a thread uses it; one thread a node calls it.
    ///
    /// Sleeps where the hook does.
    ///
    /// # Errors
    ///
    /// There is no such node.
    #[doc(alias = "balance_pgdat")]
    pub fn kswapd_balance(&self, node: NodeId) -> Result<KswapdReport, TuneError> {
        self.balancer(node).map(|balancer| balancer.balance())
    }

    /// Whether kswapd of a node may sleep until it is woken, at the end of its nap: nothing new is
    /// wanted, and there is still enough of what was. False where there is no such node.
    #[doc(alias = "kswapd_try_to_sleep")]
    pub fn kswapd_may_sleep(&self, node: NodeId) -> bool {
        let Ok(balancer) = self.balancer(node) else { return false };
        let state = &balancer.node.kswapd;
        let nothing_new = state.wishes.get().is_none();
        let balanced = || state.reached().is_none_or(|reached| balancer.may_sleep(reached));
        balancer.is_hopeless() || nothing_new && balanced()
    }

    /// Notes for kswapd what is wanted, and says whether its thread has to be woken: what a kernel's
    /// [`Reclaim::wake_kswapd`] passes on, in the task that asks, as its cpuset counts.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::kswapd::Wakeup;
    /// use page_alloc::{Gfp, KswapdWake, NodeId, Order, ZoneType};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let (node, zone, order) = (NodeId::ZERO, ZoneType::Dma32, Order::O3);
    /// let wake = KswapdWake { node, zone, order, highest: zone, gfp: Gfp::KERNEL };
    /// assert_eq!(sim.wakeup_kswapd(&wake), Wakeup::NotNeeded); // all is free
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wakeup_kswapd(&self, wake: &KswapdWake) -> Wakeup {
        self.balancer(wake.node).map_or(Wakeup::NotNeeded, |balancer| balancer.wakeup(wake))
    }

    /// Whether tasks may free memory for themselves. If not, they had better wait until kswapd,
    /// which is woken, has freed some: half of what is kept for those who free memory is used up.
    ///
    /// # Errors
    ///
    /// There is no such node.
    #[doc(alias = "allow_direct_reclaim")]
    #[doc(alias = "throttle_direct_reclaim")]
    pub fn pfmemalloc_watermark_ok(&self, node: NodeId) -> Result<bool, TuneError> {
        self.balancer(node).map(|balancer| balancer.pfmemalloc_watermark_ok())
    }

    pub(super) fn balancer(&self, node: NodeId) -> Result<Balancer<'_, P, R>, TuneError> {
        let (machine, node) = self.tuned_node(node)?;
        let (platform, reclaim) = (&self.platform, &self.reclaim);
        Ok(Balancer { machine, node, platform, reclaim })
    }

    pub(super) fn tuned_node(&self, node: NodeId) -> Result<(&Machine, &Node), TuneError> {
        let machine = self.machine().ok_or(TuneError::Uninitialized)?;
        let found = machine.node(node).ok_or(TuneError::NoSuchNode(node))?;
        Ok((machine, found))
    }
}
