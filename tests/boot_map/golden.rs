//! The MOVABLE zone and the spans of the machines that the golden data were recorded on.

use crate::text::{dashed, folder, node, number, range, region, zone_type};
use flate2::read::GzDecoder;
use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Movable, NodeRange};
use page_alloc::boot::{Numa, Options, Survey, ZoneExtent};
use page_alloc::{NodeId, Pfn, PfnRange, PhysAddr, ZoneLayout, ZoneType};
use std::io::Read;

/// The header of a walk or slow-path file.
#[derive(Default)]
struct Header {
    map: Vec<MemoryRegion>,
    ranges: Vec<NodeRange>,
    movable: u64,
    /// Node, zone, its span, present pages.
    zones: Vec<(NodeId, ZoneType, PfnRange, u64)>,
}

impl Header {
    fn read(name: &str) -> Self {
        let file = std::fs::read(folder("golden").join(name)).unwrap();
        let mut text = String::new();
        match name.ends_with(".gz") {
            true => GzDecoder::new(&file[..]).read_to_string(&mut text).map(|_| ()).unwrap(),
            false => text = String::from_utf8(file).unwrap(),
        }
        let mut header = Self::default();
        for line in text.lines().take_while(|line| !line.starts_with("fallback")) {
            header.line(&line.split(' ').collect::<Vec<_>>());
        }
        header
    }

    fn line(&mut self, words: &[&str]) {
        match *words {
            ["mem", of, pfns] => {
                let (start, end) = dashed(pfns);
                self.map.push(region(start << 12, end << 12, MemoryKind::Usable));
                self.ranges.push(range(number(of), start << 12, end << 12));
            }
            ["movablecore", pages] => self.movable = number(pages),
            ["zone", of, name, pfns, "present", pages, ..] => {
                let (start, end) = dashed(pfns);
                let span = PfnRange::new(Pfn::new(start), Pfn::new(end));
                self.zones.push((node(number(of)), zone_type(name), span, number(pages)));
            }
            _ => {}
        }
    }

    /// One past the last byte of the zones of this type.
    fn end(&self, zone: ZoneType) -> Option<PhysAddr> {
        let ends = self.zones.iter().filter(|(_, other, ..)| *other == zone).map(|zone| zone.2.end);
        ends.max().map(|end| end.start_address(12))
    }
}

fn check(name: &str, movable: u64, movable_starts: &[Option<u64>]) {
    let header = Header::read(name);
    let movable = header.movable.max(movable);
    let layout = ZoneLayout::new(header.end(ZoneType::Dma), header.end(ZoneType::Dma32), None);
    let numa = Numa::Ranges { ranges: &header.ranges, distances: &[], cpus: &[NodeId::ZERO] };
    let total: u64 = header.zones.iter().map(|zone| zone.3).sum();
    for movable in [Movable::Size(movable), Movable::KernelSize(total - movable)] {
        let options = Options::DEFAULT.movable(movable);
        let info = BootInfo::new(&header.map).zones(layout).numa(numa).options(options);
        let survey = Survey::new(&info, 12).unwrap();
        for (node, zone) in both(0..4, ZoneType::ALL) {
            let expected = header.zones.iter().find(|it| (it.0, it.1) == (node, zone));
            let expected = expected.map_or(ZoneExtent::default(), |(_, _, span, present)| {
                ZoneExtent { span: *span, present: *present, free: *present }
            });
            assert_eq!(survey.zone(node, zone), expected, "{name}: node {node} {zone}");
        }
        let starts = (0..).map(node).map(|node| survey.movable_start(node).map(Pfn::get));
        assert_eq!(starts.take(movable_starts.len()).collect::<Vec<_>>(), movable_starts);
    }
}

fn both(
    nodes: core::ops::Range<u64>,
    zones: [ZoneType; 5],
) -> impl Iterator<Item = (NodeId, ZoneType)> {
    nodes.flat_map(move |number| zones.into_iter().map(move |zone| (node(number), zone)))
}

/// One node: the MOVABLE zone is cut out of the top of NORMAL.
#[test]
fn movable_on_one_node() {
    for name in ["slowpath-uma-mov-o1.txt.gz", "walk-uma-mov-o1.txt.gz", "walk-uma-mov-o2.txt.gz"] {
        check(name, 5120, &[Some(11264), None]);
    }
}

/// Four nodes, one of them empty: what is left of a node's share after rounding up to blocks is no
/// MOVABLE zone at all on node 1.
#[test]
fn movable_on_four_nodes() {
    let names = ["slowpath-numa4-o1.txt.gz", "slowpath-hand-numa-o1.txt"];
    for name in names.into_iter().chain(["walk-numa4-o1.txt.gz", "walk-numa4-o2.txt.gz"]) {
        check(name, 4096, &[Some(5120), None, None, Some(16384)]);
    }
}

/// Without a MOVABLE zone, the zones are the limits cut by the nodes.
#[test]
fn zones_without_movable() {
    for name in ["walk-uma-o1.txt.gz", "walk-numa2-o1.txt.gz", "slowpath-uma-cma-o1.txt.gz"] {
        check(name, 0, &[None, None]);
    }
}
