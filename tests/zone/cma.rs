//! CMA areas through the whole allocator: who gets their memory, and which areas are refused.

use page_alloc::boot::{InitError, Reservation};
use page_alloc::node::pcp::PcpLimits;
use page_alloc::sim::{Sim, SimConfig, SimError};
use page_alloc::{AllocFlags, Gfp, MigrateType, NodeId, Order, Pages, PhysAddr, ZoneType};

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
        let user = take_all(&sim, Gfp::HIGHUSER_MOVABLE);
        user.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        sim.drain_all_pages(None);
        assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
        assert_eq!(sim.verify(), Ok(()));
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
