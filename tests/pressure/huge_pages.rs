//! The table of huge pages, against what the owners of the blocks know.

use crate::census::{Row, crowd, table, take};
use crate::kernel::{Switch, Switches};
use crate::memory::Block;
use crate::random::Random;
use crate::system::System;
use crate::threads::NODE;
use page_alloc::sim::SimConfig;
use page_alloc::{
    AllocFlags, MigrateType, Mobility, Order, PAGEBLOCK_NR_PAGES, Pages, Pfn, PfnRange, RawZone,
    RawZoneConfig, ZoneLayout,
};
use std::collections::BTreeSet;

const MIB: u64 = 256;

/// What was found with each combination: both on, grouping alone, compaction alone, neither.
fn obtained(rows: &[Row]) -> [u64; 4] {
    std::array::from_fn(|row| rows[row].obtained)
}

/// The machines are as full as they should be, whole at the end, and grouping and compaction get more
/// than either alone, and either alone not less than neither.
#[test]
fn each_of_both_helps() {
    for seed in 1..4 {
        let rows = take(MIB, seed).unwrap();
        for row in &rows {
            assert_eq!(row.fault, None);
            assert_eq!(row.occupied * 100 / row.managed, 89, "90, less a part of a block");
            assert!((29..31).contains(&(row.unmovable * 100 / row.occupied)));
            assert!(row.obtained <= row.ideal);
            assert_eq!(row.moved > 0, row.compaction == Switch::On);
        }
        let [both, grouping, compaction, neither] = obtained(&rows);
        assert!(both > grouping && both > compaction, "{}", table(&rows));
        assert!(grouping >= neither && compaction >= neither, "{}", table(&rows));
    }
}

/// A crowded machine, what its processes have, and the pageblocks where none of that lies.
fn crowded(seed: u64, grouping: Switch) -> (System, Vec<Block>, u64) {
    let mut config = SimConfig::flat(MIB << 20);
    config.zones = ZoneLayout::NORMAL_ONLY;
    config.options = config.options.watermark_boost_factor(0);
    let switches = Switches { grouping, compaction: Switch::On, eviction: Switch::Off };
    let mut system = System::boot(&config, switches, (seed, 0.0)).unwrap();
    crowd(&mut system);
    let mut blocks = Vec::new();
    while let Some(block) = system.take_unmovable() {
        blocks.push(block);
    }
    let pageblock = |block: &Block| block.pages.pfn().get() / PAGEBLOCK_NR_PAGES;
    let tainted: BTreeSet<_> = blocks.iter().map(pageblock).collect();
    let clean = (MIB << 8) / PAGEBLOCK_NR_PAGES - tainted.len() as u64;
    (system, blocks, clean)
}

/// The free pageblocks.
fn free_pageblocks(system: &System) -> u64 {
    system.machine().zones().map(|zone| zone.nr_free()[9] + 2 * zone.nr_free()[10]).sum()
}

/// With grouping, compaction gets all pageblocks without an unmovable block, but for those that the
/// cache fills, where the scanners meet, and what the tables and the watermark take: three. No huge
/// page has a frame that somebody else has.
#[test]
fn compaction_gets_what_unmovable_blocks_leave() {
    for seed in 4..7 {
        let (mut system, unmovable, clean) = crowded(seed, Switch::On);
        let cached = system.kernel().cache().frames().div_ceil(PAGEBLOCK_NR_PAGES);
        let before = free_pageblocks(&system);
        system.machine().compact_node(NODE).unwrap();
        let free = free_pageblocks(&system);
        assert!(free > before, "{before} became {free}");
        let huge: Vec<_> = std::iter::from_fn(|| system.request_huge()).collect();
        let obtained = huge.len() as u64;
        assert!(
            obtained <= clean && obtained + cached + 3 >= clean,
            "{obtained}, {cached} of {clean}"
        );
        let taken: BTreeSet<_> = huge.iter().map(|block| block.pages.pfn()).collect();
        assert_eq!(taken.len(), huge.len());
        unmovable.into_iter().chain(huge).for_each(|block| system.free(block));
        assert_eq!(system.shut_down(), Ok(()), "contents are what their owners wrote");
    }
}

/// A kernel that never says that memory can be moved has all of it in unmovable pageblocks, as Linux
/// has with grouping switched off; the others are those that nobody ever used.
#[test]
fn without_grouping_all_memory_is_unmovable() {
    let (mut system, unmovable, _) = crowded(7, Switch::Off);
    let kinds = system.machine().zones().map(|zone| zone.nr_pageblocks());
    let kinds = kinds.fold([0; 2], |sum, kinds| [sum[0] + kinds[0], sum[1] + kinds[1]]);
    assert!(kinds[0] > 100 && kinds[1] <= 8, "{kinds:?}");
    unmovable.into_iter().for_each(|block| system.free(block));
    assert_eq!(system.shut_down(), Ok(()));
}

/// One zone, what is taken from it as the example's processes and cache do, and where all of it lies.
fn history(mobility: Mobility, of: impl Fn(u64) -> MigrateType) -> Vec<Option<Pfn>> {
    let span = PfnRange::new(Pfn::new(0x1000), Pfn::new(0x1000 + (16 << 9)));
    let present = [span];
    let config = RawZoneConfig { mobility, ..RawZoneConfig::new(span, &present) };
    let mut memory = vec![0; RawZone::metadata_bytes(&config).unwrap()];
    let mut zone = RawZone::new(&mut memory, &config).unwrap();
    let (mut random, mut held, mut places) = (Random::new(1), Vec::new(), Vec::new());
    for _ in 0..40_000 {
        let kind = of(random.below(3));
        let order = Order::ALL[random.index(4)];
        let pages = zone.rmqueue(order, kind, AllocFlags::empty());
        places.push(pages.as_ref().map(Pages::pfn));
        match pages {
            Some(pages) => held.push(pages),
            None => (0..held.len() / 2).for_each(|_| {
                let index = random.index(held.len());
                zone.free_pages(held.swap_remove(index)).unwrap();
            }),
        }
    }
    zone.verify().unwrap();
    places
}

/// Requests that are all unmovable have the same blocks as requests of any kind have with grouping
/// switched off, in a history in which the zone fills up and half of it is freed, again and again.
/// Grouping gives others.
#[test]
fn all_unmovable_is_as_grouping_off() {
    let kinds = [MigrateType::Unmovable, MigrateType::Movable, MigrateType::Reclaimable];
    let any = |kind| kinds[usize::try_from(kind).unwrap()];
    let off = history(Mobility::Disabled, |kind| Mobility::Disabled.migratetype(any(kind)));
    assert!(off.iter().filter(|place| place.is_none()).count() > 3);
    assert_eq!(off, history(Mobility::Grouped, |_| MigrateType::Unmovable));
    assert_ne!(off, history(Mobility::Grouped, any));
}
