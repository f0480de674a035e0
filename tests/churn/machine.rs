//! A machine with one zone of 4 GiB that lives through a sequence, and a kernel that knows who has
//! which block, so that it can move those that are movable.

use crate::pattern::FRAMES;
use crate::pool::Classes;
use crate::sequence::{Class, Step};
use page_alloc::boot::{MemoryKind, MemoryRegion, Options};
use page_alloc::compact::CompactStats;
use page_alloc::node::pcp::PcpOrders;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{
    Gfp, MigrateMode, Migrated, Movability, NoTrace, NodeId, Order, PAGEBLOCK_NR_PAGES, Pages, Pfn,
    PhysAddr, Reclaim, ZoneLayout, ZoneType,
};
use std::sync::{Mutex, MutexGuard};

/// The first frame: not the machine's first one, which nobody gets.
const START: u64 = 1 << 20;

const BYTES: u64 = (FRAMES as u64) << 12;

/// The number of a frame of the machine, from 0 on.
fn number(pfn: Pfn) -> usize {
    (pfn.get() - START) as usize
}

/// A block of the table; `None` is one that could not be had.
type Live = (Option<Pages>, Class);

/// Who has what.
#[derive(Default)]
struct Table {
    live: Vec<Live>,
    /// By the number of a block's first frame, its place among the live ones.
    places: Vec<u32>,
    failed: usize,
}

impl Table {
    fn set_place(&mut self, at: usize) {
        if let (Some(pages), _) = &self.live[at] {
            self.places[number(pages.pfn())] = at as u32;
        }
    }

    fn push(&mut self, live: Live) {
        self.live.push(live);
        self.set_place(self.live.len() - 1);
    }

    fn swap_remove(&mut self, at: usize) -> Live {
        let gone = self.live.swap_remove(at);
        if at < self.live.len() {
            self.set_place(at);
        }
        gone
    }

    /// Frames of the blocks of which `which` says so.
    fn frames(&self, which: impl Fn(Class) -> bool) -> u64 {
        let blocks = self.live.iter().filter(|(_, class)| which(*class));
        blocks.filter_map(|(pages, _)| pages.as_ref()).map(|pages| pages.order().nr_pages()).sum()
    }
}

/// The kernel.
#[derive(Default)]
pub struct Kernel(Mutex<Table>);

impl Kernel {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().expect("no test has failed with it")
    }
}

impl Reclaim for Kernel {
    fn can_migrate(&self) -> bool {
        true
    }

    fn migrate(&self, from: Pfn, target: &mut Pages, _: MigrateMode, _: Gfp) -> Migrated {
        let mut table = self.table();
        let at = table.places[number(from)] as usize;
        let (block, class) = &mut table.live[at];
        let Some(block) = block.as_mut().filter(|block| block.pfn() == from) else {
            return Migrated::Unmovable;
        };
        assert_eq!((*class, block.order()), (Class::Movable, target.order()));
        std::mem::swap(block, target);
        table.set_place(at);
        Migrated::Done
    }
}

/// What can be said of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Free blocks of order 9, those in larger ones included.
    pub large: u64,
    /// As many at most: the free frames in blocks of that size.
    pub by_frames: u64,
    /// Pageblocks without a frame that can't be moved.
    pub clean: u64,
    /// Pageblocks that the movable frames fill, rounded up.
    pub needed: u64,
}

/// The machine.
pub struct Machine {
    sim: Sim<Kernel, NoTrace>,
    classes: Classes,
}

impl Machine {
    pub fn boot(orders: PcpOrders, classes: Classes) -> Self {
        let memory = MemoryRegion::new(PhysAddr::new(START << 12), BYTES, MemoryKind::Usable);
        let mut config = SimConfig::new(vec![memory]);
        config.zones = ZoneLayout::NORMAL_ONLY;
        config.tables = Tables::Apart;
        config.contents = Contents::Ignored;
        config.options = Options::DEFAULT.pcp(orders);
        let sim = Sim::boot_with(&config, Kernel::default(), NoTrace).expect("a legal machine");
        sim.reclaim().table().places = vec![0; FRAMES];
        Self { sim, classes }
    }

    pub fn step(&self, step: Step) {
        match step {
            Step::Alloc(order, class) => self.alloc(order, class),
            Step::Free(index) => {
                let (pages, _) = self.sim.reclaim().table().swap_remove(index);
                pages.into_iter().for_each(|pages| self.free(pages));
            }
        }
    }

    fn alloc(&self, order: u32, class: Class) {
        let gfp = match (class, self.classes) {
            (Class::Movable, _) => Gfp::HIGHUSER_MOVABLE,
            (Class::Reclaimable, Classes::Three) => Gfp::KERNEL | Gfp::RECLAIMABLE,
            _ => Gfp::KERNEL,
        };
        let order = Order::new(order).expect("a small order");
        // In the middle of the sequence nothing is compacted, as in Linux's counts.
        let pages = self.sim.alloc_pages((gfp | Gfp::NOWARN) - Gfp::DIRECT_RECLAIM, order).ok();
        let mut table = self.sim.reclaim().table();
        match &pages {
            None => table.failed += 1,
            Some(pages) if class == Class::Movable => {
                self.sim.set_movable(pages, Movability::Movable).expect("a token");
            }
            Some(_) => {}
        }
        table.push((pages, class));
    }

    fn free(&self, pages: Pages) {
        self.sim.free_pages(pages).expect("an allocated block");
    }

    pub fn failed(&self) -> usize {
        self.sim.reclaim().table().failed
    }

    /// Has every CPU give back what it keeps; then what there is. The tables are sound, and every frame
    /// is free or somebody's.
    pub fn figures(&self) -> Figures {
        self.sim.drain_all_pages(None);
        self.sim.verify().expect("a sound machine");
        let zone = self.sim.zone(NodeId::ZERO, ZoneType::Normal).expect("its zone");
        let (nr_free, free) = (zone.nr_free(), self.sim.nr_free_pages());
        let table = self.sim.reclaim().table();
        assert_eq!(free + table.frames(|_| true), FRAMES as u64);
        let mut tainted = vec![false; FRAMES / PAGEBLOCK_NR_PAGES as usize];
        let unmovable = table.live.iter().filter(|(_, class)| *class != Class::Movable);
        for pages in unmovable.filter_map(|(pages, _)| pages.as_ref()) {
            tainted[number(pages.pfn()) / PAGEBLOCK_NR_PAGES as usize] = true;
        }
        Figures {
            large: nr_free[9] + 2 * nr_free[10],
            by_frames: free / PAGEBLOCK_NR_PAGES,
            clean: tainted.iter().filter(|tainted| !**tainted).count() as u64,
            needed: table.frames(|class| class == Class::Movable).div_ceil(PAGEBLOCK_NR_PAGES),
        }
    }

    /// Moves what is movable together. Everybody has his block then, and it is where he thinks.
    pub fn compact(&self) -> CompactStats {
        let stats = self.sim.compact_node(NodeId::ZERO).expect("a node");
        let table = self.sim.reclaim().table();
        for (at, (pages, _)) in table.live.iter().enumerate() {
            let Some(pages) = pages else { continue };
            assert_eq!(table.places[number(pages.pfn())] as usize, at);
            assert_eq!(self.sim.page_count(pages), Ok(1));
        }
        stats
    }

    /// Frees everything movable, or everything.
    pub fn free_where(&self, which: impl Fn(Class) -> bool) {
        let mut gone = Vec::new();
        {
            let mut table = self.sim.reclaim().table();
            for (pages, class) in &mut table.live {
                gone.extend(pages.take_if(|_| which(*class)));
            }
        }
        gone.into_iter().for_each(|pages| self.free(pages));
    }
}
