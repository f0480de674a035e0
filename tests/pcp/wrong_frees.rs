//! Wrong frees while blocks are on per-CPU lists, and calls before there is a machine.

use crate::raw::{self, Board};
use crate::view::view;
use page_alloc::alloc::{Drained, TuneError};
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::sim::{Contents, Sim, SimConfig, SimKernel, Tables};
use page_alloc::zone::ReclaimActive;
use page_alloc::{
    AllocError, AllocFlags, CpuId, FreeError, Gfp, MigrateType, Movability, NoTrace, NodeId, Order,
    PageAllocator, Pages, Pfn, Trace, ZoneType,
};

const ZONE: (NodeId, ZoneType) = (NodeId::ZERO, ZoneType::Dma32);

/// A machine whose lists keep all that is freed.
fn machine() -> Sim {
    let mut config = SimConfig::flat(64 << 20);
    config.cpus = vec![NodeId::ZERO; 2];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    let sim = Sim::boot(config).expect("a legal machine");
    let limits = PcpLimits { batch: 8, high: 100_000 };
    sim.set_pcp_limits(ZONE.0, ZONE.1, limits).expect("a zone with memory");
    sim
}

fn take(sim: &Sim, order: Order) -> Pages {
    sim.alloc_pages(Gfp::KERNEL, order).expect("memory")
}

/// Frees by number what is no allocated block, in all orders, on either CPU.
#[track_caller]
fn refused(sim: &Sim, pfn: Pfn, error: FreeError) {
    let before = view(sim);
    for cpu in [0, 1].map(CpuId::new) {
        sim.on_cpu(cpu, || {
            for order in Order::ALL {
                assert_eq!(raw::free(sim, pfn, order), Err(error), "order {order}");
                assert_eq!(raw::token(sim, pfn, order).err(), Some(error), "order {order}");
            }
        });
    }
    assert_eq!(view(sim), before);
}

/// A block on a CPU's lists is free already, and its other frames are inside it: whether it was
/// freed, or came with a refill and nobody ever had it.
#[test]
fn blocks_on_lists_are_free() {
    for order in [Order::O0, Order::O1, Order::O2, Order::O3, Order::O9] {
        let sim = machine();
        let block = take(&sim, order);
        let (first, inner) = (block.pfn(), block.pfn() + (order.nr_pages() - 1));
        let next = block.range().end;
        refused(&sim, next, FreeError::NotAllocated(next));
        sim.free_pages(block).expect("an allocated block");
        refused(&sim, first, FreeError::NotAllocated(first));
        if order > Order::ZERO {
            refused(&sim, inner, FreeError::NotHead(inner));
        }
        assert_eq!(take(&sim, order).pfn(), first, "the last one freed is got first");
    }
}

/// A second token of a block that is on a CPU's list by now is refused by every call.
#[test]
fn stale_tokens() {
    let sim = machine();
    let block = take(&sim, Order::O2);
    let pfn = block.pfn();
    let stale = raw::token(&sim, pfn, Order::O2).expect("an allocated block");
    sim.free_pages(block).expect("an allocated block");
    let (before, reason) = (view(&sim), FreeError::NotAllocated(pfn));
    assert_eq!(sim.get_page(&stale).err(), Some(reason));
    assert_eq!(sim.page_count(&stale), Err(reason));
    assert_eq!(sim.set_movable(&stale, Movability::Movable), Err(reason));
    assert_eq!(sim.page_is_pfmemalloc(&stale), Err(reason));
    assert_eq!(sim.private(&stale), Err(reason));
    assert_eq!(sim.set_private(&stale, u64::MAX), Err(reason));
    let refused = sim.split_page(stale).unwrap_err();
    assert_eq!(refused.reason, reason);
    let refused = sim.split_in_halves(refused.pages).unwrap_err();
    assert_eq!(refused.reason, reason);
    let refused = sim.guard(refused.pages).unwrap_err();
    assert_eq!(refused.reason, reason);
    let mut pages = [Some(refused.pages)];
    assert_eq!(sim.free_pages_bulk(&mut pages), 0);
    let [stale] = pages;
    let refused = sim.free_pages(stale.expect("it stayed")).unwrap_err();
    assert_eq!(refused.reason, reason);
    assert_eq!(view(&sim), before);
}

/// A slice of all sorts: what others have too loses a holder, what is of another order is freed, and of
/// two tokens of one frame the second stays, whether frees are traced or not.
#[test]
fn slices_of_all_sorts() {
    fn free_all<T: Trace>(sim: &Sim<SimKernel, T>) -> [Option<Pages>; 7] {
        let take = |order| sim.alloc_pages(Gfp::KERNEL, order).expect("memory");
        let (shared, sole, last) = (take(Order::O0), take(Order::O0), take(Order::O0));
        let kept = sim.get_page(&shared).expect("a second holder");
        let before = sim.get_page(&last).expect("a second holder");
        sim.free_pages(before).expect("a block with two holders");
        let twin = raw::token(sim, sole.pfn(), Order::O0).expect("an allocated block");
        let name = sole.pfn();
        let others = [take(Order::O1), take(Order::O4)].map(Some);
        let [small, large] = others;
        let mut pages = [Some(shared), small, None, Some(sole), large, Some(twin), Some(last)];
        assert_eq!(sim.free_pages_bulk(&mut pages), 5);
        assert_eq!(pages.iter().flatten().map(Pages::pfn).collect::<Vec<_>>(), [name]);
        assert_eq!(sim.page_count(&kept), Ok(1));
        assert_eq!(sim.free_pages(kept), Ok(()));
        sim.verify().expect("all is well");
        pages
    }
    let sim = machine();
    let refused = free_all(&sim).into_iter().flatten().next().expect("it stayed");
    let reason = FreeError::NotAllocated(refused.pfn());
    assert_eq!(sim.free_pages(refused).unwrap_err().reason, reason);
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), machine().nr_free_pages());
    let config = SimConfig::flat(64 << 20);
    let untraced = Sim::boot_with(&config, SimKernel::default(), NoTrace).expect("a legal machine");
    let free = untraced.nr_free_pages();
    assert_eq!(free_all(&untraced).into_iter().flatten().count(), 1);
    untraced.drain_all_pages(None);
    assert_eq!(untraced.nr_free_pages(), free);
}

/// A block of another order than it is freed with is left alone, also where that order has lists.
#[test]
fn a_wrong_order() {
    let sim = machine();
    let block = take(&sim, Order::O1);
    let (pfn, before) = (block.pfn(), view(&sim));
    for order in Order::ALL.into_iter().filter(|order| *order != Order::O1) {
        let error = FreeError::WrongOrder { pfn, found: Order::O1 };
        assert_eq!(raw::free(&sim, pfn, order), Err(error));
    }
    assert_eq!(view(&sim), before);
    assert_eq!(sim.free_pages(block), Ok(()));
}

/// Tokens that outlived their allocator are not another one's, though it has the same frames, free
/// on its lists or allocated.
#[test]
fn tokens_of_a_dropped_allocator() {
    let (sim, gone) = (machine(), machine());
    let mut theirs = [(); 3].map(|()| Some(take(&gone, Order::ZERO)));
    let ours = [(); 2].map(|()| take(&sim, Order::ZERO));
    let shared = |pages: &Option<Pages>| pages.as_ref().map(Pages::pfn);
    assert_eq!(shared(&theirs[0]), Some(ours[0].pfn()));
    drop(gone);
    let before = view(&sim);
    assert_eq!(sim.free_pages_bulk(&mut theirs), 0);
    for pages in theirs.into_iter().flatten() {
        let reason = FreeError::Foreign(pages.pfn());
        assert_eq!(sim.get_page(&pages).err(), Some(reason));
        assert_eq!(sim.free_pages(pages).unwrap_err().reason, reason);
    }
    assert_eq!(view(&sim), before);
}

/// Nor are they a later one's, whatever memory the host gives it: tables carved out of the machine, or apart.
#[test]
fn tokens_of_an_earlier_machine() {
    for tables in [Tables::Carved, Tables::Apart] {
        let mut config = SimConfig::flat(64 << 20);
        config.tables = tables;
        let mut earlier = Vec::new();
        for order in [Order::ZERO, Order::O4, Order::O9, Order::MAX] {
            let sim = Sim::boot(config.clone()).expect("a legal machine");
            earlier.push(take(&sim, order));
            drop(sim);
            let later = Sim::boot(config.clone()).expect("a legal machine");
            let _ours: Vec<_> = (0..100).map(|_| take(&later, Order::ZERO)).collect();
            let before = view(&later);
            earlier = (earlier.into_iter())
                .map(|pages| {
                    let foreign = FreeError::Foreign(pages.pfn());
                    let refused = later.free_pages(pages).expect_err("another machine's");
                    assert_eq!(refused.reason, foreign);
                    refused.pages
                })
                .collect();
            assert_eq!(view(&later), before);
        }
    }
}

/// Before `init` every call that came with the lists fails, or has nothing to do.
#[test]
fn before_init() {
    let allocator = PageAllocator::new(Board);
    let (node, zone) = ZONE;
    let mut pages = [const { None }; 3];
    let refused = allocator.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages);
    assert_eq!(refused, Err(AllocError::Uninitialized));
    let sim = machine();
    pages[1] = sim.alloc_page(Gfp::KERNEL).ok();
    assert_eq!(allocator.free_pages_bulk(&mut pages), 0);
    assert!(pages[1].is_some());
    for drained in [
        allocator.drain_local_pages(None),
        allocator.drain_all_pages(Some(ZONE)),
        allocator.drain_cpu_pages(CpuId::BOOT),
        allocator.drain_zone_pages(CpuId::BOOT, node, zone),
        allocator.age_local_pages(),
    ] {
        assert_eq!(drained, Drained::default());
    }
    let no = Err(TuneError::Uninitialized);
    assert_eq!(allocator.set_min_free_kbytes(1), no);
    assert_eq!(allocator.set_pcp_limits(node, zone, PcpLimits { batch: 1, high: 1 }), no);
    assert_eq!(allocator.set_reclaim_active(node, zone, ReclaimActive::Yes), no);
    assert_eq!(allocator.cpu_online(CpuId::BOOT), no);
    assert_eq!(allocator.cpu_offline(CpuId::BOOT).err(), no.err());
    let (kind, flags) = (MigrateType::Movable, AllocFlags::CMA);
    assert!(allocator.rmqueue(node, zone, Order::ZERO, kind, flags).is_none());
    assert!(allocator.zone(node, zone).is_none());
    assert_eq!(allocator.vm_events(), None);
    assert_eq!(sim.free_pages_bulk(&mut pages), 1);
}
