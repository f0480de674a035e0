//! Two machines side by side: the model and the allocator, taken through the same steps.

use crate::model::walk;
use crate::model::zone::{CMA, Frame, MOVABLE, TOP};
use crate::port::{
    Attempt, LETTERS, MachineSetup, MachineUnderTest, Outcome, PAGEBLOCK, Span, ZoneUnderTest,
    ZoneView,
};
use crate::raw;
use crate::recording::State;
use crate::sim_machine;
use page_alloc::{FreeError, MigrateType, Movability, Order, Pages, Pfn};

/// One step of a history. What is picked is picked by a number, modulo what there is; a step
/// without anything to pick does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One attempt, with flags of its own.
    Attempt {
        asked: Asked,
        flags: &'static str,
    },
    /// A whole request of an ordinary task.
    Request {
        asked: Asked,
    },
    Free {
        pick: usize,
        way: Way,
    },
    /// Makes single frames of a block.
    Split {
        pick: usize,
        movable: bool,
    },
    Halve {
        pick: usize,
    },
    Isolate {
        pick: usize,
    },
    Unisolate {
        pick: usize,
    },
    ResetBoost {
        pick: usize,
    },
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub gfp: &'static str,
    pub order: u32,
    /// Modulo the nodes that are online.
    pub node: u32,
    pub mask: Option<u64>,
    /// Whether the block counts as movable from then on.
    pub movable: bool,
}

/// How a block is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Token,
    /// By frame number.
    Raw,
    /// By the end of a guard's scope.
    Guard,
    /// First a second reference to it, then the first.
    Shared,
}

/// The two machines, and what the history has left allocated and isolated.
pub struct Duel {
    spans: Vec<Span>,
    nodes: u32,
    model: walk::Machine,
    tested: sim_machine::Machine,
    /// First frame and order.
    held: Vec<(u64, u32)>,
    /// Pageblock, and the type that it goes back to, for either side.
    isolated: Vec<(u64, u8, MigrateType)>,
    expected: State,
    found: State,
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}\n    expected: {expected:?}\n    found:    {found:?}"))
}

impl Duel {
    /// The model of `setup` beside a machine that was booted from it.
    pub fn new(setup: &MachineSetup) -> Self {
        Self {
            spans: setup.zones.iter().map(|zone| zone.zone.span).collect(),
            nodes: u32::try_from(setup.nodes).expect("few nodes"),
            model: walk::Machine::new(setup),
            tested: sim_machine::Machine::boot(setup),
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
            Step::Attempt { asked, flags } => self.attempt(asked, flags),
            Step::Request { asked } => self.request(asked),
            Step::Free { pick, way } => {
                self.free(pick, way);
                Ok(())
            }
            Step::Split { pick, movable } => {
                self.split(pick, movable);
                Ok(())
            }
            Step::Halve { pick } => {
                self.halve(pick);
                Ok(())
            }
            Step::Isolate { pick } => self.isolate(pick),
            Step::Unisolate { pick } => {
                self.unisolate(pick);
                Ok(())
            }
            Step::ResetBoost { pick } => {
                let id = self.model.zone_at(pick);
                self.model.reset_boost(id);
                self.tested.reset_boost(id);
                Ok(())
            }
        }
    }

    fn attempt(&mut self, asked: Asked, flags: &str) -> Result<(), String> {
        let attempt = self.asked(asked, flags);
        let expected = self.model.attempt(attempt);
        let found = self.tested.attempt(attempt);
        self.allocated(asked, &expected, &found)
    }

    fn request(&mut self, asked: Asked) -> Result<(), String> {
        let attempt = self.asked(asked, "");
        let expected = self.model.request(attempt);
        let found = self.tested.request(attempt);
        self.allocated(asked, &expected, &found)
    }

    fn asked<'a>(&self, asked: Asked, flags: &'a str) -> Attempt<'a> {
        let Asked { gfp, order, node, mask, .. } = asked;
        Attempt { gfp, order, node: node % self.nodes, mask, flags }
    }

    fn allocated(
        &mut self,
        asked: Asked,
        expected: &Outcome,
        found: &Outcome,
    ) -> Result<(), String> {
        same("block and wakings", expected, found)?;
        let Some(pfn) = expected.pfn else { return Ok(()) };
        self.held.push((pfn, asked.order));
        if asked.movable {
            self.model.set_movable(pfn, asked.order);
            self.tested.set_movable(pfn, asked.order);
        }
        Ok(())
    }

    /// Takes a block out of those that are held.
    fn pick(&mut self, pick: usize) -> Option<(u64, u32)> {
        let count = self.held.len();
        (count > 0).then(|| self.held.remove(pick % count))
    }

    fn free(&mut self, pick: usize, way: Way) {
        let Some((pfn, order)) = self.pick(pick) else { return };
        self.model.free(pfn, order);
        let pages = self.tested.token(pfn, order);
        let sim = &self.tested.sim;
        match way {
            Way::Token => sim.free_pages(pages).expect("an allocated block"),
            Way::Raw => {
                let (pfn, order) = pages.into_raw();
                raw::free(sim, pfn, order).expect("an allocated block");
            }
            Way::Guard => drop(sim.guard(pages).expect("a token of this machine")),
            Way::Shared => {
                let second = sim.get_page(&pages).expect("a token of this machine");
                sim.free_pages(pages).expect("an allocated block");
                assert_eq!(sim.page_count(&second), Ok(1));
                sim.free_pages(second).expect("the last reference");
            }
        }
    }

    fn split(&mut self, pick: usize, movable: bool) {
        let Some((pfn, order)) = self.pick(pick) else { return };
        self.model.zone_of(pfn).split(pfn, order, movable);
        let pages = self.tested.token(pfn, order);
        let frames = self.tested.sim.split_page(pages).expect("a block held once");
        let movability = if movable { Movability::Movable } else { Movability::Pinned };
        for frame in frames {
            self.tested.sim.set_movable(&frame, movability).expect("an allocated frame");
            self.held.push((frame.pfn().get(), 0));
            self.tested.keep(frame);
        }
    }

    fn halve(&mut self, pick: usize) {
        let Some((pfn, order)) = self.pick(pick) else { return };
        let pages = self.tested.token(pfn, order);
        if order == 0 {
            let refused = self.tested.sim.split_in_halves(pages).expect_err("a single frame");
            return self.hold(refused.pages);
        }
        self.model.zone_of(pfn).halve(pfn, order);
        let (lower, upper) = self.tested.sim.split_in_halves(pages).expect("a block held once");
        self.hold(lower);
        self.hold(upper);
    }

    fn hold(&mut self, pages: Pages) {
        self.held.push((pages.pfn().get(), pages.order().get()));
        self.tested.keep(pages);
    }

    /// Isolates a whole pageblock of one zone, unless a block of the largest order covers it: the
    /// model follows Linux, whose callers never do that, and the crate splits such a block.
    fn isolate(&mut self, pick: usize) -> Result<(), String> {
        let blocks = |&(start, end): &Span| {
            (start.next_multiple_of(PAGEBLOCK)..end.saturating_sub(PAGEBLOCK - 1))
                .step_by(512)
                .collect::<Vec<_>>()
        };
        let blocks: Vec<u64> = self.spans.iter().flat_map(blocks).collect();
        if blocks.is_empty() || self.is_covered(blocks[pick % blocks.len()]) {
            return Ok(());
        }
        let pfn = blocks[pick % blocks.len()];
        let old = self.model.zone_of(pfn).pageblock_type(pfn);
        let (wanted, tested) = match old {
            CMA => (CMA, MigrateType::Cma),
            _ => (MOVABLE, MigrateType::Movable),
        };
        let done = self.model.zone_of(pfn).isolate(pfn, wanted);
        let found = self.tested.sim.isolate_pageblock(Pfn::new(pfn), tested);
        same("whether it was isolated", &done, &found.is_ok())?;
        self.isolated.extend(done.then_some((pfn, wanted, tested)));
        Ok(())
    }

    /// Gives a pageblock back, unless it merged with an isolated neighbour.
    fn unisolate(&mut self, pick: usize) {
        if self.isolated.is_empty() {
            return;
        }
        let at = pick % self.isolated.len();
        if !self.is_covered(self.isolated[at].0) {
            let (pfn, wanted, tested) = self.isolated.remove(at);
            self.model.zone_of(pfn).unisolate(pfn, wanted);
            let back = self.tested.sim.unisolate_pageblock(Pfn::new(pfn), tested);
            back.expect("a pageblock of this machine");
        }
    }

    /// Whether the pageblock is part of a block of the largest order, free or allocated.
    fn is_covered(&mut self, pfn: u64) -> bool {
        let first = pfn - pfn % (1 << TOP);
        let cover = self.model.zone_of(pfn).frame(first);
        matches!(cover, Frame::Free { order: TOP, .. } | Frame::Used { order: TOP })
    }

    /// Gives everything back, in an order that depends on nothing but the history.
    pub fn free_all(&mut self) {
        for pick in (0..self.isolated.len()).rev() {
            self.unisolate(pick);
        }
        while !self.held.is_empty() {
            self.free(self.held.len() / 2, Way::Token);
        }
    }

    /// Tries to free every frame, and some that are not there, in every order in which it heads no
    /// allocated block.
    pub fn free_wrongly(&mut self) -> Result<(), String> {
        let end = self.spans.iter().map(|span| span.1).max().unwrap_or(0);
        for pfn in 0..end + 2 * PAGEBLOCK {
            let frame = match self.spans.iter().any(|&(start, end)| start <= pfn && pfn < end) {
                true => self.model.zone_of(pfn).frame(pfn),
                false => Frame::Absent,
            };
            for order in Order::ALL.into_iter().filter(|order| !is_block(frame, *order)) {
                let found = raw::free(&self.tested.sim, Pfn::new(pfn), order);
                same(&format!("freeing {pfn}, order {order}"), &Err(error(frame, pfn)), &found)?;
            }
        }
        Ok(())
    }

    /// Compares the whole states, and lets both sides look for violations of their own.
    pub fn compare(&mut self) -> Result<(), String> {
        for (index, &span) in self.spans.iter().enumerate() {
            let (expected, found) = (&mut self.expected, &mut self.found);
            let mut verified = Ok(());
            self.model.look(index, &mut |zone| {
                expected.read(zone, span);
                verified = zone.verify().map_err(|violation| format!("the model: {violation}"));
            });
            verified.clone()?;
            self.tested.look(index, &mut |zone: &dyn ZoneView| {
                found.read(zone, span);
                verified = zone.verify();
            });
            verified?;
            compare_zone(expected, found).map_err(|error| format!("zone {index}: {error}"))?;
        }
        Ok(())
    }
}

fn is_block(frame: Frame, order: Order) -> bool {
    matches!(frame, Frame::Used { order: held } if held == order.get())
}

/// What a wrong free of such a frame should be told.
fn error(frame: Frame, pfn: u64) -> FreeError {
    let pfn = Pfn::new(pfn);
    match frame {
        Frame::Absent => FreeError::Foreign(pfn),
        Frame::Reserved => FreeError::Reserved(pfn),
        Frame::Free { .. } => FreeError::NotAllocated(pfn),
        Frame::Inside => FreeError::NotHead(pfn),
        Frame::Used { order } => {
            FreeError::WrongOrder { pfn, found: Order::new(order).expect("an order") }
        }
    }
}

fn compare_zone(expected: &State, found: &State) -> Result<(), String> {
    same("counters", &expected.counters, &found.counters)?;
    same("pageblock types", &expected.pageblocks, &found.pageblocks)?;
    for (order, (expected, found)) in expected.lists.iter().zip(&found.lists).enumerate() {
        for ((expected, found), letter) in expected.iter().zip(found).zip(LETTERS.chars()) {
            same(&format!("the free list of order {order}, type {letter}"), expected, found)?;
        }
    }
    Ok(())
}
