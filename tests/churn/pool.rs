//! One zone of 4 GiB that lives through a sequence, and what can be had of it afterwards.

use crate::pattern::FRAMES;
use crate::sequence::{Class, Step};
use page_alloc::{
    AllocFlags, MigrateType, Movability, Order, PAGEBLOCK_NR_PAGES, PAGEBLOCK_ORDER, Pages, Pfn,
    PfnRange, RawZone, RawZoneConfig,
};

/// Which types requests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classes {
    /// Movable or not.
    Two,
    /// Reclaimable ones apart.
    Three,
}

/// The recorded pool, all of it one zone.
const SPAN: PfnRange = PfnRange::new(Pfn::new(0), Pfn::new(FRAMES as u64));

/// A block of the table; `None` is one that could not be had.
type Live = (Option<Pages>, Class);

/// What came of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Blocks of order 9 for movable requests right at the end.
    pub now: usize,
    /// As many once everything movable is freed.
    pub without_movable: usize,
    /// Pageblocks with a frame at the end that is not movable.
    pub tainted: usize,
    /// Allocations that failed.
    pub failed: usize,
}

/// A zone, and what lives in it.
pub struct Pool<'m> {
    zone: RawZone<'m>,
    classes: Classes,
    live: Vec<Live>,
    failed: usize,
}

/// Makes a pool, and lends it.
pub fn with_pool<A>(classes: Classes, work: impl FnOnce(&mut Pool<'_>) -> A) -> A {
    let present = [SPAN];
    let config = RawZoneConfig::new(SPAN, &present);
    let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).expect("a legal zone")];
    let zone = RawZone::new(&mut memory, &config).expect("room for its tables");
    work(&mut Pool { zone, classes, live: Vec::new(), failed: 0 })
}

impl Pool<'_> {
    pub fn step(&mut self, step: Step) {
        match step {
            Step::Alloc(order, class) => self.alloc(order, class),
            Step::Free(index) => {
                if let (Some(pages), _) = self.live.swap_remove(index) {
                    self.free(pages);
                }
            }
        }
    }

    fn alloc(&mut self, order: u32, class: Class) {
        let migratetype = match (class, self.classes) {
            (Class::Movable, _) => MigrateType::Movable,
            (Class::Reclaimable, Classes::Three) => MigrateType::Reclaimable,
            _ => MigrateType::Unmovable,
        };
        let order = Order::new(order).expect("a small order");
        let pages = self.zone.rmqueue(order, migratetype, AllocFlags::empty());
        match &pages {
            None => self.failed += 1,
            Some(pages) if class == Class::Movable => {
                self.zone.set_movable(pages, Movability::Movable).expect("a token of this zone");
            }
            Some(_) => {}
        }
        self.live.push((pages, class));
    }

    fn free(&mut self, pages: Pages) {
        self.zone.free_pages(pages).expect("an allocated block");
    }

    /// Blocks of order 9 that can be had; they are given back.
    fn obtainable(&mut self) -> usize {
        let zone = &mut self.zone;
        let take = || zone.rmqueue(PAGEBLOCK_ORDER, MigrateType::Movable, AllocFlags::empty());
        let blocks: Vec<_> = std::iter::from_fn(take).collect();
        let count = blocks.len();
        blocks.into_iter().for_each(|pages| self.free(pages));
        count
    }

    fn tainted(&self) -> usize {
        let pageblocks = FRAMES / PAGEBLOCK_NR_PAGES as usize;
        let mut tainted = vec![false; pageblocks];
        let unmovable = self.live.iter().filter(|(_, class)| *class != Class::Movable);
        for pages in unmovable.filter_map(|(pages, _)| pages.as_ref()) {
            // Blocks are smaller than pageblocks, so one lies in one.
            tainted[(pages.pfn().get() / PAGEBLOCK_NR_PAGES) as usize] = true;
        }
        tainted.into_iter().filter(|tainted| *tainted).count()
    }

    fn free_movable(&mut self) {
        for at in 0..self.live.len() {
            if self.live[at].1 == Class::Movable
                && let Some(pages) = self.live[at].0.take()
            {
                self.free(pages);
            }
        }
    }

    /// Frees everything movable, and says what could be had before and after.
    pub fn finish(&mut self) -> Outcome {
        let (now, tainted) = (self.obtainable(), self.tainted());
        self.free_movable();
        let without_movable = self.obtainable();
        self.zone.verify().expect("a sound zone");
        Outcome { now, without_movable, tainted, failed: self.failed }
    }
}
