//! The sequences themselves: what is allocated and what is freed, step by step, as
//! `tests/data/churn/FORMAT.md` says.

use crate::pattern::{FRAMES, Pattern};
use crate::random::{Random, is_reclaimable};

/// What an allocation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Movable,
    Unmovable,
    Reclaimable,
}

/// One step. Live blocks stand in a table; a new one goes to its end, and the last takes the place
/// of one that is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Alloc(u32, Class),
    Free(usize),
}

impl Step {
    /// The record of the file format: its bytes, and how many there are.
    fn record(self) -> ([u8; 3], usize) {
        match self {
            Self::Alloc(order, class) => {
                let class = match class {
                    Class::Movable => 4,
                    Class::Unmovable => 0,
                    Class::Reclaimable => 8,
                };
                ([order as u8 | class, 0, 0], 1)
            }
            Self::Free(index) => ([0x80 | (index >> 16) as u8, (index >> 8) as u8, index as u8], 3),
        }
    }
}

/// What a sequence came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub allocs: u64,
    pub frees: u64,
    pub live: usize,
    /// Frames in use at the end.
    pub used: usize,
    /// FNV-1a of all records.
    pub hash: u64,
}

/// Someone who is told the steps.
struct Teller<'a> {
    random: Random,
    live: Vec<u32>,
    totals: Totals,
    tell: &'a mut dyn FnMut(Step),
}

impl Teller<'_> {
    fn say(&mut self, step: Step) {
        let (bytes, count) = step.record();
        for byte in &bytes[..count] {
            self.totals.hash = (self.totals.hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        (self.tell)(step);
    }

    fn alloc(&mut self, unmovable_share: usize) {
        let order = match self.random.below(100) {
            0..90 => 0,
            90..94 => 1,
            94..97 => 2,
            _ => 3,
        };
        let class = match self.random.below(100) >= unmovable_share {
            true => Class::Movable,
            false if is_reclaimable(self.totals.allocs) => Class::Reclaimable,
            false => Class::Unmovable,
        };
        self.totals.allocs += 1;
        self.totals.used += 1 << order;
        self.live.push(order);
        self.say(Step::Alloc(order, class));
    }

    fn free(&mut self) {
        let index = self.random.below(self.live.len());
        let order = self.live.swap_remove(index);
        self.totals.frees += 1;
        self.totals.used -= 1 << order;
        self.say(Step::Free(index));
    }

    /// Frees one block at least, until so many frames are in use; then allocates up to as many.
    fn replace(&mut self, target: usize, unmovable_share: usize) {
        loop {
            self.free();
            if self.totals.used <= target {
                break;
            }
        }
        self.fill(target, unmovable_share);
    }

    fn fill(&mut self, target: usize, unmovable_share: usize) {
        while self.totals.used < target {
            self.alloc(unmovable_share);
        }
    }
}

/// Tells the sequence of that pattern and seed, step by step.
pub fn play(pattern: Pattern, seed: u64, tell: &mut dyn FnMut(Step)) -> Totals {
    let steps = 3 * FRAMES;
    let totals = Totals { allocs: 0, frees: 0, live: 0, used: 0, hash: 0xcbf2_9ce4_8422_2325 };
    let mut teller = Teller { random: Random::new(seed), live: Vec::new(), totals, tell };
    teller.fill(pattern.target(0, steps), pattern.unmovable_share(None));
    for step in 0..=steps {
        teller.replace(pattern.target(step, steps), pattern.unmovable_share(Some(step)));
    }
    Totals { live: teller.live.len(), ..teller.totals }
}
