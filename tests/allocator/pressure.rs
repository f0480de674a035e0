//! What the slow path does that recordings don't show: lists of CPUs, part of a reserve, and the order
//! of the hooks as a kernel sees them.

use page_alloc::node::pcp::PcpOrders;
use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{
    AllocError, AllocStep, CompactPriority, CompactResult, Compacted, Context, CpuId, Gfp, NoTrace,
    NodeId, NodeMask, OomVerdict, Order, Pages, Reclaim, Reclaimed, Shortage, Trace, ZoneLayout,
    ZoneType,
};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

const BYTES: u64 = 64 << 20;

fn config(orders: PcpOrders) -> SimConfig {
    let mut config = SimConfig::flat(BYTES);
    config.options.watermark_boost_factor = 0;
    config.options.pcp = orders;
    config.zones = ZoneLayout::NORMAL_ONLY;
    config.tables = Tables::Apart;
    config.cpus = vec![NodeId::ZERO; 2];
    config
}

/// A kernel that says that it has reclaimed something, but leaves it to others; it remembers what it
/// was asked.
#[derive(Debug, Default)]
struct Kernel {
    progress: bool,
    context: Cell<u32>,
    failures: RefCell<Vec<Shortage>>,
    shortages: RefCell<Vec<Shortage>>,
}

impl Kernel {
    fn hopeful() -> Self {
        Self { progress: true, ..Self::default() }
    }
}

impl Reclaim for Kernel {
    fn context(&self) -> Context {
        Context::from_bits_retain(self.context.get())
    }

    fn direct_reclaim(&self, shortage: &Shortage) -> Option<Reclaimed> {
        self.shortages.borrow_mut().push(*shortage);
        let progress = Reclaimed { reclaimed: 1, scanned: 1 };
        Some(if self.progress { progress } else { Reclaimed::NOTHING })
    }

    fn alloc_failed(&self, shortage: &Shortage) {
        self.failures.borrow_mut().push(*shortage);
    }
}

/// Takes all that such requests can have; with the last it has been in the slow path.
fn take_all<R: Reclaim, T: Trace>(sim: &Sim<R, T>, gfp: Gfp, order: Order) -> Vec<Pages> {
    std::iter::from_fn(|| sim.alloc_pages(gfp, order).ok()).collect()
}

/// When reclaim made progress and still no zone has a frame, those on the lists of other CPUs come
/// back, and serve the request.
#[test]
fn lists_of_other_cpus_are_drained() {
    let sim = Sim::boot_with(&config(PcpOrders::Low), Kernel::hopeful(), NoTrace).unwrap();
    let (here, there) = (CpuId::new(0), CpuId::new(1));
    let mut held = sim.on_cpu(here, || take_all(&sim, Gfp::NOWAIT, Order::O0));
    sim.drain_all_pages(None);
    held.extend(sim.on_cpu(here, || take_all(&sim, Gfp::NOWAIT, Order::O0)));
    let before = sim.nr_free_pages();
    let back: Vec<Pages> = held.drain(..8).collect();
    sim.on_cpu(there, || back.into_iter().for_each(|page| sim.free_pages(page).unwrap()));
    assert_eq!(sim.nr_free_pages(), before, "they are on the list of that CPU");
    sim.on_cpu(here, || {
        assert!(sim.alloc_page(Gfp::NOWAIT).is_err());
        assert!(sim.alloc_page(Gfp::KERNEL).is_ok());
    });
    assert_eq!(sim.reclaim().shortages.borrow().len(), 1);
    assert_eq!(sim.verify(), Ok(()));
}

fn reserved<R: Reclaim, T: Trace>(sim: &Sim<R, T>) -> u64 {
    sim.zone(NodeId::ZERO, ZoneType::Normal).unwrap().snapshot().nr_reserved_highatomic
}

/// After a reclaim that made progress, the high-atomic reserve gives a pageblock, but keeps its last.
#[test]
fn the_last_reserve_is_kept_while_there_is_progress() {
    let sim = Sim::boot_with(&config(PcpOrders::None), Kernel::hopeful(), NoTrace).unwrap();
    let mut taken = take_all(&sim, Gfp::KERNEL | Gfp::NORETRY, Order::O1);
    // Two frames free in each of some pageblocks, all together below the low watermark.
    let spread = taken.extract_if(.., |pages| pages.pfn().get() % 1536 == 512);
    spread.for_each(|pages| sim.free_pages(pages).unwrap());
    let _atomic: Vec<Pages> =
        (0..2).map(|_| sim.alloc_pages(Gfp::ATOMIC, Order::O1).unwrap()).collect();
    assert_eq!(reserved(&sim), 1024);
    // So that there is something to move in both.
    taken.into_iter().take(1500).for_each(|pages| sim.free_pages(pages).unwrap());
    let _rest = take_all(&sim, Gfp::NOWAIT | Gfp::NOMEMALLOC, Order::O0);
    assert_eq!(reserved(&sim), 1024, "no request of these may wait");
    let _page = sim.alloc_page(Gfp::KERNEL | Gfp::NORETRY);
    assert_eq!(reserved(&sim), 512);
    let _page = sim.alloc_page(Gfp::KERNEL | Gfp::NORETRY);
    assert_eq!(reserved(&sim), 512, "the last is left");
    assert_eq!(sim.verify(), Ok(()));
}

/// What the hooks are told is the request: order, flags less those that the context rules out, the
/// node asked for, the highest zone, and the caller's nodes; and how much to free.
#[test]
fn what_hooks_are_told() {
    let sim = Sim::boot_with(&config(PcpOrders::None), Kernel::default(), NoTrace).unwrap();
    let _taken = take_all(&sim, Gfp::KERNEL, Order::O0);
    sim.reclaim().failures.take();
    sim.reclaim().shortages.take();
    sim.reclaim().context.set(Context::MEMALLOC_NOFS.bits());
    let mask = Some(NodeMask::from_bits(0b11));
    let failed = sim.alloc_pages_nodemask(Gfp::KERNEL, Order::O2, NodeId::ZERO, mask);
    assert_eq!(failed, Err(AllocError::OutOfMemory { order: Order::O2, gfp: Gfp::NOFS }));
    let told = Shortage {
        order: Order::O2,
        gfp: Gfp::NOFS,
        node: NodeId::ZERO,
        highest: ZoneType::Normal,
        nodemask: mask,
    };
    assert_eq!(sim.reclaim().shortages.take(), [told]);
    assert_eq!(sim.reclaim().failures.take(), [told]);
    let quiet = sim.alloc_pages(Gfp::KERNEL | Gfp::NOWARN, Order::O2);
    assert!(quiet.is_err() && sim.reclaim().failures.take().is_empty(), "its caller is prepared");
    let dma = sim.alloc_pages(Gfp::KERNEL | Gfp::DMA, Order::O2);
    assert!(dma.is_err() && sim.reclaim().failures.take().is_empty(), "no DMA zone here");
}

/// A kernel whose compaction hands out a block that it has kept.
#[derive(Debug, Default)]
struct Compactor {
    kept: RefCell<Option<Pages>>,
    asked: RefCell<Vec<CompactPriority>>,
}

impl Reclaim for Compactor {
    fn compact(
        &self,
        _: &Shortage,
        _: page_alloc::AllocFlags,
        priority: CompactPriority,
    ) -> Option<Compacted> {
        self.asked.borrow_mut().push(priority);
        Some(Compacted { result: CompactResult::Success, captured: self.kept.take() })
    }

    fn out_of_memory(&self, _: &Shortage) -> OomVerdict {
        unreachable!("a large block is not worth killing for")
    }
}

/// Counts the zones in which compaction worked.
#[derive(Debug, Default)]
struct Worked(Cell<u32>);

impl Trace for Worked {
    fn alloc_step(&self, step: AllocStep) {
        self.0.set(self.0.get() + u32::from(matches!(step, AllocStep::CompactionWorked { .. })));
    }
}

/// A block that compaction captured goes to the caller, as fresh as any other: without the
/// word of its last holder. One of another order is freed, and the request goes on.
#[test]
fn captured_blocks() {
    let machine =
        || Sim::boot_with(&config(PcpOrders::None), Compactor::default(), Worked::default());
    let sim = machine().unwrap();
    let mut taken = take_all(&sim, Gfp::NOWAIT, Order::O4);
    let kept = taken.pop().unwrap();
    let pfn = kept.pfn();
    sim.set_private(&kept, 7).unwrap();
    sim.reclaim().kept.replace(Some(kept));
    let block = sim.alloc_pages(Gfp::KERNEL, Order::O4).unwrap();
    assert_eq!((block.pfn(), sim.page_count(&block)), (pfn, Ok(1)));
    assert_eq!(sim.private(&block), Ok(0));
    assert_eq!(*sim.reclaim().asked.borrow(), [CompactPriority::Async]);
    assert_eq!(sim.trace().0.get(), 1);

    let free = sim.nr_free_pages();
    sim.reclaim().kept.replace(Some(block));
    let larger = sim.alloc_pages(Gfp::KERNEL | Gfp::NORETRY, Order::O5);
    assert!(larger.is_err());
    assert_eq!(sim.nr_free_pages(), free + 16);
    assert_eq!(sim.verify(), Ok(()));
}

/// A kernel whose every page is in a cache, from which reclaim takes the oldest.
#[derive(Debug, Default)]
struct Cache {
    pages: Mutex<VecDeque<Pages>>,
    sim: OnceLock<Weak<Sim<Cache, NoTrace>>>,
}

impl Cache {
    fn pages(&self) -> MutexGuard<'_, VecDeque<Pages>> {
        self.pages.lock().expect("nobody panics with it")
    }

    /// Frees the oldest; gives their number.
    fn free(&self, most: usize) -> usize {
        let mut pages = self.pages();
        let most = most.min(pages.len());
        let oldest: Vec<Pages> = pages.drain(..most).collect();
        drop(pages);
        let sim = self.sim.get().and_then(Weak::upgrade).expect("a machine that runs");
        oldest.into_iter().for_each(|page| sim.free_pages(page).expect("an allocated page"));
        most
    }
}

impl Reclaim for Cache {
    fn direct_reclaim(&self, shortage: &Shortage) -> Option<Reclaimed> {
        let most = usize::try_from(shortage.nr_to_reclaim()).expect("a small number");
        let reclaimed = self.free(most) as u64;
        Some(Reclaimed { reclaimed, scanned: reclaimed })
    }

    fn reclaimable_pages(&self, _: NodeId, _: ZoneType) -> u64 {
        self.pages().len() as u64
    }

    fn out_of_memory(&self, _: &Shortage) -> OomVerdict {
        unreachable!("there is always something to reclaim")
    }
}

/// Many times as many pages as there are, on four CPUs: reclaim makes room for each, no request fails,
/// and at the end all frames are there.
#[test]
fn reclaim_serves_all_cpus() {
    let mut config = config(PcpOrders::Low);
    config.cpus = vec![NodeId::ZERO; 4];
    let sim = Arc::new(Sim::boot_with(&config, Cache::default(), NoTrace).unwrap());
    sim.reclaim().sim.set(Arc::downgrade(&sim)).unwrap();
    sim.run(|_| {
        for _ in 0..20_000 {
            let page = sim.alloc_page(Gfp::KERNEL).expect("there is something to reclaim");
            sim.reclaim().pages().push_back(page);
        }
    });
    let cached = sim.reclaim().pages().len() as u64;
    assert!(cached * 4 < 80_000, "most were reclaimed: {cached} are left");
    sim.reclaim().free(usize::MAX);
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
    assert_eq!(sim.verify(), Ok(()));
}
