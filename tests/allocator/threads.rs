//! Several CPUs at once.

use crate::raw;
use page_alloc::boot::NodeRange;
use page_alloc::node::pcp::PcpOrders;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{CpuId, Gfp, MigrateType, NodeId, Order, Pages, Pfn, PhysAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const BYTES: u64 = 32 << 20;
const FRAMES: usize = 8192;
/// How often two CPUs free a block at the same moment.
const ROUNDS: u64 = 5000;
const GFPS: [Gfp; 5] = [
    Gfp::KERNEL,
    Gfp::HIGHUSER_MOVABLE,
    Gfp::ATOMIC,
    Gfp::KERNEL.union(Gfp::RECLAIMABLE),
    Gfp::KERNEL.union(Gfp::MEMALLOC),
];

/// Two nodes with a CPU each.
fn machine() -> Sim {
    machine_with(PcpOrders::WithPageblock)
}

fn machine_with(pcp: PcpOrders) -> Sim {
    let mut config = SimConfig::flat(BYTES);
    config.options.pcp = pcp;
    let [zero, one] = [0, 1].map(|number| NodeId::new(number).expect("a node"));
    let half = BYTES / 2;
    config.nodes = vec![
        NodeRange::new(zero, PhysAddr::new(0), half),
        NodeRange::new(one, PhysAddr::new(half), half),
    ];
    config.cpus = vec![zero, one];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

/// A small generator of numbers, a different sequence for each seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// The owner of each frame: 0 for nobody, else one more than the CPU's number.
struct Owners(Vec<AtomicU32>);

impl Owners {
    fn new() -> Self {
        Self((0..FRAMES).map(|_| AtomicU32::new(0)).collect())
    }

    fn change(&self, pages: &Pages, from: u32, to: u32) {
        for pfn in pages.range().start.get()..pages.range().end.get() {
            let owner = &self.0[usize::try_from(pfn).expect("few frames")];
            let before = owner.swap(to, Ordering::Relaxed);
            assert_eq!(before, from, "frame {pfn}");
        }
    }
}

/// What one CPU does for a while: allocates, marks its frames, hands some to the other CPU, frees.
struct Worker<'a> {
    sim: &'a Sim,
    owners: &'a Owners,
    /// Blocks that either CPU may free.
    shared: &'a Mutex<Vec<Pages>>,
    tag: u32,
    random: Random,
    held: Vec<Pages>,
}

impl Worker<'_> {
    fn work(&mut self, steps: u32) {
        for _ in 0..steps {
            match self.random.below(16) {
                0..8 => self.alloc(),
                8..13 => self.free(),
                13 => self.split(),
                14 => self.hand_over(),
                _ => self.take_over(),
            }
        }
        while !self.held.is_empty() {
            self.free();
        }
    }

    fn alloc(&mut self) {
        let order = [0, 0, 0, 1, 2, 3, 4, 6, 9, 10][self.random.below(10)];
        let gfp = GFPS[self.random.below(GFPS.len())];
        if let Ok(pages) = self.sim.alloc_pages(gfp, Order::new(order).expect("an order")) {
            self.owners.change(&pages, 0, self.tag);
            let word = u64::from(self.tag) << 32 | pages.pfn().get();
            self.sim.set_private(&pages, word).expect("our block");
            self.held.push(pages);
        }
    }

    fn pick(&mut self) -> Option<Pages> {
        let count = self.held.len();
        (count > 0).then(|| self.held.swap_remove(self.random.below(count)))
    }

    fn free(&mut self) {
        let Some(pages) = self.pick() else { return };
        self.owners.change(&pages, self.tag, 0);
        self.sim.free_pages(pages).expect("our block");
    }

    fn split(&mut self) {
        let Some(pages) = self.pick() else { return };
        if pages.order() <= Order::O4 {
            self.held.extend(self.sim.split_page(pages).expect("held by us alone"));
        } else {
            let (lower, upper) = self.sim.split_in_halves(pages).expect("held by us alone");
            self.held.extend([lower, upper]);
        }
    }

    fn hand_over(&mut self) {
        let Some(pages) = self.pick() else { return };
        self.owners.change(&pages, self.tag, u32::MAX);
        self.shared.lock().unwrap().push(pages);
    }

    fn take_over(&mut self) {
        let Some(pages) = self.shared.lock().unwrap().pop() else { return };
        self.owners.change(&pages, u32::MAX, self.tag);
        self.held.push(pages);
    }
}

/// Two CPUs that allocate, split, exchange and free at once never have the same frame, and lose
/// none.
#[test]
fn two_cpus_at_once() {
    let sim = machine();
    let (owners, shared) = (Owners::new(), Mutex::default());
    sim.run(|cpu| {
        let tag = u32::try_from(cpu.index()).unwrap() + 1;
        let random = Random(0x9e37_79b9_7f4a_7c15 ^ u64::from(tag));
        let held = Vec::new();
        let mut worker = Worker { sim: &sim, owners: &owners, shared: &shared, tag, random, held };
        worker.work(60_000);
    });
    for pages in shared.into_inner().unwrap() {
        owners.change(&pages, u32::MAX, 0);
        sim.free_pages(pages).unwrap();
    }
    assert_eq!(sim.verify(), Ok(()));
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
}

/// A block that two CPUs hold is free when both have given it back, whoever is last.
#[test]
fn two_cpus_share_blocks() {
    let sim = machine();
    let shared: Mutex<Vec<Vec<Pages>>> = Mutex::default();
    for _ in 0..200 {
        let blocks: Vec<Pages> =
            (0..8).map(|_| sim.alloc_pages(Gfp::KERNEL, Order::O2).unwrap()).collect();
        let seconds = blocks.iter().map(|pages| sim.get_page(pages).unwrap()).collect();
        *shared.lock().unwrap() = vec![blocks, seconds];
        sim.run(|_| {
            let mine = shared.lock().unwrap().pop().unwrap();
            mine.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        });
        sim.drain_all_pages(None);
        assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
    }
    assert_eq!(sim.trace().frees(Order::O2), 1600);
    assert_eq!(sim.verify(), Ok(()));
}

/// Isolation beside allocation: frames of an isolated pageblock are not given out while it is.
#[test]
fn isolation_beside_allocation() {
    let sim = machine();
    let block = Pfn::new(FRAMES as u64 - 512);
    sim.run(|cpu| {
        if cpu == CpuId::BOOT {
            for _ in 0..400 {
                if sim.isolate_pageblock(block, MigrateType::Movable).is_ok() {
                    let free = |pages: &Pages| pages.pfn() < block;
                    let taken = sim.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::O3).unwrap();
                    assert!(free(&taken), "{taken:?}");
                    sim.free_pages(taken).unwrap();
                    sim.unisolate_pageblock(block, MigrateType::Movable).unwrap();
                }
            }
        } else {
            let mut random = Random(7);
            let mut held = Vec::new();
            for _ in 0..20_000 {
                held.extend(sim.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::O5).ok());
                let pages: Pages = held.swap_remove(random.below(held.len()));
                if random.below(2) == 0 || held.len() > 200 {
                    sim.free_pages(pages).unwrap();
                } else {
                    held.push(pages);
                }
            }
            held.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        }
    });
    assert_eq!(sim.verify(), Ok(()));
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
}

/// Waits until both CPUs are here for the `round`th time, so that they go on at the same moment.
fn meet(here: &AtomicU64, round: u64) {
    here.fetch_add(1, Ordering::AcqRel);
    while here.load(Ordering::Acquire) < 2 * round {
        std::hint::spin_loop();
    }
}

/// Of two CPUs that wrongly free the same block by number at once, one is told so: where frees take
/// the zone's lock, and where they go to per-CPU lists.
#[test]
fn two_cpus_free_the_same_block() {
    for orders in [PcpOrders::None, PcpOrders::Low] {
        free_the_same_block(&machine_with(orders));
    }
}

fn free_the_same_block(sim: &Sim) {
    let [begin, end, freed, block] = [const { AtomicU64::new(0) }; 4];
    let allocate = || {
        let pages = sim.alloc_pages(Gfp::KERNEL, Order::O1).unwrap();
        block.store(pages.into_raw().0.get(), Ordering::Release);
    };
    allocate();
    sim.run(|cpu| {
        for round in 1..=ROUNDS {
            meet(&begin, round);
            let done = raw::free(sim, Pfn::new(block.load(Ordering::Acquire)), Order::O1);
            freed.fetch_add(u64::from(done.is_ok()), Ordering::Relaxed);
            meet(&end, round);
            if cpu == CpuId::BOOT && round < ROUNDS {
                allocate();
            }
        }
    });
    assert_eq!(freed.into_inner(), ROUNDS);
    assert_eq!(sim.verify(), Ok(()));
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
}
