//! Rounds of kswapd.

use crate::cache::{Cache, Machine, NODE, Script, at_hand, boot, wish};
use page_alloc::kswapd::{KswapdNext, KswapdReport, MAX_RECLAIM_RETRIES, Wakeup};
use page_alloc::{CpuId, Gfp, KswapdWake, Movability, Order, WatermarkLevel, ZoneType};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn kernel(machine: &'static Machine) -> &'static Cache {
    machine.reclaim()
}

/// How far the free frames of DMA32 are above its high watermark.
fn above_high(machine: &Machine) -> i64 {
    let zone = machine.zone(NODE, ZoneType::Dma32).unwrap().snapshot();
    let high = zone.watermark[WatermarkLevel::High as usize] + zone.watermark_boost;
    i64::try_from(zone.free_pages).unwrap() - i64::try_from(high).unwrap()
}

fn balance(machine: &Machine) -> KswapdReport {
    let report = machine.kswapd_balance(NODE).unwrap();
    machine.verify().unwrap();
    report
}

/// A node that has enough is left alone, and kswapd may sleep on.
#[test]
fn nothing_to_do() {
    let machine = boot(64 << 20);
    assert_eq!(machine.wakeup_kswapd(&wish(Order::O3, Gfp::KERNEL)), Wakeup::NotNeeded);
    let report = balance(machine);
    assert_eq!((report.passes, report.next, report.failures), (0, KswapdNext::Nap, 0));
    assert!(machine.kswapd_may_sleep(NODE));
}

/// A machine filled to the watermark wakes kswapd, which goes on until the high one is kept, at the
/// first priority as long as that helps; then it sleeps.
#[test]
fn memory_is_freed_up_to_the_high_watermark() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    assert!(above_high(machine) < 0);
    let wake = wish(Order::ZERO, Gfp::KERNEL);
    assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::Needed);
    assert!(!machine.kswapd_may_sleep(NODE), "something is wanted");
    cache.set_script(Script::Free(400));
    let report = balance(machine);
    assert_eq!((report.next, report.failures), (KswapdNext::Nap, 0));
    assert!(report.reclaimed >= 400 && report.scanned == 2 * report.reclaimed);
    assert!(above_high(machine) > 0);
    assert!(machine.kswapd_may_sleep(NODE));
    let state = cache.state();
    let marks = |zone| machine.zone(NODE, zone).unwrap().snapshot().watermark;
    let high = |zone| marks(zone)[WatermarkLevel::High as usize].max(32);
    assert_eq!(state.shrinks[0].nr_to_reclaim, high(ZoneType::Dma) + high(ZoneType::Dma32));
    assert_eq!(state.shrinks[0].priority, 12);
    assert!(state.shrinks[0].may_swap && state.shrinks[0].may_writepage);
    assert_eq!(state.shrinks.len(), report.passes as usize);
}

/// A CPU keeps four batches at most while a round is under way, and more afterwards.
#[test]
fn cpus_keep_less_meanwhile() {
    let machine = boot(512 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::empty());
    machine.wakeup_kswapd(&cache.last_wake());
    cache.set_script(Script::Free(200));
    let report = balance(machine);
    let zone = machine.zone(NODE, ZoneType::Dma32).unwrap();
    let limits = zone.pageset(CpuId::BOOT).unwrap().limits();
    assert!(report.passes >= 2 && limits.high > 5 * limits.batch, "{report:?} {limits:?}");
    assert!(cache.state().at_hand[1..].iter().all(|frames| *frames <= 4 * limits.batch));
    let pages = cache.state().pages.split_off(1000);
    for pages in pages.into_iter().rev().take(700) {
        machine.free_pages(pages).unwrap();
    }
    assert!(at_hand(machine) > 4 * limits.batch);
}

/// Where nothing comes free, each pass looks at twice as much, down to priority 1; after sixteen such
/// rounds the node is left alone, until somebody frees something.
#[test]
fn a_hopeless_node_is_left_alone() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    let wake = wish(Order::ZERO, Gfp::KERNEL);
    for round in 1..=MAX_RECLAIM_RETRIES {
        assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::Needed);
        let report = balance(machine);
        assert_eq!((report.failures, report.is_hopeless()), (round, round == MAX_RECLAIM_RETRIES));
        assert_eq!((report.passes, report.reclaimed, report.priority), (12, 0, 0));
        let asleep = report.next == KswapdNext::Nap;
        assert_eq!(asleep, report.is_hopeless());
        let shrinks = std::mem::take(&mut cache.state().shrinks);
        let priorities: Vec<_> = shrinks.iter().map(|shrink| shrink.priority).collect();
        assert_eq!(priorities, (1..=12).rev().collect::<Vec<_>>());
    }
    assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::NotNeeded);
    assert!(machine.kswapd_may_sleep(NODE), "whatever is wanted");
    assert!(machine.kswapd_balance(NODE).unwrap().is_hopeless());
    cache.set_script(Script::Free(2000));
    assert_eq!(balance(machine).failures, 0);
}

/// While nothing new is wanted, a round is for the zones that the last one was for, until these have
/// enough, however much is free elsewhere.
#[test]
fn a_round_goes_on_with_the_zones_of_the_last() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    cache.drop_where(|pages| pages.pfn().get() >= 4096);
    let zone = ZoneType::Dma;
    let wake = KswapdWake { zone, highest: zone, ..wish(Order::ZERO, Gfp::KERNEL | Gfp::DMA) };
    assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::Needed);
    for round in 1..=3 {
        let report = balance(machine);
        assert_eq!((report.passes, report.failures), (12, round));
        assert_eq!(report.next, KswapdNext::Again, "round {round}");
    }
    let shrinks = std::mem::take(&mut cache.state().shrinks);
    assert!(shrinks.iter().all(|shrink| shrink.highest == zone));
    cache.drop_where(|_| true);
    assert_eq!((balance(machine).passes, balance(machine).next), (0, KswapdNext::Nap));
}

/// And then it is for single frames, whatever the last one was for.
#[test]
fn a_round_goes_on_with_single_frames() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    assert_eq!(machine.wakeup_kswapd(&wish(Order::O3, Gfp::KERNEL)), Wakeup::Needed);
    for order in [Order::O3, Order::ZERO, Order::ZERO] {
        assert_eq!(balance(machine).next, KswapdNext::Again);
        let shrinks = std::mem::take(&mut cache.state().shrinks);
        assert!(!shrinks.is_empty() && shrinks.iter().all(|shrink| shrink.order == order));
    }
}

/// For a larger block, twice its frames are freed; then single frames are enough, and kcompactd does
/// the rest.
#[test]
fn larger_blocks_are_left_to_compaction() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    cache.drop_where(|pages| pages.pfn().get().is_multiple_of(8));
    // Frees what is not beside a free frame, so that no block of order 4 comes free.
    cache.state().pages.sort_by_key(|pages| u8::from(pages.pfn().get() % 8 == 4));
    assert_eq!(machine.wakeup_kswapd(&wish(Order::O4, Gfp::KERNEL)), Wakeup::Needed);
    cache.set_script(Script::Free(10));
    let report = balance(machine);
    assert_eq!((report.alloc_order, report.reclaim_order), (Order::O4, Order::ZERO));
    assert_eq!((report.reclaimed, report.next), (40, KswapdNext::Nap));
    assert_eq!(cache.state().kcompactd_wakes, 1);
    let orders: Vec<_> = cache.state().shrinks.iter().map(|shrink| shrink.order).collect();
    assert_eq!(orders, [Order::O4; 4]);
}

/// Where more could be freed than compaction needs, it is one pass until compaction has room, which it
/// has before some zone is above its high watermark.
#[test]
fn larger_blocks_are_freed_for_in_one_pass() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    cache.state().pages.sort_by_key(|pages| u8::from(pages.pfn().get() % 8 == 4));
    cache.state().reclaimable = 1000;
    machine.wakeup_kswapd(&wish(Order::O4, Gfp::KERNEL));
    cache.set_script(Script::Free(32));
    let report = balance(machine);
    let shrinks = &cache.state().shrinks;
    let of_order_4 = shrinks.iter().take_while(|shrink| shrink.order == Order::O4).count();
    assert!(
        of_order_4 > 4 && (report.alloc_order, report.reclaim_order) == (Order::O4, Order::ZERO)
    );
    assert_eq!(report.passes as usize, 1 + shrinks.len() - of_order_4);
}

/// A boosted watermark has as many frames freed, without writing or swapping, and is over after a
/// round; kcompactd is to make whole pageblocks then.
#[test]
fn boosts_are_worked_off() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    // Half of each pageblock: more than enough, and no whole pageblock.
    cache.drop_where(|pages| pages.pfn().get() & 256 != 0);
    let boost = || machine.zone(NODE, ZoneType::Dma32).unwrap().snapshot().watermark_boost;
    assert_eq!(boost(), 0);
    let kept = machine.alloc_page(Gfp::KERNEL).unwrap();
    let before = boost();
    assert!(before > 0, "a pageblock was mixed");
    let wake: KswapdWake = cache.last_wake();
    assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::Needed);
    cache.set_script(Script::Free(100));
    let report = balance(machine);
    assert_eq!(boost(), 0);
    assert_eq!(report.reclaimed, before.div_ceil(100) * 100);
    let state = cache.state();
    assert!(state.shrinks.iter().all(|shrink| !shrink.may_swap && !shrink.may_writepage));
    assert_eq!(state.kcompactd_wakes, 1);
    drop(state);
    machine.free_pages(kept).unwrap();
}

/// A boost is given up when nothing comes free for it, at once: no page is written for its sake.
#[test]
fn a_boost_is_not_worth_more_than_one_pass() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    cache.drop_where(|pages| pages.pfn().get() & 256 != 0);
    let kept = machine.alloc_page(Gfp::KERNEL).unwrap();
    machine.wakeup_kswapd(&cache.last_wake());
    let report = balance(machine);
    assert_eq!((report.passes, report.failures), (1, 1));
    assert_eq!(machine.zone(NODE, ZoneType::Dma32).unwrap().snapshot().watermark_boost, 0);
    machine.free_pages(kept).unwrap();
}

/// A kernel that says that it frees memory, and does not, is not asked for ever; what was wanted is
/// not forgotten.
#[test]
fn a_lie_ends_the_round() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    cache.set_script(Script::Lie);
    machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL));
    for _ in 0..2 {
        let report = balance(machine);
        assert_eq!((report.passes, report.next), (1024, KswapdNext::Again));
        assert!(!machine.kswapd_may_sleep(NODE));
    }
}

/// What is really short comes before a boost: then pages are written and swapped, and the boost is
/// over all the same.
#[test]
fn a_shortage_comes_before_a_boost() {
    let machine = boot(64 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::MEMALLOC);
    cache.drop_where(|pages| pages.pfn().get() & 256 != 0);
    let kept = machine.alloc_page(Gfp::KERNEL).unwrap();
    cache.drop_where(|_| false);
    let boost = || machine.zone(NODE, ZoneType::Dma32).unwrap().snapshot().watermark_boost;
    let boosted = boost();
    assert!(boosted > 0);
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC | Gfp::NOWARN;
    while let Ok(pages) = machine.alloc_page(gfp) {
        cache.state().pages.push(pages);
    }
    assert_eq!(machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL)), Wakeup::Needed);
    cache.set_script(Script::Free(400));
    let report = balance(machine);
    assert!(report.reclaimed > 0 && report.next == KswapdNext::Nap, "{report:?}");
    assert!(cache.state().shrinks.iter().all(|shrink| shrink.may_swap && shrink.may_writepage));
    assert!(boost() < boosted);
    machine.free_pages(kept).unwrap();
}

/// A round that ends in a panic is over: CPUs keep as much as before, and compaction ahead of need is
/// not kept back. kswapd may try again.
#[test]
fn a_panic_ends_the_round() {
    let machine = boot(512 << 20);
    let cache = kernel(machine);
    cache.fill(Gfp::empty());
    for pages in &cache.state().pages {
        machine.set_movable(pages, Movability::Movable).unwrap();
    }
    machine.wakeup_kswapd(&cache.last_wake());
    cache.set_script(Script::Panic);
    let round = || machine.kswapd_balance(NODE).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(round)).is_err());
    assert!(machine.compact_node_proactively(NODE, 100).unwrap().migrate_scanned > 0);
    let limits =
        machine.zone(NODE, ZoneType::Dma32).unwrap().pageset(CpuId::BOOT).unwrap().limits();
    assert!(limits.high > 5 * limits.batch);
    let pages = cache.state().pages.split_off(1000);
    for pages in pages.into_iter().rev().take(700) {
        machine.free_pages(pages).unwrap();
    }
    assert!(at_hand(machine) > 4 * limits.batch);
    cache.set_script(Script::Free(200));
    machine.wakeup_kswapd(&wish(Order::O0, Gfp::KERNEL));
    assert!(balance(machine).reclaimed > 0);
}
