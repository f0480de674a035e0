//! Firmware maps as kernels found them, dirt included.

use crate::model::Painting;
use crate::tables::{self, Entry};
use crate::text::{files, node, number, range, region};
use page_alloc::boot::{
    BootInfo, MemoryKind, MemoryRegion, NodeRange, Numa, Reservation, RunState, Survey,
};
use page_alloc::{CpuId, NodeId, NodeMask, PhysAddr};

/// What a file of `tests/data/maps/firmware` says.
#[derive(Default)]
struct Found {
    map: Vec<MemoryRegion>,
    ranges: Vec<NodeRange>,
    hotplug: Vec<NodeRange>,
    kernel: Vec<Reservation>,
    cpus: Vec<(u32, u64, u64)>,
}

impl Found {
    fn read(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = line.split(' ').collect();
            match *words.as_slice() {
                ["kernel", start, end] => {
                    let (start, end) = (number(start), number(end));
                    let kernel = Reservation::new("kernel", PhysAddr::new(start), end - start);
                    found.kernel.push(kernel);
                }
                ["srat", start, end, of, ref flags @ ..] => {
                    let range = range(number(of), number(start), number(end));
                    found.ranges.push(range);
                    found.hotplug.extend(Some(range).filter(|_| flags == ["hotplug"]));
                }
                ["entry", start, end, kind] => {
                    let kind = MemoryKind::from_e820(kind.parse().unwrap());
                    found.map.push(region(number(start), number(end), kind));
                }
                ["cpu", cpu, "apic", id, "node", of] => {
                    found.cpus.push((cpu.parse().unwrap(), number(id), number(of)));
                }
                _ => panic!("unknown line {line}"),
            }
        }
        found.cpus.sort_unstable();
        found
    }

    /// The SRAT, as QEMU orders it: CPUs first.
    fn srat(&self) -> Vec<u8> {
        let cpus = self.cpus.iter().map(|(_, id, of)| {
            Entry::Apic(u32::try_from(*of).unwrap(), u8::try_from(*id).unwrap())
        });
        let memory = self.ranges.iter().map(|range| {
            let flags = if self.hotplug.contains(range) { 3 } else { 1 };
            let domain = u32::try_from(range.node.index()).unwrap();
            Entry::Memory(domain, range.base.get(), range.length, flags)
        });
        tables::srat(1, &cpus.chain(memory).collect::<Vec<_>>())
    }
}

/// The runs of real firmware maps are those of a frame-by-frame painting, and hotplug ranges are
/// told as ranges without memory.
#[test]
fn runs_of_firmware_maps() {
    let files = files("data/maps/firmware", ".map");
    assert_eq!(files.len(), 4);
    for (name, text) in files {
        let found = Found::read(&text);
        let numa = Numa::Ranges { ranges: &found.ranges, distances: &[], cpus: &[NodeId::ZERO] };
        let info = BootInfo::new(&found.map).reservations(&found.kernel).numa(numa);
        let survey = Survey::new(&info, 12).unwrap();
        let painting = Painting::paint(&info, 12, 1 << 10, 0x24_0000 * 4);
        assert_eq!(survey.runs().collect::<Vec<_>>(), painting.runs(1), "{name}");
        let reserved = survey.runs().find(|run| run.state == RunState::Reserved).unwrap();
        assert_eq!((reserved.range.start.get(), reserved.range.len()), (0x100, 0x9b), "{name}");
        let dropped = survey.dropped();
        let empty = found.hotplug.len();
        assert_eq!(dropped.numa_without_memory.count, u64::try_from(empty).unwrap(), "{name}");
        assert_eq!(dropped.numa_without_memory.first, found.hotplug.first().copied());
        assert_eq!((dropped.outside_numa.count, dropped.wrapping.count), (0, 0), "{name}");
    }
}

/// The BIOS hands over 0x9fc00 bytes of low memory, of which the last, partial frame is lost; the
/// OVMF map has one entry of a kind nobody knows.
#[test]
fn dropped_of_firmware_maps() {
    let dropped: Vec<_> = files("data/maps/firmware", ".map")
        .iter()
        .map(|(_, text)| Survey::new(&BootInfo::new(&Found::read(text).map), 12).unwrap().dropped())
        .map(|dropped| (dropped.rounded_away.count, dropped.unknown_kind.count))
        .collect();
    assert_eq!(dropped, [(0, 1), (0xc00, 0), (0xc00, 0), (0xc00, 0)]);
}

/// A node of CPUs and hotplug memory alone, and one of memory alone: nodes are numbered as the SRAT
/// names them, so domain 2, whose CPUs come first, is node 1.
#[test]
fn cpu_only_and_memory_only_nodes() {
    let (_, text) = files("data/maps/firmware", "3n-hotplug.map").remove(0);
    let found = Found::read(&text);
    let srat = found.srat();
    let numa = Numa::Acpi { srat: &srat, slit: None, cpu_apic_ids: &[0, 1, 2, 3] };
    let info = BootInfo::new(&found.map).nr_cpus(4).numa(numa);
    let survey = Survey::new(&info, 12).unwrap();
    let nodes: Vec<_> = (0..4).map(|cpu| survey.cpu_node(CpuId::new(cpu)).unwrap()).collect();
    assert_eq!(nodes, [0, 0, 1, 1].map(node));
    assert_eq!(survey.nodes_with_memory(), NodeMask::from_bits(0b101));
    assert_eq!(survey.nodes_with_cpus(), NodeMask::from_bits(0b011));
    assert_eq!(survey.online_nodes(), NodeMask::from_bits(0b111));
    assert_eq!(survey.present_in(node(0)), 0x9e + 0xff00);
    assert_eq!(survey.present_in(node(2)), 0x2_ffdf);
    assert_eq!(survey.distance(node(0), node(2)), 20);
    // What can be plugged in, with the nodes so numbered.
    let later: Vec<_> = numa.hot_pluggable().unwrap().collect();
    assert!(!later.is_empty());
    let as_node = |range: &NodeRange| {
        let of = [node(0), node(2), node(1)][range.node.index()];
        NodeRange::new(of, range.base, range.length)
    };
    assert_eq!(later, found.hotplug.iter().map(as_node).collect::<Vec<_>>());
    let planned = Survey::new(&info.hotplug(&later), 12).unwrap();
    assert!(planned.runs().eq(survey.runs()));
    assert!(numa.hot_pluggable().unwrap().all(|range| range.length > 0));
    let damaged = Numa::Acpi { srat: &srat[1..], slit: None, cpu_apic_ids: &[] };
    assert!(damaged.hot_pluggable().is_err());
}
