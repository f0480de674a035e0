//! Two zones side by side: the model and the one under test, taken through the same steps.

use super::port::{LETTERS, PAGEBLOCK, Setup, Span, ZoneUnderTest, ZoneView};
use super::zone::{CMA, Frame, MOVABLE, TOP, UNMOVABLE, Zone};
use crate::recording::State;

/// One step of a history. What is picked is picked by a number, modulo what there is; a step
/// without anything to pick does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Allocate { order: u32, migratetype: u8, flags: &'static str, movable: bool },
    Free { pick: usize },
    Split { pick: usize, movable: bool },
    Unreserve { migratetype: u8, force: bool },
    ResetBoost,
    Isolate { pick: usize },
    Unisolate { pick: usize },
}

/// The two zones, and what the history has left allocated and isolated.
pub struct Pair<'z> {
    span: Span,
    model: Zone,
    tested: &'z mut dyn ZoneUnderTest,
    /// First frame and order.
    held: Vec<(u64, u32)>,
    /// Pageblock, and the type that it had.
    isolated: Vec<(u64, u8)>,
    expected: State,
    found: State,
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}\n    expected: {expected:?}\n    found:    {found:?}"))
}

impl<'z> Pair<'z> {
    /// The model of `setup` beside a zone that was booted from it.
    pub fn new(setup: &Setup, tested: &'z mut dyn ZoneUnderTest) -> Self {
        Self {
            span: setup.span,
            model: Zone::new(setup),
            tested,
            held: Vec::new(),
            isolated: Vec::new(),
            expected: State::default(),
            found: State::default(),
        }
    }

    /// The number of allocated blocks.
    pub fn nr_held(&self) -> usize {
        self.held.len()
    }

    /// Does one step on both sides, and compares what they answer.
    pub fn apply(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Allocate { order, migratetype, flags, movable } => {
                self.allocate(order, migratetype, flags, movable)
            }
            Step::Free { pick } => {
                self.free(pick);
                Ok(())
            }
            Step::Split { pick, movable } => {
                self.split(pick, movable);
                Ok(())
            }
            Step::Unreserve { migratetype, force } => same(
                "whether a high-atomic pageblock was given back",
                &self.model.unreserve_highatomic(migratetype, force),
                &self.tested.unreserve_highatomic(migratetype, force),
            ),
            Step::ResetBoost => {
                self.model.reset_boost();
                self.tested.reset_boost();
                Ok(())
            }
            Step::Isolate { pick } => self.isolate(pick),
            Step::Unisolate { pick } => {
                self.unisolate(pick);
                Ok(())
            }
        }
    }

    fn allocate(&mut self, order: u32, wanted: u8, flags: &str, lru: bool) -> Result<(), String> {
        let grouped = !self.model.is_mobility_disabled();
        let wanted = if grouped { wanted } else { UNMOVABLE };
        let pfn = self.model.rmqueue(order, wanted, flags);
        same("the block", &pfn, &self.tested.rmqueue(order, wanted, flags))?;
        same("the boosted mark", &self.model.take_boosted(), &self.tested.take_boosted())?;
        let Some(pfn) = pfn else { return Ok(()) };
        self.held.push((pfn, order));
        if lru {
            self.model.set_movable(pfn, order);
            self.tested.set_movable(pfn, order);
        }
        if order > 0 && flags.contains('H') {
            self.model.reserve_highatomic(pfn, order);
            self.tested.reserve_highatomic(pfn, order);
        }
        Ok(())
    }

    fn free(&mut self, pick: usize) {
        if self.held.is_empty() {
            return;
        }
        let (pfn, order) = self.held.remove(pick % self.held.len());
        self.model.free(pfn, order);
        self.tested.free(pfn, order);
    }

    fn split(&mut self, pick: usize, movable: bool) {
        if self.held.is_empty() {
            return;
        }
        let (pfn, order) = self.held.remove(pick % self.held.len());
        self.model.split(pfn, order, movable);
        self.tested.split(pfn, order, movable);
        self.held.extend((pfn..pfn + (1 << order)).map(|frame| (frame, 0)));
    }

    /// Isolates a pageblock that begins in the zone, unless a block of the largest order covers it:
    /// such blocks have one migratetype, and callers isolate the whole or split it first.
    fn isolate(&mut self, pick: usize) -> Result<(), String> {
        let (start, end) = self.span;
        let first = start.next_multiple_of(PAGEBLOCK);
        let nr_pageblocks = end.saturating_sub(first).div_ceil(PAGEBLOCK);
        if nr_pageblocks == 0 {
            return Ok(());
        }
        let pfn = first + pick as u64 % nr_pageblocks * PAGEBLOCK;
        if self.is_covered(pfn) {
            return Ok(());
        }
        let old = self.model.pageblock_type(pfn);
        let wanted = if old == CMA { CMA } else { MOVABLE };
        let done = self.model.isolate(pfn, wanted);
        same("whether it was isolated", &done, &self.tested.isolate(pfn, wanted))?;
        self.isolated.extend(done.then_some((pfn, wanted)));
        Ok(())
    }

    /// Gives a pageblock back, unless it merged with an isolated neighbour: Linux moves both then,
    /// and counts the neighbour again later.
    fn unisolate(&mut self, pick: usize) {
        if self.isolated.is_empty() {
            return;
        }
        let at = pick % self.isolated.len();
        if !self.is_covered(self.isolated[at].0) {
            let (pfn, old) = self.isolated.remove(at);
            self.model.unisolate(pfn, old);
            self.tested.unisolate(pfn, old);
        }
    }

    /// Whether the pageblock is part of a block of the largest order, free or allocated.
    fn is_covered(&self, pfn: u64) -> bool {
        let cover = self.model.frame(pfn - pfn % (1 << TOP));
        matches!(cover, Frame::Free { order: TOP, .. } | Frame::Used { order: TOP })
    }

    /// Gives everything back, in an order that depends on nothing but the history.
    pub fn free_all(&mut self) {
        for pick in (0..self.isolated.len()).rev() {
            self.unisolate(pick);
        }
        while !self.held.is_empty() {
            self.free(self.held.len() / 2);
        }
    }

    /// Compares the whole states, and lets both sides look for violations of their own.
    pub fn compare(&mut self) -> Result<(), String> {
        self.model.verify().map_err(|violation| format!("the model: {violation}"))?;
        self.tested.verify()?;
        self.expected.read(&self.model, self.span);
        self.found.read(self.tested, self.span);
        same("counters", &self.expected.counters, &self.found.counters)?;
        same("pageblock types", &self.expected.pageblocks, &self.found.pageblocks)?;
        let lists = self.expected.lists.iter().zip(&self.found.lists);
        for (order, (expected, found)) in lists.enumerate() {
            for ((expected, found), letter) in expected.iter().zip(found).zip(LETTERS.chars()) {
                same(&format!("the free list of order {order}, type {letter}"), expected, found)?;
            }
        }
        self.account()
    }

    /// No frame is lost, none is there twice.
    fn account(&self) -> Result<(), String> {
        let blocks = self.found.lists.iter().enumerate();
        let free: u64 =
            blocks.map(|(order, lists)| lists.iter().flatten().count() as u64 * (1 << order)).sum();
        let held: u64 = self.held.iter().map(|(_, order)| 1 << order).sum();
        same("managed frames", &self.model.nr_managed(), &(free + held))
    }
}
