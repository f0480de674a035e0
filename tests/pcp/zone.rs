//! Between per-CPU lists and their zone: what no recording shows, by the rules of Linux 6.1.

use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::report::ZoneRef;
use page_alloc::sim::{Sim, SimConfig, SimPlatform, Tables};
use page_alloc::{
    AllocFlags, CpuId, Gfp, MigrateType, Movability, NoReclaim, NodeId, Order, Pages, Pfn,
    PhysAddr, Trace, ZoneLayout, ZoneType,
};
use std::cell::RefCell;

const PAGEBLOCK: u64 = 512;

/// 64 MiB in one zone.
fn config() -> SimConfig {
    let mut config = SimConfig::flat(64 << 20);
    config.zones = ZoneLayout::NORMAL_ONLY;
    config.options.first_frame = Pfn::new(0);
    config.options.watermark_boost_factor = 0;
    config.tables = Tables::Apart;
    config
}

/// A machine whose CPU moves so many frames at once.
fn machine(config: SimConfig, batch: u32) -> Sim {
    let sim = Sim::boot(config).expect("a legal machine");
    set_limits(&sim, PcpLimits { batch, high: 1000 });
    sim
}

fn set_limits(sim: &Sim, limits: PcpLimits) {
    sim.set_pcp_limits(NodeId::ZERO, ZoneType::Normal, limits).expect("a zone of the machine");
}

fn zone(sim: &Sim) -> ZoneRef<'_, SimPlatform> {
    sim.zone(NodeId::ZERO, ZoneType::Normal).expect("a zone of the machine")
}

fn rmqueue(sim: &Sim, order: Order, migratetype: MigrateType, flags: AllocFlags) -> Pages {
    sim.rmqueue(NodeId::ZERO, ZoneType::Normal, order, migratetype, flags).expect("enough memory")
}

/// A movable frame, which goes to the list of movable frames when it is freed.
fn take_movable(sim: &Sim) -> Pages {
    let page = rmqueue(sim, Order::ZERO, MigrateType::Movable, AllocFlags::CMA);
    sim.set_movable(&page, Movability::Movable).expect("our frame");
    page
}

fn cached(sim: &Sim) -> u32 {
    zone(sim).pageset(CpuId::BOOT).expect("lists of the boot CPU").count()
}

/// The free blocks of an order and type by their first frames, the head of the list first.
fn free_blocks(sim: &Sim, order: Order, migratetype: MigrateType) -> Vec<u64> {
    let mut blocks = Vec::new();
    zone(sim).for_each_free(|of_order, of_type, pfn| {
        if (of_order, of_type) == (order, migratetype) {
            blocks.push(pfn.get());
        }
    });
    blocks
}

/// Isolates a pageblock of free frames that nothing else here touches.
fn isolate_far_away(sim: &Sim) {
    let last = zone(sim).span().end.get() - PAGEBLOCK;
    sim.isolate_pageblock(Pfn::new(last), MigrateType::Movable).expect("it is free");
}

/// A frame of an isolated pageblock goes to the zone, not to the CPU; what the CPU had of it
/// before goes to the isolated frames when it is drained, and does not count as free.
#[test]
fn frames_of_isolated_pageblocks_are_not_kept() {
    let sim = machine(config(), 4);
    let page = take_movable(&sim);
    let (pfn, kept) = (page.pfn(), cached(&sim));
    assert_eq!(kept, 3);
    sim.isolate_pageblock(pfn, MigrateType::Movable).unwrap();
    let free = sim.nr_free_pages();
    sim.free_pages(page).unwrap();
    assert_eq!((cached(&sim), sim.nr_free_pages()), (kept, free));
    assert_eq!(free_blocks(&sim, Order::O0, MigrateType::Isolate)[0], pfn.get());
    sim.drain_local_pages(None);
    assert_eq!((cached(&sim), sim.nr_free_pages()), (0, free));
    assert_eq!(sim.verify(), Ok(()));
    sim.unisolate_pageblock(pfn, MigrateType::Movable).unwrap();
    assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
}

/// Of 8 frames in a row, the third and fourth and the last pair are on movable lists, and their
/// pageblock was reserved for high-atomic requests meanwhile.
fn reserved_meanwhile() -> (Sim, Vec<Pages>) {
    let sim = machine(config(), 4);
    let held: Vec<Pages> = (0..2).map(|_| take_movable(&sim)).collect();
    let flags = AllocFlags::CMA | AllocFlags::HIGHATOMIC;
    let atomic = rmqueue(&sim, Order::O1, MigrateType::Movable, flags);
    let pageblock = |page: &Pages| page.pfn().get() / PAGEBLOCK;
    assert_eq!(pageblock(&atomic), pageblock(&held[0]));
    assert_eq!(zone(&sim).pageblock_migratetype(atomic.pfn()), Some(MigrateType::HighAtomic));
    (sim, held.into_iter().chain([atomic]).collect())
}

/// Drained frames go to the type that was noted when they came to the list, though their pageblock
/// has another one by now; but while any pageblock of the zone is isolated, to that of theirs.
#[test]
fn isolation_makes_drains_look_at_pageblocks() {
    let of = |sim: &Sim, migratetype| free_blocks(sim, Order::O1, migratetype);
    let (sim, held) = reserved_meanwhile();
    let first = held[0].pfn().get();
    let kept = [first + 2, first + 6];
    sim.drain_local_pages(None);
    assert_eq!(of(&sim, MigrateType::HighAtomic), []);
    assert_eq!(of(&sim, MigrateType::Movable), [kept[1], kept[0]]);

    let (sim, _held) = reserved_meanwhile();
    isolate_far_away(&sim);
    sim.drain_local_pages(None);
    assert_eq!(of(&sim, MigrateType::HighAtomic), [kept[1], kept[0]]);
    assert_eq!(of(&sim, MigrateType::Movable), []);
    assert_eq!(sim.verify(), Ok(()));
}

/// Of many frames freed at once, those of isolated pageblocks come first, whatever their place: so
/// they lie behind a frame of theirs that one of the others pushes off the CPU's list.
#[test]
fn isolated_frames_of_many_come_first() {
    let sim = machine(config(), 1);
    let pages: Vec<Pages> = (0..8).map(|_| take_movable(&sim)).collect();
    let far = rmqueue(&sim, Order::O10, MigrateType::Movable, AllocFlags::CMA);
    let other = sim.split_page(far).unwrap().next().unwrap();
    let [mut early, mut late] = [None, None];
    for page in pages {
        match page.pfn().get() % 8 {
            1 => early = Some(page),
            4 => late = Some(page),
            _ => _ = page.into_raw(),
        }
    }
    let (early, late) = (early.unwrap(), late.unwrap());
    let frames = [early.pfn().get(), late.pfn().get()];
    sim.free_pages(early).unwrap();
    assert_eq!(cached(&sim), 1);
    sim.isolate_pageblock(late.pfn(), MigrateType::Movable).unwrap();
    set_limits(&sim, PcpLimits { batch: 1, high: 0 });
    assert_eq!(sim.free_pages_bulk(&mut [Some(other), Some(late)]), 2);
    assert_eq!(free_blocks(&sim, Order::O0, MigrateType::Isolate), frames);
}

/// The frames that were freed, one after the other.
#[derive(Default)]
struct Frees(RefCell<Vec<Pfn>>);

impl Trace for Frees {
    fn mm_page_free(&self, pfn: Pfn, _: Order) {
        self.0.borrow_mut().push(pfn);
    }
}

/// So they do when only some zone of many has an isolated pageblock, wherever its frames stand; with
/// an isolated pageblock in a zone of which no frame is freed, all keep their turn.
#[test]
fn isolated_frames_of_one_zone_come_first() {
    let mut config = config();
    config.zones = ZoneLayout::X86_64;
    for isolated in [true, false] {
        let sim = Sim::boot_with(&config, NoReclaim, Frees::default()).expect("a machine");
        let take = |zone: Gfp| {
            let page = sim.alloc_page(zone | Gfp::MOVABLE).expect("memory");
            sim.set_movable(&page, Movability::Movable).expect("our frame");
            page
        };
        let [low, high] = [Gfp::DMA, Gfp::DMA32].map(|zone| [(); 3].map(|()| take(zone)));
        let ([a, b, c], [d, e, f]) = (low, high);
        let block = if isolated { e.pfn() } else { Pfn::new((48 << 20 >> 12) + 1) };
        let block = Pfn::new(block.get() / PAGEBLOCK * PAGEBLOCK);
        sim.isolate_pageblock(block, MigrateType::Movable).expect("a pageblock of the machine");
        let turns = match isolated {
            true => [&d, &e, &a, &b],
            false => [&a, &d, &b, &e],
        };
        let expected = turns.map(|page| page.pfn());
        assert_eq!(sim.free_pages_bulk(&mut [Some(a), Some(d), Some(b), Some(e)]), 4);
        assert_eq!(sim.trace().0.take(), expected);
        assert_eq!(sim.free_pages_bulk(&mut [Some(c), None]), 1, "of the other zone alone");
        assert_eq!(sim.free_pages_bulk(&mut [None, Some(f)]), 1);
    }
}

/// A refill counts CMA frames at once, but all frames only at its end: it weighs CMA against what
/// was free before it. 1024 CMA frames of 2016 free ones are too many by 16; if both were counted
/// at once, by 32.
#[test]
fn a_refill_weighs_cma_against_what_was_free_before() {
    let mut config = config();
    let area = page_alloc::boot::Reservation::new("camera", PhysAddr::new(32 << 20), 4 << 20);
    config.cma = vec![area];
    let sim = machine(config, 63);
    for _ in 0..898 {
        let block = rmqueue(&sim, Order::O4, MigrateType::Movable, AllocFlags::empty());
        let _leaked = block.into_raw();
    }
    let found = zone(&sim).snapshot();
    assert_eq!((found.free_pages, found.free_cma_pages), (2016, 1024));
    let first = take_movable(&sim);
    assert_eq!(zone(&sim).pageblock_migratetype(first.pfn()), Some(MigrateType::Cma));
    let found = zone(&sim).snapshot();
    assert_eq!((found.free_pages, found.free_cma_pages), (2016 - 63, 1024 - 16));
    let mut of_cma = 0;
    let lists = zone(&sim).pageset(CpuId::BOOT).unwrap();
    lists.for_each(|_, _, noted| of_cma += u32::from(noted == MigrateType::Cma)).unwrap();
    assert_eq!((lists.count(), of_cma), (62, 15));
}
