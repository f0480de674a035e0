//! What boot should make of a small machine, worked out frame by frame: zones, watermarks, reserves
//! and zonelists. Nothing of the crate is used.

use crate::port::{KINDS, MachineSetup, PAGEBLOCK, Setup, Span, ZoneId, ZoneSetup};

/// The part of a node's memory that each zone type keeps back from requests for higher ones.
const RATIO: [u64; KINDS.len()] = [256, 256, 32, 0];
/// Fewer frames than this, and pageblocks are not grouped by mobility.
const GROUPING: u64 = 6 * PAGEBLOCK;
const MOVABLE: usize = 3;

/// The memory of one node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub id: u32,
    /// Present frames, ascending.
    pub memory: Vec<Span>,
    /// Frames in use at boot.
    pub reserved: Vec<Span>,
    /// Where the MOVABLE zone begins, if it is inside the highest zone.
    pub movable: Option<u64>,
    /// Pageblocks that are CMA areas if they are free memory of one zone, by their places in the
    /// node.
    pub cma: Vec<u64>,
}

/// A machine as firmware shows it. The nodes do not interleave.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub nodes: Vec<Node>,
    pub dma_end: u64,
    pub dma32_end: u64,
    pub distances: Vec<Vec<u64>>,
    pub boost_factor: u64,
}

fn has(spans: &[Span], pfn: u64) -> bool {
    spans.iter().any(|&(start, end)| start <= pfn && pfn < end)
}

fn total(spans: &[Span]) -> u64 {
    spans.iter().map(|(start, end)| end - start).sum()
}

/// The frames of `span` that `test` names, as ranges.
fn ranges(span: Span, test: impl Fn(u64) -> bool) -> Vec<Span> {
    let mut ranges: Vec<Span> = Vec::new();
    for pfn in (span.0..span.1).filter(|&pfn| test(pfn)) {
        match ranges.last_mut() {
            Some(last) if last.1 == pfn => last.1 += 1,
            _ => ranges.push((pfn, pfn + 1)),
        }
    }
    ranges
}

impl Node {
    fn span(&self) -> Span {
        (self.memory[0].0, self.memory[self.memory.len() - 1].1)
    }
}

impl Plan {
    fn kind_by_address(&self, pfn: u64) -> usize {
        usize::from(pfn >= self.dma_end) + usize::from(pfn >= self.dma_end.max(self.dma32_end))
    }

    /// The zone type that MOVABLE zones are cut out of.
    fn highest(&self) -> usize {
        let last = self.nodes.iter().map(|node| node.span().1 - 1).max();
        last.map_or(0, |pfn| self.kind_by_address(pfn))
    }

    /// Where the node's MOVABLE zone begins: at a multiple of the largest block, above the node's
    /// first frame, inside the highest zone.
    fn movable_start(&self, node: &Node) -> Option<u64> {
        let (start, end) = node.span();
        node.movable.filter(|&pfn| {
            let inside = start < pfn && pfn < end && pfn % (2 * PAGEBLOCK) == 0;
            inside && self.kind_by_address(pfn) == self.highest()
        })
    }

    fn kind(&self, node: &Node, pfn: u64) -> usize {
        let movable = self.movable_start(node).is_some_and(|start| start <= pfn);
        if movable { MOVABLE } else { self.kind_by_address(pfn) }
    }

    /// The zone of a node, without watermarks; `None` if it has no memory.
    fn zone(&self, node: &Node, kind: usize) -> Option<ZoneSetup> {
        let of_kind = ranges(node.span(), |pfn| self.kind(node, pfn) == kind);
        let span = *of_kind.first()?;
        let present = ranges(span, |pfn| has(&node.memory, pfn));
        let reserved = ranges(span, |pfn| has(&node.memory, pfn) && has(&node.reserved, pfn));
        let zone = Setup {
            span,
            cma: self.cma(node, kind),
            present,
            reserved,
            boost_factor: self.boost_factor,
            all_movable: kind == MOVABLE,
            ..Setup::default()
        };
        let setup = ZoneSetup { id: (node.id, kind), zone, ..ZoneSetup::default() };
        (!setup.zone.present.is_empty()).then_some(setup)
    }

    /// The CMA areas in a zone of a node, a pageblock each.
    fn cma(&self, node: &Node, kind: usize) -> Vec<Span> {
        let first = node.span().0.next_multiple_of(PAGEBLOCK);
        let free = |pfn| has(&node.memory, pfn) && !has(&node.reserved, pfn);
        let mut picks = node.cma.clone();
        picks.sort_unstable();
        picks.dedup();
        let blocks = picks.into_iter().map(|pick| first + pick * PAGEBLOCK);
        blocks
            .map(|start| (start, start + PAGEBLOCK))
            .filter(|block| (block.0..block.1).all(|pfn| free(pfn) && self.kind(node, pfn) == kind))
            .collect()
    }

    /// The machine as boot should leave it.
    pub fn setup(&self) -> MachineSetup {
        let mut nodes: Vec<&Node> = self.nodes.iter().collect();
        nodes.sort_by_key(|node| node.id);
        let mut zones: Vec<ZoneSetup> = nodes
            .iter()
            .flat_map(|node| (0..KINDS.len()).filter_map(|kind| self.zone(node, kind)))
            .collect();
        set_watermarks(&mut zones);
        set_reserves(&mut zones);
        let grouped = zones.iter().map(managed).sum::<u64>() >= GROUPING;
        zones.iter_mut().for_each(|zone| zone.zone.mobility_disabled = !grouped);
        let memory = self
            .nodes
            .iter()
            .flat_map(|node| node.memory.iter().map(|&span| (node.id, span)))
            .collect();
        let fallback = (0..self.distances.len()).map(|local| self.fallback(local, &zones));
        MachineSetup {
            nodes: self.distances.len(),
            memory,
            distances: self.distances.clone(),
            fallback: fallback.collect(),
            borders: Some([self.dma_end, self.dma_end.max(self.dma32_end)]),
            zones,
        }
    }

    /// The zones by distance from a node, and within a node from the highest.
    fn fallback(&self, local: usize, zones: &[ZoneSetup]) -> Vec<ZoneId> {
        let mut ids: Vec<ZoneId> = zones.iter().map(|zone| zone.id).collect();
        ids.sort_by_key(|&(node, kind)| {
            (self.distances[local][node as usize], std::cmp::Reverse(kind))
        });
        ids
    }
}

fn managed(zone: &ZoneSetup) -> u64 {
    total(&zone.zone.present) - total(&zone.zone.reserved)
}

/// The default watermarks: shares of 4 times the root of the memory in KiB.
fn set_watermarks(zones: &mut [ZoneSetup]) {
    let all: u64 = zones.iter().map(managed).sum();
    let kernel: u64 = zones.iter().filter(|zone| zone.id.1 < MOVABLE).map(managed).sum();
    let min_free_kbytes = (kernel * 4 * 16).isqrt().clamp(128, 262_144);
    for zone in zones {
        let share = min_free_kbytes / 4 * managed(zone) / all;
        let step = (share / 4).max(managed(zone) / 1000);
        zone.zone.marks = [share, share + step, share + 2 * step];
    }
}

/// The default reserves against requests for higher zones of the node.
fn set_reserves(zones: &mut [ZoneSetup]) {
    let sizes: Vec<(ZoneId, u64)> = zones.iter().map(|zone| (zone.id, managed(zone))).collect();
    for zone in zones {
        let (node, kind) = zone.id;
        if RATIO[kind] == 0 || managed(zone) == 0 {
            continue;
        }
        for above in kind + 1..KINDS.len() {
            let between =
                sizes.iter().filter(|(id, _)| id.0 == node && kind < id.1 && id.1 <= above);
            zone.lowmem_reserve[above] = between.map(|(_, size)| size).sum::<u64>() / RATIO[kind];
        }
    }
}
