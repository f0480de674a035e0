//! Device trees: one that QEMU made, one with all that a board may say, and damaged ones.

use dtoolkit::fdt::Fdt;
use page_alloc::boot::{MemoryRegion, NodeRange};
use page_alloc::integrations::dtoolkit::{DamagedTree, DeviceTree};
use page_alloc::integrations::{TooFewSlots, fill};
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{Gfp, NodeId, Order, PhysAddr, ZoneLayout};
use std::io::Read;

const BOARD: &[u8] = include_bytes!("../data/device-trees/board.dtb");
const VIRT: &[u8] = include_bytes!("../data/device-trees/virt-2n.dtb.gz");

fn tree(blob: &[u8]) -> DeviceTree<'_> {
    DeviceTree::new(Fdt::new(blob).expect("a device tree")).expect("no damage")
}

fn virt() -> Vec<u8> {
    let mut blob = Vec::new();
    flate2::read::GzDecoder::new(VIRT).read_to_end(&mut blob).expect("a blob");
    blob
}

fn texts(items: impl Iterator<Item = impl ToString>) -> Vec<String> {
    items.map(|item| item.to_string()).collect()
}

/// A machine boots from what QEMU says, with its two nodes, their memory, CPUs and distances.
#[test]
fn a_machine_boots_from_the_tree_of_qemu() {
    let blob = virt();
    let tree = tree(&blob);
    let mut config = SimConfig::new(tree.memory_regions().collect());
    config.reservations = tree.reservations(PhysAddr::new(0x4000_0000)).collect();
    config.nodes = tree.node_ranges().collect();
    config.cpus = tree.cpu_nodes().collect();
    config.distances = tree.distances::<2>().expect("two nodes").map(Vec::from).into();
    config.zones = ZoneLayout::NORMAL_ONLY;
    assert_eq!(
        texts(config.memory_map.iter()),
        ["usable 0x70000000 + 0x10000000", "usable 0x40000000 + 0x30000000"]
    );
    assert_eq!(texts(config.reservations.iter()), ["device tree 0x40000000 + 0x100000"]);
    let [zero, one] = [0, 1].map(|node| NodeId::new(node).expect("a node"));
    assert_eq!(config.cpus, [zero, zero, zero, one]);
    assert_eq!(config.distances, [[10, 25], [25, 10]]);
    let sim = Sim::boot(config).expect("a machine");
    assert_eq!(sim.report().present_pages, 1 << 18);
    let far = sim.alloc_pages_node(Some(one), Gfp::KERNEL, Order::O3).expect("memory");
    assert!(far.pfn().get() >= 0x7_0000, "node 1 begins at 0x70000000");
    sim.free_pages(far).expect("a block of this machine");
    assert_eq!(sim.verify(), Ok(()));
}

/// Memory is what is not disabled; `linux,usable-memory` counts more than `reg`; what must not be
/// mapped is no memory.
#[test]
fn the_map_is_what_linux_reads() {
    let expected = [
        "usable 0x80000000 + 0x20000000",
        "usable 0x100000000 + 0x40000000",
        "usable 0x200000000 + 0x10000000",
        "reserved 0x80100000 + 0x80000",
    ];
    assert_eq!(texts(tree(BOARD).memory_regions()), expected);
    let mut slots = [MemoryRegion::EMPTY; 4];
    let filled = fill(&mut slots, tree(BOARD).memory_regions()).expect("four slots");
    assert_eq!(texts(filled.iter()), expected);
    let few = fill(&mut slots[..3], tree(BOARD).memory_regions());
    assert_eq!(few, Err(TooFewSlots(3)), "nothing is left out silently");
}

/// Reserved is the blob, both lists of reservations, and the ramdisk, whose bounds may have one cell or
/// two; reusable memory is a CMA area, and what has no fixed place is neither.
#[test]
fn all_reservations_are_found() {
    let found = tree(BOARD).reservations(PhysAddr::new(0x8300_0000));
    let blob = format!("device tree 0x83000000 + {:#x}", BOARD.len());
    let expected = [
        &*blob,
        "memory reservation 0x80000000 + 0x20000",
        "memory reservation 0x9ff00000 + 0x100000",
        "reserved memory 0x80200000 + 0x1000",
        "reserved memory 0x80300000 + 0x2000",
        "initrd 0x88000000 + 0x654321",
    ];
    assert_eq!(texts(found), expected);
    assert_eq!(texts(tree(BOARD).cma()), ["CMA 0x90000000 + 0x4000000"]);
}

/// Ranges have their nodes; a CPU without one is of node 0; a distance that is given in one direction
/// holds in both, unless the other is given too.
#[test]
fn nodes_are_found() {
    let ranges = [
        "node 0 0x80000000 + 0x20000000",
        "node 0 0x100000000 + 0x40000000",
        "node 2 0x200000000 + 0x10000000",
    ];
    assert_eq!(texts(tree(BOARD).node_ranges()), ranges);
    assert_eq!(texts(tree(BOARD).cpu_nodes()), ["0", "2"]);
    let distances = tree(BOARD).distances::<3>();
    assert_eq!(distances, Some([[10, 15, 30], [15, 10, 20], [40, 20, 10]]));
    assert_eq!(tree(BOARD).distances::<2>(), None, "the map names a third");
    let mut slots = [NodeRange::EMPTY; 5];
    assert_eq!(texts(fill(&mut slots, tree(BOARD).node_ranges()).into_iter().flatten()), ranges);
}

/// The board with some bytes changed, each at its only place.
fn damaged(from: &[u8], to: &[u8]) -> Option<DamagedTree> {
    let mut blob = BOARD.to_vec();
    let places = blob.windows(from.len()).filter(|window| *window == from).count();
    assert_eq!((places, from.len()), (1, to.len()), "one place");
    let at = blob.windows(from.len()).position(|window| window == from).expect("one place");
    blob[at..at + to.len()].copy_from_slice(to);
    DeviceTree::new(Fdt::new(&blob).expect("a device tree")).err()
}

/// The board, whose root says that lengths have so many cells: entries of memory then do not fill their
/// lists.
fn with_size_cells(number: u32) -> Option<DamagedTree> {
    let mut blob = BOARD.to_vec();
    let word = |blob: &[u8], at: usize| {
        u32::from_be_bytes(blob[at..at + 4].try_into().expect("four bytes"))
    };
    // The number of address cells, 2, then a property of one word: the number of size cells, 1.
    let is_place = |at: &usize| {
        [(0, 2), (4, 3), (8, 4), (16, 1)].iter().all(|(more, is)| word(&blob, at + more) == *is)
    };
    let places: Vec<usize> = (0..blob.len() - 20).step_by(2).filter(is_place).collect();
    assert_eq!(places.len(), 1, "the root's properties");
    blob[places[0] + 16..places[0] + 20].copy_from_slice(&number.to_be_bytes());
    DeviceTree::new(Fdt::new(&blob).expect("a device tree")).err()
}

/// Damage is found before anything is read, not skipped over: a property of a wrong form, nodes beyond
/// the last, distances that can't be.
#[test]
fn damage_is_refused() {
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    let from_0_to_1 = words(&[0, 1, 15]);
    let matrix = Some(DamagedTree::Property("distance-matrix"));
    assert_eq!(damaged(&from_0_to_1, &words(&[0, 1, 9])), matrix);
    assert_eq!(
        damaged(&from_0_to_1, &words(&[0, 1, 10])),
        matrix,
        "that is the distance to itself"
    );
    assert_eq!(damaged(&from_0_to_1, &words(&[0, 1, 256])), matrix);
    assert_eq!(damaged(&from_0_to_1, &words(&[1, 1, 11])), matrix);
    assert_eq!(damaged(&from_0_to_1, &words(&[0, 64, 15])), Some(DamagedTree::NoSuchNode(64)));
    assert_eq!(damaged(&from_0_to_1, &words(&[0, 63, 15])), None);
    for size_cells in [2, 3] {
        assert_eq!(with_size_cells(size_cells), Some(DamagedTree::Property("reg")));
    }
    let text = DamagedTree::Property("reg").to_string();
    assert_eq!(text, "the property reg is not of its form");
}
