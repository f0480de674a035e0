//! The kernel's side of the contract: the hooks that the allocator calls.
//!
//! None is called with a lock of the allocator held, so each may free blocks, or ask for some.

use crate::kernel::{Kernel, Switch};
use crate::tally::{Kill, Task};
use page_alloc::kswapd::Wakeup;
use page_alloc::{
    AllocFlags, CompactPriority, Compacted, Context, Gfp, KswapdWake, MigrateMode, Migrated,
    NodeId, NodeShrink, OomVerdict, Order, Pages, Pfn, Reclaim, Reclaimed, Shortage, ZoneType,
};

impl Reclaim for Kernel {
    /// Who frees memory says so: then the reserves are open to it, and no request of its own comes
    /// back to reclaim.
    fn context(&self) -> Context {
        self.running_context()
    }

    /// Fault injection, for `--fail-chance`.
    fn should_fail_alloc_page(&self, _: Gfp, _: Order) -> bool {
        let fails = self.is_unlucky();
        self.tally().injected += u64::from(fails);
        fails
    }

    /// The allocator notes what is wanted, and says whether the thread has something to do. May be
    /// called in an interrupt: a real kernel takes such a lock with interrupts off.
    fn wake_kswapd(&self, wake: KswapdWake) {
        let needed = self.machine().map(|machine| machine.wakeup_kswapd(&wake));
        if needed == Some(Wakeup::Needed) {
            let mut woken = self.woken();
            self.tally().kswapd_wakes += u64::from(!woken.kswapds.contains(wake.node));
            woken.kswapds = woken.kswapds.with(wake.node);
        }
    }

    /// What is wanted is noted already: the thread has to run.
    fn wake_kcompactd(&self, node: NodeId) {
        let mut woken = self.woken();
        woken.kcompactds = woken.kcompactds.with(node);
    }

    /// What goes is chosen under the cache's lock, and freed without it.
    fn shrink_node(&self, shrink: &NodeShrink) -> Reclaimed {
        let Some(machine) = self.machine().filter(|_| self.switches().eviction == Switch::On)
        else {
            return Reclaimed::NOTHING;
        };
        let isolated = self.cache().isolate(shrink);
        let scanned = isolated.scanned;
        let reclaimed = self.evict(&machine, isolated);
        let done = Reclaimed { reclaimed, scanned };
        self.tally().reclaimed(self.task(), done);
        done
    }

    /// A process stalls: it frees memory itself, with growing urgency. The allocator does that, by
    /// `shrink_node`.
    fn direct_reclaim(&self, _: &Shortage) -> Option<Reclaimed> {
        self.tally().rounds(Task::Process);
        None
    }

    /// An estimate: some of it may be in use, or can't be written.
    fn reclaimable_pages(&self, _: NodeId, zone: ZoneType) -> u64 {
        match self.switches().eviction {
            Switch::On => self.cache().frames_in(zone),
            Switch::Off => 0,
        }
    }

    /// A process stalls: large blocks are to be made for it. The allocator does that itself.
    fn compact(&self, _: &Shortage, _: AllocFlags, _: CompactPriority) -> Option<Compacted> {
        self.tally().direct_compactions += 1;
        None
    }

    /// Without this there is no compaction.
    fn can_migrate(&self) -> bool {
        self.switches().compaction == Switch::On
    }

    /// Contents and token change under the cache's lock, so that nobody sees one without the other. A
    /// kernel with page tables takes the block out of them before. What is not in the cache stays:
    /// nobody else could be told where his block went.
    fn migrate(&self, from: Pfn, target: &mut Pages, mode: MigrateMode, _: Gfp) -> Migrated {
        let done = self.cache().relocate(from, target, mode, &mut self.memory());
        if done == Migrated::Done {
            self.tally().moved(self.task(), target.order().nr_pages());
        }
        done
    }

    /// The process that has most is gone at once; a real one has to run to its end first. Nobody is killed
    /// for a request that may not wait for file systems, as in Linux: it tries again.
    fn out_of_memory(&self, shortage: &Shortage) -> OomVerdict {
        if !shortage.gfp.contains(Gfp::FS) {
            return OomVerdict::Killed;
        }
        let Some(machine) = self.machine() else { return OomVerdict::NothingToKill };
        let Some(victim) = self.processes().take_largest() else {
            return OomVerdict::NothingToKill;
        };
        let kill = Kill { process: victim.number, frames: victim.frames };
        self.tally().kills.push(kill);
        for block in victim.blocks {
            self.free(&machine, block);
        }
        OomVerdict::Killed
    }
}
