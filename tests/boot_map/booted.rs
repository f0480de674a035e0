//! Machines that Linux booted, booted by the allocator: zones as Linux printed them, and watermarks
//! as it calculated them from its own managed pages.

use crate::linux::{Boot, Machine};
use crate::tables::Entry;
use crate::text::{files, folder, node, number, zone_type};
use page_alloc::boot::{NodeRange, metadata_bytes};
use page_alloc::sim::{MapFile, Sim, SimConfig};
use page_alloc::zone::watermark::setup::{
    LOWMEM_RESERVE_RATIO, WATERMARK_SCALE_FACTOR, WatermarkSetup, ZoneSize, lowmem_pages,
    lowmem_reserve, min_free_kbytes, nr_free_zone_pages,
};
use page_alloc::{Gfp, NodeId, Order, PhysAddr, ZoneType};

/// Boots without touching more of the host's memory than the tables need.
fn boot(mut config: SimConfig) -> Sim {
    config.dirt = None;
    let bytes = config.with_boot_info(|info| metadata_bytes(info, 12)).unwrap();
    let sim = Sim::boot(config).unwrap();
    let report = sim.report();
    assert_eq!(report.metadata_bytes, bytes);
    let carved = report.metadata.unwrap().len();
    assert_eq!(carved, u64::try_from(bytes.div_ceil(4096)).unwrap());
    assert_eq!(report.managed_pages, report.present_pages - carved);
    assert_eq!(sim.nr_free_pages(), report.managed_pages);
    sim
}

/// The frames that the allocator counts in a zone, or in all zones of a node.
fn present(sim: &Sim, node: NodeId, zone: Option<ZoneType>) -> u64 {
    let zones = sim.zones().filter(|it| it.node() == node);
    let zones = zones.filter(|it| zone.is_none_or(|zone| it.zone_type() == zone));
    zones.map(|zone| zone.present_pages()).sum()
}

/// Each real map boots: with the present pages that Linux counted, with tables of 16 bytes a frame
/// and little more, however far apart the memory lies, and with memory to be had on every node.
#[test]
fn real_maps_boot() {
    let mut counts = 0;
    for (name, text) in files("data/maps", ".map") {
        let map: MapFile = text.parse().unwrap();
        let sim = boot(map.to_config(1));
        for (node, zone, pages) in Machine::read(&text).present {
            assert_eq!(present(&sim, node, zone), pages, "{name}: node {node}, {zone:?}");
            counts += 1;
        }
        let report = sim.report();
        let frames = 16 * report.present_pages;
        let bytes = u64::try_from(report.metadata_bytes).unwrap();
        assert!(bytes <= frames + frames / 100 + (64 << 10), "{name}: {bytes} for {frames}");
        for node in report.nodes.iter() {
            let gfp = Gfp::KERNEL | Gfp::THISNODE;
            let pages = sim.alloc_pages_node(Some(node), gfp, Order::MAX).unwrap();
            let split: Vec<_> = sim.split_page(pages).unwrap().collect();
            split.into_iter().for_each(|page| sim.free_pages(page).unwrap());
        }
        assert_eq!(sim.verify(), Ok(()), "{name}");
        sim.drain_local_pages(None);
        assert_eq!(sim.nr_free_pages(), report.managed_pages, "{name}");
    }
    assert_eq!(counts, 25);
}

/// A zone as `/proc/zoneinfo` tells of it.
#[derive(Clone, Debug, Default)]
struct Printed {
    node: NodeId,
    zone: Option<ZoneType>,
    min: u64,
    low: u64,
    high: u64,
    spanned: u64,
    present: u64,
    managed: u64,
    /// For DMA, DMA32, NORMAL, MOVABLE and the device zone.
    protection: Vec<u64>,
    start_pfn: Option<u64>,
}

impl Printed {
    /// The zones of a recording, those for devices left aside.
    fn read(zoneinfo: &str) -> Vec<Self> {
        let mut zones: Vec<Self> = Vec::new();
        for line in zoneinfo.lines() {
            let words: Vec<_> =
                line.split([' ', ',', '(', ')']).filter(|it| !it.is_empty()).collect();
            if let ["Node", of, "zone", name] = *words {
                let zone = Some(name).filter(|name| *name != "Device").map(zone_type);
                zones.push(Self { node: node(number(of)), zone, ..Self::default() });
            } else if let Some(zone) = zones.last_mut() {
                zone.add(&words);
            }
        }
        zones.retain(|zone| zone.zone.is_some());
        zones
    }

    fn add(&mut self, words: &[&str]) {
        match *words {
            ["boost", pages] => assert_eq!(pages, "0"),
            ["min", pages] => self.min = number(pages),
            ["low", pages] => self.low = number(pages),
            ["high", pages] => self.high = number(pages),
            ["spanned", pages] => self.spanned = number(pages),
            ["present", pages] => self.present = number(pages),
            ["managed", pages] => self.managed = number(pages),
            ["protection:", ref pages @ ..] => {
                self.protection = pages.iter().map(|it| number(it)).collect();
            }
            ["start_pfn:", pfn] => self.start_pfn = Some(number(pfn)),
            _ => {}
        }
    }

    fn size(&self) -> ZoneSize {
        let Self { node, present, managed, .. } = *self;
        ZoneSize { node, zone: self.zone.unwrap(), present, managed }
    }
}

/// What Linux recorded of a boot.
struct Recorded {
    path: String,
    boot: Boot,
    zoneinfo: Vec<Printed>,
    /// Without transparent huge pages, which raise the watermarks.
    thp_0: Vec<Printed>,
    /// That of `thp_0`.
    min_free_kbytes: u64,
}

fn recorded() -> Vec<Recorded> {
    let paths = std::fs::read_dir(folder("data/linux-boots")).unwrap();
    let read = |path: std::path::PathBuf| {
        let file = |name| std::fs::read_to_string(path.join(name)).unwrap();
        let thp_0 = file("thp_0.txt");
        let min_free = thp_0.lines().next().and_then(|line| line.rsplit(' ').next());
        Recorded {
            path: path.display().to_string(),
            boot: Boot::read(&file("dmesg-memory.txt")),
            zoneinfo: Printed::read(&file("zoneinfo.txt")),
            min_free_kbytes: number(min_free.unwrap()),
            thp_0: Printed::read(&thp_0),
        }
    };
    paths.map(|entry| read(entry.unwrap().path())).collect()
}

/// The machine of a recorded boot.
fn config(boot: &Boot) -> SimConfig {
    let mut config = SimConfig::new(boot.map.clone());
    config.nodes = boot
        .srat
        .iter()
        .filter_map(|entry| match *entry {
            Entry::Memory(domain, base, length, _) => {
                Some(NodeRange::new(node(domain.into()), PhysAddr::new(base), length))
            }
            _ => None,
        })
        .collect();
    config.cpus = if config.nodes.is_empty() { Vec::new() } else { boot.cpus.clone() };
    config
}

/// Spanned pages, present pages and first frame of every zone are those that Linux printed.
#[test]
fn zones_of_linux_boots() {
    let mut zones = 0;
    for recorded in recorded() {
        let sim = boot(config(&recorded.boot));
        for printed in &recorded.zoneinfo {
            let zone = sim.zone(printed.node, printed.zone.unwrap()).unwrap();
            let found = (zone.span().len(), zone.present_pages());
            assert_eq!(found, (printed.spanned, printed.present), "{}: {zone:?}", recorded.path);
            if printed.present > 0 {
                let start = Some(zone.span().start.get());
                assert_eq!(start, printed.start_pfn, "{}: {zone:?}", recorded.path);
                zones += 1;
            }
        }
        assert_eq!(sim.verify(), Ok(()));
    }
    assert_eq!(zones, 27);
}

/// From the managed pages and the `min_free_kbytes` that Linux printed follow the watermarks that
/// it printed, and from the managed pages the protection.
#[test]
fn watermarks_of_linux_boots() {
    for recorded in recorded() {
        let sizes: Vec<_> = recorded.thp_0.iter().map(Printed::size).collect();
        let lowmem = lowmem_pages(sizes.iter().copied(), ZoneType::Normal);
        let scale = WATERMARK_SCALE_FACTOR;
        let setup = WatermarkSetup::new(recorded.min_free_kbytes, 12, scale, lowmem);
        for (printed, size) in recorded.thp_0.iter().zip(&sizes) {
            let at = format!("{}: {} of node {}", recorded.path, size.zone, size.node);
            let marks = setup.watermarks(size.managed, size.class(ZoneType::Normal));
            let expected = (printed.min, printed.low, printed.high);
            assert_eq!((marks.min, marks.low, marks.high), expected, "{at}");
            let ratio = LOWMEM_RESERVE_RATIO[size.zone.index()];
            let reserve = lowmem_reserve(size.zone, ratio, |other| {
                let same = |it: &&ZoneSize| it.node == size.node && it.zone == other;
                sizes.iter().find(same).map_or(0, |it| it.managed)
            });
            let movable = reserve[ZoneType::Movable.index()];
            let shown = [ZoneType::Dma, ZoneType::Dma32, ZoneType::Normal, ZoneType::Movable]
                .map(|zone| reserve[zone.index()]);
            assert_eq!([&shown[..], &[movable]].concat(), printed.protection, "{at}");
        }
    }
}

/// Linux calculates `min_free_kbytes` anew when huge pages are switched off: from what is then above
/// the high watermarks that they had raised.
#[test]
fn min_free_kbytes_of_linux_boots() {
    for recorded in recorded() {
        let buffers = recorded.zoneinfo.iter().filter(|it| it.zone <= Some(ZoneType::Normal));
        let pages = nr_free_zone_pages(buffers.map(|zone| (zone.managed, zone.high)));
        let found = min_free_kbytes(pages, 12, None);
        assert_eq!(found, recorded.min_free_kbytes, "{}", recorded.path);
    }
}
