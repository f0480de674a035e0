//! The page cache: blocks in the order in which they were last used, which can be moved, and given
//! up when memory is wanted.

use crate::memory::{Block, Memory};
use page_alloc::{
    Gfp, MAX_NR_ZONES, MigrateMode, Migrated, NodeShrink, Pages, Pfn, Shortage, ZoneType,
};
use std::collections::VecDeque;

/// Whether the disk has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Clean,
    /// It has to be written there before it can be given up.
    Dirty,
}

/// A block of the cache.
#[derive(Debug)]
pub(crate) struct CachePage {
    pub(crate) block: Block,
    /// Its zone, which it never leaves.
    zone: ZoneType,
    pub(crate) state: State,
    /// Was used since it was last looked at.
    is_referenced: bool,
}

/// A queue: the oldest first, by when the kernel last saw them used. The age of a block is its number
/// among all that ever came into the queue.
#[derive(Debug)]
pub(crate) struct Cache {
    /// With holes, where blocks were taken out of the middle.
    queue: VecDeque<Option<CachePage>>,
    /// The age of the first one.
    oldest: u64,
    /// For each frame, the age of the block that begins there; a kernel has that in its page
    /// descriptor.
    ages: Vec<Option<u64>>,
    /// The frames in each zone.
    frames: [u64; MAX_NR_ZONES],
}

/// What was taken from the old end of the list.
#[derive(Debug, Default)]
pub(crate) struct Isolated {
    pub(crate) pages: Vec<CachePage>,
    /// Frames looked at.
    pub(crate) scanned: u64,
}

impl Cache {
    /// For a machine of so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let ages = vec![None; index(bytes >> 12)];
        Self { queue: VecDeque::new(), oldest: 0, ages, frames: [0; MAX_NR_ZONES] }
    }

    /// Adds a block that was just read, or written to.
    pub(crate) fn add(&mut self, block: Block, zone: ZoneType, state: State) {
        self.put_back(CachePage { block, zone, state, is_referenced: false });
    }

    /// Adds a block that was isolated, as the youngest.
    pub(crate) fn put_back(&mut self, page: CachePage) {
        self.frames[page.zone.index()] += page.block.frames();
        let age = self.oldest + self.queue.len() as u64;
        self.set_age(page.block.pages.pfn(), Some(age));
        self.queue.push_back(Some(page));
    }

    fn set_age(&mut self, pfn: Pfn, age: Option<u64>) {
        if let Some(known) = self.ages.get_mut(index(pfn.get())) {
            *known = age;
        }
    }

    fn age_of(&self, pfn: Pfn) -> Option<u64> {
        self.ages.get(index(pfn.get())).copied().flatten()
    }

    fn at_age(&mut self, age: u64) -> Option<&mut Option<CachePage>> {
        self.queue.get_mut(index(age.checked_sub(self.oldest)?))
    }

    /// The block that begins with a frame is used, if there is one.
    pub(crate) fn touch(&mut self, pfn: Pfn) {
        let age = self.age_of(pfn);
        if let Some(Some(page)) = age.and_then(|age| self.at_age(age)) {
            page.is_referenced = true;
        }
    }

    /// Frames of a zone that could be given up.
    pub(crate) fn frames_in(&self, zone: ZoneType) -> u64 {
        self.frames[zone.index()]
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames.iter().sum()
    }

    /// Takes blocks from the old end: of 2 to the power of the priority frames one is looked at. What
    /// was used gets a second chance, and so does what may not be written or is of too high a zone.
    pub(crate) fn isolate(&mut self, shrink: &NodeShrink) -> Isolated {
        let budget = (self.frames() >> shrink.priority).max(Shortage::CLUSTER);
        let mut isolated = Isolated::default();
        let mut found = 0;
        let may_write = shrink.may_writepage && shrink.gfp.contains(Gfp::IO);
        for _ in 0..self.queue.len() {
            if isolated.scanned >= budget || found >= shrink.nr_to_reclaim {
                break;
            }
            let Some(mut page) = self.take_oldest() else { break };
            let is_in_reach = page.zone <= shrink.highest;
            if is_in_reach {
                isolated.scanned += page.block.frames();
            }
            let is_used = std::mem::take(&mut page.is_referenced);
            if !is_in_reach || is_used || page.state == State::Dirty && !may_write {
                self.put_back(page);
            } else {
                found += page.block.frames();
                isolated.pages.push(page);
            }
        }
        isolated
    }

    pub(crate) fn take_oldest(&mut self) -> Option<CachePage> {
        while let Some(oldest) = self.queue.pop_front() {
            self.oldest += 1;
            if oldest.is_some() {
                return self.taken(oldest);
            }
        }
        None
    }

    /// Takes the first block from a frame on.
    pub(crate) fn take_from(&mut self, pfn: Pfn) -> Option<CachePage> {
        let age = self.ages.get(index(pfn.get())..)?.iter().find_map(|age| *age)?;
        let page = self.at_age(age)?.take();
        self.taken(page)
    }

    fn taken(&mut self, page: Option<CachePage>) -> Option<CachePage> {
        let page = page?;
        self.set_age(page.block.pages.pfn(), None);
        self.frames[page.zone.index()] -= page.block.frames();
        Some(page)
    }

    /// Moves what is in a block to `target`, and swaps the tokens. Its age, and all that is known of
    /// it, stay. A dirty one may be on its way to disk, and who can't wait does not get it.
    pub(crate) fn relocate(
        &mut self,
        from: Pfn,
        target: &mut Pages,
        mode: MigrateMode,
        memory: &mut Memory,
    ) -> Migrated {
        let age = self.age_of(from);
        let Some(Some(page)) = age.and_then(|age| self.at_age(age)) else {
            return Migrated::Unmovable;
        };
        if page.block.pages.order() != target.order() {
            return Migrated::Unmovable;
        }
        if page.state == State::Dirty && mode == MigrateMode::Async {
            return Migrated::Busy;
        }
        memory.copy(page.block.pages.range(), target.range());
        std::mem::swap(&mut page.block.pages, target);
        let to = page.block.pages.pfn();
        self.set_age(from, None);
        self.set_age(to, age);
        Migrated::Done
    }
}

/// A place in a list. A number that is too large for the host is beyond the end in any case.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
