//! Kernel memory spread over nodes, against a model that hands it out frame by frame.

use crate::text::{node, range, region};
use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Movable, Numa, Options, Survey};
use page_alloc::{NodeId, Pfn, PhysAddr, ZoneLayout, ZoneType};
use proptest::collection::vec;
use proptest::{prop_assert_eq, proptest};

/// The present frames of each node, ascending.
type Frames = [Vec<u64>; 3];

/// Where each node's kernel memory ends, with `required` frames of it and nothing below `usable`
/// movable.
fn spread(memory: &Frames, usable: u64, mut required: u64) -> [u64; 3] {
    let mut next = [0; 3];
    let mut ends = [0; 3];
    let populated = memory.iter().filter(|frames| !frames.is_empty()).count();
    let mut nodes = u64::try_from(populated).unwrap();
    loop {
        let mut share = required / nodes;
        for node in 0..3 {
            share = if required < share { required / nodes } else { share };
            let (mut left, mut taken) = (share, false);
            while let Some(frame) = memory[node].get(next[node]).copied() {
                if frame >= usable && left == 0 {
                    ends[node] = if taken { ends[node] } else { frame };
                    break;
                }
                taken = frame >= usable;
                left = left.saturating_sub(1);
                required = required.saturating_sub(1);
                ends[node] = frame + 1;
                next[node] += 1;
            }
        }
        nodes -= 1;
        if nodes == 0 || required <= nodes {
            return ends;
        }
    }
}

proptest! {
    /// The MOVABLE zones begin where a frame-by-frame spreading ends, rounded up to blocks, on
    /// nodes of several pieces, some below the highest zone.
    #[test]
    fn spreading(
        pieces in vec((0..1500_u64, 1..3000_u64, 0..3_usize), 1..7),
        usable in 0..9000_u64,
        required in 0..12_000_u64,
    ) {
        let mut at = 1;
        let (mut map, mut ranges, mut memory) = (Vec::new(), Vec::new(), Frames::default());
        for (gap, length, of) in pieces {
            let (start, end) = (at + gap, at + gap + length);
            map.push(region(start << 12, end << 12, MemoryKind::Usable));
            ranges.push(range(u64::try_from(of).unwrap(), start << 12, end << 12));
            memory[of].extend(start..end);
            at = end;
        }
        let total = memory.iter().map(|frames| u64::try_from(frames.len()).unwrap()).sum::<u64>();
        let numa = Numa::Ranges { ranges: &ranges, distances: &[], cpus: &[NodeId::ZERO] };
        let info = BootInfo::new(&map)
            .zones(ZoneLayout::new(Some(PhysAddr::new(usable << 12)), None, None))
            .numa(numa)
            .options(Options::DEFAULT.movable(Movable::KernelSize(required)));
        let survey = Survey::new(&info, 12).unwrap();
        let usable = if usable < at { usable } else { 0 };
        let ends = spread(&memory, usable, required);
        for (of, frames) in (0..).zip(&memory) {
            let start = ends[usize::try_from(of).unwrap()].next_multiple_of(1024);
            let has_any = frames.last().is_some_and(|last| start <= *last);
            let expected = (0 < required && required < total && has_any).then_some(start);
            prop_assert_eq!(survey.movable_start(node(of)).map(Pfn::get), expected, "node {}", of);
        }
    }
}

fn one_node(movable: Movable<'_>, layout: ZoneLayout) -> (Option<u64>, [u64; 5]) {
    let map = [region(0x1000, 8000 << 12, MemoryKind::Usable)];
    let options = Options::DEFAULT.movable(movable);
    let info = BootInfo::new(&map).zones(layout).options(options);
    let survey = Survey::new(&info, 12).unwrap();
    let sizes = ZoneType::ALL.map(|zone| survey.zone(NodeId::ZERO, zone).present);
    for zone in ZoneType::ALL {
        for run in survey.zone_runs(NodeId::ZERO, zone) {
            assert_eq!(survey.zone_of(NodeId::ZERO, run.range.start), zone);
        }
    }
    (survey.movable_start(NodeId::ZERO).map(Pfn::get), sizes)
}

/// Two nodes of which the first lacks `missing` frames of its share of 1000.
fn two_nodes(missing: u64) -> [Option<u64>; 2] {
    let ranges = [range(0, 1 << 12, (1001 - missing) << 12), range(1, 1048 << 12, 9000 << 12)];
    let map = ranges.map(|it| MemoryRegion::new(it.base, it.length, MemoryKind::Usable));
    let numa = Numa::Ranges { ranges: &ranges, distances: &[], cpus: &[NodeId::ZERO] };
    let options = Options::DEFAULT.movable(Movable::KernelSize(2000));
    let info = BootInfo::new(&map).zones(ZoneLayout::NORMAL_ONLY).numa(numa).options(options);
    let survey = Survey::new(&info, 12).unwrap();
    [0, 1].map(|of| survey.movable_start(node(of)).map(Pfn::get))
}

/// A rest of less than a frame for each node that is left is not spread any more: the second node's
/// share ends at 2048, a border of blocks.
#[test]
fn a_small_rest_is_left() {
    assert_eq!(two_nodes(0), [None, Some(2048)]);
    assert_eq!(two_nodes(1), [None, Some(2048)]);
    assert_eq!(two_nodes(2), [None, Some(3072)]);
}

/// A node whose share lies below the highest zone has its MOVABLE zone begin with the memory above,
/// not in a hole between.
#[test]
fn a_hole_at_the_border_of_the_highest_zone() {
    let map = [
        region(0x1000, 5120 << 12, MemoryKind::Usable),
        region(6200 << 12, 9000 << 12, MemoryKind::Usable),
    ];
    let layout = ZoneLayout::new(Some(PhysAddr::new(5120 << 12)), None, None);
    let options = Options::DEFAULT.movable(Movable::KernelSize(5000));
    let survey = Survey::new(&BootInfo::new(&map).zones(layout).options(options), 12).unwrap();
    assert_eq!(survey.movable_start(NodeId::ZERO), Some(Pfn::new(7168)));
}

/// On a machine without NORMAL memory, the MOVABLE zone is cut out of DMA32.
#[test]
fn cut_out_of_the_highest_zone_that_has_memory() {
    let (start, sizes) = one_node(Movable::Size(1000), ZoneLayout::X86_64);
    assert_eq!((start, sizes), (Some(7168), [4095, 3072, 0, 0, 832]));
}

/// With HIGHMEM, all of NORMAL stays the kernel's.
#[test]
fn cut_out_of_highmem() {
    let layout = ZoneLayout::new(None, None, Some(PhysAddr::new(5000 << 12)));
    let (start, sizes) = one_node(Movable::KernelSize(1), layout);
    assert_eq!((start, sizes), (Some(5120), [0, 0, 4999, 120, 2880]));
}

/// Memory that is all movable, or none, makes no MOVABLE zone; nor does a number near 2^64
/// overflow.
#[test]
fn all_or_nothing_is_nothing() {
    for movable in [
        Movable::Size(0),
        Movable::Size(8000),
        Movable::Size(u64::MAX),
        Movable::KernelSize(0),
        Movable::KernelSize(7999),
        Movable::KernelSize(u64::MAX),
        Movable::From(&[]),
    ] {
        assert_eq!(one_node(movable, ZoneLayout::NORMAL_ONLY), (None, [0, 0, 7999, 0, 0]));
    }
}

/// An explicit beginning is rounded up to a block, raised to the highest zone, and dropped when no
/// memory is above it.
#[test]
fn explicit_beginnings() {
    let start = |pfn| {
        let starts = [(NodeId::ZERO, Pfn::new(pfn)), (node(1), Pfn::new(0))];
        one_node(Movable::From(&starts), ZoneLayout::X86_64).0
    };
    assert_eq!(start(5000), Some(5120));
    assert_eq!(start(7), Some(4096));
    assert_eq!(start(7169), None);
    assert_eq!(start(u64::MAX), None);
}
