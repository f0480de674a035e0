//! Requests that are refused, and allocators that are not booted: the right error, and nothing
//! changed.

use crate::dump::dump;
use crate::raw::{self, Board};
use page_alloc::boot::{BootInfo, InitError, MemoryKind, MemoryRegion, NodeRange, metadata_bytes};
use page_alloc::node::pcp::PcpOrders;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{
    AllocError, AllocFlags, Context, CpuId, FreeError, Gfp, IsolateError, MigrateType, NodeId,
    NodeMask, Order, PAGEBLOCK_ORDER, PageAllocator, Pages, Pfn, PfnRange, PhysAddr, ZoneLayout,
    ZoneType,
};

const NODE_BYTES: u64 = 16 << 20;

fn node(number: u32) -> NodeId {
    NodeId::new(number).expect("a node")
}

/// Nodes 0 and 3 have 16 MiB each, node 2 has a CPU and no memory, node 1 there is not.
fn config() -> SimConfig {
    let base = PhysAddr::new;
    let usable = |at| MemoryRegion::new(base(at), NODE_BYTES, MemoryKind::Usable);
    let mut config = SimConfig::new(vec![usable(0), usable(NODE_BYTES)]);
    config.nodes = vec![
        NodeRange::new(node(0), base(0), NODE_BYTES),
        NodeRange::new(node(3), base(NODE_BYTES), NODE_BYTES),
    ];
    config.cpus = vec![node(0), node(2)];
    config.zones = ZoneLayout::new(Some(base(1024 << 12)), Some(base(2048 << 12)), None);
    config.tables = Tables::Apart;
    config
}

fn machine() -> Sim {
    Sim::boot(config()).expect("a legal machine")
}

/// Asks in each way in which a request can be made; all must be refused alike, and nothing change.
#[track_caller]
fn refused(sim: &Sim, at: NodeId, gfp: Gfp, mask: Option<NodeMask>, error: AllocError) {
    let before = dump(sim);
    let order = Order::O1;
    assert_eq!(sim.alloc_pages_nodemask(gfp, order, at, mask), Err(error));
    let flags = AllocFlags::NO_WATERMARKS;
    assert_eq!(sim.get_page_from_freelist(gfp, order, at, mask, flags), Err(error));
    if mask.is_none() {
        assert_eq!(sim.alloc_pages_node(Some(at), gfp, order), Err(error));
    }
    assert_eq!(dump(sim), before);
    assert!(!error.to_string().is_empty());
}

/// Of all combinations of the flags that choose zone and migratetype, those with two zone limits
/// and those with two mobilities are illegal, and no others.
#[test]
fn contradictory_flags() {
    let sim = machine();
    let bits = [Gfp::DMA, Gfp::DMA32, Gfp::HIGHMEM, Gfp::MOVABLE, Gfp::RECLAIMABLE];
    let mut illegal = 0;
    for choice in 0..1_usize << bits.len() {
        let chosen = |index: usize| choice >> index & 1 != 0;
        let flags = (0..bits.len()).filter(|&i| chosen(i)).map(|i| bits[i]);
        let gfp = flags.fold(Gfp::KERNEL, |all, flag| all | flag);
        if (0..3).filter(|&i| chosen(i)).count() > 1 || chosen(3) && chosen(4) {
            refused(&sim, node(0), gfp, None, AllocError::IllegalGfp(gfp));
            illegal += 1;
        } else {
            let pages = sim.alloc_pages(gfp, Order::O1).expect("a legal request");
            sim.free_pages(pages).unwrap();
        }
    }
    assert_eq!(illegal, 4 * 4 + 4);
}

/// A node that is not online is named.
#[test]
fn nodes_that_are_not_there() {
    let sim = machine();
    for number in [1, 4, 63] {
        refused(&sim, node(number), Gfp::KERNEL, None, AllocError::NoSuchNode(number));
        let mask = Some(NodeMask::ALL);
        refused(&sim, node(number), Gfp::KERNEL, mask, AllocError::NoSuchNode(number));
    }
}

/// No zone can serve: an empty mask, a mask of nodes without memory, a node without memory alone,
/// a node without such a zone alone.
#[test]
fn requests_without_a_zone() {
    let sim = machine();
    for bits in [0, 0b0110, !0b1001] {
        let mask = Some(NodeMask::from_bits(bits));
        refused(&sim, node(0), Gfp::KERNEL, mask, AllocError::NoZone);
    }
    let local = Gfp::KERNEL | Gfp::THISNODE;
    refused(&sim, node(2), local, None, AllocError::NoZone);
    refused(&sim, node(3), local | Gfp::DMA, None, AllocError::NoZone);
    refused(&sim, node(0), Gfp::DMA, Some(NodeMask::from_bits(8)), AllocError::NoZone);
    let far = sim.alloc_pages_node(Some(node(2)), Gfp::KERNEL, Order::O1).unwrap();
    assert_eq!(sim.zones().filter(|zone| zone.span().contains(far.pfn())).count(), 1);
}

/// A request that may sleep is refused where nothing may; one that can't sleep is served there.
#[test]
fn requests_that_might_sleep() {
    let sim = machine();
    for context in [Context::HARDIRQ, Context::NMI, Context::SOFTIRQ, Context::BH_DISABLED] {
        sim.reclaim().set_context(context);
        let before = dump(&sim);
        for gfp in [Gfp::KERNEL, Gfp::NOIO, Gfp::TRANSHUGE, Gfp::ATOMIC | Gfp::DIRECT_RECLAIM] {
            assert_eq!(sim.alloc_pages(gfp, Order::O1), Err(AllocError::WouldSleep(gfp)));
        }
        assert_eq!(dump(&sim), before);
        for gfp in [Gfp::ATOMIC, Gfp::NOWAIT, Gfp::empty()] {
            sim.free_pages(sim.alloc_pages(gfp, Order::O1).unwrap()).unwrap();
        }
    }
    sim.reclaim().set_context(Context::TASK);
    assert!(sim.alloc_pages(Gfp::KERNEL, Order::O1).is_ok());
}

/// Fault injection refuses what it names, sees the flags as they are after the context's limits,
/// and ends.
#[test]
fn injected_faults() {
    let sim = machine();
    sim.reclaim().fail_when(|gfp, order| order > Order::O2 || !gfp.contains(Gfp::IO));
    sim.free_pages(sim.alloc_pages(Gfp::KERNEL, Order::O2).unwrap()).unwrap();
    let before = dump(&sim);
    assert_eq!(sim.alloc_pages(Gfp::KERNEL, Order::O3), Err(AllocError::Injected));
    sim.reclaim().set_context(Context::MEMALLOC_NOIO);
    assert_eq!(sim.alloc_pages(Gfp::KERNEL, Order::O2), Err(AllocError::Injected));
    assert_eq!(dump(&sim), before);
    assert_eq!(
        sim.trace().failures(Order::O3) + sim.trace().allocs(Order::O3, MigrateType::Unmovable),
        0
    );
    sim.reclaim().fail_never();
    assert!(sim.alloc_pages(Gfp::KERNEL, Order::O3).is_ok());
}

/// Flags that are not allowed while the system boots are taken away: a request no longer sleeps, is
/// no longer limited to a zone, is no longer zeroed.
#[test]
fn flags_that_are_not_allowed_yet() {
    let sim = machine();
    sim.set_gfp_allowed(Gfp::all() - (Gfp::RECLAIM | Gfp::IO | Gfp::FS | Gfp::DMA));
    sim.reclaim().set_context(Context::HARDIRQ);
    let pages = sim.alloc_pages(Gfp::KERNEL | Gfp::DMA, Order::O1).expect("it no longer sleeps");
    let normal = sim.zone(node(0), ZoneType::Normal).unwrap();
    assert!(normal.span().contains(pages.pfn()));
    sim.set_gfp_allowed(Gfp::all());
    assert!(matches!(sim.alloc_page(Gfp::KERNEL), Err(AllocError::WouldSleep(_))));
    sim.reclaim().set_context(Context::TASK);
    let dma = sim.zone(node(0), ZoneType::Dma).unwrap();
    let pages = sim.get_dma_pages(Gfp::KERNEL, Order::O1).unwrap();
    assert!(dma.span().contains(pages.pages().pfn()));
}

/// Zeroed memory is zero whatever was in it, to its last byte and no further; other memory is left
/// as it is.
#[test]
fn zeroed_memory() {
    let mut config = config();
    config.contents = Contents::Kept;
    let sim = Sim::boot(config).unwrap();
    let all = PfnRange::new(Pfn::new(1), Pfn::new(8192));
    raw::fill(&sim, all, 0xee);
    for order in [Order::ZERO, Order::O3, Order::MAX] {
        let pages = sim.alloc_pages(Gfp::KERNEL | Gfp::ZERO, order).unwrap();
        let range = pages.range();
        assert_eq!(raw::bounds(&sim, range), (0, 0), "order {order}");
        let rest = [PfnRange::new(all.start, range.start), PfnRange::new(range.end, all.end)];
        for rest in rest.into_iter().filter(|rest| !rest.is_empty()) {
            assert_eq!(raw::bounds(&sim, rest), (0xee, 0xee), "order {order}");
        }
        raw::fill(&sim, range, 0xee);
        sim.free_pages(pages).unwrap();
    }
    let page = sim.get_zeroed_page(Gfp::KERNEL).unwrap();
    assert_eq!(raw::bounds(&sim, page.pages().range()), (0, 0));
    assert_eq!(page.as_ptr().addr() % 4096, 0);
    let dirty = sim.get_free_pages(Gfp::KERNEL | Gfp::HIGHMEM, Order::O2).unwrap();
    assert_eq!(raw::bounds(&sim, dirty.into_pages().range()), (0xee, 0xee));
}

/// So are blocks of all orders on a machine with plenty of memory: the first is split off a larger block,
/// the second is at hand then. Neither is freed.
#[test]
fn zeroed_blocks() {
    let mut config = SimConfig::flat(64 << 20);
    config.contents = Contents::Kept;
    let sim = Sim::boot(config).unwrap();
    for order in Order::ALL {
        let dirty: Vec<Pages> =
            core::iter::from_fn(|| sim.alloc_pages(Gfp::KERNEL, order).ok()).collect();
        dirty.iter().for_each(|pages| raw::fill(&sim, pages.range(), 0xee));
        dirty.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        sim.drain_all_pages(None);
        for _ in 0..2 {
            let pages = sim.alloc_pages(Gfp::KERNEL | Gfp::ZERO, order).unwrap();
            assert_eq!(raw::bounds(&sim, pages.range()), (0, 0), "order {order}");
        }
    }
}

/// So are pageblocks where they have no per-CPU lists, and largest blocks that nobody ever had.
#[test]
fn zeroed_blocks_of_the_largest_orders() {
    let mut config = SimConfig::flat(64 << 20);
    (config.contents, config.tables) = (Contents::Kept, Tables::Apart);
    config.options = config.options.pcp(PcpOrders::None);
    let sim = Sim::boot(config).unwrap();
    raw::fill(&sim, PfnRange::new(Pfn::new(1), Pfn::new(16384)), 0xee);
    // Somebody has a frame of the zone, so that it is known to have plenty.
    let _page = sim.alloc_page(Gfp::HIGHUSER_MOVABLE).unwrap();
    for order in [Order::MAX, PAGEBLOCK_ORDER, Order::MAX, PAGEBLOCK_ORDER] {
        let pages = sim.alloc_pages(Gfp::HIGHUSER_MOVABLE | Gfp::ZERO, order).unwrap();
        assert_eq!(raw::bounds(&sim, pages.range()), (0, 0), "order {order}");
    }
}

/// A CPU whose node has no memory gets none of its own node, however much the other nodes have at hand for it.
#[test]
fn nothing_of_a_node_without_memory() {
    for lists in [PcpOrders::WithPageblock, PcpOrders::None] {
        let mut config = config();
        config.options = config.options.pcp(lists);
        let sim = Sim::boot(config).unwrap();
        sim.on_cpu(CpuId::new(1), || {
            for order in Order::ALL {
                let elsewhere = sim.alloc_pages(Gfp::KERNEL, order).unwrap();
                sim.free_pages(elsewhere).unwrap();
                let own = sim.alloc_pages(Gfp::KERNEL | Gfp::THISNODE, order);
                assert_eq!(own.unwrap_err(), AllocError::NoZone, "order {order}");
            }
        });
    }
}

/// 8 MiB from frame 1024 on.
fn board_map() -> [MemoryRegion; 1] {
    [MemoryRegion::new(PhysAddr::new(0x40_0000), 0x80_0000, MemoryKind::Usable)]
}

/// Before it has a machine, an allocator refuses everything.
#[test]
fn before_init() {
    let allocator = PageAllocator::new(Board);
    assert!(!allocator.is_initialized());
    assert_eq!(allocator.alloc_page(Gfp::KERNEL), Err(AllocError::Uninitialized));
    let nowhere = allocator.alloc_pages_nodemask(Gfp::KERNEL, Order::O1, NodeId::ZERO, None);
    assert_eq!(nowhere, Err(AllocError::Uninitialized));
    let attempt = AllocFlags::NO_WATERMARKS;
    let tried =
        allocator.get_page_from_freelist(Gfp::KERNEL, Order::O1, NodeId::ZERO, None, attempt);
    assert_eq!(tried, Err(AllocError::Uninitialized));
    let pages: Pages = machine().alloc_page(Gfp::KERNEL).unwrap();
    assert_eq!(allocator.page_count(&pages), Err(FreeError::Uninitialized));
    let refused = allocator.free_pages(pages).unwrap_err();
    assert_eq!(refused.reason, FreeError::Uninitialized);
    assert_eq!(allocator.guard(refused.pages).err().unwrap().reason, FreeError::Uninitialized);
    let pfn = Pfn::new(2048);
    let isolated = allocator.isolate_pageblock(pfn, MigrateType::Movable);
    assert_eq!(isolated, Err(IsolateError::NoSuchFrame(pfn)));
    assert_eq!((allocator.zones().count(), allocator.nr_free_pages()), (0, 0));
    assert_eq!(allocator.verify(), Ok(()));
}

/// A failed boot leaves the allocator as it was, a good one follows, and a second is refused
/// without harm to what is allocated.
#[test]
fn boots_that_fail() {
    let allocator = PageAllocator::new(Board);
    let empty = BootInfo::new(&[]);
    let none = InitError::NoUsableMemory { nr_regions: 0 };
    assert_eq!(raw::init_in(&allocator, &empty, 1 << 20).unwrap_err(), none);
    let map = board_map();
    let info = BootInfo::new(&map);
    let needed = metadata_bytes(&info, 12).unwrap();
    let short = InitError::MetadataTooSmall { needed, given: needed - 1 };
    assert_eq!(raw::init_in(&allocator, &info, needed - 1).unwrap_err(), short);
    let unmapped = raw::init(&allocator, &info).unwrap_err();
    assert!(
        matches!(unmapped, InitError::MetadataUnmapped { place } if place.end == Pfn::new(3072))
    );
    assert!(!allocator.is_initialized());
    assert_eq!(allocator.alloc_page(Gfp::KERNEL), Err(AllocError::Uninitialized));

    let report = raw::init_in(&allocator, &info, needed).unwrap();
    assert_eq!((report.managed_pages, report.metadata), (2048, None));
    assert_eq!(allocator.nr_free_pages(), 2048);
    let pages = allocator.alloc_pages(Gfp::KERNEL, Order::O3).unwrap();
    for again in [raw::init_in(&allocator, &info, needed), raw::init(&allocator, &info)] {
        assert_eq!(again.unwrap_err(), InitError::AlreadyInitialized);
    }
    assert_eq!(allocator.nr_free_pages(), 2040);
    assert_eq!(allocator.free_pages(pages), Ok(()));
    assert_eq!(allocator.verify(), Ok(()));
}
