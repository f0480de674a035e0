//! Numbers at the edges, and every refusal.

use crate::text::{frames, node, range, region};
use page_alloc::boot::{
    BootInfo, InitError, MAX_PHYSMEM_BITS, MemoryKind, MemoryRegion, MetadataPlace, Movable,
    NodeRange, Numa, Options, Reservation, RunState, Survey,
};
use page_alloc::{CpuId, NodeId, Pfn, PhysAddr, ZoneLayout};

const LIMIT: u64 = 1 << MAX_PHYSMEM_BITS;

fn usable(start: u64, end: u64) -> MemoryRegion {
    region(start, end, MemoryKind::Usable)
}

fn refusal(info: &BootInfo<'_>) -> InitError {
    Survey::new(info, 12).unwrap_err()
}

/// An entry up to the last byte below 2^64 counts; one a byte longer is dropped whole and told.
#[test]
fn the_end_of_the_address_space() {
    let base = PhysAddr::new(0x8000);
    let fits = MemoryRegion::new(base, u64::MAX - 0x7fff, MemoryKind::Reserved);
    let wraps = MemoryRegion::new(base, u64::MAX - 0x7ffe, MemoryKind::Reserved);
    let end = |region| {
        let map = [usable(0x1000, 0x2_0000), region];
        let survey = Survey::new(&BootInfo::new(&map), 12).unwrap();
        (survey.frames().end.get(), survey.dropped().wrapping.first)
    };
    assert_eq!(end(fits), (8, None));
    assert_eq!(end(wraps), (0x20, Some(wraps)));
}

/// Memory beyond the limit of addresses is dropped and told; what is below it is used, in one run.
#[test]
fn beyond_the_limit_of_addresses() {
    let map = [usable(LIMIT - 0x3000, LIMIT + 0x1000), usable(u64::MAX - 0x1000, u64::MAX)];
    let survey = Survey::new(&BootInfo::new(&map), 12).unwrap();
    let end = LIMIT >> 12;
    assert_eq!(survey.frames(), frames(end - 3, end));
    assert_eq!(survey.runs().count(), 1);
    let dropped = survey.dropped();
    assert_eq!((dropped.beyond_limit.count, dropped.beyond_limit.first), (2, Some(map[0])));
    assert_eq!(dropped.rounded_away.count, 0);
    assert_eq!(survey.place_metadata(3).unwrap(), frames(end - 3, end));
}

/// A map of all addresses is one run, and no count overflows.
#[test]
fn all_of_memory() {
    let map = [MemoryRegion::new(PhysAddr::new(0), u64::MAX, MemoryKind::Usable)];
    for page_shift in [0, 12, 16, 51] {
        let options = Options::DEFAULT.movable(Movable::Size(u64::MAX)).first_frame(Pfn::new(0));
        let survey = Survey::new(&BootInfo::new(&map).options(options), page_shift).unwrap();
        assert_eq!(survey.frames(), frames(0, LIMIT >> page_shift));
        assert_eq!(survey.present_in(NodeId::ZERO), LIMIT >> page_shift);
    }
    for page_shift in [53, 63, 64, u32::MAX] {
        let survey = Survey::new(&BootInfo::new(&map), page_shift);
        assert_eq!(survey.unwrap_err(), InitError::NoUsableMemory { nr_regions: 1 });
    }
}

/// Entries of halves of a frame join before they are rounded; a byte between them loses the frame.
#[test]
fn halves_of_a_frame() {
    let joined = [usable(0x1800, 0x3000), usable(0x1000, 0x1800)];
    let survey = Survey::new(&BootInfo::new(&joined), 12).unwrap();
    assert_eq!(survey.frames(), frames(1, 3));
    assert_eq!(survey.dropped().rounded_away.count, 0);
    let apart = [usable(0x1801, 0x3000), usable(0x1000, 0x1800)];
    let survey = Survey::new(&BootInfo::new(&apart), 12).unwrap();
    assert_eq!(survey.frames(), frames(2, 3));
    let rounded = survey.dropped().rounded_away;
    assert_eq!((rounded.count, rounded.first), (0xfff, Some(PhysAddr::new(0x1000))));
}

/// One reserved byte keeps its frame from being free; the frame stays present.
#[test]
fn one_reserved_byte() {
    let map = [usable(0x1000, 0x6000)];
    let held = [
        Reservation::new("byte", PhysAddr::new(0x3fff), 1),
        Reservation::new("nothing", PhysAddr::new(u64::MAX), 0),
        Reservation::new("elsewhere", PhysAddr::new(u64::MAX), 1),
    ];
    let survey = Survey::new(&BootInfo::new(&map).reservations(&held), 12).unwrap();
    let reserved: Vec<_> = survey.runs().filter(|run| run.state == RunState::Reserved).collect();
    assert_eq!(reserved.len(), 1);
    assert_eq!(reserved[0].range, frames(3, 4));
    assert_eq!(survey.present_in(NodeId::ZERO), 5);
}

/// A frame that holds bytes of two nodes belongs to the node of its first byte.
#[test]
fn a_node_border_inside_a_frame() {
    let map = [usable(0x1000, 0x6000)];
    let numa = Numa::Ranges {
        ranges: &[range(0, 0, 0x3001), range(1, 0x3001, 0x6000)],
        distances: &[],
        cpus: &[NodeId::ZERO],
    };
    let survey = Survey::new(&BootInfo::new(&map).numa(numa), 12).unwrap();
    assert_eq!(survey.node_span(node(0)), frames(1, 4));
    assert_eq!(survey.node_span(node(1)), frames(4, 6));
}

/// Maps and options without one free frame are refused.
#[test]
fn no_usable_memory() {
    let reclaimable = region(0x1000, 0x9000, MemoryKind::BootloaderReclaimable);
    let persistent = region(0x1000, 0x9000, MemoryKind::from_e820(7));
    for map in [&[reclaimable][..], &[persistent], &[usable(0, 0x1000)], &[usable(0x1001, 0x2fff)]]
    {
        let nr_regions = map.len();
        assert_eq!(refusal(&BootInfo::new(map)), InitError::NoUsableMemory { nr_regions });
    }
    let map = [usable(0, 0x9000)];
    let options = Options::DEFAULT.first_frame(Pfn::new(u64::MAX));
    assert_eq!(
        refusal(&BootInfo::new(&map).options(options)),
        InitError::NoUsableMemory { nr_regions: 1 }
    );
}

/// A reservation that wraps is refused, by name.
#[test]
fn a_reservation_wraps() {
    let map = [usable(0, 0x9000)];
    let held = [Reservation::new("initrd", PhysAddr::new(2), u64::MAX)];
    let info = BootInfo::new(&map).reservations(&held);
    assert_eq!(refusal(&info), InitError::ReservationWraps(held[0]));
}

/// Options out of bounds are refused with name and value.
#[test]
fn illegal_options() {
    let map = [usable(0, 0x9000)];
    let with = |options| refusal(&BootInfo::new(&map).options(options));
    for value in [0, 3001] {
        let name = "watermark_scale_factor";
        let error = InitError::IllegalOption { name, value: value.into() };
        assert_eq!(with(Options::DEFAULT.watermark_scale_factor(value)), error);
    }
    let starts = [(node(2), Pfn::new(1)), (node(1), Pfn::new(2)), (node(2), Pfn::new(3))];
    assert_eq!(
        with(Options::DEFAULT.movable(Movable::From(&starts))),
        InitError::MovableTwice { node: node(2), start: Pfn::new(3) }
    );
    assert_eq!(
        refusal(&BootInfo::new(&map).nr_cpus(0)),
        InitError::IllegalOption { name: "nr_cpus", value: 0 }
    );
    let info = BootInfo::new(&map).options(Options::DEFAULT.watermark_scale_factor(3000));
    assert!(Survey::new(&info, 12).is_ok());
}

fn ranges<'a>(ranges: &'a [NodeRange], distances: &'a [&'a [u8]]) -> Numa<'a> {
    Numa::Ranges { ranges, distances, cpus: &[NodeId::ZERO] }
}

/// Wrong matrices are refused with the row or the pair that is wrong.
#[test]
fn bad_distances() {
    let map = [usable(0, 0x9000)];
    let of = |distances| refusal(&BootInfo::new(&map).numa(ranges(&[], distances)));
    assert_eq!(
        of(&[&[10, 20], &[20]]),
        InitError::DistancesNotSquare { row: 1, columns: 1, rows: 2 }
    );
    let bad = |from, to, distance| InitError::BadDistance { from, to, distance };
    assert_eq!(of(&[&[10, 9], &[20, 10]]), bad(0, 1, 9));
    assert_eq!(of(&[&[10, 20], &[20, 12]]), bad(1, 1, 12));
    assert_eq!(of(&[&[][..]; 65]), InitError::TooManyDistances { rows: 65 });
}

/// Two nodes may touch but not share a byte, even the last one below 2^64; one node's own ranges
/// may overlap, and ranges that wrap or are empty count for nothing.
#[test]
fn overlapping_nodes() {
    let map = [usable(0, 0x9000)];
    let survey = |list: &[NodeRange]| {
        Survey::new(&BootInfo::new(&map).numa(ranges(list, &[])), 12).map(|survey| survey.dropped())
    };
    let top = NodeRange::new(node(1), PhysAddr::new(u64::MAX), 1);
    let all = NodeRange::new(node(2), PhysAddr::new(1), u64::MAX);
    assert_eq!(survey(&[top, all]).unwrap_err(), InitError::NumaOverlap(top, all));
    let wraps = NodeRange::new(node(2), PhysAddr::new(0), u64::MAX);
    let wraps = NodeRange { base: PhysAddr::new(2), ..wraps };
    let zero = range(3, 0x2000, 0x2000);
    let own = [range(0, 0, 0x6000), range(0, 0x4000, 0x7000), range(1, 0x7000, 0x9000)];
    let dropped = survey(&[&own[..], &[wraps, zero, top]].concat()).unwrap();
    assert_eq!((dropped.numa_wrapping.count, dropped.numa_wrapping.first), (1, Some(wraps)));
    let empty = dropped.numa_without_memory;
    assert_eq!((empty.count, empty.first), (2, Some(zero)));
}

/// Memory in no range goes to the node of the range below, or of the lowest one, and is told.
#[test]
fn memory_outside_all_ranges() {
    let map = [usable(0x1000, 0x9000)];
    let list = [range(2, 0x6000, 0x7000), range(1, 0x3000, 0x4000)];
    let survey = Survey::new(&BootInfo::new(&map).numa(ranges(&list, &[])), 12).unwrap();
    assert_eq!(survey.node_span(node(1)), frames(1, 6));
    assert_eq!(survey.node_span(node(2)), frames(6, 9));
    let outside = survey.dropped().outside_numa;
    assert_eq!((outside.count, outside.first), (0x6000, Some(PhysAddr::new(0x1000))));
}

/// A CPU that the kernel gives no node is refused.
#[test]
fn a_cpu_without_a_node() {
    let map = [usable(0, 0x9000)];
    let info = BootInfo::new(&map).numa(ranges(&[], &[])).nr_cpus(u32::MAX);
    assert_eq!(refusal(&info), InitError::CpuWithoutNode(CpuId::new(1)));
    let flat = BootInfo::new(&map).nr_cpus(u32::MAX);
    let survey = Survey::new(&flat, 12).unwrap();
    assert_eq!(survey.cpu_node(CpuId::new(u32::MAX - 1)), Ok(NodeId::ZERO));
}

/// Tables that fit nowhere are refused with what there is; they may lie across a node border, but
/// not in HIGHMEM.
#[test]
fn no_room_for_metadata() {
    let map = [usable(0x1000, 0x9000), usable(0xa000, 0xc000)];
    let list = [range(0, 0, 0x4000), range(1, 0x4000, 0xc000)];
    let base = BootInfo::new(&map).numa(ranges(&list, &[]));
    let survey = Survey::new(&base, 12).unwrap();
    assert_eq!(survey.place_metadata(8), Ok(frames(1, 9)));
    assert_eq!(survey.place_metadata(2), Ok(frames(10, 12)));
    let refused =
        |needed, largest, place| Err(InitError::NoRoomForMetadata { needed, largest, place });
    assert_eq!(survey.place_metadata(9), refused(9, 8, MetadataPlace::Anywhere));
    assert_eq!(survey.place_metadata(u64::MAX), refused(u64::MAX, 8, MetadataPlace::Anywhere));
    let with = |place, frames| {
        let info = base.options(Options::DEFAULT.metadata(place));
        Survey::new(&info, 12).unwrap().place_metadata(frames)
    };
    let below = MetadataPlace::Below(PhysAddr::new(0x5fff));
    assert_eq!(with(below, 2), Ok(frames(3, 5)));
    assert_eq!(with(below, 5), refused(5, 4, below));
    let within = MetadataPlace::Within { base: PhysAddr::new(0x7001), length: u64::MAX };
    assert_eq!(with(within, 1), Ok(frames(11, 12)));
    assert_eq!(with(within, 3), refused(3, 2, within));
    let beyond = MetadataPlace::Within { base: PhysAddr::new(u64::MAX), length: u64::MAX };
    assert_eq!(with(beyond, 1), refused(1, 0, beyond));
    let highmem = base.zones(ZoneLayout::new(None, None, Some(PhysAddr::new(6 << 12))));
    let survey = Survey::new(&highmem, 12).unwrap();
    assert_eq!(survey.place_metadata(2), Ok(frames(4, 6)));
}

/// Every refusal has a message of its own that names what was wrong.
#[test]
fn messages() {
    let place = MetadataPlace::Anywhere;
    for (error, words) in [
        (InitError::NoRoomForMetadata { needed: 9, largest: 8, place }, "9 free frames anywhere"),
        (InitError::TooManyFrames { frames: 7, limit: 6 }, "7 frames, of at most 6"),
        (InitError::CpuWithoutNode(CpuId::new(5)), "CPU 5"),
        (
            InitError::BadDistance { from: 1, to: 2, distance: 3 },
            "distance 3 from node 1 to node 2",
        ),
        (InitError::AlreadyInitialized, "already"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
}
