//! Memory that comes in random pieces, to random zones, on random machines, against a naive model.

use crate::dirty::all_frames;
use crate::hotplug::add;
use crate::text::{frames, node, range};
use page_alloc::alloc::{HotplugError, OnlineTo};
use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange};
use page_alloc::node::ZonelistKind;
use page_alloc::node::topology::{NodeLoads, Topology, zonelist};
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{Gfp, NodeMask, Order, Pages, Pfn, PhysAddr, ZoneType};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::{prop_assert_eq, proptest};
use std::collections::{BTreeMap, BTreeSet};

/// Frames of a section, and its bytes.
const SECTION: u64 = 1024;
const BYTES: u64 = SECTION << 12;
/// Sections of the universe.
const SECTIONS: u64 = 24;
/// DMA32 begins and NORMAL begins at these sections.
const BORDERS: [u64; 2] = [4, 10];

/// What each section is at boot: memory of a node, partly memory, planned for a node, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Memory,
    Part,
    Later,
    Nothing,
}

#[derive(Clone, Debug)]
enum Step {
    Add { of: u64, start: u64, sections: u64, to: OnlineTo },
    Take(Order),
    Free(usize),
}

fn plan() -> impl Strategy<Value = Vec<(Plan, u64)>> {
    let one = (0..8_u32, 0..3_u64).prop_map(|(plan, of)| {
        let plan = match plan {
            0..2 => Plan::Memory,
            2 => Plan::Part,
            3..7 => Plan::Later,
            _ => Plan::Nothing,
        };
        (plan, of)
    });
    let sections = usize::try_from(SECTIONS).unwrap();
    vec(one, sections..=sections)
}

fn step() -> impl Strategy<Value = Step> {
    (0..10_u32, 0..4_u64, 0..SECTIONS + 2, 1..4_u64, any::<bool>(), any::<usize>()).prop_map(
        |(what, of, start, sections, movable, which)| match what {
            0..5 => {
                let to = if movable { OnlineTo::Movable } else { OnlineTo::Kernel };
                Step::Add { of, start, sections, to }
            }
            5..8 => Step::Take(Order::new(u32::try_from(which % 11).unwrap()).unwrap()),
            _ => Step::Free(which),
        },
    )
}

fn machine(plan: &[(Plan, u64)]) -> SimConfig {
    let mut config = SimConfig::new(Vec::new());
    for (section, (plan, of)) in (0..).zip(plan) {
        let base = section * BYTES;
        let length = match plan {
            Plan::Memory => BYTES,
            Plan::Part => BYTES / 2 + 0x3000,
            Plan::Later | Plan::Nothing => 0,
        };
        if length > 0 {
            let memory = MemoryRegion::new(PhysAddr::new(base), length, MemoryKind::Usable);
            config.memory_map.push(memory);
            config.nodes.push(NodeRange::new(node(*of), PhysAddr::new(base), BYTES));
        }
        // A plan may well say memory that is there from the beginning.
        if matches!(plan, Plan::Later | Plan::Part) {
            config.hotplug.push(range(*of, base, base + BYTES));
        }
    }
    let [dma32, normal] = BORDERS.map(|section| PhysAddr::new(section * BYTES));
    config.zones = page_alloc::ZoneLayout::new(Some(dma32), Some(normal), None);
    config.distances = vec![vec![10, 20, 20], vec![20, 10, 30], vec![20, 30, 10]];
    config.cpus = vec![node(0), node(2)];
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    config
}

/// The naive view: what came, and to which zone.
struct Model {
    plan: Vec<(Plan, u64)>,
    nodes: NodeMask,
    /// The zone of each section that has memory.
    zones: BTreeMap<u64, (u64, ZoneType)>,
}

impl Model {
    fn new(plan: &[(Plan, u64)]) -> Self {
        let mut model =
            Self { plan: plan.to_vec(), nodes: NodeMask::EMPTY, zones: BTreeMap::new() };
        model.nodes = [node(0), node(2)].into_iter().collect();
        for (section, (plan, of)) in (0..).zip(plan) {
            if *plan != Plan::Nothing {
                model.nodes = model.nodes.with(node(*of));
            }
            if matches!(plan, Plan::Memory | Plan::Part) {
                let zone = match section {
                    _ if section < BORDERS[0] => ZoneType::Dma,
                    _ if section < BORDERS[1] => ZoneType::Dma32,
                    _ => ZoneType::Normal,
                };
                model.zones.insert(section, (*of, zone));
            }
        }
        model
    }

    /// The sections from the first to the last of a zone.
    fn span(&self, of: u64, zone: ZoneType) -> Option<(u64, u64)> {
        let mut own = self.zones.iter().filter(|(_, it)| **it == (of, zone)).map(|(at, _)| *at);
        let first = own.next()?;
        Some((first, own.next_back().unwrap_or(first) + 1))
    }

    fn add(
        &mut self,
        of: u64,
        start: u64,
        sections: u64,
        to: OnlineTo,
    ) -> Result<ZoneType, HotplugError> {
        if !self.nodes.contains(node(of)) {
            return Err(HotplugError::NoSuchNode(node(of)));
        }
        let range = start..start + sections;
        for section in range.clone() {
            let at = Pfn::new(section * SECTION);
            match self.plan.get(usize::try_from(section).unwrap()) {
                _ if self.zones.contains_key(&section) => return Err(HotplugError::Present(at)),
                // The first frame is not used, by default, and so its section has nothing planned.
                Some((Plan::Later, _)) if section > 0 => {}
                _ => return Err(HotplugError::NotPlanned(at)),
            }
        }
        // Linux: the lowest zone whose span it meets. At boot a node's span ends with the limits of the
        // zone type, or with the node's own first and last frame.
        let meets = |zone: &ZoneType| {
            let span = self.span_of(of, *zone);
            span.is_some_and(|(first, end)| range.start < end && first < range.end)
        };
        let zone = match to {
            OnlineTo::Movable => ZoneType::Movable,
            OnlineTo::Kernel => {
                let lower = [ZoneType::Dma, ZoneType::Dma32];
                lower.into_iter().find(meets).unwrap_or(ZoneType::Normal)
            }
        };
        self.zones.extend(range.map(|section| (section, (of, zone))));
        Ok(zone)
    }

    /// The span in sections, as it was at boot and grew since.
    fn span_of(&self, of: u64, zone: ZoneType) -> Option<(u64, u64)> {
        let boot = Self::new(&self.plan);
        let all = |it: &Self| {
            let mut own = it.zones.iter().filter(|(_, it)| it.0 == of).map(|(at, _)| *at);
            let first = own.next()?;
            Some((first, own.next_back().unwrap_or(first) + 1))
        };
        let limits = match zone {
            ZoneType::Dma => (0, BORDERS[0]),
            ZoneType::Dma32 => (BORDERS[0], BORDERS[1]),
            _ => (BORDERS[1], SECTIONS),
        };
        // A zone that had memory at boot spans what its limits and the node have in common.
        let spanned = boot
            .span(of, zone)
            .and(all(&boot))
            .map(|(first, end)| (first.max(limits.0), end.min(limits.1)));
        match (spanned, self.span(of, zone)) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        }
    }

    fn frames(&self) -> BTreeSet<u64> {
        let sections = self.zones.keys().flat_map(|section| {
            let frames = match self.plan[usize::try_from(*section).unwrap()].0 {
                Plan::Part => SECTION / 2 + 3,
                _ => SECTION,
            };
            section * SECTION..section * SECTION + frames
        });
        // The first frame is not used, by default.
        sections.filter(|pfn| *pfn > 0).collect()
    }
}

/// The zonelists as they are made when all CPUs are known.
fn lists(sim: &Sim, model: &Model) -> Vec<Vec<(u64, ZoneType)>> {
    let has = |of: u64, zone| model.zones.values().any(|it| *it == (of, zone));
    let memory: NodeMask = model.zones.values().map(|(of, _)| node(*of)).collect();
    let cpus: NodeMask = [node(0), node(2)].into_iter().collect();
    let topology = Topology {
        memory,
        cpus,
        distance: |from, to| sim.node(from).unwrap().distance(to).unwrap(),
    };
    let mut loads = NodeLoads::new();
    let (used, unused): (Vec<_>, Vec<_>) =
        model.nodes.iter().partition(|it| memory.contains(*it) || cpus.contains(*it));
    let mut all = BTreeMap::new();
    for local in used.into_iter().chain(unused) {
        let order = topology.node_order(local, &mut loads);
        let index = |it: page_alloc::NodeId| u64::try_from(it.index()).unwrap();
        let zones = zonelist(order, |of, zone| has(index(of), zone));
        all.insert(local, zones.map(|(of, zone)| (index(of), zone)).collect());
    }
    all.into_values().collect()
}

fn lists_of(sim: &Sim) -> Vec<Vec<(u64, ZoneType)>> {
    let list = |it: page_alloc::report::NodeRef<'_, _>| {
        let zones = it.zonelist(ZonelistKind::Fallback);
        zones.map(|zone| (u64::try_from(zone.node().index()).unwrap(), zone.zone_type())).collect()
    };
    sim.nodes().map(list).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 150, ..Default::default() })]

    /// Each call answers as the model does; each zone has what it was given; once a zone got its first memory,
    /// the zonelists are those for what there is; at the end, each frame can be allocated once.
    #[test]
    fn as_the_model_says(plan in plan(), steps in vec(step(), 0..30)) {
        let Ok(sim) = Sim::boot(machine(&plan)) else { return Ok(()) };
        let mut model = Model::new(&plan);
        let mut taken: Vec<Pages> = Vec::new();
        for step in steps {
            match step {
                Step::Add { of, start, sections, to } => {
                    let zones: BTreeSet<_> = model.zones.values().copied().collect();
                    let expected = model.add(of, start, sections, to);
                    let range = frames(start * SECTION, (start + sections) * SECTION);
                    let found = add(&sim, of, range, to);
                    prop_assert_eq!(found.map(|it| it.zone), expected);
                    if let Ok(found) = found {
                        prop_assert_eq!(found.pages, range.len());
                        prop_assert_eq!(found.populated, !zones.contains(&(of, found.zone)));
                        if found.populated {
                            prop_assert_eq!(lists_of(&sim), lists(&sim, &model));
                        }
                    }
                }
                Step::Take(order) => taken.extend(sim.alloc_pages(Gfp::KERNEL, order).ok()),
                Step::Free(which) if !taken.is_empty() => {
                    let pages = taken.swap_remove(which % taken.len());
                    sim.free_pages(pages).unwrap();
                }
                Step::Free(_) => {}
            }
        }
        prop_assert_eq!(sim.verify(), Ok(()));
        taken.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        sim.drain_local_pages(None);
        let there = model.frames();
        prop_assert_eq!(sim.nr_free_pages(), there.len() as u64);
        for zone in sim.zones() {
            let of = u64::try_from(zone.node().index()).unwrap();
            let own = model.zones.iter().filter(|(_, it)| **it == (of, zone.zone_type()));
            let own: BTreeSet<_> = own.map(|(section, _)| *section).collect();
            let present = there.iter().filter(|pfn| own.contains(&(**pfn / SECTION))).count();
            prop_assert_eq!(zone.present_pages(), present as u64);
            prop_assert_eq!(zone.managed_pages(), present as u64);
        }
        let given = all_frames(&sim);
        prop_assert_eq!(given.len(), there.len(), "a frame was given twice, or none");
        prop_assert_eq!(given.into_iter().collect::<BTreeSet<_>>(), there);
        prop_assert_eq!(sim.verify(), Ok(()));
    }
}
