//! How many huge pages a full machine still has: with grouping by mobility and with compaction, and
//! with each of them switched off.
//!
//! The machine has one zone, so that nothing counts but fragmentation. It is filled with cache pages
//! and unmovable blocks, mixed; then half as many blocks as it has frames are freed one by one, each
//! replaced at once: unmovable ones at random, of the cache mostly the oldest. In the end some more are
//! freed. The kernel gives up nothing by itself, so that the machine stays as full as it is.
//!
//! Linux switches grouping off on machines with less than six pageblocks: then all requests count as
//! unmovable. The allocator does that for small machines too; a kernel on a larger one has the same
//! by not saying that memory can be moved (no `Gfp::MOVABLE`), and so does this one. A test shows that
//! it comes to the same, block for block.

use crate::kernel::{Switch, Switches};
use crate::system::System;
use crate::threads::NODE;
use page_alloc::sim::{SimConfig, SimError};
use page_alloc::zone::watermark::ZoneView;
use page_alloc::{Order, WatermarkLevel, ZoneLayout};
use std::fmt;

/// How full the machine is while blocks come and go, in hundredths of its frames.
const BUSY: u64 = 97;

/// How full it is when the huge pages are asked for.
const OCCUPIED: u64 = 90;

/// The unmovable frames, in hundredths of those.
const UNMOVABLE: u64 = 30;

/// Of so many cache pages that go, one is any page, as when a file is deleted; the others are the
/// oldest.
const DELETED: u64 = 200;

/// What was found on one machine.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) grouping: Switch,
    pub(crate) compaction: Switch,
    pub(crate) managed: u64,
    /// Frames in use, and those of them that are unmovable.
    pub(crate) occupied: u64,
    pub(crate) unmovable: u64,
    /// Huge pages that could be had, and those that the free frames come to.
    pub(crate) obtained: u64,
    pub(crate) ideal: u64,
    /// Frames that compaction moved.
    pub(crate) moved: u64,
    /// What is wrong with the machine after all was given back.
    pub(crate) fault: Option<String>,
}

/// The four machines, the best one first.
pub(crate) fn take(mib: u64, seed: u64) -> Result<Vec<Row>, SimError> {
    let mut rows = Vec::new();
    for grouping in [Switch::On, Switch::Off] {
        for compaction in [Switch::On, Switch::Off] {
            rows.push(row(mib, seed, Switches { grouping, compaction, eviction: Switch::Off })?);
        }
    }
    Ok(rows)
}

fn row(mib: u64, seed: u64, switches: Switches) -> Result<Row, SimError> {
    let mut config = SimConfig::flat(mib << 20);
    config.zones = ZoneLayout::NORMAL_ONLY;
    // No reserve grows, so that the machine stays as full as it is.
    config.options = config.options.watermark_boost_factor(0);
    let mut system = System::boot(&config, switches, (seed, 0.0))?;
    crowd(&mut system);
    Ok(count(&mut system, switches))
}

/// Fills the machine, has blocks come and go, and frees some of both kinds, all at random.
pub(crate) fn crowd(system: &mut System) {
    fill(system);
    for _ in 0..system.managed() / 2 {
        match system.random.below(100) < UNMOVABLE {
            true => free_unmovable(system),
            false => free_cached(system),
        }
        fill(system);
    }
    let target = system.managed() * OCCUPIED / 100;
    loop {
        let (cached, unmovable) = frames(system);
        match cached + unmovable {
            occupied if occupied <= target => break,
            occupied if unmovable * 100 > occupied * UNMOVABLE => free_unmovable(system),
            _ => free_cached(system),
        }
    }
    system.machine().drain_all_pages(None);
}

/// Asks for blocks of both kinds until the machine is full.
fn fill(system: &mut System) {
    let target = system.managed() * BUSY / 100;
    loop {
        let (cached, unmovable) = frames(system);
        let served = match cached + unmovable {
            occupied if occupied >= target => break,
            occupied if unmovable * 100 < occupied * UNMOVABLE => system.grow(),
            _ => system.read(),
        };
        if !served {
            break;
        }
    }
}

fn free_unmovable(system: &mut System) {
    system.take_unmovable().into_iter().for_each(|block| system.free(block));
}

fn free_cached(system: &mut System) {
    let block = match system.random.below(DELETED) {
        0 => system.take_cached(),
        _ => system.kernel().cache().take_oldest().map(|page| page.block),
    };
    block.into_iter().for_each(|block| system.free(block));
}

/// The frames of the cache, and those of processes.
fn frames(system: &System) -> (u64, u64) {
    let kernel = system.kernel();
    (kernel.cache().frames(), kernel.processes().frames())
}

/// Compacts the machine, if its kernel can, and asks for huge pages until there are no more.
fn count(system: &mut System, switches: Switches) -> Row {
    let Switches { grouping, compaction, .. } = switches;
    let (managed, ideal) = (system.managed(), ideal(system));
    let (cached, unmovable) = frames(system);
    // What `echo 1 > /proc/sys/vm/compact_memory` does.
    let moved = system.machine().compact_node(NODE).map_or(0, |stats| stats.moved);
    let mut huge = Vec::new();
    while let Some(block) = system.request_huge() {
        huge.push(block);
    }
    let obtained = huge.len() as u64;
    huge.into_iter().for_each(|block| system.free(block));
    let fault = system.shut_down().err();
    let occupied = cached + unmovable;
    Row { grouping, compaction, managed, occupied, unmovable, obtained, ideal, moved, fault }
}

/// The huge pages that the free frames above the min watermark come to.
fn ideal(system: &System) -> u64 {
    let spare = system.machine().zones().map(|zone| {
        let zone = zone.snapshot();
        zone.free_pages.saturating_sub(zone.watermark(WatermarkLevel::Min))
    });
    spare.sum::<u64>() / Order::O9.nr_pages()
}

impl Row {
    fn percent(&self) -> u64 {
        (self.obtained * 100).checked_div(self.ideal).unwrap_or(100)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |switch| match switch {
            Switch::On => "on",
            Switch::Off => "off",
        };
        let (grouping, compaction) = (word(self.grouping), word(self.compaction));
        let Self { obtained, ideal, moved, .. } = self;
        let percent = self.percent();
        write!(f, "  {grouping:<8} {compaction:<10} {obtained:>10} {ideal:>8} {percent:>7} % ")?;
        write!(f, "{moved:>12}")
    }
}

/// The table.
pub(crate) fn table(rows: &[Row]) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let Some(first) = rows.first() else { return Ok(()) };
        let share = |part: u64, whole: u64| (part * 100 + whole / 2) / whole.max(1);
        let occupied = share(first.occupied, first.managed);
        let unmovable = share(first.unmovable, first.occupied);
        writeln!(
            f,
            "order-9 blocks to be had at {occupied} % occupancy, {unmovable} % of it unmovable"
        )?;
        writeln!(f, "  grouping compaction obtainable    ideal  percent  frames moved")?;
        rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(
            f,
            "  (Blocks are moved to movable pageblocks only; without grouping these are few.)"
        )
    })
}
