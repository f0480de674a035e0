//! What the allocator asks of this kernel.

use crate::cpu::Cpu;
use crate::frames::FRAMES;
use crate::{cache, daemons, process};
use core::sync::atomic::{AtomicBool, Ordering};
use page_alloc::kswapd::Wakeup;
use page_alloc::{
    Context, Gfp, KswapdWake, MigrateMode, Migrated, NodeId, NodeShrink, OomVerdict, Pages, Pfn,
    Reclaim, Reclaimed, Shortage, ZoneType,
};

/// The kernel around the allocator.
#[derive(Debug)]
pub(crate) struct Kernel;

/// The lock of the out-of-memory killer.
static OOM: AtomicBool = AtomicBool::new(false);

impl Reclaim for Kernel {
    fn context(&self) -> Context {
        Cpu::current().context()
    }

    fn wake_kswapd(&self, wake: KswapdWake) {
        if FRAMES.wakeup_kswapd(&wake) == Wakeup::Needed {
            daemons::KSWAPD.wake(wake.node);
        }
    }

    fn wake_kcompactd(&self, node: NodeId) {
        daemons::KCOMPACTD.wake(node);
    }

    fn reclaimable_pages(&self, node: NodeId, zone: ZoneType) -> u64 {
        cache::frames(node, zone)
    }

    fn shrink_node(&self, shrink: &NodeShrink) -> Reclaimed {
        let freeing = || cache::evict(shrink.node, shrink.nr_to_reclaim);
        let evicted = Cpu::current().while_freeing(freeing);
        Reclaimed { reclaimed: evicted.frames, scanned: evicted.scanned }
    }

    fn can_migrate(&self) -> bool {
        true
    }

    fn migrate(&self, from: Pfn, target: &mut Pages, _: MigrateMode, _: Gfp) -> Migrated {
        cache::migrate(from, target)
    }

    /// There are no tasks to switch to: waits for the timer.
    fn sleep_tick(&self) {
        Cpu::current().wait_for_ticks(1);
    }

    fn try_lock_oom(&self) -> bool {
        !OOM.swap(true, Ordering::Acquire)
    }

    fn unlock_oom(&self) {
        OOM.store(false, Ordering::Release);
    }

    /// Nobody is killed for a request that may not wait for file systems, as in Linux: it waits for a
    /// moment, and tries again.
    fn out_of_memory(&self, shortage: &Shortage) -> OomVerdict {
        if !shortage.gfp.contains(Gfp::FS) {
            self.sleep_tick();
            return OomVerdict::Killed;
        }
        Cpu::current().while_freeing(process::kill)
    }
}
