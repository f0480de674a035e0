//! CMA areas through the whole allocator: who gets their memory, and which areas are refused.

use page_alloc::boot::{InitError, Reservation};
use page_alloc::node::pcp::PcpLimits;
use page_alloc::sim::{Sim, SimConfig, SimError, Tables};
use page_alloc::{
    AllocFlags, CpuId, Gfp, MigrateType, Movability, NodeId, Order, Pages, PhysAddr, ZoneType,
};

const AREA: Reservation = Reservation::new("camera", PhysAddr::new(0x400_0000), 0x40_0000);

fn machine(areas: &[Reservation]) -> Result<Sim, SimError> {
    let mut config = SimConfig::flat(128 << 20);
    config.cma = areas.to_vec();
    Sim::boot(config)
}

fn in_area(pages: &Pages) -> bool {
    (0x4000..0x4400).contains(&pages.pfn().get())
}

fn take_all(sim: &Sim, gfp: Gfp) -> Vec<Pages> {
    std::iter::from_fn(|| sim.alloc_page(gfp | Gfp::MEMALLOC).ok()).collect()
}

/// An area counts as free memory of its own type, and its pageblocks are marked.
#[test]
fn an_area_is_free_memory() {
    let sim = machine(&[AREA]).unwrap();
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    assert_eq!(zone.cma_pages(), 1024);
    assert_eq!(zone.snapshot().free_cma_pages, 1024);
    assert_eq!(zone.pageblock_migratetype(AREA.base.frame(12)), Some(MigrateType::Cma));
    assert_eq!(zone.snapshot().free_pages, zone.managed_pages());
    assert_eq!(sim.verify(), Ok(()));
}

/// Requests that are not movable never get a frame of an area, even when nothing else is left;
/// movable ones get all of it.
#[test]
fn only_movable_requests_use_it() {
    let sim = machine(&[AREA]).unwrap();
    let kernel = take_all(&sim, Gfp::KERNEL);
    assert!(!kernel.iter().any(in_area));
    assert_eq!(sim.nr_free_pages(), 1024);
    let user = take_all(&sim, Gfp::HIGHUSER_MOVABLE);
    assert!(user.len() == 1024 && user.iter().all(in_area));
    assert_eq!(sim.verify(), Ok(()));
    for pages in kernel.into_iter().chain(user) {
        sim.free_pages(pages).unwrap();
    }
    sim.drain_local_pages(None);
    assert_eq!(sim.verify(), Ok(()));
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    assert_eq!(zone.snapshot().free_cma_pages, 1024);
    assert_eq!(zone.nr_free_of(MigrateType::Cma)[Order::MAX.index()], 1);
}

/// Whoever chooses flags of his own may take CMA for what is not movable; nothing of it comes to others by
/// way of a CPU's lists.
#[test]
fn others_with_the_flag_leave_no_frames_of_it_at_hand() {
    let sim = machine(&[AREA]).unwrap();
    let (node, zone, order) = (NodeId::ZERO, ZoneType::Dma32, Order::O9);
    sim.set_pcp_limits(node, zone, PcpLimits { batch: 31, high: 1 << 16 }).unwrap();
    let unmovable = || sim.rmqueue(node, zone, order, MigrateType::Unmovable, AllocFlags::empty());
    let all: Vec<_> = std::iter::from_fn(unmovable).collect();
    assert!(!all.is_empty() && !all.iter().any(in_area));
    let all_flags = AllocFlags::CMA | AllocFlags::NO_WATERMARKS;
    let mine = sim.rmqueue(node, zone, Order::ZERO, MigrateType::Unmovable, all_flags).unwrap();
    let bare = sim.get_page_from_freelist(Gfp::KERNEL, Order::ZERO, node, None, all_flags).unwrap();
    assert!(in_area(&mine));
    assert_eq!(sim.verify(), Ok(()));
    let others = take_all(&sim, Gfp::KERNEL);
    assert!(!others.iter().any(in_area));
    for pages in [mine, bare].into_iter().chain(all).chain(others) {
        sim.free_pages(pages).unwrap();
    }
    assert_eq!(sim.verify(), Ok(()));
}

/// While more than half of what is free is an area's, movable requests of the orders without lists go there
/// first: whether another block of their type would have to be split, or is at hand.
#[test]
fn areas_come_first_while_they_are_most() {
    let most = Reservation::new("most", PhysAddr::new(0x200_0000), 0x500_0000);
    let in_most = |pages: &Pages| (0x2000..0x7000).contains(&pages.pfn().get());
    let (dma32, kind) = (ZoneType::Dma32, MigrateType::Movable);
    for order in [Order::O4, Order::O8, Order::MAX] {
        let sim = machine(&[most]).unwrap();
        let zone = sim.zone(NodeId::ZERO, dma32).unwrap();
        let of_zone =
            || sim.rmqueue(NodeId::ZERO, dma32, order, kind, AllocFlags::empty()).unwrap();
        let is_at_hand = || zone.nr_free_of(kind)[order.index()] != 0;
        let (back, mut held) = (of_zone(), Vec::new());
        // Largest blocks are there, but fresh.
        while order < Order::MAX && is_at_hand() {
            held.push(of_zone());
        }
        let split = sim.alloc_pages(Gfp::HIGHUSER_MOVABLE, order).unwrap();
        assert!(in_most(&split), "order {order}");
        assert!(!in_most(&back));
        sim.free_pages(back).unwrap();
        assert!(is_at_hand());
        let at_hand = sim.alloc_pages(Gfp::HIGHUSER_MOVABLE, order).unwrap();
        assert!(in_most(&at_hand), "order {order}, with a block at hand");
        held.extend([split, at_hand]);
        assert_eq!(sim.verify(), Ok(()));
        held.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    }
}

/// A pageblock becomes part of an area, or no longer is one, with frames of it at hand to a CPU: they are
/// counted as what they have become.
#[test]
fn areas_change_with_frames_at_hand() {
    for (base, before, after) in [
        (AREA.base, MigrateType::Cma, MigrateType::Movable),
        (PhysAddr::new(0x600_0000), MigrateType::Movable, MigrateType::Cma),
    ] {
        let sim = machine(&[AREA]).unwrap();
        let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
        let pfn = base.frame(12);
        let all = take_all(&sim, Gfp::HIGHUSER_MOVABLE);
        let here = |pages: &Pages| pages.pfn().get() >> 9 == pfn.get() >> 9;
        let (cached, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|pages| here(pages) && pages.pfn().get() % 8 == 3);
        rest.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        sim.drain_all_pages(None);
        assert_eq!(zone.pageblock_migratetype(pfn), Some(before));
        cached.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        sim.isolate_pageblock(pfn, before).unwrap();
        sim.unisolate_pageblock(pfn, after).unwrap();
        assert_eq!(sim.verify(), Ok(()));
        assert_eq!(zone.pageblock_migratetype(pfn), Some(after));
        let cma = if after == MigrateType::Cma { 1024 + 512 } else { 512 };
        assert_eq!(zone.snapshot().free_cma_pages, cma);
        sim.drain_all_pages(None);
        assert_eq!(zone.snapshot().free_cma_pages, cma, "with nothing at hand");
        let user = take_all(&sim, Gfp::HIGHUSER_MOVABLE);
        user.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        sim.drain_all_pages(None);
        assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
        assert_eq!(sim.verify(), Ok(()));
    }
}

/// Another CPU has the frames: its lists are drained, those of the zone alone.
#[test]
fn areas_change_with_frames_at_hand_to_others() {
    let mut config = SimConfig::flat(128 << 20);
    (config.cpus, config.tables) = (vec![NodeId::ZERO; 2], Tables::Apart);
    let sim = Sim::boot(config).unwrap();
    let pfn = sim.on_cpu(CpuId::new(1), || {
        sim.free_pages(sim.alloc_page(Gfp::KERNEL | Gfp::DMA).unwrap()).unwrap();
        let page = sim.alloc_page(Gfp::HIGHUSER_MOVABLE).unwrap();
        let pfn = page.pfn();
        sim.free_pages(page).unwrap();
        pfn
    });
    let at_hand = |zone| {
        let zone = sim.zone(NodeId::ZERO, zone).unwrap();
        zone.pagesets().map(|pageset| pageset.count()).collect::<Vec<_>>()
    };
    let dma = at_hand(ZoneType::Dma);
    assert!(dma[1] > 0 && at_hand(ZoneType::Dma32)[1] > 0);
    sim.isolate_pageblock(pfn, MigrateType::Movable).unwrap();
    sim.unisolate_pageblock(pfn, MigrateType::Cma).unwrap();
    assert_eq!((at_hand(ZoneType::Dma), at_hand(ZoneType::Dma32)), (dma, vec![0, 0]));
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    assert_eq!(zone.snapshot().free_cma_pages, 512);
    assert_eq!(sim.verify(), Ok(()));
}

/// What CPUs have of other pageblocks stays at hand.
#[test]
fn areas_change_beside_frames_at_hand() {
    let sim = machine(&[]).unwrap();
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    let all = take_all(&sim, Gfp::HIGHUSER_MOVABLE);
    let beside = |pages: &Pages| [0x5fff, 0x6200].contains(&pages.pfn().get());
    let (cached, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(beside);
    rest.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    sim.drain_all_pages(None);
    cached.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    let at_hand = || zone.pagesets().map(|pageset| pageset.count()).sum::<u32>();
    assert_eq!(at_hand(), 2);
    let pfn = PhysAddr::new(0x600_0000).frame(12);
    for (before, after) in
        [(MigrateType::Movable, MigrateType::Cma), (MigrateType::Cma, MigrateType::Movable)]
    {
        sim.isolate_pageblock(pfn, before).unwrap();
        sim.unisolate_pageblock(pfn, after).unwrap();
        assert_eq!(at_hand(), 2);
    }
}

/// Half of an allocated largest block becomes an area's: it is freed as what it has become.
#[test]
fn an_area_begins_within_a_block() {
    for half in [0, 512] {
        let sim = machine(&[]).unwrap();
        let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
        let block = sim.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::MAX).unwrap();
        sim.set_movable(&block, Movability::Movable).unwrap();
        let pfn = block.pfn() + half;
        sim.isolate_pageblock(pfn, MigrateType::Movable).unwrap();
        sim.unisolate_pageblock(pfn, MigrateType::Cma).unwrap();
        assert_eq!(zone.snapshot().free_cma_pages, 0);
        sim.free_pages(block).unwrap();
        assert_eq!(zone.snapshot().free_cma_pages, 512);
        assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
        assert_eq!(sim.verify(), Ok(()));
        let kernel = take_all(&sim, Gfp::KERNEL);
        assert!(!kernel.iter().any(|pages| pages.pfn().get() >> 9 == pfn.get() >> 9));
        kernel.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    }
}

/// An area that is not whole pageblocks of free memory in one zone is named in the refusal.
#[test]
fn bad_areas_are_refused() {
    let area = |base, length| Reservation::new("bad", PhysAddr::new(base), length);
    for bad in [
        area(0x400_1000, 0x20_0000),
        area(0x400_0000, 0x10_0000),
        area(0x7f0_0000, 0x40_0000),
        area(0xf0_0000, 0x40_0000),
        area(0xe0_0000, 0x40_0000),
        area(u64::MAX - 0x1f_ffff, 0x20_0000),
    ] {
        let refused = machine(&[bad]).unwrap_err();
        assert!(matches!(refused, SimError::Init(InitError::IllegalCma(it)) if it == bad), "{bad}");
    }
    let empty = machine(&[Reservation::EMPTY, AREA, area(0x400_1000, 0)]).unwrap();
    let zone = empty.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    assert_eq!(zone.cma_pages(), AREA.length >> 12, "areas of no length are none");
    let twice = machine(&[AREA, AREA]).unwrap_err();
    assert!(matches!(twice, SimError::Init(InitError::IllegalCma(it)) if it == AREA));
}
