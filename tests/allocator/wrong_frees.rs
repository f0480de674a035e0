//! Wrong frees of every kind: the right error, and nothing changed.

use crate::dump::dump;
use crate::plan::{Node, Plan};
use crate::raw::{self, Board};
use crate::sim_machine::config;
use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, metadata_bytes};
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{
    FreeError, Gfp, IsolateError, MigrateType, Movability, NodeId, Order, PageAllocator, Pages,
    Pfn, PhysAddr,
};

/// Two nodes. The first has a hole and reserved frames inside a pageblock, the second is two
/// sections of which nothing was ever allocated.
fn machine() -> Sim {
    let nodes = vec![
        Node {
            id: 0,
            memory: vec![(16, 1500), (1600, 3000)],
            reserved: vec![(700, 710)],
            ..Node::default()
        },
        Node { id: 1, memory: vec![(4096, 6144)], ..Node::default() },
    ];
    let distances = vec![vec![10, 20], vec![20, 10]];
    let plan = Plan { nodes, dma_end: 2048, dma32_end: 2560, distances, boost_factor: 0 };
    Sim::boot(config(&plan.setup())).expect("a legal machine")
}

fn order(number: u32) -> Order {
    Order::new(number).expect("an order")
}

fn take(sim: &Sim, at: u32, number: u32) -> Pages {
    let node = NodeId::new(at).expect("a node");
    sim.alloc_pages_node(Some(node), Gfp::KERNEL | Gfp::THISNODE, order(number)).expect("memory")
}

/// Frees by number what is no block, in all orders; says whether all were refused alike and
/// nothing changed.
#[track_caller]
fn refused(sim: &Sim, pfn: u64, error: impl Fn(Pfn) -> FreeError) {
    let before = dump(sim);
    for order in Order::ALL {
        let pfn = Pfn::new(pfn);
        assert_eq!(raw::free(sim, pfn, order), Err(error(pfn)), "order {order}");
        assert_eq!(raw::token(sim, pfn, order).err(), Some(error(pfn)), "order {order}");
    }
    assert_eq!(dump(sim), before);
}

/// Where there is no memory, whatever the reason, the frame is foreign.
#[test]
fn frames_that_are_not_there() {
    let sim = machine();
    // Below memory, in a hole, behind the end of a node inside a section and outside of one, beyond
    // the end, beyond what a frame number can be.
    for pfn in [0, 15, 1500, 1599, 3000, 3071, 3072, 4095, 6144, 1 << 32, 1 << 52, u64::MAX] {
        refused(&sim, pfn, FreeError::Foreign);
    }
}

/// Reserved frames are told apart from frames that are not there.
#[test]
fn reserved_frames() {
    let sim = machine();
    for pfn in [700, 705, 709] {
        refused(&sim, pfn, FreeError::Reserved);
    }
}

/// Free blocks, fresh ones of which only the head was ever written among them.
#[test]
fn free_blocks() {
    let sim = machine();
    refused(&sim, 4096, FreeError::NotAllocated);
    for pfn in [4097, 4608, 5119] {
        refused(&sim, pfn, FreeError::NotHead);
    }
    let block = take(&sim, 1, 2);
    assert_eq!(block.pfn(), Pfn::new(4096));
    for pfn in [4100, 4104, 4608, 5120] {
        refused(&sim, pfn, FreeError::NotAllocated);
    }
    for pfn in [4105, 4609, 5119, 5121, 6143] {
        refused(&sim, pfn, FreeError::NotHead);
    }
    sim.free_pages(block).unwrap();
}

/// An allocated block can be freed by its first frame and order only, and still can be after all
/// the wrong tries.
#[test]
fn allocated_blocks() {
    let sim = machine();
    let (pfn, held) = take(&sim, 1, 3).into_raw();
    for inner in 1..8 {
        refused(&sim, pfn.get() + inner, FreeError::NotHead);
    }
    let before = dump(&sim);
    for wrong in Order::ALL.into_iter().filter(|order| *order != held) {
        let error = Err(FreeError::WrongOrder { pfn, found: held });
        assert_eq!(raw::free(&sim, pfn, wrong), error);
    }
    assert_eq!(dump(&sim), before);
    assert_eq!(raw::free(&sim, pfn, held), Ok(()));
}

/// A block freed twice: it heads a free block, or has become a part of one.
#[test]
fn double_frees() {
    let sim = machine();
    let blocks = [take(&sim, 1, 0), take(&sim, 1, 0), take(&sim, 1, 0)];
    let [a, b, c] = blocks.map(|pages| pages.pfn());
    assert_eq!((a, b, c), (Pfn::new(4096), Pfn::new(4097), Pfn::new(4098)));
    assert_eq!(raw::free(&sim, a, Order::ZERO), Ok(()));
    refused(&sim, a.get(), FreeError::NotAllocated);
    assert_eq!(raw::free(&sim, b, Order::ZERO), Ok(()));
    refused(&sim, b.get(), FreeError::NotHead);
    refused(&sim, a.get(), FreeError::NotAllocated);
    assert_eq!(raw::free(&sim, c, Order::ZERO), Ok(()));
    refused(&sim, c.get(), FreeError::NotHead);
}

/// A wrong free by number, in an interrupt that comes when the right one has looked at the block already:
/// the right one, which comes second, is told so. Of orders that have no per-CPU lists.
#[test]
fn a_double_free_by_an_interrupt() {
    let allocator = board();
    for order in [Order::O4, Order::MAX] {
        let pages = allocator.alloc_pages(Gfp::KERNEL, order).unwrap();
        let pfn = pages.pfn();
        raw::interrupt(move || assert_eq!(raw::free_on_board(allocator, pfn, order), Ok(())));
        let refused = allocator.free_pages(pages).unwrap_err();
        assert_eq!(refused.reason, FreeError::NotAllocated(pfn));
        assert_eq!(allocator.nr_free_pages(), 2048);
        assert_eq!(allocator.verify(), Ok(()));
    }
}

/// A pageblock is isolated in an interrupt that comes when a free has looked at it already: what is freed there
/// is not to be had.
#[test]
fn a_pageblock_isolated_by_an_interrupt() {
    let allocator = board();
    for order in [Order::O4, Order::MAX] {
        let pages = allocator.alloc_pages(Gfp::HIGHUSER_MOVABLE, order).unwrap();
        allocator.set_movable(&pages, Movability::Movable).unwrap();
        let isolated = pages.pfn() + (order.nr_pages() - 1); // of two pageblocks the second
        raw::interrupt(move || {
            allocator.isolate_pageblock(isolated, MigrateType::Movable).unwrap();
        });
        assert_eq!(allocator.free_pages(pages), Ok(()));
        assert_eq!(allocator.nr_free_pages(), 2048 - 512, "order {order}");
        assert_eq!(allocator.verify(), Ok(()));
        allocator.unisolate_pageblock(isolated, MigrateType::Movable).unwrap();
        assert_eq!(allocator.nr_free_pages(), 2048);
        assert_eq!(allocator.verify(), Ok(()));
    }
}

/// A pageblock is to become part of an area in an interrupt that comes while the CPU's lists, which have frames
/// of it, are in use: it stays isolated until they are drained.
#[test]
fn an_area_within_an_interrupt() {
    let allocator = board();
    let page = allocator.alloc_page(Gfp::KERNEL).unwrap();
    let pfn = page.pfn();
    allocator.free_pages(page).unwrap();
    let zone = || allocator.zones().find(|zone| zone.span().contains(pfn)).unwrap();
    raw::interrupt(move || {
        allocator.isolate_pageblock(pfn, MigrateType::Movable).unwrap();
        let refused = allocator.unisolate_pageblock(pfn, MigrateType::Cma).unwrap_err();
        assert!(matches!(refused, IsolateError::AtHand(_)), "{refused}");
    });
    // Has its list filled, of the same lists.
    let other = allocator.alloc_pages(Gfp::KERNEL, Order::O1).unwrap();
    assert_eq!(zone().pageblock_migratetype(pfn), Some(MigrateType::Isolate));
    assert_eq!(allocator.verify(), Ok(()));
    allocator.unisolate_pageblock(pfn, MigrateType::Cma).unwrap();
    assert_eq!(zone().pageblock_migratetype(pfn), Some(MigrateType::Cma));
    assert_eq!(zone().snapshot().free_cma_pages, 512);
    allocator.free_pages(other).unwrap();
    assert_eq!(allocator.verify(), Ok(()));
}

/// An allocator of two largest blocks.
fn board() -> &'static PageAllocator<Board> {
    let map = [MemoryRegion::new(PhysAddr::new(0x40_0000), 0x80_0000, MemoryKind::Usable)];
    let info = BootInfo::new(&map);
    let allocator: &PageAllocator<Board> = Box::leak(Box::new(PageAllocator::new(Board)));
    raw::init_in(allocator, &info, metadata_bytes(&info, 12).unwrap()).unwrap();
    allocator
}

/// A frame freed twice and meanwhile allocated again is the new owner's: no error can be told, but
/// with another order one is.
#[test]
fn a_stale_free_of_another_order() {
    let sim = machine();
    let (pfn, _) = take(&sim, 1, 0).into_raw();
    raw::free(&sim, pfn, Order::ZERO).unwrap();
    let (again, found) = take(&sim, 1, 1).into_raw();
    assert_eq!(again, pfn);
    assert_eq!(raw::free(&sim, pfn, Order::ZERO), Err(FreeError::WrongOrder { pfn, found }));
}

/// All calls that take a token and must refuse it for this reason, with the token given back.
#[track_caller]
fn token_refused(sim: &Sim, pages: Pages, reason: FreeError) {
    let before = dump(sim);
    let range = pages.range();
    assert_eq!(sim.get_page(&pages).err(), Some(reason));
    assert_eq!(sim.page_count(&pages), Err(reason));
    assert_eq!(sim.set_movable(&pages, Movability::Movable), Err(reason));
    assert_eq!(sim.page_is_pfmemalloc(&pages), Err(reason));
    assert_eq!(sim.private(&pages), Err(reason));
    assert_eq!(sim.set_private(&pages, 7), Err(reason));
    let refused = sim.free_pages(pages).unwrap_err();
    assert_eq!((refused.reason, refused.pages.range()), (reason, range));
    let refused = sim.split_page(refused.pages).unwrap_err();
    assert_eq!((refused.reason, refused.pages.range()), (reason, range));
    let refused = sim.split_in_halves(refused.pages).unwrap_err();
    assert_eq!((refused.reason, refused.pages.range()), (reason, range));
    let refused = sim.guard(refused.pages).unwrap_err();
    assert_eq!((refused.reason, refused.pages.range()), (reason, range));
    assert_eq!(refused.to_string(), reason.to_string());
    assert_eq!(dump(sim), before);
}

/// Tokens of another machine are refused, whatever the frames of that number are here: absent, free,
/// or allocated just so.
#[test]
fn tokens_of_another_machine() {
    let sim = machine();
    let far = |base: u64, bytes| {
        let map = vec![MemoryRegion::new(PhysAddr::new(base), bytes, MemoryKind::Usable)];
        Sim::boot(SimConfig::new(map)).expect("a legal machine")
    };
    let (elsewhere, twin) = (far(0x10_0000_0000, 8 << 20), machine());
    let pages = elsewhere.alloc_page(Gfp::KERNEL).unwrap();
    let reason = FreeError::Foreign(pages.pfn());
    token_refused(&sim, pages, reason);
    let theirs = [take(&twin, 1, 4), take(&twin, 1, 4)];
    let ours = take(&sim, 1, 4);
    assert_eq!(theirs[0].range(), ours.range());
    for pages in theirs {
        let reason = FreeError::Foreign(pages.pfn());
        token_refused(&sim, pages, reason);
    }
    assert_eq!(sim.free_pages(ours), Ok(()));
}

/// A second token of a block, made by number, is refused once the block was split or freed.
#[test]
fn tokens_that_are_out_of_date() {
    let sim = machine();
    let pages = take(&sim, 0, 4);
    let (pfn, held) = (pages.pfn(), pages.order());
    let stale = || raw::token(&sim, pfn, held);
    let (first, second, third) = (stale().unwrap(), stale().unwrap(), stale().unwrap());
    let (lower, upper) = sim.split_in_halves(pages).unwrap();
    token_refused(&sim, first, FreeError::WrongOrder { pfn, found: order(3) });
    let frames: Vec<_> = sim.split_page(lower).unwrap().collect();
    token_refused(&sim, second, FreeError::WrongOrder { pfn, found: Order::ZERO });
    frames.into_iter().for_each(|frame| sim.free_pages(frame).unwrap());
    token_refused(&sim, third, FreeError::NotAllocated(pfn));
    sim.free_pages(upper).unwrap();
    assert_eq!(sim.nr_free_pages(), sim.report().managed_pages);
}

/// A block that others hold too can't be split; each holder's free drops one reference.
#[test]
fn a_shared_block_is_not_split() {
    let sim = machine();
    let pages = take(&sim, 0, 2);
    let second = sim.get_page(&pages).unwrap();
    let (pfn, before) = (pages.pfn(), dump(&sim));
    let refused = sim.split_page(pages).unwrap_err();
    assert_eq!(refused.reason, FreeError::Shared(pfn));
    let refused = sim.split_in_halves(refused.pages).unwrap_err();
    assert_eq!(refused.reason, FreeError::Shared(pfn));
    assert_eq!(sim.page_count(&second), Ok(2));
    sim.free_pages(refused.pages).unwrap();
    assert_eq!(dump(&sim), before);
    assert_eq!(sim.page_count(&second), Ok(1));
    assert_eq!(sim.split_page(second).unwrap().len(), 4);
}

/// A single frame has no halves.
#[test]
fn a_single_frame_is_not_halved() {
    let sim = machine();
    let page = take(&sim, 0, 0);
    let (pfn, before) = (page.pfn(), dump(&sim));
    let refused = sim.split_in_halves(page).unwrap_err();
    assert_eq!(refused.reason, FreeError::WrongOrder { pfn, found: Order::ZERO });
    assert_eq!(dump(&sim), before);
    assert_eq!(sim.free_pages(refused.pages), Ok(()));
}
