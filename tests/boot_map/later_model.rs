//! Memory given back on random dirty maps, in random ranges and by kind, against a frame-by-frame model.

use crate::dirty::{UNIT, UNITS, all_frames, machine, place};
use crate::later::{give, give_kind, looks};
use crate::model::Painting;
use page_alloc::alloc::ReleaseError;
use page_alloc::boot::{BootInfo, MemoryKind, NodeRange, Numa, Reservation, RunState};
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{Gfp, NodeId, Order, Pages, Pfn, PfnRange};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::{prop_assert_eq, proptest};
use std::collections::BTreeSet;

/// What is known of each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Absent,
    Reserved,
    Tables,
    Managed,
}

/// Something done to a machine.
#[derive(Clone, Debug)]
enum Step {
    Give(PfnRange),
    GiveKind(MemoryKind),
    Take(Order),
    Free(usize),
    Drain,
}

/// The naive view of a machine.
struct Model {
    frames: Vec<Kind>,
}

fn info<'a>(config: &'a SimConfig, held: &'a [Reservation]) -> BootInfo<'a> {
    let ranges: &[NodeRange] = &config.nodes;
    let numa = match ranges.is_empty() {
        true => Numa::None,
        false => Numa::Ranges { ranges, distances: &[], cpus: &[NodeId::ZERO] },
    };
    let info = BootInfo::new(&config.memory_map).reservations(held).numa(numa);
    info.options(config.options)
}

fn paint(config: &SimConfig, held: &[Reservation]) -> Vec<Option<RunState>> {
    let all = usize::try_from(UNITS).unwrap();
    let painting = Painting::paint(&info(config, held), 12, UNIT, all);
    let first = usize::try_from(config.options.first_frame.get()).unwrap();
    let state = |frame| painting.frame(frame).map(|(state, _)| state);
    (0..painting.nr_frames()).map(|frame| state(frame).filter(|_| frame >= first)).collect()
}

impl Model {
    fn new(config: &SimConfig, sim: &Sim) -> Self {
        let tables = sim.report().metadata.unwrap_or_default();
        let kind = |(frame, state)| match state {
            None => Kind::Absent,
            Some(RunState::Free) if tables.contains(Pfn::new(frame)) => Kind::Tables,
            Some(RunState::Free) => Kind::Managed,
            Some(RunState::Reserved | RunState::Reclaimable) => Kind::Reserved,
        };
        Self { frames: (0..).zip(paint(config, &config.reservations)).map(kind).collect() }
    }

    fn kind(&self, pfn: u64) -> Kind {
        usize::try_from(pfn)
            .ok()
            .and_then(|pfn| self.frames.get(pfn))
            .map_or(Kind::Absent, |it| *it)
    }

    /// Gives these frames, if all can be given.
    fn give(&mut self, frames: impl Iterator<Item = u64> + Clone) -> Result<u64, ReleaseError> {
        for pfn in frames.clone() {
            let at = Pfn::new(pfn);
            match self.kind(pfn) {
                Kind::Absent => return Err(ReleaseError::NoMemory(at)),
                Kind::Tables => return Err(ReleaseError::Tables(at)),
                Kind::Managed => return Err(ReleaseError::Managed(at)),
                Kind::Reserved => {}
            }
        }
        let mut given = 0;
        for pfn in frames {
            self.frames[usize::try_from(pfn).unwrap()] = Kind::Managed;
            given += 1;
        }
        Ok(given)
    }

    /// The frames of one kind alone: with all of the other kind painted over.
    fn of_kind(config: &SimConfig, kind: MemoryKind) -> Vec<u64> {
        let other = |region: &&page_alloc::boot::MemoryRegion| {
            region.kind != kind && region.kind.state() == Some(RunState::Reclaimable)
        };
        let over = config.memory_map.iter().filter(other);
        let over = over.map(|region| Reservation::new("over", region.base, region.length));
        let held: Vec<_> = config.reservations.iter().copied().chain(over).collect();
        let painted = (0..).zip(paint(config, &held));
        painted.filter(|(_, it)| *it == Some(RunState::Reclaimable)).map(|(pfn, _)| pfn).collect()
    }

    fn managed(&self) -> BTreeSet<u64> {
        let kinds = (0..).zip(&self.frames);
        kinds.filter(|(_, kind)| **kind == Kind::Managed).map(|(pfn, _)| pfn).collect()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let frame = || place().prop_map(|unit| unit / 4);
    let any_range = (frame(), frame())
        .prop_map(|(a, b)| PfnRange::new(Pfn::new(a.min(b)), Pfn::new(a.max(b) + 1)));
    let short = (frame(), 1..40_u64)
        .prop_map(|(at, frames)| PfnRange::new(Pfn::new(at), Pfn::new(at + frames)));
    let kind = prop_oneof![
        Just(MemoryKind::BootloaderReclaimable),
        Just(MemoryKind::AcpiReclaimable),
        Just(MemoryKind::Usable),
    ];
    let order = (0..=Order::MAX.get()).prop_map(|order| Order::new(order).unwrap());
    prop_oneof![
        2 => any_range.prop_map(Step::Give),
        6 => short.prop_map(Step::Give),
        2 => kind.prop_map(Step::GiveKind),
        4 => order.prop_map(Step::Take),
        4 => any::<usize>().prop_map(Step::Free),
        1 => Just(Step::Drain),
    ]
}

/// Does the step on both; what they answer is equal, and a refusal changes nothing.
fn act(config: &SimConfig, sim: &Sim, model: &mut Model, taken: &mut Vec<Pages>, step: &Step) {
    match step {
        Step::Give(range) => {
            let before = looks(sim);
            let found = give(sim, *range);
            assert_eq!(found, model.give(range.start.get()..range.end.get()), "{range}");
            assert!(found.is_ok() || looks(sim) == before);
        }
        Step::GiveKind(kind) => {
            let expected = model.give(Model::of_kind(config, *kind).into_iter());
            let found = give_kind(sim, &info(config, &config.reservations), *kind);
            assert_eq!(found, expected, "{kind}");
        }
        Step::Take(order) => taken.extend(sim.alloc_pages(Gfp::KERNEL, *order).ok()),
        Step::Free(which) if !taken.is_empty() => {
            let pages = taken.swap_remove(which % taken.len());
            sim.free_pages(pages).unwrap();
        }
        Step::Free(_) => {}
        Step::Drain => {
            sim.drain_local_pages(None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..Default::default() })]

    /// Each call answers as the model does; at the end, what can be allocated is what was free at boot and
    /// what was given, each frame once.
    #[test]
    fn as_the_model_says(config in machine(), steps in vec(step(), 0..40)) {
        let Ok(sim) = Sim::boot(config.clone()) else { return Ok(()) };
        let mut model = Model::new(&config, &sim);
        let mut taken = Vec::new();
        for step in &steps {
            act(&config, &sim, &mut model, &mut taken, step);
            let managed = sim.zones().map(|zone| zone.managed_pages()).sum::<u64>();
            prop_assert_eq!(managed, model.managed().len() as u64);
        }
        prop_assert_eq!(sim.verify(), Ok(()));
        sim.init_per_zone_wmark_min().unwrap();
        prop_assert_eq!(sim.verify(), Ok(()));
        taken.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        sim.drain_local_pages(None);
        let managed = model.managed();
        prop_assert_eq!(sim.nr_free_pages(), managed.len() as u64);
        let frames = all_frames(&sim);
        prop_assert_eq!(frames.len(), managed.len(), "a frame was given twice, or none");
        prop_assert_eq!(frames.into_iter().collect::<BTreeSet<_>>(), managed);
        prop_assert_eq!(sim.verify(), Ok(()));
    }
}
