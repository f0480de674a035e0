//! Machines that Linux booted: present and spanned pages as it printed them.

use crate::tables::{self, Entry};
use crate::text::{dashed, files, folder, node, number, range, region, zone_type};
use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, NodeRange, Numa, Survey};
use page_alloc::{CpuId, NodeId, ZoneType};

/// A machine of `tests/data/maps`.
#[derive(Default)]
pub(crate) struct Machine {
    map: Vec<MemoryRegion>,
    ranges: Vec<NodeRange>,
    distances: Vec<Vec<u8>>,
    /// Node, zone (`None`: the whole node), pages.
    pub(crate) present: Vec<(NodeId, Option<ZoneType>, u64)>,
}

impl Machine {
    pub(crate) fn read(text: &str) -> Self {
        let mut machine = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = line.split(' ').collect();
            let of = number(words[1]);
            match words[0] {
                "range" => {
                    let (start, end) = (number(words[2]), number(words[3]) + 1);
                    machine.map.push(region(start, end, MemoryKind::Usable));
                    machine.ranges.push(range(of, start, end));
                }
                "distance" => machine
                    .distances
                    .push(words[2..].iter().map(|word| word.parse().unwrap()).collect()),
                "present" => {
                    let zone = Some(words[2]).filter(|name| *name != "total").map(zone_type);
                    machine.present.push((node(of), zone, number(words[3])));
                }
                other => panic!("unknown line {other}"),
            }
        }
        machine
    }
}

/// The present pages of each zone are those that Linux counted on the same memory.
#[test]
fn present_pages_of_real_maps() {
    let mut counts = 0;
    for (name, text) in files("data/maps", ".map") {
        let machine = Machine::read(&text);
        let rows: Vec<_> = machine.distances.iter().map(Vec::as_slice).collect();
        let info = BootInfo::new(&machine.map).numa(Numa::Ranges {
            ranges: &machine.ranges,
            distances: &rows,
            cpus: &[NodeId::ZERO],
        });
        let survey = Survey::new(&info, 12).unwrap();
        for (node, zone, pages) in machine.present {
            let found = match zone {
                Some(zone) => survey.zone(node, zone).present,
                None => survey.present_in(node),
            };
            assert_eq!(found, pages, "{name}: node {node}, {zone:?}");
            counts += 1;
        }
        for (from, row) in rows.iter().enumerate() {
            for (to, distance) in row.iter().enumerate() {
                let [from, to] = [from, to].map(|it| node(u64::try_from(it).unwrap()));
                assert_eq!(survey.distance(from, to), *distance, "{name}");
            }
        }
    }
    assert_eq!(counts, 25);
}

/// A boot of `tests/data/linux-boots`, from its kernel log.
#[derive(Default)]
pub(crate) struct Boot {
    pub(crate) map: Vec<MemoryRegion>,
    pub(crate) srat: Vec<Entry>,
    apic_ids: Vec<u32>,
    /// The node of each CPU.
    pub(crate) cpus: Vec<NodeId>,
    /// The present memory of each node, by its first and last byte.
    memory: Vec<(NodeId, u64, u64)>,
}

impl Boot {
    pub(crate) fn read(log: &str) -> Self {
        let mut boot = Self::default();
        for line in log.lines().filter_map(|line| line.split_once("] ")).map(|(_, line)| line) {
            let words: Vec<_> = line.split_whitespace().collect();
            match *words.as_slice() {
                ["BIOS-e820:", "[mem", bytes, kind] => boot.map.push(e820(bytes, kind)),
                ["SRAT:", "PXM", domain, "->", "APIC", id, "->", "Node", of] => {
                    boot.srat.push(Entry::Apic(
                        domain.parse().unwrap(),
                        u8::try_from(number(id)).unwrap(),
                    ));
                    boot.apic_ids.push(u32::try_from(number(id)).unwrap());
                    boot.cpus.push(node(number(of)));
                }
                ["ACPI:", "SRAT:", "Node", _, "PXM", domain, "[mem", bytes] => {
                    let (first, last) = dashed(bytes);
                    let domain = domain.parse().unwrap();
                    boot.srat.push(Entry::Memory(domain, first, last - first + 1, 1));
                }
                ["node", of, "[mem", bytes] => {
                    let (first, last) = dashed(bytes);
                    boot.memory.push((node(number(of.trim_end_matches(':'))), first, last));
                }
                _ => {}
            }
        }
        boot
    }

    /// The memory runs of each node are the ranges that Linux printed.
    fn check_runs(&self, survey: &Survey<'_>) {
        let runs = survey.runs().map(|run| {
            let [start, end] =
                [run.range.start, run.range.end].map(|pfn| pfn.start_address(12).get());
            (run.node, start, end - 1)
        });
        assert_eq!(runs.collect::<Vec<_>>(), self.memory);
    }

    /// The CPUs belong to the nodes that Linux printed.
    fn check_cpus(&self, survey: &Survey<'_>) {
        for (number, node) in (0..).zip(&self.cpus) {
            assert_eq!(survey.cpu_node(CpuId::new(number)), Ok(*node));
        }
        let nodes: Vec<_> = survey.nodes_with_memory().iter().collect();
        let mut printed: Vec<_> = self.memory.iter().map(|(node, ..)| *node).collect();
        printed.dedup();
        assert_eq!(nodes, printed);
    }
}

fn e820(bytes: &str, kind: &str) -> MemoryRegion {
    let (first, last) = dashed(bytes);
    let kind = match kind {
        "usable" => MemoryKind::Usable,
        "reserved" => MemoryKind::Reserved,
        other => panic!("unknown kind {other}"),
    };
    region(first, last + 1, kind)
}

/// Compares with a `/proc/zoneinfo`; the number of zones compared.
fn check_zoneinfo(survey: &Survey<'_>, zoneinfo: &str) -> usize {
    let mut zones = 0;
    let mut zone = None;
    for line in zoneinfo.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let extent = zone.map(|(node, zone)| survey.zone(node, zone));
        match (words.as_slice(), extent) {
            (["Node", _, "zone", "Device"], _) => zone = None,
            (["Node", of, "zone", name], _) => {
                zone = Some((node(number(of.trim_end_matches(','))), zone_type(name)));
                zones += 1;
            }
            (["spanned", pages], Some(extent)) => {
                assert_eq!(extent.span.len(), number(pages), "{zone:?}");
            }
            (["present", pages], Some(extent)) => {
                assert_eq!(extent.present, number(pages), "{zone:?}");
            }
            (["start_pfn:", pfn], Some(extent)) => {
                assert_eq!(extent.span.start.get(), number(pfn), "{zone:?}");
            }
            _ => {}
        }
    }
    zones
}

/// From the firmware's map and a SRAT with what Linux read, the runs, nodes, spans and present
/// pages that Linux came to.
#[test]
fn linux_boots() {
    let mut boots = 0;
    for entry in std::fs::read_dir(folder("data/linux-boots")).unwrap() {
        let path = entry.unwrap().path();
        let read = |name| std::fs::read_to_string(path.join(name)).unwrap();
        let boot = Boot::read(&read("dmesg-memory.txt"));
        let srat = tables::srat(1, &boot.srat);
        let mut info = BootInfo::new(&boot.map);
        if !boot.srat.is_empty() {
            info = info.nr_cpus(u32::try_from(boot.cpus.len()).unwrap()).numa(Numa::Acpi {
                srat: &srat,
                slit: None,
                cpu_apic_ids: &boot.apic_ids,
            });
        }
        let survey = Survey::new(&info, 12).unwrap();
        boot.check_runs(&survey);
        boot.check_cpus(&survey);
        for name in ["zoneinfo.txt", "thp_0.txt"] {
            let nodes = if boot.srat.is_empty() { 1 } else { 2 };
            assert_eq!(check_zoneinfo(&survey, &read(name)), 4 * nodes, "{path:?}");
        }
        boots += 1;
    }
    assert_eq!(boots, 9);
}
