//! How urgent the passes of a round are, and what each is to bring.

use crate::cache::{Cache, Machine, NODE, Script, boot, wish};
use page_alloc::kswapd::{KswapdReport, Wakeup};
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{Gfp, KswapdWake, Movability, Order, Pages, Reclaim, ZoneType};

/// A machine with nothing left, and its kernel.
fn full() -> (&'static Machine, &'static Cache) {
    let machine = boot(64 << 20);
    let cache = machine.reclaim();
    cache.fill(Gfp::MEMALLOC);
    (machine, cache)
}

/// A machine of which half is free, with a boost, for which kswapd was woken.
fn boosted() -> (&'static Machine, &'static Cache, Pages) {
    let (machine, cache) = full();
    cache.drop_where(|pages| pages.pfn().get() & 256 != 0);
    let kept = machine.alloc_page(Gfp::KERNEL).unwrap();
    assert!(machine.zone(NODE, ZoneType::Dma32).unwrap().snapshot().watermark_boost > 0);
    machine.wakeup_kswapd(&cache.last_wake());
    (machine, cache, kept)
}

fn balance(machine: &Machine) -> KswapdReport {
    let report = machine.kswapd_balance(NODE).unwrap();
    machine.verify().unwrap();
    report
}

fn priorities(cache: &Cache) -> Vec<u32> {
    cache.state().shrinks.iter().map(|shrink| shrink.priority).collect()
}

fn set_high(machine: &Machine, zone: ZoneType, high: u64) {
    let marks = Watermarks { min: 1, low: 2, high, promo: high };
    machine.set_watermarks(NODE, zone, marks).unwrap();
}

/// For a boost alone, passes get no more urgent than the third.
#[test]
fn a_boost_is_not_urgent() {
    let (machine, cache, kept) = boosted();
    cache.set_script(Script::Free(8));
    balance(machine);
    let priorities = priorities(cache);
    assert!(priorities.len() > 10);
    assert_eq!(priorities[..2], [12, 11]);
    assert!(priorities[2..].iter().all(|priority| *priority == 10), "{priorities:?}");
    machine.free_pages(kept).unwrap();
}

/// When others take so much meanwhile that memory is really short, it begins anew.
#[test]
fn a_shortage_begins_anew() {
    let (machine, cache, kept) = boosted();
    cache.set_script(Script::Lose(usize::MAX));
    balance(machine);
    assert_eq!(priorities(cache)[..3], [12, 12, 11]);
    assert!(!cache.state().shrinks[0].may_swap && cache.state().shrinks[1].may_swap);
    machine.free_pages(kept).unwrap();
}

/// A pass that looked at enough and found nothing makes the next more urgent all the same.
#[test]
fn looking_is_not_finding() {
    let (machine, cache) = full();
    machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL));
    cache.set_script(Script::Look);
    assert_eq!(balance(machine).passes, 12);
    assert_eq!(priorities(cache), (1..=12).rev().collect::<Vec<_>>());
}

/// A pass is to bring the high watermarks of all zones, 32 frames of each at least. One that looks at
/// as many does not make the next more urgent; one that looks at fewer does.
#[test]
fn enough_is_the_high_watermarks() {
    for (freed, second) in [(266, 12), (265, 11)] {
        let (machine, cache) = full();
        set_high(machine, ZoneType::Dma, 3);
        set_high(machine, ZoneType::Dma32, 500);
        machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL));
        cache.set_script(Script::Free(freed));
        balance(machine);
        assert_eq!(cache.state().shrinks[0].nr_to_reclaim, 532);
        assert_eq!(priorities(cache)[..2], [12, second], "{freed}");
    }
}

/// Twice the frames of a block are enough to go on for single frames.
#[test]
fn twice_the_block_is_enough() {
    let (machine, cache) = full();
    cache.state().pages.sort_by_key(|pages| u8::from(pages.pfn().get() % 8 == 4));
    machine.wakeup_kswapd(&wish(Order::O4, Gfp::KERNEL));
    cache.set_script(Script::Free(8));
    balance(machine);
    let orders: Vec<_> = cache.state().shrinks.iter().map(|shrink| shrink.order).collect();
    assert_eq!(orders[..5], [Order::O4, Order::O4, Order::O4, Order::O4, Order::O0]);
}

/// While kswapd is at work, nothing is compacted ahead of need.
#[test]
fn nothing_ahead_of_need_meanwhile() {
    let (machine, cache) = full();
    for pages in &cache.state().pages {
        machine.set_movable(pages, Movability::Movable).unwrap();
    }
    cache.drop_where(|pages| pages.pfn().get().is_multiple_of(2));
    set_high(machine, ZoneType::Dma, 1 << 20);
    set_high(machine, ZoneType::Dma32, 1 << 20);
    machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL));
    cache.set_script(Script::Compact);
    balance(machine);
    assert_eq!(cache.state().scanned_meanwhile, 0);
    assert!(machine.compact_node_proactively(NODE, 100).unwrap().migrate_scanned > 0);
}

/// One zone above its high watermark is enough, whatever the others are.
#[test]
fn one_balanced_zone_is_enough() {
    let machine = boot(64 << 20);
    set_high(machine, ZoneType::Dma32, 1 << 20);
    assert_eq!(machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL)), Wakeup::NotNeeded);
    assert_eq!((balance(machine).passes, machine.kswapd_may_sleep(NODE)), (0, true));
}

/// Nobody is woken for a zone that has no memory.
#[test]
fn a_zone_without_memory_wakes_nobody() {
    let (machine, _) = full();
    let zone = ZoneType::Movable;
    let wake = KswapdWake { zone, highest: zone, ..wish(Order::ZERO, Gfp::KERNEL) };
    assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::NotNeeded);
    assert_eq!(machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL)), Wakeup::Needed);
}

fn boost(machine: &Machine) -> u64 {
    machine.zone(NODE, ZoneType::Dma32).unwrap().snapshot().watermark_boost
}

/// A boost of a zone that would not do is left for another round; one that nothing is wanted for ends
/// them all.
#[test]
fn boosts_of_higher_zones_stay() {
    let (machine, cache, kept) = boosted();
    balance(machine);
    assert_eq!(boost(machine), 0);
    machine.free_pages(kept).unwrap();
    cache.set_script(Script::Mix(0));
    let shrink = cache.state().shrinks[0];
    cache.shrink_node(&shrink);
    let before = boost(machine);
    assert!(before > 0);
    let zone = ZoneType::Dma;
    let wake = KswapdWake { zone, highest: zone, ..wish(Order::ZERO, Gfp::KERNEL) };
    cache.drop_where(|pages| pages.pfn().get() < 4096);
    assert_eq!(machine.wakeup_kswapd(&wake), Wakeup::NotNeeded);
    cache.set_script(Script::Free(32));
    for _again in 0..2 {
        assert_eq!((balance(machine).passes, boost(machine)), (0, before));
    }
    assert_eq!(machine.wakeup_kswapd(&wish(Order::ZERO, Gfp::KERNEL)), Wakeup::Needed);
    balance(machine);
    assert_eq!(boost(machine), 0);
}

/// What is added to a boost during a round is not over with it.
#[test]
fn a_boost_added_meanwhile_stays() {
    let (machine, cache, kept) = boosted();
    let before = boost(machine);
    set_high(machine, ZoneType::Dma32, 2000);
    cache.set_script(Script::Mix(usize::try_from(before).unwrap()));
    assert_eq!(balance(machine).passes, 1);
    assert!(boost(machine) > 0);
    machine.free_pages(kept).unwrap();
}
