//! The sweep, the report, the zones and the placement on random dirty maps, against the model.

use crate::model::Painting;
use crate::text::{frames, node};
use page_alloc::boot::{
    BootInfo, MemoryKind, MemoryRegion, MetadataPlace, Movable, NodeRange, Numa, Options,
    Reservation, RunState, Survey, ZoneExtent,
};
use page_alloc::{NodeId, Order, Pfn, PhysAddr, ZoneLayout, ZoneType};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

/// Units of the universe; a frame has four.
const UNITS: u64 = 320;
const ALL: usize = 320;

const KINDS: [MemoryKind; 9] = [
    MemoryKind::Usable,
    MemoryKind::Usable,
    MemoryKind::Usable,
    MemoryKind::BootloaderReclaimable,
    MemoryKind::AcpiReclaimable,
    MemoryKind::Reserved,
    MemoryKind::AcpiNvs,
    MemoryKind::Unknown(77),
    MemoryKind::Unusable,
];

/// An address in units, or a length: near a border of frames as often as not.
fn near_border(most: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        0..most,
        (0..most / 4, 0..3_u64).prop_map(|(frame, off)| (frame * 4 + off).saturating_sub(1))
    ]
}

/// A machine of which all numbers are in units.
#[derive(Clone, Debug)]
struct Machine {
    page_shift: u32,
    map: Vec<MemoryRegion>,
    reservations: Vec<Reservation>,
    ranges: Option<Vec<NodeRange>>,
    first_frame: u64,
    ends: (u64, u64, Option<u64>),
}

impl Machine {
    fn unit(&self) -> u64 {
        1 << (self.page_shift - 2)
    }

    /// The zones, with borders in frames.
    fn layout(&self) -> ZoneLayout {
        let (dma, dma32, normal) = self.ends;
        let byte = |pfn: u64| Pfn::new(pfn).start_address(self.page_shift);
        ZoneLayout::new(Some(byte(dma)), Some(byte(dma32)), normal.map(byte))
    }

    fn info(&self) -> BootInfo<'_> {
        let numa = match &self.ranges {
            None => Numa::None,
            Some(ranges) => Numa::Ranges { ranges, distances: &[], cpus: &[NodeId::ZERO] },
        };
        BootInfo::new(&self.map)
            .reservations(&self.reservations)
            .numa(numa)
            .zones(self.layout())
            .options(Options::DEFAULT.first_frame(Pfn::new(self.first_frame)))
    }

    fn first(&self) -> usize {
        usize::try_from(self.first_frame).unwrap()
    }
}

fn regions(unit: u64) -> impl Strategy<Value = Vec<MemoryRegion>> {
    let kind = (0..KINDS.len()).prop_map(|index| KINDS[index]);
    let usual = (near_border(UNITS - 80), near_border(80), kind.clone()).prop_map(
        move |(base, length, kind)| {
            MemoryRegion::new(PhysAddr::new(base * unit), length * unit, kind)
        },
    );
    let wraps = (0..50_u64, 1..u64::MAX / 2, kind).prop_map(|(below, beyond, kind)| {
        MemoryRegion::new(PhysAddr::new(u64::MAX - below), below + 1 + beyond, kind)
    });
    let far = (0..4_u64).prop_map(|gap| {
        let base = 0xfd_0000_0000 + gap;
        let length = if gap == 0 { u64::MAX - base + 1 } else { 0x3_0000_0000 };
        MemoryRegion::new(PhysAddr::new(base), length, MemoryKind::Reserved)
    });
    vec(prop_oneof![12 => usual, 1 => wraps, 1 => far], 1..24)
}

fn reservations(unit: u64) -> impl Strategy<Value = Vec<Reservation>> {
    let one = (near_border(UNITS - 20), near_border(20));
    vec(one, 0..4).prop_map(move |all| {
        let new = |(base, length)| Reservation::new("x", PhysAddr::new(base * unit), length * unit);
        all.into_iter().map(new).collect()
    })
}

/// Disjoint ranges of up to four nodes, with gaps, in any order.
fn node_ranges(unit: u64) -> impl Strategy<Value = Vec<NodeRange>> {
    let one = (near_border(60), near_border(80), 0..4_u64);
    (vec(one, 0..6), 0..6_usize).prop_map(move |(all, turn)| {
        let mut at = 0;
        let mut ranges: Vec<_> = all
            .into_iter()
            .map(|(gap, length, of)| {
                let base = at + gap;
                at = base + length;
                NodeRange::new(node(of), PhysAddr::new(base * unit), length * unit)
            })
            .filter(|range| range.base.get() < UNITS * unit)
            .collect();
        let turn = turn.min(ranges.len());
        ranges.rotate_left(turn);
        ranges
    })
}

fn machine() -> impl Strategy<Value = Machine> {
    (prop_oneof![Just(2), Just(12), Just(16)], 0..4_u64).prop_flat_map(
        |(page_shift, first_frame)| {
            let unit = 1 << (page_shift - 2);
            let ends = (0..50_u64, 20..60_u64, proptest::option::of(30..80_u64));
            let numa = proptest::option::weighted(0.8, node_ranges(unit));
            (regions(unit), reservations(unit), numa, ends).prop_map(
                move |(map, reservations, ranges, ends)| Machine {
                    page_shift,
                    map,
                    reservations,
                    ranges,
                    first_frame,
                    ends,
                },
            )
        },
    )
}

/// Both views of a machine; `None` if it has no free frame, and the survey says so.
fn both(machine: &Machine) -> Option<(Survey<'_>, Painting)> {
    let painting = Painting::paint(&machine.info(), machine.page_shift, machine.unit(), ALL);
    let survey = Survey::new(&machine.info(), machine.page_shift);
    let runs = painting.runs(machine.first());
    let usable = runs.iter().any(|run| run.state == RunState::Free);
    assert_eq!(survey.is_ok(), usable, "{survey:?}");
    Some((survey.ok()?, painting))
}

/// What a zone of a node has, frame by frame.
fn naive_zone(machine: &Machine, painting: &Painting, of: NodeId, zone: ZoneType) -> ZoneExtent {
    let layout = machine.layout();
    let runs = painting.runs(machine.first());
    let own: Vec<_> = runs.iter().filter(|run| run.node == of).collect();
    let Some((first, last)) = own.first().zip(own.last()) else { return ZoneExtent::default() };
    let in_zone =
        |pfn: &u64| layout.zone_of(Pfn::new(*pfn).start_address(machine.page_shift)) == zone;
    let mut span = (first.range.start.get()..last.range.end.get()).filter(in_zone);
    let Some(start) = span.next() else { return ZoneExtent::default() };
    let end = span.next_back().unwrap_or(start) + 1;
    let mut extent = ZoneExtent { span: frames(start, end), ..ZoneExtent::default() };
    for pfn in start..end {
        match painting.frame(usize::try_from(pfn).unwrap()) {
            Some((state, node)) if node == of => {
                extent.present += 1;
                extent.free += u64::from(state == RunState::Free);
            }
            _ => {}
        }
    }
    if extent.present == 0 { ZoneExtent::default() } else { extent }
}

proptest! {
    /// The runs are those of the painted frames: ascending, disjoint, as long as can be.
    #[test]
    fn runs_are_those_painted(machine in machine()) {
        let Some((survey, painting)) = both(&machine) else { return Ok(()) };
        prop_assert_eq!(survey.runs().collect::<Vec<_>>(), painting.runs(machine.first()));
    }

    /// A sweep over a range gives the runs cut at its ends.
    #[test]
    fn runs_in_a_range_are_cut(machine in machine(), start in 0..90_u64, length in 0..90_u64) {
        let Some((survey, _)) = both(&machine) else { return Ok(()) };
        let within = frames(start, start + length);
        let cut = survey.runs().filter_map(|mut run| {
            run.range = run.range.intersection(within);
            (!run.range.is_empty()).then_some(run)
        });
        prop_assert_eq!(survey.runs_in(within).collect::<Vec<_>>(), cut.collect::<Vec<_>>());
    }

    /// Span, present and free frames of every zone are those counted frame by frame, and the runs
    /// of the zones are all runs.
    #[test]
    fn zones_are_those_counted(machine in machine()) {
        let Some((survey, painting)) = both(&machine) else { return Ok(()) };
        let mut present = 0;
        for of in (0..4).map(node) {
            for zone in ZoneType::ALL {
                let expected = naive_zone(&machine, &painting, of, zone);
                prop_assert_eq!(survey.zone(of, zone), expected, "node {} {}", of, zone);
                let runs = survey.zone_runs(of, zone).map(|run| run.range.len()).sum::<u64>();
                prop_assert_eq!(runs, expected.present);
                present += runs;
            }
        }
        prop_assert_eq!(present, survey.runs().map(|run| run.range.len()).sum::<u64>());
    }

    /// The report counts each byte lost to rounding, each byte of no NUMA range, and each entry
    /// that was dropped.
    #[test]
    fn dropped_is_what_was_painted_over(machine in machine()) {
        let Some((survey, painting)) = both(&machine) else { return Ok(()) };
        let (mut rounded, mut outside) = (0, 0);
        for frame in machine.first()..painting.nr_frames() {
            let units = painting.units(frame);
            let covered = &painting.covered[frame * 4..][..4];
            for ((state, _), covered) in units.iter().zip(covered) {
                rounded += u64::from(state.is_some() && painting.frame(frame).is_none());
                outside += u64::from(state.is_some() && !covered);
            }
        }
        let dropped = survey.dropped();
        prop_assert_eq!(dropped.rounded_away.count, rounded * machine.unit());
        prop_assert_eq!(dropped.outside_numa.count, outside * machine.unit());
        let count = |test: fn(&MemoryRegion) -> bool| {
            u64::try_from(machine.map.iter().filter(|region| test(region)).count()).unwrap()
        };
        let wraps = |it: &MemoryRegion| u128::from(it.base.get()) + u128::from(it.length) > 1 << 64;
        prop_assert_eq!(dropped.zero_length.count, count(|region| region.length == 0));
        prop_assert_eq!(dropped.wrapping.count, count(wraps));
    }

    /// The place found for tables is the highest of all places tried one by one.
    #[test]
    fn placement_is_the_highest(
        machine in machine(),
        count in 1..12_u64,
        order in 0..4_u32,
        within in (0..90_u64, 0..90_u64),
    ) {
        let Some((survey, painting)) = both(&machine) else { return Ok(()) };
        let order = Order::new(order).unwrap();
        let (start, end) = (within.0, within.0 + within.1);
        let [first, last, wanted] = [start.max(machine.first_frame), end, count]
            .map(|number| usize::try_from(number).unwrap());
        let naive = painting.highest_free(wanted, order, first..last);
        let naive = naive.map(|start| u64::try_from(start).unwrap());
        let found = survey.highest_free(count, order, frames(start, end));
        prop_assert_eq!(found, naive.map(|start| frames(start, start + count)));
    }

    /// A metadata place is kept to the byte, and nothing else is reserved with it.
    #[test]
    fn metadata_stay_in_their_place(
        mut machine in machine(),
        count in 1..6_u64,
        base in near_border(UNITS),
        length in near_border(200),
    ) {
        machine.ends.2 = None;
        let unit = machine.unit();
        let first = PhysAddr::new(base * unit);
        let place = MetadataPlace::Within { base: first, length: length * unit };
        let options = Options::DEFAULT.first_frame(Pfn::new(machine.first_frame)).metadata(place);
        let Some((before, _)) = both(&machine) else { return Ok(()) };
        let mut survey = Survey::new(&machine.info().options(options), machine.page_shift).unwrap();
        let Ok(tables) = survey.place_metadata(count) else {
            let within = frames(base.div_ceil(4), (base + length) / 4);
            prop_assert_eq!(survey.highest_free(count, Order::ZERO, within), None);
            return Ok(());
        };
        prop_assert!(tables.start.get() * 4 >= base && tables.end.get() * 4 <= base + length);
        survey.reserve_metadata(tables);
        let free = |survey: &Survey<'_>| -> u64 {
            survey.runs().filter(|run| run.state == RunState::Free).map(|run| run.range.len()).sum()
        };
        prop_assert_eq!(free(&survey) + count, free(&before));
        prop_assert!(survey.runs_in(tables).all(|run| run.state == RunState::Reserved));
    }

    /// Whatever the numbers, a survey ends without a panic, and its runs ascend.
    #[test]
    fn any_numbers_are_survived(
        map in vec((any::<u64>(), any::<u64>(), 0..9_u32), 0..20),
        held in vec((any::<u64>(), any::<u64>()), 0..3),
        page_shift in 0..80_u32,
        movable in any::<u64>(),
        first in any::<u64>(),
    ) {
        let map: Vec<_> = map
            .into_iter()
            .map(|(base, length, kind)| {
                MemoryRegion::new(PhysAddr::new(base), length, MemoryKind::from_e820(kind))
            })
            .chain([MemoryRegion::new(PhysAddr::new(0), u64::MAX, MemoryKind::Usable)])
            .collect();
        let held: Vec<_> = held
            .into_iter()
            .map(|(base, length)| Reservation::new("x", PhysAddr::new(base), length))
            .collect();
        let options = Options::DEFAULT.movable(Movable::Size(movable)).first_frame(Pfn::new(first));
        let info = BootInfo::new(&map).reservations(&held).options(options);
        let Ok(survey) = Survey::new(&info, page_shift) else { return Ok(()) };
        let mut end = Pfn::new(0);
        for run in survey.runs() {
            prop_assert!(end <= run.range.start && !run.range.is_empty());
            end = run.range.end;
        }
        let wraps = |it: &&MemoryRegion| {
            it.length != 0 && it.base.get().checked_add(it.length - 1).is_none()
        };
        let wrapping = u64::try_from(map.iter().filter(wraps).count()).unwrap();
        prop_assert_eq!(survey.dropped().wrapping.count, wrapping);
    }
}
