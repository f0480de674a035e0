//! The reports print as Linux 6.1 prints: each recorded `/proc` file is read into values, and the
//! values give the file back, byte for byte.

#[path = "report/failure.rs"]
mod failure;
#[path = "report/lines.rs"]
mod lines;
#[path = "report/machines.rs"]
mod machines;
#[path = "report/vmstat.rs"]
mod vmstat;

use page_alloc::report::{
    BuddyInfoRow, CmaColumn, DeviceColumn, NumaStat, PageTypeInfo, Pageset, Protection, ZoneInfo,
    ZonePageTypes, ZonePages,
};
use page_alloc::{
    MAX_NR_ZONES, MAX_ORDER, MIGRATE_TYPES, MigrateType, NodeId, Pfn, ZoneLayout, ZoneType,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The texts of one recorded file, from every boot.
fn boots(file: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/linux-boots");
    let boots = fs::read_dir(folder).expect("recorded boots").map(|boot| boot.unwrap().path());
    let read = |boot: std::path::PathBuf| {
        let path = boot.join(file);
        (path.display().to_string(), fs::read_to_string(&path).expect("a recorded file"))
    };
    let mut texts: Vec<_> = boots.filter(|path| path.is_dir()).map(read).collect();
    texts.sort();
    assert_eq!(texts.len(), 9);
    texts
}

fn zone_type(name: &str) -> Option<ZoneType> {
    ZoneType::ALL.into_iter().find(|zone| zone.to_string() == name)
}

fn node(number: &str) -> NodeId {
    NodeId::new(number.parse().expect("a node number")).expect("a node")
}

fn numbers(words: &[&str]) -> Vec<u64> {
    words.iter().map(|word| word.parse().expect("a number")).collect()
}

/// The words of a line, punctuation left aside.
fn words(line: &str) -> Vec<&str> {
    line.split([' ', ',', ':', '(', ')']).filter(|word| !word.is_empty()).collect()
}

/// `/proc/buddyinfo` comes back whole.
#[test]
fn buddyinfo_is_that_of_linux() {
    for (path, text) in boots("buddyinfo.txt") {
        let row = |line: &str| {
            let words = words(line);
            let nr_free: [u64; MAX_ORDER] = numbers(&words[4..]).try_into().expect("11 orders");
            let zone = zone_type(words[3]).expect("a zone");
            format!("{}\n", BuddyInfoRow { node: node(words[1]), zone, nr_free })
        };
        assert_eq!(text.lines().map(row).collect::<String>(), text, "{path}");
    }
}

/// The zones of each node in `/proc/pagetypeinfo`.
fn page_types(text: &str) -> BTreeMap<NodeId, BTreeMap<ZoneType, ZonePageTypes>> {
    let shown = MigrateType::ALL.into_iter().filter(|kind| *kind != MigrateType::Cma);
    let shown: Vec<_> = shown.collect();
    let mut nodes = BTreeMap::<_, BTreeMap<_, _>>::new();
    for words in text.lines().filter(|line| line.starts_with("Node ")).map(words) {
        let zone = zone_type(words[3]).expect("a zone");
        let empty = ZonePageTypes { zone, nr_free: [[0; 11]; 6], nr_blocks: [0; MIGRATE_TYPES] };
        let entry = nodes.entry(node(words[1])).or_default().entry(zone).or_insert(empty);
        if words[4] == "type" {
            let named = |kind: &&MigrateType| kind.to_string() == words[5];
            let kind = shown.iter().find(named).expect("a migratetype");
            entry.nr_free[kind.index()] = numbers(&words[6..]).try_into().expect("11 orders");
        } else {
            for (kind, count) in shown.iter().zip(numbers(&words[4..])) {
                entry.nr_blocks[kind.index()] = count;
            }
        }
    }
    nodes
}

/// `/proc/pagetypeinfo` comes back whole, of one node and of two.
#[test]
fn pagetypeinfo_is_that_of_linux() {
    for (path, text) in boots("pagetypeinfo.txt") {
        let print = |(node, zones): (NodeId, BTreeMap<ZoneType, ZonePageTypes>)| {
            let zones: Vec<_> = zones.into_values().collect();
            format!("{}\n", PageTypeInfo { node, zones, cma: CmaColumn::Absent })
        };
        let printed: String = page_types(&text).into_iter().map(print).collect();
        assert_eq!(printed, text, "{path}");
    }
}

/// With CMA, its row and column stand before those of Isolate.
#[test]
fn pagetypeinfo_shows_cma_before_isolate() {
    let zone = ZonePageTypes {
        zone: ZoneType::Normal,
        nr_free: [0, 1, 2, 3, 4, 5].map(|kind| [kind; MAX_ORDER]),
        nr_blocks: [10, 11, 12, 13, 14, 15],
    };
    let info = PageTypeInfo { node: NodeId::ZERO, zones: [zone], cma: CmaColumn::Present };
    let text = info.to_string();
    let rows: Vec<_> = text.lines().map(words).collect();
    let kinds: Vec<_> = rows.iter().filter(|r| r.get(4) == Some(&"type")).map(|r| r[5]).collect();
    assert_eq!(kinds, ["Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate"]);
    assert_eq!(rows[rows.len() - 2][4..], kinds);
    assert_eq!(numbers(&rows[rows.len() - 1][4..]), zone.nr_blocks);
}

/// The lines of a zone in `/proc/zoneinfo` that the crate prints.
fn is_ours(line: &str) -> bool {
    const NAMES: [&str; 18] = [
        "Node",
        "pages",
        "boost",
        "min",
        "low",
        "high",
        "spanned",
        "present",
        "managed",
        "cma",
        "protection",
        "nr_free_pages",
        "nr_free_cma",
        "pagesets",
        "cpu",
        "count",
        "batch",
        "start_pfn",
    ];
    let first = words(line)[0];
    NAMES.contains(&first) || first.starts_with("numa_")
}

/// The zones of `/proc/zoneinfo`, each with the lines of ours. The zone `Device` is left out.
fn zones(text: &str) -> Vec<Vec<&str>> {
    let mut zones: Vec<Vec<&str>> = Vec::new();
    for line in text.lines().filter(|line| is_ours(line)) {
        if line.starts_with("Node ") {
            zones.push(Vec::new());
        }
        zones.last_mut().expect("a zone's first line").push(line);
    }
    zones.retain(|lines| !lines[0].ends_with(" Device"));
    zones
}

/// Values from the lines of one zone, read in whatever order they stand.
fn zone_info(lines: &[&str]) -> ZoneInfo<Vec<Pageset>> {
    let head = words(lines[0]);
    let mut values = BTreeMap::new();
    let mut pagesets = Vec::<Pageset>::new();
    let mut reserves = Vec::new();
    for words in lines[1..].iter().map(|line| words(line)) {
        match (words[0], pagesets.last_mut()) {
            ("protection", _) => reserves = numbers(&words[1..]),
            ("pagesets", _) => {}
            ("cpu", _) => {
                let cpu = words[1].parse().expect("a CPU");
                pagesets.push(Pageset { cpu, ..Pageset::default() });
            }
            ("count", Some(set)) => set.count = numbers(&words[1..])[0],
            ("high", Some(set)) => set.high = numbers(&words[1..])[0],
            ("batch", Some(set)) => set.batch = numbers(&words[1..])[0],
            ("pages", _) => _ = values.insert("free", numbers(&words[2..])[0]),
            (name, _) => _ = values.insert(name, numbers(&words[1..])[0]),
        }
    }
    let value = |name: &str| values.get(name).copied().unwrap_or_default();
    ZoneInfo {
        node: node(head[1]),
        zone: zone_type(head[3]).expect("a zone"),
        pages: pages(value),
        protection: protection(&reserves),
        numa: numa(value),
        pagesets,
        start_pfn: Pfn::new(value("start_pfn")),
    }
}

fn pages(value: impl Fn(&str) -> u64) -> ZonePages {
    assert!(value("present") == 0 || value("nr_free_pages") == value("free"));
    ZonePages {
        free: value("free"),
        boost: value("boost"),
        min: value("min"),
        low: value("low"),
        high: value("high"),
        spanned: value("spanned"),
        present: value("present"),
        managed: value("managed"),
        cma: value("cma"),
        free_cma: value("nr_free_cma"),
    }
}

fn numa(value: impl Fn(&str) -> u64) -> NumaStat {
    NumaStat {
        hit: value("numa_hit"),
        miss: value("numa_miss"),
        foreign: value("numa_foreign"),
        interleave: value("numa_interleave"),
        local: value("numa_local"),
        other: value("numa_other"),
    }
}

/// From the numbers of DMA, DMA32, Normal, Movable and Device.
fn protection(numbers: &[u64]) -> Protection {
    let [dma, dma32, normal, movable, device] = *numbers else { panic!("{numbers:?}") };
    assert_eq!(movable, device, "the column of Device repeats that of Movable");
    let lowmem_reserve: [u64; MAX_NR_ZONES] = [dma, dma32, normal, normal, movable];
    Protection { lowmem_reserve, layout: ZoneLayout::X86_64, device: DeviceColumn::Present }
}

/// The lines of `/proc/zoneinfo` that the allocator knows come back, in place and spacing.
#[test]
fn zoneinfo_is_that_of_linux() {
    let mut populated = 0;
    for (path, text) in boots("zoneinfo.txt") {
        for lines in zones(&text) {
            let info = zone_info(&lines);
            populated += usize::from(info.pages.present > 0);
            assert_eq!(info.to_string(), lines.join("\n"), "{path}");
        }
    }
    assert_eq!(populated, 27);
}

/// The zone `Device`, which is not printed, never has pages.
#[test]
fn zoneinfo_leaves_out_an_empty_zone_only() {
    for (path, text) in boots("zoneinfo.txt") {
        for zone in text.split("\nNode ").filter(|zone| zone.contains("zone   Device")) {
            assert!(zone.contains("        spanned  0\n"), "{path}");
        }
    }
}
