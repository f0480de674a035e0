//! A small machine of two nodes, on which histories run, and what they hold of it.

use crate::step::{Drain, Place, Step, Way};
use page_alloc::alloc::Drained;
use page_alloc::boot::{MemoryKind, MemoryRegion, Movable, NodeRange, Options, Reservation};
use page_alloc::node::pcp::PcpOrders;
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::zone::ReclaimActive;
use page_alloc::{
    CpuId, MigrateType, Movability, NodeId, NodeMask, Pages, Pfn, Reclaim, Trace, ZoneLayout,
    ZoneType,
};

/// The nodes, and a CPU for each place: two of either node.
pub const NODES: [NodeId; 2] = [NodeId::ZERO, node(1)];
pub const NR_CPUS: u32 = 4;

pub const fn node(number: u32) -> NodeId {
    NodeId::new(number).expect("a node")
}

fn bytes(frames: u64) -> u64 {
    frames << 12
}

/// Two nodes of 16 MiB: DMA, DMA32 and NORMAL zones on the first, NORMAL on the second, with a CMA
/// area in it.
pub fn config(orders: PcpOrders) -> SimConfig {
    let at = |pfn: u64| Pfn::new(pfn).start_address(12);
    let mut config = SimConfig::new(vec![
        MemoryRegion::new(at(16), bytes(4080), MemoryKind::Usable),
        MemoryRegion::new(at(4096), bytes(4096), MemoryKind::Usable),
    ]);
    config.nodes = vec![
        NodeRange::new(node(0), at(0), bytes(4096)),
        NodeRange::new(node(1), at(4096), bytes(4096)),
    ];
    config.cpus = vec![node(0), node(0), node(1), node(1)];
    config.cma = vec![Reservation::new("of a test", at(6144), bytes(512))];
    config.zones = ZoneLayout::new(Some(at(1024)), Some(at(2048)), None);
    config.options = Options::DEFAULT.pcp(orders).movable(Movable::None);
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    config
}

/// What a step gave, in words that are the same on every machine.
pub type Outcome = String;

/// A machine, and the blocks that the history holds.
pub struct Machine<R, T> {
    pub sim: Sim<R, T>,
    pub held: Vec<Pages>,
    isolated: Vec<(Pfn, MigrateType)>,
}

impl<R: Reclaim, T: Trace> Machine<R, T> {
    pub fn boot(config: &SimConfig, reclaim: R, trace: T) -> Self {
        let sim = Sim::boot_with(config, reclaim, trace).expect("a legal machine");
        Self { sim, held: Vec::new(), isolated: Vec::new() }
    }

    /// Does a step on the CPU that it names.
    pub fn apply(&mut self, cpu: u32, step: &Step) -> Outcome {
        let Self { sim, held, isolated } = self;
        sim.on_cpu(CpuId::new(cpu % NR_CPUS), || match *step {
            Step::Alloc { gfp, order, way } => {
                let taken = match way {
                    Way::Here => sim.alloc_pages(gfp, order),
                    Way::Node(at) => sim.alloc_pages_node(Some(NODES[at]), gfp, order),
                    Way::Masked(at, bits) => {
                        let mask = Some(NodeMask::from_bits(bits));
                        sim.alloc_pages_nodemask(gfp, order, NODES[at], mask)
                    }
                };
                let told = format!("{:?}", taken.as_ref().map(|pages| pages.pfn()));
                held.extend(taken);
                told
            }
            Step::AllocBulk { gfp, count, at } => {
                let mut pages = [const { None }; 40];
                let pages = &mut pages[..count];
                let taken = sim.alloc_pages_bulk(gfp, at.map(|at| NODES[at]), None, pages);
                let told = format!("{taken:?} {pages:?}");
                held.extend(pages.iter_mut().filter_map(Option::take));
                told
            }
            Step::Free { pick } => match pick_of(held, pick) {
                Some(pages) => format!("{:?}", sim.free_pages(pages)),
                None => Outcome::new(),
            },
            Step::FreeBulk { pick, count } => {
                let mut pages: Vec<_> = (0..count).map(|_| pick_of(held, pick)).collect();
                format!("{}", sim.free_pages_bulk(&mut pages))
            }
            Step::SetMovable { pick } => {
                let pages = held.get(pick % held.len().max(1));
                format!("{:?}", pages.map(|pages| sim.set_movable(pages, Movability::Movable)))
            }
            Step::Drain(drain) => format!("{:?}", run_drain(sim, drain)),
            Step::Limits { place, limits } => set_limits(sim, place, limits),
            Step::Reclaim { place, active } => {
                let active = if active { ReclaimActive::Yes } else { ReclaimActive::No };
                let (node, zone) = place_of(place);
                format!("{:?}", sim.set_reclaim_active(node, zone, active))
            }
            Step::MinFree { kbytes } => format!("{:?}", sim.set_min_free_kbytes(kbytes)),
            Step::Isolate { pick } => {
                let pfn = Pfn::new(512 * (pick as u64 % 16));
                let done = sim.isolate_pageblock(pfn, MigrateType::Movable);
                isolated.extend(done.is_ok().then_some((pfn, MigrateType::Movable)));
                format!("{done:?}")
            }
            Step::Unisolate { pick } => {
                if isolated.is_empty() {
                    return Outcome::new();
                }
                let (pfn, kind) = isolated.swap_remove(pick % isolated.len());
                format!("{:?}", sim.unisolate_pageblock(pfn, kind))
            }
        })
    }
}

/// Takes a block out of those that are held.
fn pick_of(held: &mut Vec<Pages>, pick: usize) -> Option<Pages> {
    (!held.is_empty()).then(|| held.swap_remove(pick % held.len()))
}

/// A zone with memory.
pub fn place_of(place: Place) -> (NodeId, ZoneType) {
    match place {
        Place::Dma => (node(0), ZoneType::Dma),
        Place::Dma32 => (node(0), ZoneType::Dma32),
        Place::Normal(at) => (NODES[at], ZoneType::Normal),
    }
}

fn set_limits<R: Reclaim, T: Trace>(
    sim: &Sim<R, T>,
    place: Place,
    (batch, high): (u32, u32),
) -> Outcome {
    let (node, zone) = place_of(place);
    format!("{:?}", sim.set_pcp_limits(node, zone, PcpLimits { batch, high }))
}

fn run_drain<R: Reclaim, T: Trace>(sim: &Sim<R, T>, drain: Drain) -> Drained {
    match drain {
        Drain::Local(place) => sim.drain_local_pages(place.map(place_of)),
        Drain::All(place) => sim.drain_all_pages(place.map(place_of)),
        Drain::Cpu(cpu) => sim.drain_cpu_pages(CpuId::new(cpu % NR_CPUS)),
        Drain::Zone(cpu, place) => {
            let (node, zone) = place_of(place);
            sim.drain_zone_pages(CpuId::new(cpu % NR_CPUS), node, zone)
        }
        Drain::Age => sim.age_local_pages(),
    }
}
