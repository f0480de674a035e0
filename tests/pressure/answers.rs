//! What the example's kernel answers, hook by hook.

use crate::kernel::{Switch, Switches};
use crate::system::System;
use crate::threads::NODE;
use page_alloc::sim::SimConfig;
use page_alloc::{
    Gfp, MigrateMode, Migrated, NodeShrink, OomVerdict, Order, Pfn, Reclaim, Reclaimed, Reclaimer,
    Shortage, ZoneType,
};

const ALL: Switches =
    Switches { grouping: Switch::On, compaction: Switch::On, eviction: Switch::On };

fn boot(switches: Switches) -> System {
    System::boot(&SimConfig::flat(64 << 20), switches, (1, 0.0)).unwrap()
}

/// A shrink that looks at everything.
fn thorough(nr_to_reclaim: u64) -> NodeShrink {
    NodeShrink {
        node: NODE,
        reclaimer: Reclaimer::Kswapd,
        gfp: Gfp::KERNEL,
        highest: ZoneType::Normal,
        order: Order::ZERO,
        nr_to_reclaim,
        priority: 0,
        may_writepage: true,
        may_swap: true,
    }
}

fn shortage(order: Order) -> Shortage {
    let (node, highest) = (NODE, ZoneType::Normal);
    Shortage { order, gfp: Gfp::KERNEL, node, highest, nodemask: None }
}

/// The first frames of the next blocks to be evicted, which are put back; what was last is then
/// first.
fn ages(system: &System) -> Vec<Pfn> {
    let mut pages = Vec::new();
    let mut cache = system.kernel().cache();
    while let Some(page) = cache.take_oldest() {
        pages.push(page);
    }
    let pfns = pages.iter().map(|page| page.block.pages.pfn()).collect();
    pages.into_iter().for_each(|page| cache.put_back(page));
    pfns
}

/// The oldest go first; what was used meanwhile stays once.
#[test]
fn the_oldest_are_evicted() {
    let mut system = boot(ALL);
    assert!((0..500).all(|_| system.read()));
    let before = ages(&system);
    let kernel = system.kernel();
    kernel.cache().touch(before[0]);
    let isolated = kernel.cache().isolate(&thorough(40));
    let taken: Vec<_> = isolated.pages.iter().map(|page| page.block.pages.pfn()).collect();
    assert_eq!(taken, before[1..=taken.len()]);
    let frames: u64 = isolated.pages.iter().map(|page| page.block.frames()).sum();
    assert!((40..44).contains(&frames) && isolated.scanned > frames);
    let freed = kernel.evict(system.machine(), isolated);
    assert_eq!(freed, frames);
    assert_eq!(ages(&system).last(), Some(&before[0]));
    let rest = system.kernel().shrink_node(&thorough(u64::MAX));
    assert!(
        rest.reclaimed > 0 && system.kernel().cache().frames() == 0,
        "the second chance is over"
    );
    assert_eq!(system.shut_down(), Ok(()));
}

/// What is dirty stays where nothing may be written, and so does what lies in too high a zone.
#[test]
fn what_may_not_go_stays() {
    let mut system = boot(ALL);
    assert!((0..500).all(|_| system.read()));
    let kernel = system.kernel();
    let too_high = NodeShrink { highest: ZoneType::Dma, ..thorough(u64::MAX) };
    assert_eq!(kernel.shrink_node(&too_high), Reclaimed::NOTHING);
    let frames = kernel.cache().frames();
    let clean = kernel.shrink_node(&NodeShrink { may_writepage: false, ..thorough(u64::MAX) });
    assert!(clean.reclaimed > 0 && clean.reclaimed < frames && clean.scanned == frames);
    assert_eq!(kernel.reclaimable_pages(NODE, ZoneType::Dma32), frames - clean.reclaimed);
    let dirty = kernel.shrink_node(&thorough(u64::MAX));
    assert_eq!(dirty.reclaimed, frames - clean.reclaimed);
    assert_eq!(system.shut_down(), Ok(()));
}

/// A kernel without eviction frees nothing, and says that it has nothing to free.
#[test]
fn without_eviction_nothing_goes() {
    let mut system = boot(Switches { eviction: Switch::Off, ..ALL });
    assert!((0..100).all(|_| system.read()));
    let kernel = system.kernel();
    assert_eq!(kernel.shrink_node(&thorough(u64::MAX)), Reclaimed::NOTHING);
    assert_eq!(kernel.reclaimable_pages(NODE, ZoneType::Dma32), 0);
    assert_eq!(system.shut_down(), Ok(()));
}

/// A block that is moved keeps its age and its contents; the token of the old one is left. What
/// nobody has, or of another order, is not moved.
#[test]
fn moved_blocks_are_the_same() {
    let mut system = boot(ALL);
    assert!((0..500).all(|_| system.read()));
    let (machine, kernel) = (system.machine(), system.kernel());
    let before = ages(&system);
    for from in &before {
        for order in [Order::O0, Order::O2, Order::O4] {
            let mut target = machine.alloc_pages(Gfp::HIGHUSER_MOVABLE, order).unwrap();
            let to = target.pfn();
            let answer = kernel.migrate(*from, &mut target, MigrateMode::Sync, Gfp::KERNEL);
            let moved = answer == Migrated::Done;
            assert_eq!(target.pfn(), if moved { *from } else { to });
            assert!(moved || answer == Migrated::Unmovable);
            machine.free_pages(target).unwrap();
        }
    }
    let after = ages(&system);
    assert_eq!(before.len(), after.len());
    let stayed = before.iter().zip(&after).filter(|(from, to)| from == to).count();
    assert_eq!(stayed, 0, "each has one order that fits");
    assert_eq!(system.shut_down(), Ok(()));
}

/// What is dirty may be on its way to disk: who can't wait is told to ask again, who can gets it.
#[test]
fn dirty_blocks_are_waited_for() {
    let mut system = boot(ALL);
    assert!((0..500).all(|_| system.read()));
    let (machine, kernel) = (system.machine(), system.kernel());
    let mut answers = Vec::new();
    for from in ages(&system) {
        let mut target = machine.alloc_page(Gfp::HIGHUSER_MOVABLE).unwrap();
        let mut ask = |mode| kernel.migrate(from, &mut target, mode, Gfp::KERNEL);
        let at_once = ask(MigrateMode::Async);
        if at_once == Migrated::Busy {
            assert_eq!(ask(MigrateMode::SyncLight), Migrated::Done);
        }
        answers.push(at_once);
        machine.free_pages(target).unwrap();
    }
    let count = |answer| answers.iter().filter(|it| **it == answer).count();
    let single = count(Migrated::Busy) + count(Migrated::Done);
    assert!((10..30).contains(&(count(Migrated::Busy) * 100 / single)), "a fifth is dirty");
    assert_eq!(system.shut_down(), Ok(()));
}

/// The process that has most is killed, and all that it had is free; where nobody has anything,
/// there is nobody to kill.
#[test]
fn the_largest_process_is_killed() {
    let mut system = boot(ALL);
    assert_eq!(system.kernel().out_of_memory(&shortage(Order::O0)), OomVerdict::NothingToKill);
    system.kernel().processes().start_up_to(4);
    assert!((0..1000).all(|_| system.grow()));
    let kernel = system.kernel();
    let before = kernel.processes().frames();
    assert_eq!(kernel.out_of_memory(&shortage(Order::O0)), OomVerdict::Killed);
    let kill = kernel.tally().kills[0];
    assert_eq!(kernel.processes().frames(), before - kill.frames);
    assert!(kill.process == 1 && kill.frames > before / 3, "half of all went to the first");
    assert_eq!(system.shut_down(), Ok(()));
}

/// A frame that is lost, and contents that somebody wrote over, are found at the end.
#[test]
fn losses_are_found() {
    let mut system = boot(ALL);
    let lost = system.machine().alloc_page(Gfp::KERNEL).unwrap();
    let fault = system.shut_down().unwrap_err();
    assert!(fault.contains("free frames"), "frame {} is lost: {fault}", lost.pfn());

    let mut system = boot(ALL);
    assert!((0..2).all(|_| system.grow()));
    let processes = system.kernel().processes().end_first().unwrap();
    let [from, to] = [0, 1].map(|index| processes.blocks[index].pages.range());
    system.kernel().memory().copy(from, to);
    processes.blocks.into_iter().for_each(|block| system.free(block));
    assert_eq!(system.shut_down().unwrap_err(), "1 blocks were overwritten");
}
