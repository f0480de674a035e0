//! Reports of machines that Linux booted, simulated: what does not depend on the kernel's own
//! memory is what Linux printed.

use crate::{boots, node, numbers, words, zone_type, zones};
use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange};
use page_alloc::node::pcp::PcpOrders;
use page_alloc::report::ZoneInfo;
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{Gfp, MIGRATE_TYPES, MigrateType, NodeId, Order, Pfn, PhysAddr, ZoneType};
use std::collections::BTreeMap;

/// The first address of `[mem 0xFIRST-0xLAST]`, and the number of bytes.
fn stretch(text: &str) -> (PhysAddr, u64) {
    let bytes = text.trim_start_matches("[mem ").trim_end_matches(']');
    let (first, last) = bytes.split_once('-').expect("two addresses");
    let [first, last] = [first, last]
        .map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).expect("an address"));
    (PhysAddr::new(first), last - first + 1)
}

/// The machine of a kernel log: its E820 map, and the nodes of its SRAT.
fn config(log: &str) -> SimConfig {
    let mut config = SimConfig::new(Vec::new());
    config.dirt = None;
    for line in log.lines() {
        if let Some((_, entry)) = line.split_once("BIOS-e820: ") {
            let (bytes, kind) = entry.split_once("] ").expect("a kind");
            let kind = if kind == "usable" { MemoryKind::Usable } else { MemoryKind::Reserved };
            let (start, bytes) = stretch(bytes);
            config.memory_map.push(MemoryRegion::new(start, bytes, kind));
        } else if let Some((_, entry)) = line.split_once("ACPI: SRAT: Node ") {
            let (of, bytes) = entry.split_once(" PXM ").expect("a domain");
            let (start, bytes) = stretch(&bytes[bytes.find('[').expect("a range")..]);
            config.nodes.push(NodeRange::new(node(of), start, bytes));
        } else if line.contains("SRAT: PXM ") {
            config.cpus.push(node(line.rsplit(' ').next().expect("a node")));
        }
    }
    config
}

/// The recorded boots, simulated, with the text of one recorded file of each.
pub(crate) fn machines(file: &str) -> Vec<(String, Sim, String)> {
    let logs = boots("dmesg-memory.txt").into_iter().zip(boots(file));
    let boot = |((path, log), (_, text)): ((String, String), _)| {
        (path, Sim::boot(config(&log)).expect("a machine"), text)
    };
    logs.map(boot).collect()
}

/// The lines of a `/proc/zoneinfo` that start with one of these words.
fn lines<'a>(text: &'a str, first: &[&str]) -> Vec<&'a str> {
    zones(text).concat().into_iter().filter(|line| first.contains(&words(line)[0])).collect()
}

/// Every zone is printed, with the frames and the start that Linux printed.
#[test]
fn zoneinfo_of_a_machine() {
    for (path, sim, recorded) in machines("zoneinfo.txt") {
        let printed = sim.zoneinfo().to_string();
        let sizes = ["Node", "spanned", "present", "start_pfn"];
        assert_eq!(lines(&printed, &sizes), lines(&recorded, &sizes), "{path}");
    }
}

/// The lines are Linux's, in its order; only the lists of the CPUs are missing.
#[test]
fn zoneinfo_has_the_lines_of_linux() {
    let names = |text: &str| -> Vec<String> {
        let lines = zones(text).concat();
        let names = lines.iter().map(|line| words(line)[0].to_owned());
        let mut names: Vec<_> = names.collect();
        names.retain(|name| !["cpu", "count", "high", "batch"].contains(&name.as_str()));
        names
    };
    for (path, sim, recorded) in machines("zoneinfo.txt") {
        let printed = sim.zoneinfo().to_string();
        assert_eq!(zones(&printed).concat(), printed.lines().collect::<Vec<_>>());
        assert_eq!(names(&printed), names(&recorded), "{path}");
    }
}

/// The zones of `/proc/buddyinfo` are those of Linux. A fresh DMA zone is in the largest blocks that
/// its two stretches have; Linux has the first of them for itself.
#[test]
fn buddyinfo_of_a_machine() {
    let name = |line: &str| line.split_at(24).0.to_owned();
    for (path, sim, recorded) in machines("buddyinfo.txt") {
        let printed = sim.buddyinfo().to_string();
        let names = |text: &str| text.lines().map(name).collect::<Vec<_>>();
        assert_eq!(names(&printed), names(&recorded), "{path}");
        let dma = "Node 0, zone      DMA      2      2      2      2      2      1      1      0      1      1      3 ";
        assert_eq!(printed.lines().next(), Some(dma), "{path}");
        for (row, zone) in sim.buddyinfo().rows().zip(sim.zones().filter(|z| z.present_pages() > 0))
        {
            let frames = (0..).zip(row.nr_free).map(|(order, blocks)| blocks << order);
            assert_eq!(frames.sum::<u64>(), zone.managed_pages(), "{path}");
        }
    }
}

/// The blocks of a machine with a hole and the tables kept elsewhere, zone by zone.
#[test]
fn buddyinfo_of_a_fresh_machine() {
    let mib = |from: u64, bytes: u64| {
        MemoryRegion::new(PhysAddr::new(from << 20), bytes << 20, MemoryKind::Usable)
    };
    let mut config = SimConfig::new(vec![mib(1, 9), mib(16, 3), mib(4096, 21)]);
    config.options.pcp = PcpOrders::None;
    let sim = Sim::boot(config).unwrap();
    let rows: Vec<_> = sim.buddyinfo().rows().collect();
    let zones: Vec<_> = rows.iter().map(|row| row.zone).collect();
    assert_eq!(zones, [ZoneType::Dma, ZoneType::Dma32, ZoneType::Normal]);
    assert_eq!(rows[0].nr_free, [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1], "1-2, 2-4, 4-8, 8-10 MiB");
    assert_eq!(rows[1].nr_free, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0], "16-18, 18-19 MiB");
    let page = sim.alloc_pages(Gfp::DMA, Order::ZERO).unwrap();
    let row = sim.buddyinfo().rows().next().unwrap();
    assert_eq!(row.nr_free, [1, 1, 1, 1, 1, 1, 1, 1, 0, 2, 1], "the order 8 was split");
    sim.free_pages(page).unwrap();
    assert_eq!(sim.buddyinfo().rows().next(), Some(rows[0]));
}

/// The number of pageblocks of each zone in `/proc/pagetypeinfo`, over all types.
fn pageblocks(text: &str) -> BTreeMap<(NodeId, ZoneType), u64> {
    let rows = text.lines().filter(|line| line.starts_with("Node ") && !line.contains("type"));
    let row = |words: Vec<&str>| {
        let zone = zone_type(words[3]).expect("a zone");
        ((node(words[1]), zone), numbers(&words[4..]).iter().sum())
    };
    rows.map(words).map(row).collect()
}

/// The zones and their numbers of pageblocks are those of Linux; of a fresh machine all are MOVABLE
/// but the first, of which the first frame is kept back.
#[test]
fn pagetypeinfo_of_a_machine() {
    for (path, sim, recorded) in machines("pagetypeinfo.txt") {
        let printed = sim.pagetypeinfo().to_string();
        assert_eq!(printed.lines().count(), recorded.lines().count(), "{path}");
        assert_eq!(pageblocks(&printed), pageblocks(&recorded), "{path}");
        for (_, zone) in sim.pagetypeinfo().rows() {
            let mut expected = [0; MIGRATE_TYPES];
            expected[MigrateType::Unmovable.index()] = u64::from(zone.zone == ZoneType::Dma);
            expected[MigrateType::Movable.index()] =
                zone.nr_blocks.iter().sum::<u64>() - expected[MigrateType::Unmovable.index()];
            assert_eq!(zone.nr_blocks, expected, "{path}");
        }
    }
}

/// The counters of origin follow the requests: served as wished, or by another node, and seen from
/// the running CPU, which is one of node 0.
#[test]
fn zoneinfo_counts_where_requests_went() {
    let mut machines = machines("zoneinfo.txt").into_iter();
    let (_, sim, _) = machines.find(|(path, ..)| path.contains("deb61-4G-2n")).unwrap();
    let one = NodeId::new(1).unwrap();
    let take = |node| sim.alloc_pages_node(Some(node), Gfp::KERNEL, Order::MAX).unwrap();
    let border = Pfn::new(0x8_0000);
    assert!((0..3).all(|_| take(NodeId::ZERO).pfn() < border));
    let served = (0_u64..).take_while(|_| take(one).pfn() >= border).count() as u64;
    let numa = |node| {
        let rows = sim.zoneinfo().rows().filter(|row| row.node == node);
        let numbers = rows.map(|ZoneInfo { numa, .. }| {
            [numa.hit, numa.miss, numa.foreign, numa.interleave, numa.local, numa.other]
        });
        numbers.reduce(|a, b| std::array::from_fn(|n| a[n] + b[n])).unwrap()
    };
    assert_eq!(numa(NodeId::ZERO), [3, 1, 0, 0, 4, 0]);
    assert_eq!(numa(one), [served, 0, 1, 0, 0, served]);
}
