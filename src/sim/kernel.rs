//! The kernel of a simulated machine: a script that answers the allocator's questions.

use crate::reclaim::{Context, KswapdWake, NodeReclaimed, Reclaim};
use crate::{Gfp, NodeId, NodeMask, NodeShrink, OomVerdict, Order, Reclaimed, Shortage, ZoneType};
use std::boxed::Box;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

/// A hook that a test gives. It may use the machine, so that nothing is locked while it runs; a call
/// that comes meanwhile gets the default answer.
type Hook<A, Q = Shortage> = Option<Box<dyn FnMut(&Q) -> A + Send>>;

/// The answers that a test has set, and what the allocator asked.
#[derive(Default)]
struct Script {
    fail: Option<Box<dyn FnMut(Gfp, Order) -> bool + Send>>,
    wakes: Vec<KswapdWake>,
    cpuset: Option<NodeMask>,
    over_dirty_limit: NodeMask,
    node_reclaim_distance: Option<u8>,
    node_reclaim: VecDeque<NodeReclaimed>,
    node_reclaim_asked: Vec<(NodeId, Order)>,
    direct_reclaim: Hook<Reclaimed>,
    shrink_node: Hook<Reclaimed, NodeShrink>,
    throttled: Vec<(NodeId, Gfp)>,
    reclaimable: u64,
    out_of_memory: Hook<OomVerdict>,
    failures: Vec<Shortage>,
}

/// A kernel whose answers a test sets, and which remembers what it was asked.
///
/// By default it answers as [`NoReclaim`](crate::NoReclaim) does, and remembers every waking of
/// kswapd, and every request that failed.
///
/// ```
/// # use page_alloc::sim::{Sim, SimConfig};
/// use page_alloc::{Gfp, Pages, Reclaimed};
/// use std::sync::Arc;
/// let sim = Arc::new(Sim::boot(SimConfig::flat(64 << 20))?);
/// let mut cache: Vec<Pages> = std::iter::from_fn(|| sim.alloc_page(Gfp::KERNEL).ok()).collect();
/// assert_eq!(sim.reclaim().take_failures().len(), 1);
/// let machine = Arc::downgrade(&sim);
/// sim.reclaim().reclaim_by(move |_| {
///     let sim = machine.upgrade().unwrap();
///     cache.drain(..512).for_each(|page| sim.free_pages(page).unwrap());
///     Reclaimed { reclaimed: 512, scanned: 512 }
/// });
/// assert!(sim.alloc_page(Gfp::KERNEL).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct SimKernel {
    context: AtomicU32,
    cpusets: AtomicBool,
    fails: AtomicBool,
    rescheds: AtomicU64,
    script: Mutex<Script>,
}

impl SimKernel {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what runs from now on, on all CPUs.
    pub fn set_context(&self, context: Context) {
        self.context.store(context.bits(), Ordering::Relaxed);
    }

    /// Fault injection: `fail` decides for each request whether it fails.
    pub fn fail_when(&self, fail: impl FnMut(Gfp, Order) -> bool + Send + 'static) {
        self.script().fail = Some(Box::new(fail));
        self.fails.store(true, Ordering::Relaxed);
    }

    /// Ends fault injection.
    pub fn fail_never(&self) {
        self.fails.store(false, Ordering::Relaxed);
        self.script().fail = None;
    }

    /// The wakings of kswapd since the last call.
    pub fn take_wakes(&self) -> Vec<KswapdWake> {
        std::mem::take(&mut self.script().wakes)
    }

    /// Confines the running task to these nodes; `None`: no cpusets.
    pub fn set_cpuset(&self, nodes: Option<NodeMask>) {
        self.script().cpuset = nodes;
        self.cpusets.store(nodes.is_some(), Ordering::Relaxed);
    }

    /// Says which nodes are over their dirty limits.
    pub fn set_over_dirty_limit(&self, nodes: NodeMask) {
        self.script().over_dirty_limit = nodes;
    }

    /// Turns node reclaim on up to that distance, with these answers, one for each call, then
    /// [`NodeReclaimed::NotScanned`]; `None` turns it off.
    pub fn set_node_reclaim(
        &self,
        distance: Option<u8>,
        answers: impl IntoIterator<Item = NodeReclaimed>,
    ) {
        let mut script = self.script();
        script.node_reclaim_distance = distance;
        script.node_reclaim = answers.into_iter().collect();
    }

    /// Direct reclaim is this from now on.
    pub fn reclaim_by(&self, hook: impl FnMut(&Shortage) -> Reclaimed + Send + 'static) {
        self.script().direct_reclaim = Some(Box::new(hook));
    }

    /// A pass of reclaim over a node is this from now on, for kswapd and for requests, unless direct
    /// reclaim is the test's own ([`reclaim_by`](Self::reclaim_by)). So many frames of each zone are said to
    /// be reclaimable.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Pages, Reclaimed};
    /// use std::sync::{Arc, Mutex};
    /// let sim = Arc::new(Sim::boot(SimConfig::flat(64 << 20))?);
    /// let mut cache: Vec<Pages> = std::iter::from_fn(|| sim.alloc_page(Gfp::KERNEL).ok()).collect();
    /// let machine = Arc::downgrade(&sim);
    /// let priorities = Arc::new(Mutex::new(Vec::new()));
    /// let seen = Arc::clone(&priorities);
    /// sim.reclaim().shrink_by(1000, move |shrink| {
    ///     seen.lock().unwrap().push(shrink.priority);
    ///     let sim = machine.upgrade().unwrap();
    ///     cache.drain(..20).for_each(|page| sim.free_pages(page).unwrap());
    ///     Reclaimed { reclaimed: 20, scanned: 40 }
    /// });
    /// assert!(sim.alloc_page(Gfp::KERNEL).is_ok());
    /// // The first pass freed less than 32 frames.
    /// assert!(priorities.lock().unwrap().starts_with(&[12, 11]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink_by(
        &self,
        reclaimable: u64,
        hook: impl FnMut(&NodeShrink) -> Reclaimed + Send + 'static,
    ) {
        let mut script = self.script();
        script.reclaimable = reclaimable;
        script.shrink_node = Some(Box::new(hook));
    }

    /// The tasks that were to wait for kswapd since the last call: on which node, with which flags. None
    /// does wait.
    pub fn take_throttled(&self) -> Vec<(NodeId, Gfp)> {
        std::mem::take(&mut self.script().throttled)
    }

    /// How often others were let run so far.
    pub fn rescheds(&self) -> u64 {
        self.rescheds.load(Ordering::Relaxed)
    }

    /// The out-of-memory killer is this from now on.
    pub fn kill_by(&self, hook: impl FnMut(&Shortage) -> OomVerdict + Send + 'static) {
        self.script().out_of_memory = Some(Box::new(hook));
    }

    /// The requests that failed since the last call, but for those that said that they might.
    pub fn take_failures(&self) -> Vec<Shortage> {
        std::mem::take(&mut self.script().failures)
    }

    /// Calls a hook, with nothing locked.
    fn call<A, Q>(&self, of: fn(&mut Script) -> &mut Hook<A, Q>, question: &Q) -> Option<A> {
        let mut hook = of(&mut self.script()).take()?;
        let answer = hook(question);
        of(&mut self.script()).get_or_insert(hook);
        Some(answer)
    }

    /// The calls of node reclaim since the last call of this.
    pub fn take_node_reclaims(&self) -> Vec<(NodeId, Order)> {
        std::mem::take(&mut self.script().node_reclaim_asked)
    }
}

impl Reclaim for SimKernel {
    fn context(&self) -> Context {
        Context::from_bits_retain(self.context.load(Ordering::Relaxed))
    }

    fn should_fail_alloc_page(&self, gfp: Gfp, order: Order) -> bool {
        self.fails.load(Ordering::Relaxed)
            && self.script().fail.as_mut().is_some_and(|fail| fail(gfp, order))
    }

    fn wake_kswapd(&self, wake: KswapdWake) {
        self.script().wakes.push(wake);
    }

    fn cpusets_enabled(&self) -> bool {
        self.cpusets.load(Ordering::Relaxed)
    }

    fn cpuset_mems_allowed(&self) -> NodeMask {
        self.script().cpuset.unwrap_or(NodeMask::ALL)
    }

    fn cpuset_node_allowed(&self, node: NodeId, _gfp: Gfp) -> bool {
        self.cpuset_mems_allowed().contains(node)
    }

    fn node_dirty_ok(&self, node: NodeId) -> bool {
        !self.script().over_dirty_limit.contains(node)
    }

    fn node_reclaim_distance(&self) -> Option<u8> {
        self.script().node_reclaim_distance
    }

    fn node_reclaim(&self, node: NodeId, _gfp: Gfp, order: Order) -> NodeReclaimed {
        let mut script = self.script();
        script.node_reclaim_asked.push((node, order));
        script.node_reclaim.pop_front().unwrap_or(NodeReclaimed::NotScanned)
    }

    fn direct_reclaim(&self, shortage: &Shortage) -> Option<Reclaimed> {
        self.call(|script| &mut script.direct_reclaim, shortage)
    }

    fn throttle_direct_reclaim(&self, node: NodeId, gfp: Gfp) {
        self.script().throttled.push((node, gfp));
    }

    fn reclaimable_pages(&self, _: NodeId, _: ZoneType) -> u64 {
        self.script().reclaimable
    }

    fn shrink_node(&self, shrink: &NodeShrink) -> Reclaimed {
        let answer = self.call(|script| &mut script.shrink_node, shrink);
        answer.unwrap_or(Reclaimed::NOTHING)
    }

    fn cond_resched(&self) {
        self.rescheds.fetch_add(1, Ordering::Relaxed);
    }

    fn out_of_memory(&self, shortage: &Shortage) -> OomVerdict {
        let answer = self.call(|script| &mut script.out_of_memory, shortage);
        answer.unwrap_or(OomVerdict::NothingToKill)
    }

    fn alloc_failed(&self, shortage: &Shortage) {
        self.script().failures.push(*shortage);
    }
}

impl fmt::Debug for SimKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimKernel").field("context", &self.context()).finish_non_exhaustive()
    }
}
