//! A machine whose kernel moves frames when it is told to, and half of whose memory is in use.

use super::failure::Failure;
use super::ours::boot_with;
use super::port::Port;
use page_alloc::compact::CompactStats;
use page_alloc::{
    Gfp, MigrateMode, Migrated, Movability, NodeId, Order, PageAllocator, Pages, Pfn, Reclaim,
};
use std::cell::RefCell;
use std::iter;

/// Who has which frame, by number. Frames have no contents: only tokens are swapped.
#[derive(Default)]
pub(crate) struct Mover(RefCell<Vec<Option<Pages>>>);

impl Mover {
    fn place(pfn: Pfn) -> usize {
        usize::try_from(pfn.get()).expect("64 bits")
    }
}

impl Reclaim for Mover {
    fn can_migrate(&self) -> bool {
        true
    }

    #[inline]
    fn migrate(&self, from: Pfn, target: &mut Pages, _: MigrateMode, _: Gfp) -> Migrated {
        let mut owners = self.0.borrow_mut();
        let Some(mut block) = owners[Self::place(from)].take() else { return Migrated::Unmovable };
        std::mem::swap(&mut block, target);
        let place = Self::place(block.pfn());
        owners[place] = Some(block);
        Migrated::Done
    }
}

/// The machine.
pub(crate) struct Board {
    allocator: PageAllocator<Port, Mover>,
    /// Blocks that were made.
    made: Vec<Pages>,
}

/// Flags of those who want a large block, and would rather do without it than wait.
const WANTED: Gfp = Gfp::HIGHUSER_MOVABLE.union(Gfp::NORETRY).union(Gfp::NOWARN);

/// Flags that take the last frame.
const ALL: Gfp = Gfp::HIGHUSER_MOVABLE.union(Gfp::MEMALLOC).union(Gfp::NOWARN);

impl Board {
    /// A machine of so many frames; all are free.
    pub(crate) fn boot(frames: u64) -> Self {
        let owners = (0..frames).map(|_| None).collect();
        let mover = Mover(RefCell::new(owners));
        Self { allocator: boot_with(frames, 1, mover), made: Vec::new() }
    }

    /// Gives all frames back, then takes every `step`-th frame, which can be moved.
    pub(crate) fn set_up(&mut self, step: u64) {
        let Self { allocator, made } = self;
        let free = |pages: Pages| allocator.free_pages(pages).expect("allocated here");
        let owners = &allocator.reclaim().0;
        let all: Vec<_> = owners.borrow_mut().iter_mut().filter_map(Option::take).collect();
        all.into_iter().chain(made.drain(..)).for_each(free);
        allocator.drain_all_pages(None);
        let all: Vec<_> = iter::from_fn(|| allocator.alloc_page(ALL).ok()).collect();
        for page in all {
            if page.pfn().get() % step == 1 {
                allocator.set_movable(&page, Movability::Movable).expect("allocated here");
                let place = Mover::place(page.pfn());
                owners.borrow_mut()[place] = Some(page);
            } else {
                free(page);
            }
        }
        allocator.drain_all_pages(None);
    }

    /// Frames moved since boot.
    pub(crate) fn moved(&self) -> u64 {
        self.allocator.vm_events().map_or(0, |events| events.compact.pgmigrate_success)
    }

    /// Makes a block of that order by compaction, and keeps it.
    #[inline]
    pub(crate) fn make(&mut self, order: Order) -> Result<(), Failure> {
        self.made.push(self.allocator.alloc_pages(WANTED, order).map_err(|_| Failure::NoMemory)?);
        Ok(())
    }

    /// Compacts all zones.
    pub(crate) fn compact(&self) -> CompactStats {
        self.allocator.compact_node(NodeId::ZERO).expect("a node")
    }
}
