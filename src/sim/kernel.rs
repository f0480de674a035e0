//! The kernel of a simulated machine: a script that answers the allocator's questions.

use crate::reclaim::{Context, KswapdWake, NodeReclaimed, Reclaim};
use crate::{Gfp, NodeId, NodeMask, OomVerdict, Order, Reclaimed, Shortage};
use std::boxed::Box;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

/// A hook that a test gives. It may use the machine, so that nothing is locked while it runs; a call
/// that comes meanwhile gets the default answer.
type Hook<A> = Option<Box<dyn FnMut(&Shortage) -> A + Send>>;

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

    /// The out-of-memory killer is this from now on.
    pub fn kill_by(&self, hook: impl FnMut(&Shortage) -> OomVerdict + Send + 'static) {
        self.script().out_of_memory = Some(Box::new(hook));
    }

    /// The requests that failed since the last call, but for those that said that they might.
    pub fn take_failures(&self) -> Vec<Shortage> {
        std::mem::take(&mut self.script().failures)
    }

    /// Calls a hook, with nothing locked.
    fn call<A>(&self, of: fn(&mut Script) -> &mut Hook<A>, shortage: &Shortage) -> Option<A> {
        let mut hook = of(&mut self.script()).take()?;
        let answer = hook(shortage);
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
