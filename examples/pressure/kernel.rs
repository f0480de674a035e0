//! A small kernel: what it has, and how it gives memory up. What the allocator asks of it is in
//! `hooks`.
//!
//! Each lock guards one thing, is taken for a short time, and is never held while the allocator is
//! called. Where two are needed, the cache's is taken before the memory's, and the tally's last.

use crate::cache::{Cache, CachePage, Isolated, State};
use crate::memory::{Block, Memory};
use crate::processes::Processes;
use crate::random::Random;
use crate::refusals::Watcher;
use crate::tally::{Tally, Task};
use page_alloc::sim::{Sim, SimConfig, SimError};
use page_alloc::{Context, Gfp, NodeMask};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

pub(crate) type Machine = Sim<Kernel, Watcher>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    Off,
}

/// What the kernel does, and what it leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switches {
    /// Says of each request whether its memory can be moved.
    pub(crate) grouping: Switch,
    /// Moves blocks when asked to.
    pub(crate) compaction: Switch,
    /// Gives up pages of its cache.
    pub(crate) eviction: Switch,
}

/// Fault injection.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) chance: f64,
    pub(crate) random: Random,
}

/// The threads that were woken and did not run yet, by their nodes.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    pub(crate) kswapds: NodeMask,
    pub(crate) kcompactds: NodeMask,
}

/// What runs: one CPU, so one task.
#[derive(Debug, Default)]
struct Running {
    task: Task,
    /// How deep it is in reclaim.
    reclaims: u32,
}

/// The kernel of one machine.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The allocator, which a kernel has in a static.
    machine: OnceLock<Weak<Machine>>,
    switches: Switches,
    running: Mutex<Running>,
    faults: Mutex<Faults>,
    woken: Mutex<Woken>,
    cache: Mutex<Cache>,
    processes: Mutex<Processes>,
    memory: Mutex<Memory>,
    tally: Mutex<Tally>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kernel {
    /// Boots a machine with such a kernel.
    pub(crate) fn boot(
        config: &SimConfig,
        switches: Switches,
        faults: Faults,
    ) -> Result<Arc<Machine>, SimError> {
        let ends = config.memory_map.iter().map(|region| region.base.get() + region.length);
        let bytes = ends.max().unwrap_or(0);
        let kernel = Self {
            machine: OnceLock::new(),
            switches,
            running: Mutex::default(),
            faults: Mutex::new(faults),
            woken: Mutex::default(),
            cache: Mutex::new(Cache::new(bytes)),
            processes: Mutex::default(),
            memory: Mutex::new(Memory::new(bytes)),
            tally: Mutex::default(),
        };
        let machine = Arc::new(Sim::boot_with(config, kernel, Watcher::default())?);
        let _first = machine.reclaim().machine.set(Arc::downgrade(&machine));
        Ok(machine)
    }

    pub(crate) fn switches(&self) -> Switches {
        self.switches
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        lock(&self.cache)
    }

    pub(crate) fn processes(&self) -> MutexGuard<'_, Processes> {
        lock(&self.processes)
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// Runs a thread's work.
    pub(crate) fn run_as<A>(&self, task: Task, work: impl FnOnce() -> A) -> A {
        let before = std::mem::replace(&mut lock(&self.running).task, task);
        self.tally().rounds(task);
        let done = work();
        lock(&self.running).task = before;
        done
    }

    pub(crate) fn task(&self) -> Task {
        lock(&self.running).task
    }

    /// What the running task is, as far as the allocator is concerned.
    pub(crate) fn running_context(&self) -> Context {
        let running = lock(&self.running);
        match running.task == Task::Kswapd || running.reclaims > 0 {
            true => Context::MEMALLOC,
            false => Context::TASK,
        }
    }

    /// Whether this request is one of those that fault injection refuses.
    pub(crate) fn is_unlucky(&self) -> bool {
        let mut faults = lock(&self.faults);
        let chance = faults.chance;
        chance > 0.0 && faults.random.happens(chance)
    }

    pub(crate) fn woken(&self) -> MutexGuard<'_, Woken> {
        lock(&self.woken)
    }

    pub(crate) fn machine(&self) -> Option<Arc<Machine>> {
        self.machine.get().and_then(Weak::upgrade)
    }

    /// Gives a block back to the allocator.
    pub(crate) fn free(&self, machine: &Machine, block: Block) {
        let pages = self.memory().give_up(block);
        // If it were refused, frames would be missing at the end.
        let _freed = machine.free_pages(pages);
    }

    /// Frees what was isolated, in a context that says so, and gives the frames that came free.
    pub(crate) fn evict(&self, machine: &Machine, isolated: Isolated) -> u64 {
        lock(&self.running).reclaims += 1;
        let freed = isolated.pages.into_iter().map(|page| self.give_up(machine, page)).sum();
        lock(&self.running).reclaims -= 1;
        freed
    }

    /// Frees a block of the cache, if it can be written to disk before; gives its frames.
    fn give_up(&self, machine: &Machine, page: CachePage) -> u64 {
        if page.state == State::Dirty && !can_be_written(machine) {
            self.cache().put_back(page);
            return 0;
        }
        let frames = page.block.frames();
        self.free(machine, page.block);
        frames
    }
}

/// Writing takes a frame for as long as it lasts. It is asked for without I/O, lest it waits for
/// itself, and from the reserves, as the context says that memory is being freed.
fn can_be_written(machine: &Machine) -> bool {
    let buffer = machine.alloc_page(Gfp::NOIO | Gfp::NOWARN);
    buffer.is_ok_and(|buffer| machine.free_pages(buffer).is_ok())
}
