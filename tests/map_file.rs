//! Maps of real machines as files: every one of the crate is read, makes a machine that boots, and
//! hostile ones are refused by line.

use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange, Reservation};
use page_alloc::sim::{MapError, MapFile, Sim, SimConfig, Tables};
use page_alloc::{NoReclaim, NoTrace, NodeId, NodeMask, PhysAddr};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Name and text of the maps of a folder.
fn maps(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let entries = fs::read_dir(folder).expect("maps").map(|entry| entry.unwrap().path());
    let paths = entries.filter(|path| path.extension().is_some_and(|e| e == "map"));
    paths.map(|path| (path.clone(), fs::read_to_string(path).expect("a map"))).collect()
}

fn firmware(name: &str) -> MapFile {
    let maps = maps("maps/firmware");
    let (_, text) = maps.iter().find(|(path, _)| path.ends_with(name)).expect("the map");
    text.parse().unwrap()
}

fn node(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

fn boot(mut config: SimConfig) -> Sim<NoReclaim, NoTrace> {
    config.dirt = None;
    Sim::boot_with(&config, NoReclaim, NoTrace).unwrap_or_else(|error| panic!("{error}"))
}

/// Every map of Linux boots, and has as many pages in each zone and node as Linux printed for it.
#[test]
fn linux_maps_have_linux_page_counts() {
    let mut compared = 0;
    for (path, text) in maps("maps") {
        let map: MapFile = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let sim = boot(map.to_config(3));
        for line in text.lines().filter(|line| line.starts_with("present ")) {
            let words: Vec<_> = line.split(' ').collect();
            let (of, zone) = (node(words[1].parse().unwrap()), words[2]);
            let zones = sim.zones().filter(|it| it.node() == of);
            let pages: u64 = zones
                .filter(|it| zone == "total" || zone == it.zone_type().to_string())
                .map(|it| it.present_pages())
                .sum();
            assert_eq!(pages.to_string(), words[3], "{}: {line}", path.display());
            compared += 1;
        }
        assert_eq!(sim.verify(), Ok(()), "{}", path.display());
    }
    assert!(compared >= 15, "{compared}");
}

/// Every firmware map boots; its kernel is present, and nobody's.
#[test]
fn firmware_maps_boot() {
    let maps = maps("maps/firmware");
    assert_eq!(maps.len(), 4);
    for (path, text) in maps {
        let map: MapFile = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let config = map.to_config(4);
        let lines = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
        let read = [config.memory_map.len(), config.nodes.len(), config.reservations.len()];
        assert_eq!(read, [lines("entry "), lines("srat "), 1], "{}", path.display());
        let mut without_kernel = config.clone();
        without_kernel.reservations.clear();
        let managed = [without_kernel, config].map(|config| boot(config).report().managed_pages);
        assert_eq!(managed[0] - managed[1], 0x9b, "{}", path.display());
    }
}

/// CPUs are where the file says, whatever its order; the others are dealt out to the nodes that have
/// memory, and hotplug ranges are none.
#[test]
fn cpus_have_nodes() {
    let q35 = firmware("q35-6g-2n.map").to_config(3);
    assert_eq!(q35.cpus, [0, 0, 1].map(node));
    let memoryless = firmware("q35-3n-hotplug.map").to_config(8);
    assert_eq!(memoryless.cpus, [0, 0, 2, 2, 0, 1, 0, 1].map(node));
    assert_eq!(boot(memoryless).report().nodes, NodeMask::from_bits(0b111));
    let silent = firmware("seabios-grub-mb2-1g-2n.map").to_config(3);
    assert_eq!(silent.cpus, [0, 1, 0].map(node));
    let flat: MapFile = "entry 0x0 0x1000000 1".parse().unwrap();
    assert_eq!(flat.to_config(0).cpus, [NodeId::ZERO]);
}

/// What may be plugged in is told apart, and planned for only if it is asked for: then its tables are there,
/// and nothing else is changed.
#[test]
fn what_may_be_plugged_in() {
    assert_eq!(firmware("q35-6g-2n.map").hotplug(), []);
    let map = firmware("q35-3n-hotplug.map");
    let later = NodeRange::new(node(2), PhysAddr::new(4 << 30), 5 << 30);
    assert_eq!(map.hotplug(), [later]);
    let plain = map.to_config(4);
    assert_eq!(plain.hotplug, []);
    let mut planned = plain.clone();
    planned.hotplug = map.hotplug().to_vec();
    let [plain, planned] = [plain, planned].map(|mut config| {
        config.tables = Tables::Apart;
        boot(config)
    });
    assert_eq!(plain.report().managed_pages, planned.report().managed_pages);
    assert_eq!(plain.nr_free_pages(), planned.nr_free_pages());
    let more = planned.report().metadata_bytes - plain.report().metadata_bytes;
    assert!((20 << 20..21 << 20).contains(&more), "{more}");
}

/// The words of each kind of line come to their fields.
#[test]
fn lines_mean_what_they_say() {
    let text = "range 1 0x1000 0x1fff # a comment\n\ndistance 1 20 10\npresent 0 DMA 1\n\
        distance 0 10 20\nentry 0x0 0x10 2\nsrat 0x0 0x20 3 hotplug\nsrat 0x20 0x21 2\n\
        kernel 0x30 0x40\ncpu 1 apic 7 node 3";
    let config = text.parse::<MapFile>().unwrap().to_config(2);
    let at = PhysAddr::new;
    let regions = [
        MemoryRegion::new(at(0x1000), 0x1000, MemoryKind::Usable),
        MemoryRegion::new(at(0), 0x10, MemoryKind::Reserved),
    ];
    assert_eq!(config.memory_map, regions);
    let ranges = [(1, 0x1000, 0x1000), (3, 0, 0x20), (2, 0x20, 1)];
    assert_eq!(config.nodes, ranges.map(|(of, base, len)| NodeRange::new(node(of), at(base), len)));
    assert_eq!(config.distances, [[10, 20], [20, 10]]);
    assert_eq!(config.reservations, [Reservation::new("kernel", at(0x30), 0x10)]);
    assert_eq!(config.cpus, [1, 3].map(node));
}

/// A line that is not understood is refused, by its number.
#[test]
fn broken_lines_are_refused() {
    for line in [
        "rangs 0 0x0 0x1",
        "range",
        "range 0 0x0",
        "range 0 0x0 0x1 0x2",
        "range 0 0 0x1",
        "range 0 0x+0 0x1",
        "range -1 0x0 0x1",
        "range 64 0x0 0x1",
        "range 0 0x0 0xffffffffffffffff",
        "range 0 0x0 0x10000000000000000",
        "distance 0",
        "distance 0 256",
        "distance 64 10",
        "distance 4294967296 10",
        "entry 0x0 0x1 -1",
        "srat 0x0 0x1 0 warmplug",
        "srat 0x0 0x1 0 hotplug hotplug",
        "cpu 0 apic 0",
        "cpu 0 apic 0 node 0 0",
        "cpu 0 apik 0 node 0",
    ] {
        let text = format!("range 0 0x0 0x1\n{line}");
        assert_eq!(text.parse::<MapFile>(), Err(MapError::Line(2)), "{line}");
    }
}

/// Ranges without a byte, lines that say a thing twice, and maps without memory are refused.
#[test]
fn contradictions_are_refused() {
    for (text, error) in [
        ("entry 0x2 0x2 1", MapError::Empty(1)),
        ("range 0 0x2 0x0", MapError::Empty(1)),
        ("kernel 0x0 0x1\nkernel 0x0 0x1", MapError::Repeated(2)),
        ("distance 0 10\n\ndistance 0 10", MapError::Repeated(3)),
        ("cpu 1 apic 0 node 0\ncpu 1 apic 1 node 1", MapError::Repeated(2)),
        ("kernel 0x0 0x1\nentry 0x0 0x1 2", MapError::NoMemory),
        ("", MapError::NoMemory),
    ] {
        assert_eq!(text.parse::<MapFile>(), Err(error), "{text}");
    }
}

/// What a file can say, but no machine can be, is refused at boot.
#[test]
fn impossible_machines_do_not_boot() {
    for text in [
        "range 0 0x0 0xffffff\nrange 1 0x800000 0x1ffffff",
        "range 0 0x0 0xffffff\ndistance 1 10 10",
        "range 0 0x0 0xffffff\ndistance 0 9",
        "range 0 0x0 0x0",
    ] {
        let config = text.parse::<MapFile>().unwrap().to_config(1);
        assert!(Sim::boot(config).is_err(), "{text}");
    }
}

/// Lines of the right words with any numbers.
fn line() -> impl Strategy<Value = String> {
    let number = prop_oneof![0..4_u64, any::<u64>()];
    let numbers = (number.clone(), number.clone(), number);
    ("(range|entry|srat|cpu|kernel|distance)", numbers).prop_map(|(kind, (a, b, c))| match &*kind {
        "range" => format!("range {a} {b:#x} {c:#x}"),
        "entry" => format!("entry {a:#x} {b:#x} {c}"),
        "srat" => format!("srat {a:#x} {b:#x} {c} hotplug"),
        "cpu" => format!("cpu {a} apic {b} node {c}"),
        "kernel" => format!("kernel {a:#x} {b:#x}"),
        _ => format!("distance {a} {b} {c}"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No text brings the reader down, and what it takes makes a configuration.
    #[test]
    fn any_lines_are_read_or_refused(lines in prop::collection::vec(line(), 0..6), noise in ".*") {
        if let Ok(map) = lines.join("\n").parse::<MapFile>() {
            prop_assert_eq!(map.to_config(5).cpus.len(), 5);
        }
        prop_assert!(noise.parse::<MapFile>().is_err());
    }
}
