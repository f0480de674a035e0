//! Each huge page that is refused has a reason, and the reasons are what they say.

use crate::kernel::{Switch, Switches};
use crate::options::Options;
use crate::refusals::Refusal;
use crate::simulation::Simulation;
use crate::system::System;
use page_alloc::sim::SimConfig;
use page_alloc::zone::watermark::ZoneView;
use page_alloc::{
    CompactPriority, CompactResult, NodeId, Order, WatermarkLevel, ZoneLayout, ZoneTried, ZoneType,
};

/// A machine of one zone, whose kernel gives up nothing by itself.
fn boot() -> System {
    let mut config = SimConfig::flat(64 << 20);
    config.zones = ZoneLayout::NORMAL_ONLY;
    config.options = config.options.watermark_boost_factor(0);
    let (on, eviction) = (Switch::On, Switch::Off);
    let switches = Switches { grouping: on, compaction: on, eviction };
    System::boot(&config, switches, (1, 0.0)).unwrap()
}

/// Processes take nearly all, in blocks that stay.
fn fill(system: &mut System) {
    while system.machine().nr_free_pages() > 700 {
        assert!(system.grow());
    }
}

/// Why the next request for a huge page is refused.
fn refusal(system: &System) -> Refusal {
    let counts = || Refusal::ALL.map(|(why, _)| system.kernel().tally().refusals(why));
    let before = counts();
    assert!(system.request_huge().is_none());
    let after = counts();
    let told = (0..before.len()).filter(|at| after[*at] > before[*at]);
    let told: Vec<_> = told.map(|at| Refusal::ALL[at].0).collect();
    assert_eq!(told.len(), 1);
    told[0]
}

/// In whole histories every huge page that was refused is counted under one reason, and those that
/// nothing was tried for are those of fault injection.
#[test]
fn every_refusal_has_a_reason() {
    for (seed, fail_chance) in [(1, 0.0), (2, 0.0), (3, 0.2)] {
        let options = Options { mib: 192, steps: 600, seed, fail_chance };
        let total = Simulation::run(&options).unwrap().total();
        let counts = Refusal::ALL.map(|(why, _)| total.refusals(why));
        assert_eq!(counts.iter().sum::<u64>(), total.failed[9]);
        assert!(total.failed[9] > 0 && total.failed[9] < total.asked[9]);
        assert_eq!(total.refusals(Refusal::Untried) > 0, fail_chance > 0.0, "{counts:?}");
    }
}

/// Of several zones the one that came furthest counts.
#[test]
fn the_zone_that_came_furthest_counts() {
    let tried = |result, failed| ZoneTried {
        node: NodeId::ZERO,
        zone: ZoneType::Normal,
        order: Order::O9,
        priority: CompactPriority::SyncLight,
        result,
        moved: 0,
        failed,
    };
    let falling = [
        (tried(CompactResult::Success, 0), Refusal::Kept),
        (tried(CompactResult::Complete, 1), Refusal::Stuck),
        (tried(CompactResult::PartialSkipped, 0), Refusal::Exhausted),
        (tried(CompactResult::Deferred, 0), Refusal::PutOff),
        (tried(CompactResult::Skipped, 0), Refusal::NoRoom),
    ];
    for (at, (zone, why)) in falling.into_iter().enumerate() {
        let mut zones: Vec<_> = falling[at..].iter().map(|(zone, _)| *zone).collect();
        assert_eq!((Refusal::of(&[zone]), Refusal::of(&zones)), (why, why));
        zones.reverse();
        assert_eq!(Refusal::of(&zones), why);
    }
    assert_eq!(Refusal::of(&[]), Refusal::Untried);
}

/// Where there is no room, less is free than the low watermark and twice the block.
#[test]
fn without_room_too_little_is_free() {
    let mut system = boot();
    fill(&mut system);
    assert_eq!(refusal(&system), Refusal::NoRoom);
    let zone = system.machine().zone(NodeId::ZERO, ZoneType::Normal).unwrap().snapshot();
    assert!(zone.free_pages() <= zone.watermark(WatermarkLevel::Low) + 1024);
    assert_eq!(system.shut_down(), Ok(()));
}

/// Where nothing can be moved, all is looked at; then requests are put off, as often as compaction is
/// put off after so many failures: each request asks twice, and the second failure counts.
#[test]
fn requests_are_put_off_after_failures() {
    let mut system = boot();
    fill(&mut system);
    (0..4000).for_each(|_| {
        let block = system.take_unmovable();
        block.into_iter().for_each(|block| system.free(block));
    });
    system.machine().drain_all_pages(None);
    let tried: Vec<_> = (1..=64).filter(|_| refusal(&system) == Refusal::Exhausted).collect();
    assert_eq!(tried.len(), 7);
    assert_eq!(refusal(&system), Refusal::PutOff);
    assert_eq!(system.shut_down(), Ok(()));
}

/// Blocks of four frames between free frames that are all alone have no place to go to.
#[test]
fn blocks_without_a_place_are_stuck() {
    let mut system = boot();
    while system.read() {}
    let all: Vec<_> = std::iter::from_fn(|| system.kernel().cache().take_oldest()).collect();
    for page in all {
        let alone = page.block.frames() == 1 && page.block.pages.pfn().get().is_multiple_of(2);
        match alone {
            true => system.free(page.block),
            false => system.kernel().cache().put_back(page),
        }
    }
    system.machine().drain_all_pages(None);
    assert_eq!(refusal(&system), Refusal::Stuck);
    assert_eq!(system.shut_down(), Ok(()));
}
