//! Where a request's memory comes from: nodes, cpusets, dirty limits, node reclaim, and pageblocks
//! that are kept apart.

use crate::three_nodes::{NODE_FRAMES, config, node};
use page_alloc::boot::Reservation;
use page_alloc::kswapd::Wakeup;
use page_alloc::node::pcp::PcpOrders;
use page_alloc::report::NumaStat;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{
    AllocFlags, Context, CpuId, Gfp, KswapdWake, MigrateType, NoReclaim, NoTrace, NodeId, NodeMask,
    NodeReclaimed, Order, PageAllocator, Pages, Pfn, PhysAddr, Platform, Reclaim, Trace,
    WatermarkLevel, ZoneLayout, ZoneType,
};
use std::sync::{Arc, Mutex, OnceLock, Weak};

fn mask(bits: u64) -> NodeMask {
    NodeMask::from_bits(bits)
}

fn machine() -> Sim {
    Sim::boot(config()).expect("a legal machine")
}

/// The node of a block, by its place.
fn home(pages: &Pages) -> usize {
    usize::try_from(pages.pfn().get() / NODE_FRAMES).expect("a small number")
}

/// The nodes that serve a request from each node, with everything freed again.
fn homes<R: Reclaim, T: Trace>(sim: &Sim<R, T>, gfp: Gfp) -> [usize; 3] {
    [0, 1, 2].map(|from| {
        let pages = sim.alloc_pages_node(Some(node(from)), gfp, Order::O1).expect("memory");
        let home = home(&pages);
        sim.free_pages(pages).expect("an allocated block");
        home
    })
}

fn low<P: Platform, R: Reclaim, T: Trace>(
    allocator: &PageAllocator<P, R, T>,
    at: u32,
    zone: ZoneType,
) -> (u64, u64) {
    let snapshot = allocator.zone(node(at), zone).expect("a zone").snapshot();
    (snapshot.free_pages, snapshot.watermark[WatermarkLevel::Low as usize])
}

/// Takes frames of a zone, for movable memory, until the low watermark is reached.
fn drain_to_low<R: Reclaim, T: Trace>(sim: &Sim<R, T>, at: u32, zone: ZoneType) -> Vec<Pages> {
    let gfp = match zone {
        ZoneType::Dma32 => Gfp::DMA32 | Gfp::MOVABLE,
        _ => Gfp::HIGHUSER_MOVABLE,
    };
    let mut taken = Vec::new();
    while let (free, low) = low(sim, at, zone)
        && free > low
    {
        let own = Some(NodeMask::EMPTY.with(node(at)));
        let pages = sim.get_page_from_freelist(gfp, Order::ZERO, node(at), own, AllocFlags::CMA);
        taken.push(pages.expect("it is above the low watermark"));
    }
    taken
}

/// A request is served by its node, that of its CPU if it names none, and by the nearest one when
/// that has no zone that will do.
#[test]
fn the_nearest_node_serves() {
    let sim = machine();
    assert_eq!(homes(&sim, Gfp::KERNEL), [0, 1, 2]);
    assert_eq!(homes(&sim, Gfp::DMA32), [0, 0, 0]);
    for cpu in 0..3 {
        let pages = sim.on_cpu(CpuId::new(cpu), || sim.alloc_page(Gfp::KERNEL).unwrap());
        assert_eq!(home(&pages), cpu as usize);
    }
    let from_zero = |bits| {
        let result = sim.alloc_pages_nodemask(Gfp::KERNEL, Order::ZERO, node(0), Some(mask(bits)));
        home(&result.unwrap())
    };
    assert_eq!([0b111, 0b110, 0b100].map(from_zero), [0, 1, 2]);
}

/// A node below its low watermark is passed over for the next by distance, but not by a request
/// that wants this node.
#[test]
fn a_low_node_is_passed_over() {
    let sim = machine();
    let _one = drain_to_low(&sim, 1, ZoneType::Normal);
    assert_eq!(homes(&sim, Gfp::KERNEL), [0, 0, 2]);
    let _two = drain_to_low(&sim, 2, ZoneType::Normal);
    assert_eq!(homes(&sim, Gfp::KERNEL), [0, 0, 0]);
    assert_eq!(sim.reclaim().take_wakes(), []);
    assert_eq!(homes(&sim, Gfp::KERNEL | Gfp::THISNODE), [0, 1, 2]);
    let woken: Vec<_> = sim.reclaim().take_wakes().iter().map(|wake| wake.node).collect();
    assert_eq!(woken, [node(1), node(2)], "each local request went below the low watermark");
}

/// kswapd of each node is woken, once for each run of its zones, nearest first.
#[test]
fn all_kswapds_are_woken() {
    let sim = machine();
    let _zero = drain_to_low(&sim, 0, ZoneType::Normal);
    let _more = drain_to_low(&sim, 0, ZoneType::Dma32);
    let _one = drain_to_low(&sim, 1, ZoneType::Normal);
    let _two = drain_to_low(&sim, 2, ZoneType::Normal);
    assert_eq!(homes(&sim, Gfp::NOWAIT)[1], 1);
    let wakes = sim.reclaim().take_wakes();
    let expected = |at, zone| KswapdWake {
        node: node(at),
        zone,
        order: Order::O1,
        highest: ZoneType::Normal,
        gfp: Gfp::NOWAIT,
    };
    let all = [0, 1, 2].map(|at| expected(at, ZoneType::Normal));
    assert_eq!(wakes[..3], all, "from node 0");
    assert_eq!(wakes[3..6], [all[1], all[0], all[2]], "from node 1");
    assert_eq!(wakes[6..], [all[2], all[1], all[0]], "from node 2");
}

/// A zone that has nothing but reserved memory is passed over: it has nothing that could be freed.
#[test]
fn no_kswapd_is_woken_for_a_reserved_zone() {
    let mut config = SimConfig::flat(64 << 20);
    config.tables = Tables::Apart;
    config.zones =
        ZoneLayout::new(Some(PhysAddr::new(16 << 20)), Some(PhysAddr::new(48 << 20)), None);
    config.reservations.push(Reservation::new("all of NORMAL", PhysAddr::new(48 << 20), 16 << 20));
    let sim = Sim::boot(config).expect("a legal machine");
    let normal = sim.zone(NodeId::ZERO, ZoneType::Normal).expect("a zone");
    assert_eq!((normal.present_pages(), normal.managed_pages()), (4096, 0));
    let _all: Vec<_> = std::iter::from_fn(|| sim.alloc_page(Gfp::NOWAIT).ok()).collect();
    let wakes = sim.reclaim().take_wakes();
    assert!(!wakes.is_empty() && wakes.iter().all(|wake| wake.zone == ZoneType::Dma32));
    assert_eq!(sim.wakeup_kswapd(&wakes[0]), Wakeup::Needed);
}

/// kswapd of a node that the task's cpuset does not allow stays asleep.
#[test]
fn cpusets_and_kswapd() {
    let sim = machine();
    let _zero = [ZoneType::Normal, ZoneType::Dma32].map(|zone| drain_to_low(&sim, 0, zone));
    let (zone, order) = (ZoneType::Normal, Order::ZERO);
    let wake = KswapdWake { node: node(0), zone, order, highest: zone, gfp: Gfp::USER };
    for (cpuset, expected) in [(0b110, Wakeup::NotNeeded), (0b001, Wakeup::Needed)] {
        sim.reclaim().set_cpuset(Some(mask(cpuset)));
        assert_eq!(sim.wakeup_kswapd(&wake), expected);
        assert_eq!(sim.kswapd_may_sleep(node(0)), expected == Wakeup::NotNeeded);
    }
}

/// What the trace point of the free lists tells.
#[derive(Default)]
struct Lists(Mutex<Vec<(Order, MigrateType)>>);

impl Trace for Lists {
    fn mm_page_alloc_zone_locked(&self, _: Pfn, order: Order, list: MigrateType) {
        self.0.lock().unwrap().push((order, list));
    }
}

/// It is told of the list that a block was on, not of the type that was asked for.
#[test]
fn a_block_is_told_of_by_its_list() {
    let mut config = SimConfig::flat(64 << 20);
    (config.tables, config.zones) = (Tables::Apart, ZoneLayout::NORMAL_ONLY);
    config.cma.push(Reservation::new("cma", PhysAddr::new(16 << 20), 48 << 20));
    let sim = Sim::boot_with(&config, NoReclaim, Lists::default()).expect("a legal machine");
    let order = Order::O4;
    let _blocks = [Gfp::HIGHUSER_MOVABLE, Gfp::KERNEL].map(|gfp| sim.alloc_pages(gfp, order));
    let told = sim.trace().0.lock().unwrap();
    assert_eq!(*told, [(order, MigrateType::Cma), (order, MigrateType::Unmovable)]);
}

fn stat(sim: &Sim, at: u32) -> NumaStat {
    sim.zone(node(at), ZoneType::Normal).unwrap().numa_stat()
}

/// Hits and misses are counted where the memory is, foreign requests where it was wished for, local
/// and other ones by the running CPU.
#[test]
fn numa_counters() {
    let sim = machine();
    let take = |at| sim.alloc_pages_node(Some(node(at)), Gfp::KERNEL, Order::ZERO).unwrap();
    let _pages = sim.on_cpu(CpuId::new(1), || [take(1), take(1), take(2)]);
    let counted = NumaStat { hit: 2, local: 2, ..NumaStat::default() };
    assert_eq!(stat(&sim, 1), counted);
    assert_eq!(stat(&sim, 2), NumaStat { hit: 1, other: 1, ..NumaStat::default() });
    let _two = drain_to_low(&sim, 2, ZoneType::Normal);
    let before = [1, 2].map(|at| stat(&sim, at));
    let missed = take(2);
    assert_eq!(home(&missed), 1);
    let one = NumaStat { miss: before[0].miss + 1, other: before[0].other + 1, ..before[0] };
    assert_eq!(stat(&sim, 1), one);
    assert_eq!(stat(&sim, 2), NumaStat { foreign: before[1].foreign + 1, ..before[1] });
}

/// A task's cpuset decides; an interrupt asks for each zone, too, but may leave it when it can't
/// wait. A mask of the caller's own counts with the cpuset, unless they have no node in common.
#[test]
fn cpusets() {
    let sim = machine();
    sim.reclaim().set_cpuset(Some(mask(0b110)));
    assert_eq!(homes(&sim, Gfp::KERNEL), [1, 1, 2]);
    let own = sim.alloc_pages_nodemask(Gfp::KERNEL, Order::ZERO, node(0), Some(mask(0b101)));
    assert_eq!(home(&own.unwrap()), 2);
    let none = sim.alloc_pages_nodemask(Gfp::KERNEL, Order::ZERO, node(0), Some(mask(0b001)));
    assert_eq!(home(&none.unwrap()), 1, "the mask is forgotten");
    sim.reclaim().set_context(Context::HARDIRQ);
    assert_eq!(homes(&sim, Gfp::ATOMIC), [1, 1, 2]);
    sim.reclaim().set_cpuset(Some(mask(0)));
    assert_eq!(homes(&sim, Gfp::ATOMIC), [0, 1, 2], "better elsewhere than not at all");
    assert!(sim.alloc_page(Gfp::NOWAIT).is_err());
    sim.reclaim().set_context(Context::TASK);
    sim.reclaim().set_cpuset(None);
    assert_eq!(homes(&sim, Gfp::KERNEL), [0, 1, 2]);
}

/// A kernel with a cpuset whose nearest hardwalled ancestor has all nodes, as Linux has it.
struct Hardwall {
    mems: NodeMask,
    asked: Mutex<Vec<Gfp>>,
}

impl Reclaim for Hardwall {
    fn cpusets_enabled(&self) -> bool {
        true
    }

    fn cpuset_mems_allowed(&self) -> NodeMask {
        self.mems
    }

    fn cpuset_node_allowed(&self, node: NodeId, gfp: Gfp) -> bool {
        self.asked.lock().unwrap().push(gfp);
        self.mems.contains(node) || !gfp.contains(Gfp::HARDWALL)
    }
}

/// Memory of the kernel may leave the cpuset when it must, memory of users may not; a zone that no
/// node of the cpuset has can still be had.
#[test]
fn the_hardwall() {
    let kernel = Hardwall { mems: mask(0b010), asked: Mutex::default() };
    let sim = Sim::boot_with(&config(), kernel, NoTrace).unwrap();
    let _one = drain_to_low(&sim, 1, ZoneType::Normal);
    let rest = std::iter::from_fn(|| sim.alloc_page(Gfp::USER).ok()).collect::<Vec<_>>();
    assert!(!rest.is_empty() && rest.iter().all(|pages| home(pages) == 1));
    assert!(sim.reclaim().asked.lock().unwrap().iter().all(|gfp| gfp.contains(Gfp::HARDWALL)));
    let outside = sim.alloc_page(Gfp::KERNEL).expect("it may leave the cpuset");
    assert_ne!(home(&outside), 1);
    let low = sim.alloc_page(Gfp::KERNEL | Gfp::DMA32).expect("node 1 has no such zone");
    assert_eq!(home(&low), 0);
    assert!(sim.alloc_page(Gfp::USER | Gfp::DMA32).is_err());
}

/// Pages to be written to are spread over the nodes under their dirty limits, others are not; when
/// all are over, the limits don't count.
#[test]
fn dirty_limits() {
    let sim = machine();
    sim.reclaim().set_over_dirty_limit(mask(0b001));
    assert_eq!(homes(&sim, Gfp::KERNEL | Gfp::WRITE), [1, 1, 2]);
    assert_eq!(homes(&sim, Gfp::KERNEL), [0, 1, 2]);
    assert_eq!(sim.reclaim().take_wakes(), []);
    sim.reclaim().set_over_dirty_limit(mask(0b111));
    assert_eq!(homes(&sim, Gfp::KERNEL | Gfp::WRITE), [0, 1, 2]);
    assert_eq!(sim.reclaim().take_wakes().len(), 9, "but the slow path it was, for three nodes");
}

/// Both count for each order, though blocks of it have just come and gone: with per-CPU lists, and straight
/// from the zone.
#[test]
fn cpusets_and_dirty_limits_of_all_orders() {
    for lists in [PcpOrders::WithPageblock, PcpOrders::None] {
        let mut config = config();
        config.options = config.options.pcp(lists);
        let sim = Sim::boot(config).expect("a legal machine");
        for order in Order::ALL {
            let home = |gfp| {
                let pages = sim.alloc_pages(gfp, order).expect("memory");
                let home = home(&pages);
                sim.free_pages(pages).expect("an allocated block");
                home
            };
            assert_eq!([home(Gfp::USER), home(Gfp::USER)], [0, 0], "order {order}");
            sim.reclaim().set_cpuset(Some(mask(0b010)));
            assert_eq!(home(Gfp::USER), 1, "order {order}");
            sim.reclaim().set_cpuset(None);
            sim.reclaim().set_over_dirty_limit(mask(0b001));
            assert_eq!(home(Gfp::USER | Gfp::WRITE), 1, "order {order}");
            sim.reclaim().set_over_dirty_limit(mask(0));
        }
    }
}

/// Node reclaim is asked of nodes that are near enough, each time a watermark fails; what it says
/// decides whether the watermark is looked at again.
#[test]
fn node_reclaim_by_distance() {
    let sim = machine();
    let _zero = drain_to_low(&sim, 0, ZoneType::Normal);
    let _more = drain_to_low(&sim, 0, ZoneType::Dma32);
    let _one = drain_to_low(&sim, 1, ZoneType::Normal);
    let asked = |limit| {
        sim.reclaim().set_node_reclaim(limit, [NodeReclaimed::Success; 9]);
        let pages = sim.alloc_pages_node(Some(node(0)), Gfp::KERNEL, Order::ZERO).unwrap();
        assert_eq!(home(&pages), 2, "nothing was freed, so the next node it is");
        sim.free_pages(pages).unwrap();
        sim.reclaim().take_node_reclaims().iter().map(|(node, _)| node.index()).collect::<Vec<_>>()
    };
    assert_eq!(asked(None), []);
    assert_eq!(asked(Some(9)), []);
    // Two zones of node 0, and again when the walk may leave the node.
    assert_eq!(asked(Some(10)), [0, 0, 0, 0]);
    assert_eq!(asked(Some(19)), [0, 0, 0, 0]);
    assert_eq!(asked(Some(20)), [0, 0, 0, 0, 1]);
}

/// A kernel whose node reclaim gives back all pages that it holds, and says what it is told to.
struct Cache {
    answer: NodeReclaimed,
    held: Mutex<Vec<Pages>>,
    /// The machine that this is the kernel of.
    sim: OnceLock<Weak<Sim<Cache, NoTrace>>>,
}

impl Reclaim for Cache {
    fn node_reclaim_distance(&self) -> Option<u8> {
        Some(10)
    }

    fn node_reclaim(&self, _node: NodeId, _gfp: Gfp, _order: Order) -> NodeReclaimed {
        let sim = self.sim.get().and_then(Weak::upgrade).expect("the machine is there");
        for pages in self.held.lock().unwrap().drain(..) {
            sim.free_pages(pages).expect("an allocated block");
        }
        self.answer
    }
}

/// Node reclaim that frees memory keeps the request on its node, if it says that it did.
#[test]
fn node_reclaim_that_frees() {
    for (answer, expected) in [
        (NodeReclaimed::Success, 1),
        (NodeReclaimed::Some, 1),
        (NodeReclaimed::Full, 0),
        (NodeReclaimed::NotScanned, 0),
    ] {
        let kernel = Cache { answer, held: Mutex::default(), sim: OnceLock::new() };
        let sim = Arc::new(Sim::boot_with(&config(), kernel, NoTrace).unwrap());
        sim.reclaim().sim.set(Arc::downgrade(&sim)).unwrap();
        *sim.reclaim().held.lock().unwrap() = drain_to_low(&sim, 1, ZoneType::Normal);
        let pages = sim.alloc_pages_node(Some(node(1)), Gfp::KERNEL, Order::ZERO).unwrap();
        assert_eq!(home(&pages), expected, "{answer:?}");
        assert_eq!(sim.verify(), Ok(()));
    }
}

/// Pageblocks of the local NORMAL zone are not mixed while the node's DMA32 zone can serve; but
/// they are mixed before memory of another node is used.
#[test]
fn pageblocks_are_kept_apart() {
    let sim = machine();
    // All of NORMAL is movable memory, every other frame of it free.
    let local = Gfp::HIGHUSER_MOVABLE | Gfp::THISNODE;
    let mut taken: Vec<Pages> = Vec::new();
    while let Ok(pages) =
        sim.get_page_from_freelist(local, Order::ZERO, node(0), None, AllocFlags::WMARK_MIN)
        && pages.pfn().get() >= 2048
    {
        taken.push(pages);
    }
    let (odd, _even): (Vec<_>, Vec<_>) = taken.into_iter().partition(|it| it.pfn().get() % 2 == 1);
    odd.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    let take = || sim.alloc_pages_node(Some(node(0)), Gfp::KERNEL, Order::ZERO).unwrap();
    let normal = sim.zone(node(0), ZoneType::Normal).unwrap();
    assert_eq!(normal.nr_free_of(MigrateType::Unmovable).iter().sum::<u64>(), 0);

    let below = take();
    assert!(below.pfn() < Pfn::new(2048), "{} is not in DMA32", below.pfn());
    assert_eq!(normal.nr_fallbacks(), 0);
    let _dma32 = drain_to_low(&sim, 0, ZoneType::Dma32);
    let mixed = take();
    assert!(normal.span().contains(mixed.pfn()), "{} is not in NORMAL", mixed.pfn());
    assert_eq!(normal.nr_fallbacks(), 1);
    assert!(sim.trace().extfrags(MigrateType::Movable, MigrateType::Unmovable) > 0);
}

/// Node reclaim is asked for a largest block where none is free, however much else is.
#[test]
fn node_reclaim_for_a_largest_block() {
    let mut config = SimConfig::flat(64 << 20);
    config.contents = Contents::Ignored;
    let sim = Sim::boot(config).expect("a legal machine");
    let mut whole = Vec::new();
    for gfp in [Gfp::KERNEL, Gfp::DMA] {
        let more = || sim.alloc_pages(gfp | Gfp::NORETRY | Gfp::NOMEMALLOC, Order::MAX).ok();
        whole.extend(std::iter::from_fn(more));
    }
    // Half of each comes back.
    let mut held = Vec::new();
    for pages in whole {
        let (lower, upper) = sim.split_in_halves(pages).expect("an allocated block");
        held.push(lower);
        sim.free_pages(upper).expect("an allocated block");
    }
    sim.drain_all_pages(None);
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).expect("a zone");
    assert!(zone.nr_free()[Order::O9.index()] > 4 && zone.nr_free()[Order::MAX.index()] == 0);
    sim.reclaim().set_node_reclaim(Some(255), [NodeReclaimed::NotScanned; 9]);
    sim.reclaim().take_node_reclaims();
    assert!(sim.alloc_pages(Gfp::KERNEL | Gfp::NORETRY, Order::MAX).is_err());
    assert_ne!(sim.reclaim().take_node_reclaims(), []);
}

/// A kernel without cpusets, whose answers about them count for nothing.
struct NoCpusets;

impl Reclaim for NoCpusets {
    fn cpuset_node_allowed(&self, _: NodeId, _: Gfp) -> bool {
        false
    }
}

/// Without cpusets, kswapd is woken whatever they would say.
#[test]
fn no_cpusets() {
    let sim =
        Sim::boot_with(&SimConfig::flat(64 << 20), NoCpusets, NoTrace).expect("a legal machine");
    let _all: Vec<_> = std::iter::from_fn(|| sim.alloc_page(Gfp::NOWAIT).ok()).collect();
    let (zone, order) = (ZoneType::Dma32, Order::ZERO);
    let wake = KswapdWake { node: NodeId::ZERO, zone, order, highest: zone, gfp: Gfp::USER };
    assert_eq!(sim.wakeup_kswapd(&wake), Wakeup::Needed);
}

/// A bulk request that names nodes gets nothing of those that the task's cpuset does not allow.
#[test]
fn cpusets_and_bulk_requests() {
    let sim = machine();
    sim.reclaim().set_cpuset(Some(mask(0b010)));
    let mut pages = [const { None }; 10];
    let of_two = Some(mask(0b011));
    assert_eq!(sim.alloc_pages_bulk(Gfp::USER, Some(node(0)), of_two, &mut pages), Ok(1));
    assert!(pages.iter().flatten().all(|pages| home(pages) == 1));
}
