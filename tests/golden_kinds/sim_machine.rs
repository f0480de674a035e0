//! The crate's whole allocator behind the port of the tests: a simulated machine.
//!
//! It is booted from where the memory is and where the zones end. What boot makes of that
//! (watermarks, reserves, the order of the zonelists) must be what the port's setup says; nothing
//! of it is set.

use crate::port::{
    Attempt, BootMachine, Counters, KINDS, MachineSetup, MachineUnderTest, Outcome, Setup, Span,
    ZoneId, ZoneView,
};
use crate::raw_zone::{flags_of, number_of};
use page_alloc::boot::{MemoryKind, MemoryRegion, Movable, NodeRange, Options, Reservation};
use page_alloc::node::pcp::PcpOrders;
use page_alloc::report::ZoneRef;
use page_alloc::sim::{Contents, Sim, SimConfig, SimPlatform, Tables};
use page_alloc::{
    AllocError, AllocFlags, Gfp, KswapdWake, MigrateType, Movability, NodeId, NodeMask, Order,
    Pages, Pfn, PhysAddr, ZoneLayout, ZoneType,
};
use std::collections::HashMap;

/// Boots machines of the crate.
#[derive(Debug)]
pub struct Sims;

impl BootMachine for Sims {
    fn boot<R>(setup: &MachineSetup, work: impl FnOnce(&mut dyn MachineUnderTest) -> R) -> R {
        check_zonelists(setup);
        work(&mut Machine::boot(setup))
    }
}

/// The zone types of the port's numbers.
pub const TYPES: [ZoneType; KINDS.len()] =
    [ZoneType::Dma, ZoneType::Dma32, ZoneType::Normal, ZoneType::Movable];

pub fn node_id(number: u32) -> NodeId {
    NodeId::new(number).expect("a node number")
}

pub fn order_of(number: u32) -> Order {
    Order::new(number).expect("a legal order")
}

/// The port's name of a zone.
fn name_of(node: NodeId, zone: ZoneType) -> ZoneId {
    let kind = TYPES.iter().position(|kind| *kind == zone).expect("a zone of the port");
    (u32::try_from(node.index()).expect("a small number"), kind)
}

/// The flags of a request: composite names, `RECLAIMABLE`, `THISNODE` as in the recordings, and
/// more names after `|`.
pub fn gfp_of(names: &str) -> Gfp {
    names.split('|').fold(Gfp::empty(), |flags, name| {
        flags
            | match name {
                "RECLAIMABLE" => Gfp::KERNEL | Gfp::RECLAIMABLE,
                "THISNODE" => Gfp::KERNEL | Gfp::THISNODE,
                "GFP_DMA" => Gfp::DMA,
                "GFP_DMA32" => Gfp::DMA32,
                name => Gfp::parse(name).expect("flags of Linux"),
            }
    })
}

fn bytes((start, end): Span) -> (PhysAddr, u64) {
    (Pfn::new(start).start_address(SHIFT), (end - start) << SHIFT)
}

const SHIFT: u32 = 12;

/// The machine that a setup describes, as firmware and kernel would.
pub fn config(setup: &MachineSetup) -> SimConfig {
    let usable = |&(_, span): &(u32, Span)| {
        let (base, length) = bytes(span);
        MemoryRegion::new(base, length, MemoryKind::Usable)
    };
    let mut config = SimConfig::new(setup.memory.iter().map(usable).collect());
    let spans = |of: fn(&Setup) -> &Vec<Span>| {
        let spans = setup.zones.iter().flat_map(move |zone| of(&zone.zone).iter());
        spans.map(|&span| {
            let (base, length) = bytes(span);
            Reservation::new("of a test", base, length)
        })
    };
    config.reservations = spans(|zone| &zone.reserved).collect();
    config.cma = spans(|zone| &zone.cma).collect();
    let range = |&(node, span): &(u32, Span)| {
        let (base, length) = bytes(span);
        NodeRange::new(node_id(node), base, length)
    };
    config.nodes = setup.memory.iter().map(range).collect();
    let distance = |&it: &u64| u8::try_from(it).expect("a distance");
    config.distances =
        setup.distances.iter().map(|row| row.iter().map(distance).collect()).collect();
    // Every node of the recordings is online; without memory it needs a CPU for that.
    config.cpus = (0..setup.nodes).map(|node| node_id(node.try_into().expect("few"))).collect();
    config.zones = layout(setup);
    config.options = options(setup);
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    config
}

fn layout(setup: &MachineSetup) -> ZoneLayout {
    let ends = setup.borders.unwrap_or_else(|| {
        let of = |kind| setup.zones.iter().filter(move |zone| zone.id.1 == kind);
        let end = |kind| of(kind).map(|zone| zone.zone.span.1).max();
        let dma = end(0).unwrap_or(0);
        [dma, end(1).unwrap_or(dma)]
    });
    let [dma, dma32] = ends.map(|end| Some(Pfn::new(end).start_address(SHIFT)));
    ZoneLayout::new(dma, dma32, None)
}

fn options(setup: &MachineSetup) -> Options<'static> {
    let movable = setup.zones.iter().filter(|zone| zone.id.1 == 3);
    let starts: Vec<(NodeId, Pfn)> =
        movable.map(|zone| (node_id(zone.id.0), Pfn::new(zone.zone.span.0))).collect();
    let factor = setup.zones.first().map_or(0, |zone| zone.zone.boost_factor);
    Options::DEFAULT
        .pcp(PcpOrders::None)
        .first_frame(Pfn::new(0))
        .watermark_boost_factor(u32::try_from(factor).expect("a small factor"))
        // A test's few bytes for as long as it runs: options live as long as the program.
        .movable(match starts.is_empty() {
            true => Movable::None,
            false => Movable::From(starts.leak()),
        })
}

/// A booted machine, and the tokens of what it gave.
pub struct Machine {
    pub sim: Sim,
    zones: Vec<(NodeId, ZoneType)>,
    held: HashMap<u64, Pages>,
}

impl Machine {
    /// A machine without per-CPU lists.
    pub fn boot(setup: &MachineSetup) -> Self {
        let machine = Self::boot_as(config(setup), setup);
        check_watermarks(&machine.sim, setup);
        machine
    }

    /// A machine of this configuration, whose zones have the frames of the setup.
    pub fn boot_as(config: SimConfig, setup: &MachineSetup) -> Self {
        let sim = Sim::boot(config).expect("a legal machine");
        check_zones(&sim, setup);
        let zones = setup.zones.iter().map(|zone| (node_id(zone.id.0), TYPES[zone.id.1]));
        Self { sim, zones: zones.collect(), held: HashMap::new() }
    }

    /// The zone at this place among the populated ones.
    pub fn zone(&self, index: usize) -> ZoneRef<'_, SimPlatform> {
        let (node, zone) = self.zones[index];
        self.sim.zone(node, zone).expect("a zone of the machine")
    }

    /// The token of an allocated block.
    pub fn token(&mut self, pfn: u64, order: u32) -> Pages {
        let pages = self.held.remove(&pfn).expect("the block is allocated");
        assert_eq!(pages.order(), order_of(order), "the block at {pfn}");
        pages
    }

    pub fn keep(&mut self, pages: Pages) {
        let before = self.held.insert(pages.pfn().get(), pages);
        assert_eq!(before, None, "a block was given twice");
    }

    /// What came of a request, with the wakings of kswapd that the machine remembers.
    fn outcome(&mut self, order: u32, result: Result<Pages, AllocError>) -> Outcome {
        let wakes = self.sim.reclaim().take_wakes().iter().map(wake_of).collect();
        let pfn = match result {
            Ok(pages) => {
                assert_eq!(pages.order(), order_of(order));
                let pfn = pages.pfn().get();
                self.keep(pages);
                Some(pfn)
            }
            Err(AllocError::OutOfMemory { .. } | AllocError::NoZone) => None,
            Err(other) => panic!("{other}"),
        };
        Outcome { pfn, wakes }
    }
}

/// The zone that kswapd was woken for.
fn wake_of(wake: &KswapdWake) -> ZoneId {
    name_of(wake.node, wake.zone)
}

fn total(spans: &[Span]) -> u64 {
    spans.iter().map(|(start, end)| end - start).sum()
}

fn managed(zone: &Setup) -> u64 {
    total(&zone.present) - total(&zone.reserved)
}

/// The zones have the frames of the setup.
fn check_zones(sim: &Sim, setup: &MachineSetup) {
    let populated = sim.zones().filter(|zone| zone.present_pages() > 0);
    let found: Vec<ZoneId> = populated.map(|it| name_of(it.node(), it.zone_type())).collect();
    assert_eq!(found, setup.zones.iter().map(|zone| zone.id).collect::<Vec<_>>());
    for expected in &setup.zones {
        let id = expected.id;
        let zone = sim.zone(node_id(id.0), TYPES[id.1]).expect("it was found");
        assert_eq!((zone.span().start.get(), zone.span().end.get()), expected.zone.span, "{id:?}");
        assert_eq!(zone.present_pages(), total(&expected.zone.present), "{id:?}");
        assert_eq!(zone.managed_pages(), managed(&expected.zone), "{id:?}");
    }
}

/// The zones have the watermarks and reserves of the setup.
pub fn check_watermarks(sim: &Sim, setup: &MachineSetup) {
    for expected in &setup.zones {
        let id = expected.id;
        let snapshot = sim.zone(node_id(id.0), TYPES[id.1]).expect("it was found").snapshot();
        assert_eq!(snapshot.watermark, expected.zone.marks, "{id:?}");
        let reserve = TYPES.map(|higher| snapshot.lowmem_reserve[higher.index()]);
        assert_eq!(reserve, expected.lowmem_reserve, "{id:?}");
    }
}

/// Whether the zones have the watermarks of the setup.
pub fn has_watermarks(sim: &Sim, setup: &MachineSetup) -> bool {
    setup.zones.iter().all(|expected| {
        let (node, kind) = expected.id;
        let zone = sim.zone(node_id(node), TYPES[kind]);
        zone.is_some_and(|zone| zone.snapshot().watermark == expected.zone.marks)
    })
}

/// The zonelists are those of the setup: shown by the zones that single movable frames come from
/// when a node's requests take all that there is. Zones that were given nothing don't show.
pub fn check_zonelists(setup: &MachineSetup) {
    let shown = |id: &ZoneId| {
        let zone = setup.zones.iter().find(|zone| zone.id == *id);
        zone.is_some_and(|zone| managed(&zone.zone) > 0)
    };
    for (node, all) in (0..).zip(&setup.fallback) {
        let all: Vec<ZoneId> = all.iter().copied().filter(shown).collect();
        let own: Vec<ZoneId> = all.iter().copied().filter(|id| id.0 == node).collect();
        let gfp = Gfp::HIGHUSER_MOVABLE;
        for (gfp, expected) in [(gfp, &all), (gfp | Gfp::THISNODE, &own)] {
            let sim = Sim::boot(config(setup)).expect("a legal machine");
            assert_eq!(zonelist(&sim, node_id(node), gfp), *expected, "node {node}, {gfp}");
        }
    }
}

/// The zones of all frames that a node's requests can get, in the order in which they are used up.
fn zonelist(sim: &Sim, node: NodeId, gfp: Gfp) -> Vec<ZoneId> {
    let flags = AllocFlags::NO_WATERMARKS | AllocFlags::CMA;
    let mut zones = Vec::new();
    while let Ok(pages) = sim.get_page_from_freelist(gfp, Order::ZERO, node, None, flags) {
        zones.push(zone_of(sim, pages.pfn()));
        zones.dedup();
    }
    zones
}

/// The zone of a frame, in a machine whose zones do not overlap.
fn zone_of(sim: &Sim, pfn: Pfn) -> ZoneId {
    let zone = sim.zones().find(|zone| zone.present_pages() > 0 && zone.span().contains(pfn));
    zone.map(|zone| name_of(zone.node(), zone.zone_type())).expect("a frame of a zone")
}

/// A zone of a machine, to look at.
pub struct View<'a>(pub ZoneRef<'a, SimPlatform>);

impl ZoneView for View<'_> {
    fn counters(&self) -> Counters {
        let found = self.0.snapshot();
        Counters {
            free: found.free_pages,
            cma: found.free_cma_pages,
            boost: found.watermark_boost,
            hatomic: found.nr_reserved_highatomic,
        }
    }

    fn for_each_free(&self, visit: &mut dyn FnMut(u32, u8, u64)) {
        self.0.for_each_free(|order, list, pfn| visit(order.get(), number_of(list), pfn.get()));
    }

    /// Where no memory is mapped, the recordings have the type that nobody set: unmovable.
    fn pageblock_type(&self, pfn: u64) -> u8 {
        let found = self.0.pageblock_migratetype(Pfn::new(pfn));
        number_of(found.unwrap_or(MigrateType::Unmovable))
    }

    fn verify(&self) -> Result<(), String> {
        self.0.verify().map_err(|violation| violation.to_string())
    }
}

impl Machine {
    /// A whole request; the flags are not looked at.
    pub fn request(&mut self, asked: Attempt<'_>) -> Outcome {
        let (gfp, order) = (gfp_of(asked.gfp), order_of(asked.order));
        let node = node_id(asked.node);
        let result = match asked.mask {
            None => self.sim.alloc_pages_node(Some(node), gfp, order),
            Some(mask) => {
                self.sim.alloc_pages_nodemask(gfp, order, node, Some(NodeMask::from_bits(mask)))
            }
        };
        self.outcome(asked.order, result)
    }
}

impl MachineUnderTest for Machine {
    fn attempt(&mut self, attempt: Attempt<'_>) -> Outcome {
        let result = self.sim.get_page_from_freelist(
            gfp_of(attempt.gfp),
            order_of(attempt.order),
            node_id(attempt.node),
            attempt.mask.map(NodeMask::from_bits),
            flags_of(attempt.flags),
        );
        self.outcome(attempt.order, result)
    }

    fn set_movable(&mut self, pfn: u64, order: u32) {
        let pages = self.token(pfn, order);
        self.sim.set_movable(&pages, Movability::Movable).expect("a token of this machine");
        self.keep(pages);
    }

    fn free(&mut self, pfn: u64, order: u32) {
        let pages = self.token(pfn, order);
        self.sim.free_pages(pages).expect("an allocated block");
    }

    fn reset_boost(&mut self, (node, kind): ZoneId) {
        let zone = self.sim.zone(node_id(node), TYPES[kind]).expect("a zone of the machine");
        zone.reset_watermark_boost();
    }

    fn look(&self, index: usize, look: &mut dyn FnMut(&dyn ZoneView)) {
        look(&View(self.zone(index)));
    }
}
