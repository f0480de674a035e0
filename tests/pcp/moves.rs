//! The trace points of blocks that move between per-CPU lists and zones.

use page_alloc::boot::NodeRange;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{
    CpuId, Gfp, MigrateType, NoReclaim, NodeId, Order, Pages, PcpMove, PhysAddr, Trace, ZoneType,
};
use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Notes what it is told.
#[derive(Default)]
struct Log(RefCell<Vec<(&'static str, PcpMove)>>);

impl Trace for Log {
    fn mm_page_pcpu_refill(&self, moved: PcpMove) {
        self.0.borrow_mut().push(("refill", moved));
    }

    fn mm_page_pcpu_drain(&self, moved: PcpMove) {
        self.0.borrow_mut().push(("drain", moved));
    }
}

/// Two nodes of 512 MiB with a CPU each: the batch of their DMA32 zones is 31 or so.
fn config() -> SimConfig {
    let mut config = SimConfig::flat(1 << 30);
    let node = |at| NodeId::new(at).expect("a node");
    let half = |at| NodeRange::new(node(at), PhysAddr::new(u64::from(at) << 29), 1 << 29);
    config.nodes = vec![half(0), half(1)];
    config.cpus = vec![node(0), node(1)];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    config
}

const UNMOVABLE: Option<MigrateType> = Some(MigrateType::Unmovable);
const MOVABLE: Option<MigrateType> = Some(MigrateType::Movable);

/// Blocks of a list of DMA32 of the first node.
fn moved(cpu: u32, order: Order, migratetype: Option<MigrateType>, blocks: u32) -> PcpMove {
    let (node, zone) = (NodeId::ZERO, ZoneType::Dma32);
    PcpMove { cpu: CpuId::new(cpu), node, zone, order, migratetype, blocks }
}

fn batch<T: Trace>(sim: &Sim<NoReclaim, T>) -> u32 {
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).expect("a zone");
    zone.pageset(CpuId::BOOT).expect("a CPU").limits().batch
}

/// A refill is told of once, with the number of blocks; a request that finds a block is not.
#[test]
fn refills_are_told_once() {
    let sim = Sim::boot_with(&config(), NoReclaim, Log::default()).expect("a machine");
    let take = |gfp, order| sim.alloc_pages(gfp, order).expect("memory");
    let _first = [take(Gfp::KERNEL, Order::O0), take(Gfp::KERNEL, Order::O0)];
    let _second = [take(Gfp::HIGHUSER_MOVABLE, Order::O2), take(Gfp::KERNEL, Order::O9)];
    let _zone = take(Gfp::KERNEL, Order::O5);
    let batch = batch(&sim);
    let expected = [
        moved(0, Order::O0, UNMOVABLE, batch),
        moved(0, Order::O2, MOVABLE, batch / 4),
        moved(0, Order::O9, None, 2),
    ];
    assert_eq!(sim.trace().0.take(), expected.map(|moved| ("refill", moved)));
    let mut pages = [const { None }; 100];
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(100));
    let log = sim.trace().0.take();
    let refill = ("refill", moved(0, Order::O0, UNMOVABLE, batch));
    assert!(log.iter().all(|event| *event == refill), "{log:?}");
    assert_eq!(log.len(), (100 - (batch as usize - 2)).div_ceil(batch as usize));
}

/// What a drain gives back is told list by list, in the order of the lists, with the CPU whose they
/// are; of empty lists and CPUs nothing is told.
#[test]
fn drains_are_told_by_list() {
    let sim = Sim::boot_with(&config(), NoReclaim, Log::default()).expect("a machine");
    let fill = || {
        let taken = [(Gfp::HIGHUSER_MOVABLE, Order::O2), (Gfp::KERNEL, Order::O0)]
            .map(|(gfp, order)| sim.alloc_pages_node(Some(NodeId::ZERO), gfp, order));
        let taken = taken.map(|block| block.expect("memory"));
        taken.into_iter().for_each(|block| sim.free_pages(block).expect("an allocated block"));
    };
    let batch = batch(&sim);
    for cpu in [1, 0] {
        sim.on_cpu(CpuId::new(cpu), fill);
    }
    sim.trace().0.take();
    let frames = sim.on_cpu(CpuId::BOOT, || sim.drain_cpu_pages(CpuId::new(1)).frames);
    let expected = [moved(1, Order::O0, UNMOVABLE, batch), moved(1, Order::O2, MOVABLE, batch / 4)];
    assert_eq!(frames, expected.iter().map(|moved| moved.frames()).sum::<u64>());
    assert_eq!(sim.trace().0.take(), expected.map(|moved| ("drain", moved)));
    let zone = (NodeId::ZERO, ZoneType::Dma32);
    sim.on_cpu(CpuId::BOOT, || sim.drain_zone_pages(CpuId::BOOT, zone.0, zone.1));
    assert_eq!(sim.trace().0.take(), [("drain", moved(0, Order::O0, UNMOVABLE, batch))]);
    sim.on_cpu(CpuId::BOOT, || sim.drain_local_pages(Some(zone)));
    assert_eq!(sim.trace().0.take(), [("drain", moved(0, Order::O2, MOVABLE, batch / 4))]);
    sim.drain_all_pages(None);
    assert_eq!(sim.trace().0.take(), []);
}

/// All that goes back and forth is told: what the lists have is what came less what went.
#[test]
fn nothing_moves_untold() {
    let sim = Sim::boot(config()).expect("a machine");
    let count = || {
        let zones = sim.zones().map(|zone| zone.pagesets().map(|lists| lists.count()).sum::<u32>());
        u64::from(zones.sum::<u32>())
    };
    let mut held = Vec::new();
    let mut frames = 0_i64;
    for step in 0..6000_u64 {
        let order = [Order::O0, Order::O0, Order::O1, Order::O3][(step % 4) as usize];
        if step / 1500 % 2 == 0 {
            let block = sim.alloc_pages(Gfp::KERNEL, order).expect("memory");
            frames += 1 << block.order().get();
            held.push(block);
        } else if let Some(block) = held.pop() {
            frames -= 1 << block.order().get();
            sim.free_pages(block).expect("an allocated block");
        }
        let [(_, came), (_, went)] = [sim.trace().pcp_refills(), sim.trace().pcp_drains()];
        assert_eq!(count().cast_signed(), (came - went).cast_signed() - frames);
    }
    assert!(sim.trace().pcp_drains().0 > 0);
}

/// A machine that its hooks use.
static MACHINE: OnceLock<Sim<NoReclaim, Reentrant>> = OnceLock::new();

/// A hook that looks at the lists and takes and frees a block.
#[derive(Default)]
struct Reentrant {
    depth: AtomicU32,
    calls: AtomicU32,
}

impl Reentrant {
    fn use_machine(&self, moved: PcpMove) {
        let Some(sim) = MACHINE.get() else { return };
        if self.depth.fetch_add(1, Ordering::Relaxed) == 0 {
            self.calls.fetch_add(1, Ordering::Relaxed);
            assert!(!sim.platform().irqs_off());
            let lists = sim.zone(moved.node, moved.zone).expect("a zone").pageset(moved.cpu);
            assert_eq!(lists.expect("a CPU").for_each(|_, _, _| ()), Some(()), "in use");
            let blocks = [Order::O0, Order::O4].map(|order| sim.alloc_pages(Gfp::KERNEL, order));
            blocks.into_iter().for_each(|block| free(sim, block.expect("memory")));
        }
        self.depth.fetch_sub(1, Ordering::Relaxed);
    }
}

fn free(sim: &Sim<NoReclaim, Reentrant>, block: Pages) {
    sim.free_pages(block).expect("an allocated block");
}

impl Trace for Reentrant {
    fn mm_page_pcpu_refill(&self, moved: PcpMove) {
        self.use_machine(moved);
    }

    fn mm_page_pcpu_drain(&self, moved: PcpMove) {
        self.use_machine(moved);
    }
}

/// The hooks are called with nothing held, so that they may use the allocator and the lists.
#[test]
fn hooks_may_use_the_allocator() {
    let sim = Sim::boot_with(&config(), NoReclaim, Reentrant::default()).expect("a machine");
    let sim = MACHINE.get_or_init(|| sim);
    let calls = || sim.trace().calls.swap(0, Ordering::Relaxed);
    let blocks: Vec<_> = (0..5000).map(|_| sim.alloc_page(Gfp::KERNEL).expect("memory")).collect();
    assert!(calls() > 10, "refills");
    blocks.into_iter().for_each(|block| free(sim, block));
    assert!(calls() > 2, "give-backs");
    sim.drain_local_pages(None);
    assert!(calls() > 0, "a local drain");
    let mut pages = [const { None }; 200];
    sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages).expect("memory");
    assert!(calls() > 0, "bulk refills");
    sim.on_cpu(CpuId::new(1), || sim.drain_cpu_pages(CpuId::BOOT));
    assert!(calls() > 0, "a drain from another CPU");
    assert_eq!(sim.verify(), Ok(()));
}
