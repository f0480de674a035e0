//! Many single frames at once.

use crate::machine::node;
use crate::raw;
use crate::view::view;
use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange, Options};
use page_alloc::node::pcp::PcpOrders;
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{
    AllocError, AllocFlags, CpuId, FreeError, Gfp, MigrateType, NodeId, NodeMask, Order, Pages,
    Pfn, PhysAddr, ZoneLayout, ZoneType,
};

fn machine(bytes: u64) -> Sim {
    let mut config = SimConfig::flat(bytes);
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

fn empty<const N: usize>() -> [Option<Pages>; N] {
    [const { None }; N]
}

fn pfns(pages: &[Option<Pages>]) -> Vec<Option<Pfn>> {
    pages.iter().map(|page| page.as_ref().map(Pages::pfn)).collect()
}

/// Only empty places are filled, in their order, with what single requests would get; filled ones
/// count as well.
#[test]
fn filled_places_stay() {
    let (sim, twin) = (machine(1 << 30), machine(1 << 30));
    let mut pages = empty::<8>();
    for place in [1, 2, 6] {
        pages[place] = sim.alloc_pages(Gfp::KERNEL, Order::O1).ok();
        let same = twin.alloc_pages(Gfp::KERNEL, Order::O1).expect("memory");
        assert_eq!(pages[place].as_ref().map(Pages::pfn), Some(same.pfn()));
    }
    let before = pfns(&pages);
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(8));
    for (place, (found, before)) in pfns(&pages).into_iter().zip(before).enumerate() {
        let next = || twin.alloc_page(Gfp::KERNEL).ok().map(|page| page.pfn());
        assert_eq!(found, before.or_else(next), "place {place}");
    }
    assert_eq!(view(&sim), view(&twin));
    assert_eq!(sim.free_pages_bulk(&mut pages), 8);
}

/// With no empty place nothing is asked, not even whether the flags are legal.
#[test]
fn nothing_to_fill() {
    let sim = machine(1 << 30);
    let mut pages = [sim.alloc_page(Gfp::KERNEL).ok()];
    let before = view(&sim);
    let illegal = Gfp::MOVABLE | Gfp::RECLAIMABLE;
    assert_eq!(sim.alloc_pages_bulk(illegal, node_of(9), None, &mut pages), Ok(1));
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut []), Ok(0));
    assert_eq!(view(&sim), before);
}

fn node_of(number: u32) -> Option<NodeId> {
    NodeId::new(number)
}

/// What single requests refuse is refused, for one place and for many, and nothing changes.
#[test]
fn illegal_requests() {
    let sim = machine(1 << 30);
    let before = view(&sim);
    let illegal = Gfp::KERNEL | Gfp::DMA | Gfp::HIGHMEM;
    for places in [1, 5] {
        let mut pages = empty::<5>();
        let pages = &mut pages[..places];
        let refused = sim.alloc_pages_bulk(illegal, None, None, pages);
        assert_eq!(refused, Err(AllocError::IllegalGfp(illegal)));
        let refused = sim.alloc_pages_bulk(Gfp::KERNEL, node_of(7), None, pages);
        assert_eq!(refused, Err(AllocError::NoSuchNode(7)));
        let refused = sim.alloc_pages_bulk(Gfp::KERNEL, None, Some(NodeMask::EMPTY), pages);
        assert_eq!(refused, Err(AllocError::NoZone));
        assert!(pages.iter().all(Option::is_none));
    }
    assert_eq!(view(&sim), before);
}

/// Where the zone has not so many above its low watermark, one frame is got, as a single request
/// gets it; the zone of another node is not looked at.
#[test]
fn one_frame_where_there_are_not_so_many() {
    let config = || {
        let mut config = SimConfig::flat(48 << 20);
        let range = |at, base: u64, mib: u64| {
            NodeRange::new(node(at), PhysAddr::new(base << 20), mib << 20)
        };
        config.nodes = vec![range(0, 0, 20), range(1, 20, 28)];
        config.tables = Tables::Apart;
        config.options = Options::DEFAULT.min_free_kbytes(4096);
        config
    };
    let (sim, twin) = (Sim::boot(config()).unwrap(), Sim::boot(config()).unwrap());
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma).unwrap().snapshot();
    let above = zone.free_pages - zone.watermark[1] - zone.lowmem_reserve[1];
    let mut pages: Vec<_> = (0..above + 200).map(|_| None).collect();
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, node_of(0), None, &mut pages), Ok(1));
    let single = twin.alloc_pages_node(node_of(0), Gfp::KERNEL, Order::O0).unwrap();
    assert_eq!(pfns(&pages)[0], Some(single.pfn()));
    assert_eq!(view(&sim), view(&twin));
    let many = pages.len() - 400;
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, node_of(0), None, &mut pages[..many]), Ok(many));
}

/// The whole slice counts there, filled places too, as in Linux.
#[test]
fn filled_places_count_at_the_watermark() {
    let mut config = SimConfig::flat(1 << 30);
    (config.tables, config.zones) = (Tables::Apart, ZoneLayout::NORMAL_ONLY);
    let sim = Sim::boot(config).expect("a legal machine");
    let above = || {
        let zone = sim.zone(NodeId::ZERO, ZoneType::Normal).expect("a zone").snapshot();
        zone.free_pages - zone.watermark[1]
    };
    let mut pages: Vec<_> = std::iter::repeat_with(|| sim.alloc_page(Gfp::NOWAIT).ok())
        .take_while(|_| above() > 300)
        .collect();
    let _held = pages.split_off(400);
    pages.resize_with(500, || None);
    assert!(above() > 200);
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(401));
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages[300..]), Ok(200));
}

/// Without lists, one frame is got.
#[test]
fn one_frame_without_lists() {
    let mut config = SimConfig::flat(1 << 30);
    config.options = Options::DEFAULT.pcp(PcpOrders::None);
    let sim = Sim::boot(config).unwrap();
    let mut pages = empty::<5>();
    for expected in 1..=5 {
        assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(expected));
    }
}

/// Where nothing is left, the error of a single request is given, and filled places stay filled.
#[test]
fn nothing_left() {
    let sim = machine(32 << 20);
    let gfp = Gfp::NOWAIT;
    let all: Vec<_> = std::iter::from_fn(|| sim.alloc_page(gfp).ok()).collect();
    let mut pages = empty::<4>();
    pages[2] = all.into_iter().next();
    let (places, single) = (pfns(&pages), sim.alloc_page(gfp).unwrap_err());
    let before = view(&sim);
    assert_eq!(single, AllocError::OutOfMemory { order: Order::O0, gfp });
    assert_eq!(sim.alloc_pages_bulk(gfp, None, None, &mut pages), Err(single));
    assert_eq!(pfns(&pages), places);
    assert_eq!(view(&sim), before);
}

/// A machine whose NORMAL zone has five single frames for kernel requests, and many movable ones
/// that an attempt which must not mix pageblocks leaves alone.
fn mixed() -> (Sim, Vec<Pages>) {
    let map = vec![MemoryRegion::new(PhysAddr::new(0), 16 << 20, MemoryKind::Usable)];
    let mut config = SimConfig::new(map);
    config.zones = ZoneLayout::new(None, Some(PhysAddr::new(8 << 20)), None);
    config.tables = Tables::Apart;
    config.contents = Contents::Ignored;
    config.options = Options::DEFAULT.min_free_kbytes(128);
    let sim = Sim::boot(config).unwrap();
    let normal = ZoneType::Normal;
    let limit = |limits| sim.set_pcp_limits(NodeId::ZERO, normal, limits).unwrap();
    limit(PcpLimits { batch: 1, high: 0 });
    let take = |order, kind, flags| sim.rmqueue(NodeId::ZERO, normal, order, kind, flags);
    let unmovable = || take(Order::O9, MigrateType::Unmovable, AllocFlags::empty()).unwrap();
    let (pageblock, mut held) = (unmovable(), vec![unmovable()]);
    let movable = || take(Order::O0, MigrateType::Movable, AllocFlags::CMA);
    let movable: Vec<_> = std::iter::from_fn(movable).collect();
    assert_eq!(movable.len(), 1024);
    let free_some = |frame: Pages, every: u64, held: &mut Vec<_>| match frame.pfn().get() % every {
        0 => sim.free_pages(frame).unwrap(),
        _ => held.push(frame),
    };
    movable.into_iter().for_each(|frame| free_some(frame, 2, &mut held));
    let kernel = sim.split_page(pageblock).unwrap();
    kernel.for_each(|frame| free_some(frame, 103, &mut held));
    limit(PcpLimits { batch: 63, high: 252 });
    (sim, held)
}

/// Fewer than all is a success: what could be got is there, in the first places.
#[test]
fn a_partial_success_is_a_count() {
    let (sim, _held) = mixed();
    let zone = sim.zone(NodeId::ZERO, ZoneType::Normal).unwrap();
    assert_eq!(zone.nr_free_of(MigrateType::Unmovable).iter().sum::<u64>(), 5);
    let mut pages = empty::<20>();
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(5));
    assert!(pages[..5].iter().flatten().all(|page| page.pfn().get().is_multiple_of(103)));
    assert!(pages[5..].iter().all(Option::is_none));
    assert_eq!(zone.nr_fallbacks(), 1, "that of the preparations");
    assert_eq!(sim.verify(), Ok(()));
}

/// Each frame is zeroed, whatever it held.
#[test]
fn zeroed_frames() {
    let sim = machine(1 << 30);
    let mut pages = empty::<100>();
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(100));
    pages.iter().flatten().for_each(|page| raw::fill(&sim, page.range(), 0xa5));
    assert_eq!(sim.free_pages_bulk(&mut pages), 100);
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL | Gfp::ZERO, None, None, &mut pages), Ok(100));
    assert!(pages.iter().flatten().all(|page| raw::bounds(&sim, page.range()) == (0, 0)));
}

/// Places that were filled before keep what they have when the others are zeroed, and no list is
/// filled for places that need nothing.
#[test]
fn filled_places_are_not_zeroed() {
    let sim = machine(1 << 30);
    let mut pages = empty::<130>();
    for place in (0..130).step_by(2).chain([129]) {
        pages[place] = sim.alloc_pages(Gfp::KERNEL, Order::O4).ok();
    }
    pages.iter().flatten().for_each(|page| raw::fill(&sim, page.range(), 0xa5));
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL | Gfp::ZERO, None, None, &mut pages), Ok(130));
    let bounds: Vec<_> =
        pages.iter().flatten().map(|page| raw::bounds(&sim, page.range())).collect();
    for (place, bounds) in bounds.into_iter().enumerate() {
        let before = place % 2 == 0 || place == 129;
        assert_eq!(bounds, if before { (0xa5, 0xa5) } else { (0, 0) }, "{place}");
    }
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    assert_eq!(zone.pageset(CpuId::BOOT).unwrap().count(), 63 * 2 - 64); // two refills for 64
}

/// Requests in bulk leave the free factor alone, which single requests halve (Linux 6.1).
#[test]
fn the_free_factor_stays() {
    let sim = machine(1 << 30);
    let dma32 = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    let limits = PcpLimits { batch: 4, high: 64 };
    sim.set_pcp_limits(NodeId::ZERO, ZoneType::Dma32, limits).unwrap();
    let held: Vec<_> = (0..200).map(|_| sim.alloc_page(Gfp::KERNEL).unwrap()).collect();
    held.into_iter().for_each(|page| sim.free_pages(page).unwrap());
    let factor = || dma32.pageset(CpuId::BOOT).unwrap().free_factor();
    let before = factor();
    assert!(before > 1);
    let mut pages = empty::<3>();
    assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages), Ok(3));
    assert_eq!(factor(), before);
    let single = sim.alloc_page(Gfp::KERNEL).unwrap();
    assert_eq!(factor(), before / 2);
    sim.free_pages(single).unwrap();
}

/// Blocks of all orders are freed, places without a block passed over. Tokens of another machine
/// stay in their places, and are good for that machine.
#[test]
fn what_can_not_be_freed_stays() {
    let (sim, other) = (machine(1 << 30), machine(1 << 30));
    let free = sim.nr_free_pages();
    let mut pages = empty::<12>();
    for (place, order) in (0..).zip([0, 9, 3, 10, 0, 4]) {
        pages[2 * place] = sim.alloc_pages(Gfp::KERNEL, Order::new(order).unwrap()).ok();
    }
    for place in [3, 7] {
        pages[place] = other.alloc_page(Gfp::KERNEL).ok();
    }
    let theirs = pfns(&pages)[3].unwrap();
    assert_eq!(sim.free_pages_bulk(&mut pages), 6);
    let stayed: Vec<_> = (0..12).filter(|place| pages[*place].is_some()).collect();
    assert_eq!(stayed, [3, 7]);
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), free);
    let refused = sim.free_pages(pages[3].take().unwrap()).unwrap_err();
    assert_eq!(refused.reason, FreeError::Foreign(theirs));
    pages[3] = Some(refused.pages);
    assert_eq!(other.free_pages_bulk(&mut pages), 2);
    assert_eq!((sim.verify(), other.verify()), (Ok(()), Ok(())));
}
