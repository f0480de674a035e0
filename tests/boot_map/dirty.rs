//! Random dirty maps, booted: the allocator gives out every free frame of the painted map once, and
//! nothing else.

use crate::model::Painting;
use crate::text::node;
use page_alloc::boot::{
    BootInfo, InitError, MemoryKind, MemoryRegion, Movable, NodeRange, Numa, Options, Reservation,
    RunState,
};
use page_alloc::sim::{Contents, Sim, SimConfig, SimError, Tables};
use page_alloc::{Gfp, NodeId, Order, Pages, Pfn, PhysAddr, ZoneLayout};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeSet;

/// Bytes of a unit; a frame has four.
pub(crate) const UNIT: u64 = 1 << 10;
/// Units of the universe: a little over three sections.
pub(crate) const UNITS: u64 = 13_000;
const KINDS: [MemoryKind; 9] = [
    MemoryKind::Usable,
    MemoryKind::Usable,
    MemoryKind::Usable,
    MemoryKind::Usable,
    MemoryKind::BootloaderReclaimable,
    MemoryKind::AcpiReclaimable,
    MemoryKind::Reserved,
    MemoryKind::Unknown(77),
    MemoryKind::Unusable,
];

/// A place, often at or just beside a border of frames, pageblocks or sections.
pub(crate) fn place() -> impl Strategy<Value = u64> {
    let beside = |step: u64| {
        (0..=UNITS / step, -1..=1_i64)
            .prop_map(move |(n, by)| (n * step).saturating_add_signed(by).min(UNITS))
    };
    prop_oneof![1 => 0..UNITS, 2 => beside(4), 2 => beside(2048), 2 => beside(4096)]
}

/// Two places, as address and length.
fn span() -> impl Strategy<Value = (PhysAddr, u64)> {
    (place(), place()).prop_map(|(a, b)| (PhysAddr::new(a.min(b) * UNIT), a.abs_diff(b) * UNIT))
}

fn region() -> impl Strategy<Value = MemoryRegion> {
    let usual = (span(), 0..KINDS.len())
        .prop_map(|((base, length), kind)| MemoryRegion::new(base, length, KINDS[kind]));
    let wraps = (0..9000_u64, 0..9000_u64).prop_map(|(below, beyond)| {
        MemoryRegion::new(PhysAddr::new(u64::MAX - below), below + 2 + beyond, MemoryKind::Usable)
    });
    let far = (any::<u64>(), any::<u64>()).prop_map(|(base, length)| {
        let base = PhysAddr::new(base | 1 << 40);
        MemoryRegion::new(base, length, MemoryKind::Reserved)
    });
    prop_oneof![16 => usual, 1 => wraps, 1 => far]
}

fn reservation() -> impl Strategy<Value = Reservation> {
    let small =
        (place(), 0..40_u64).prop_map(|(at, units)| (PhysAddr::new(at * UNIT), units * UNIT));
    prop_oneof![1 => span(), 4 => small]
        .prop_map(|(base, length)| Reservation::new("held", base, length))
}

/// Disjoint ranges of up to three nodes, which may interleave, with gaps, in any order.
fn nodes() -> impl Strategy<Value = Vec<NodeRange>> {
    let cuts = vec((place(), proptest::option::weighted(0.9, 0..3_u64)), 0..6);
    (cuts, 0..6_usize).prop_map(|(mut cuts, turn)| {
        cuts.sort_unstable();
        let pairs = cuts.windows(2).map(|pair| (pair[0], pair[1].0));
        let mut ranges: Vec<_> = pairs
            .filter_map(|((start, of), end)| {
                let base = PhysAddr::new(start * UNIT);
                of.map(|of| NodeRange::new(node(of), base, (end - start) * UNIT))
            })
            .collect();
        let turn = turn.min(ranges.len());
        ranges.rotate_left(turn);
        ranges
    })
}

fn movable() -> impl Strategy<Value = Movable<'static>> {
    prop_oneof![
        2 => Just(Movable::None),
        1 => (0..4000_u64).prop_map(Movable::Size),
        1 => (0..4000_u64).prop_map(Movable::KernelSize),
    ]
}

pub(crate) fn machine() -> impl Strategy<Value = SimConfig> {
    let memory = (vec(region(), 1..12), vec(reservation(), 0..4), nodes());
    let policy = (0..3_u64, place(), place(), movable(), any::<bool>());
    (memory, policy).prop_map(|((map, held, nodes), (first, dma, dma32, movable, carved))| {
        let mut config = SimConfig::new(map);
        config.reservations = held;
        config.nodes = nodes;
        let [dma, dma32] = [dma.min(dma32), dma.max(dma32)].map(|at| PhysAddr::new(at * UNIT));
        config.zones = ZoneLayout::new(Some(dma), Some(dma32), None);
        config.options = Options::DEFAULT.first_frame(Pfn::new(first)).movable(movable);
        config.contents = Contents::Ignored;
        config.tables = if carved { Tables::Carved } else { Tables::Apart };
        config
    })
}

/// The free frames of the painted map.
fn painted(config: &SimConfig) -> BTreeSet<u64> {
    let numa = match config.nodes.is_empty() {
        true => Numa::None,
        false => Numa::Ranges { ranges: &config.nodes, distances: &[], cpus: &[NodeId::ZERO] },
    };
    let info = BootInfo::new(&config.memory_map).reservations(&config.reservations).numa(numa);
    let painting = Painting::paint(&info, 12, UNIT, usize::try_from(UNITS).unwrap());
    let first = usize::try_from(config.options.first_frame.get()).unwrap();
    let free = |frame: &usize| matches!(painting.frame(*frame), Some((RunState::Free, _)));
    (first..painting.nr_frames()).filter(free).map(|frame| frame as u64).collect()
}

/// Takes all that there is, the largest blocks first.
fn take_all(sim: &Sim) -> Vec<Pages> {
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC;
    let of_order = |order| std::iter::from_fn(move || sim.alloc_pages(gfp, order).ok());
    Order::ALL.into_iter().rev().flat_map(of_order).collect()
}

/// The frames of all that there is to be had, which is then given back.
pub(crate) fn all_frames(sim: &Sim) -> Vec<u64> {
    let all = take_all(sim);
    let frames = all.iter().flat_map(frames_of).collect();
    all.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
    frames
}

fn frames_of(pages: &Pages) -> core::ops::Range<u64> {
    pages.range().start.get()..pages.range().end.get()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..Default::default() })]

    /// A dirty map boots or is refused with a reason; once booted, what can be allocated is exactly
    /// what the map leaves free, less the tables, each frame once; and all of it can be freed.
    #[test]
    fn dirty_maps_boot(config in machine()) {
        let mut free = painted(&config);
        let sim = match Sim::boot(config) {
            Ok(sim) => sim,
            Err(SimError::Init(InitError::NoUsableMemory { .. })) => {
                prop_assert!(free.is_empty());
                return Ok(());
            }
            Err(SimError::Init(InitError::NoRoomForMetadata { needed, largest, .. })) => {
                prop_assert!(largest < needed && largest <= free.len() as u64);
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        if let Some(tables) = sim.report().metadata {
            for pfn in tables.start.get()..tables.end.get() {
                prop_assert!(free.remove(&pfn), "tables at frame {}, which is not free", pfn);
            }
        }
        prop_assert_eq!(sim.verify(), Ok(()));
        prop_assert_eq!(sim.nr_free_pages(), free.len() as u64);
        let taken = take_all(&sim);
        prop_assert_eq!((sim.verify(), sim.nr_free_pages()), (Ok(()), 0));
        let frames: Vec<u64> = taken.iter().flat_map(frames_of).collect();
        prop_assert_eq!(frames.len(), free.len(), "a frame was given twice, or none");
        prop_assert_eq!(&frames.into_iter().collect::<BTreeSet<_>>(), &free);
        for pages in taken {
            prop_assert_eq!(sim.free_pages(pages), Ok(()));
        }
        sim.drain_local_pages(None);
        prop_assert_eq!((sim.verify(), sim.nr_free_pages()), (Ok(()), free.len() as u64));
    }
}
