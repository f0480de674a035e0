//! Making a machine of a survey: the tables, the zones and their memory, the zonelists.

use super::tables::{BootZones, Growth, TablePlan, sizing};
use super::{BootInfo, BootReport, InitError, RunState, Survey};
use crate::memmap::{Arena, ArenaFull, Fixed, Memmap, Table};
use crate::migratetype::AskedType;
use crate::node::pcp::{Pcp, Pcps};
use crate::node::sizing::UserMinFree;
use crate::node::topology::{Topology, mobility};
use crate::node::{
    AtHand, Cpu, KswapdState, Machine, MachineEvents, Node, Routes, Way, Zonelist, ZonelistKind,
    Zoneref, build_all_zonelists, first_zones_zonelist,
};
use crate::platform::Platform;
use crate::zone::watermark::setup::nr_free_zone_pages;
use crate::zone::{Describer, Giving, Zone};
use crate::zone_id::ZoneId;
use crate::{CpuId, Gfp, MAX_NR_ZONES, Mobility, NodeId, NodeMask, PfnRange, ZoneLayout, ZoneType};
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use spin::Mutex;

/// The bytes of memory that the tables of a machine take; for
/// [`PageAllocator::init_in`](crate::PageAllocator::init_in).
///
/// 16 bytes for each frame of the sections (1024 frames) that hold memory or are planned, and about a thousandth
/// of that again; 12 KiB for each node, 4 KiB for each CPU and node, and 640 bytes for each CPU.
///
/// # Errors
///
/// What is wrong with the information.
///
/// ```
/// use page_alloc::PhysAddr;
/// use page_alloc::boot::{self, BootInfo, MemoryKind, MemoryRegion};
/// // 4 MiB, one section: its descriptors have 16 KiB.
/// let map = [MemoryRegion::new(PhysAddr::new(0x40_0000), 0x40_0000, MemoryKind::Usable)];
/// let bytes = boot::metadata_bytes(&BootInfo::new(&map), 12)?;
/// assert!(bytes > 16 << 10 && bytes < 40 << 10);
/// # Ok::<(), page_alloc::boot::InitError>(())
/// ```
pub fn metadata_bytes(info: &BootInfo<'_>, page_shift: u32) -> Result<usize, InitError> {
    TablePlan::new(&Survey::new(info, page_shift)?).map(|plan| plan.bytes)
}

/// Makes the machine, with its tables in its own memory.
///
/// # Safety
///
/// As for [`PageAllocator::init`](crate::PageAllocator::init).
pub(crate) unsafe fn build<P: Platform>(
    info: &BootInfo<'_>,
    platform: &P,
) -> Result<(Machine, BootReport), InitError> {
    let mut survey = Survey::unmeasured(info, P::PAGE_SHIFT);
    let survey = survey.as_mut().map_err(|error| *error)?;
    survey.measure(info)?;
    let plan = TablePlan::new(survey)?;
    let frames = plan.bytes.div_ceil(1 << P::PAGE_SHIFT) as u64;
    let place = survey.place_metadata(frames)?;
    survey.reserve_metadata(place);
    let start = platform.phys_to_virt(place.start.start_address(P::PAGE_SHIFT));
    let start = NonNull::new(start).ok_or(InitError::MetadataUnmapped { place })?;
    // SAFETY: the frames of `place` are free in the survey, so by the contract of `build` they are
    // memory that nobody else uses; by the contract of `Platform` the pointer reaches them; and
    // they are reserved from now on.
    let arena = unsafe { Arena::new(start, plan.bytes) };
    assemble(survey, &plan, arena, Some(place))
}

/// Makes the machine, with its tables in `memory`.
pub(crate) fn build_in(
    info: &BootInfo<'_>,
    page_shift: u32,
    memory: &'static mut [u8],
) -> Result<(Machine, BootReport), InitError> {
    let mut survey = Survey::unmeasured(info, page_shift);
    let survey = survey.as_mut().map_err(|error| *error)?;
    survey.measure(info)?;
    let plan = TablePlan::new(survey)?;
    if memory.len() < plan.bytes {
        let (needed, given) = (plan.bytes, memory.len());
        return Err(InitError::MetadataTooSmall { needed, given });
    }
    let bytes = memory.len();
    // SAFETY: the slice is borrowed for ever, and handed to nobody else, as the contract of
    // `Arena::new` asks.
    let arena = unsafe { Arena::new(NonNull::from(memory).cast(), bytes) };
    assemble(survey, &plan, arena, None)
}

#[inline(never)]
fn assemble(
    survey: &Survey<'_>,
    plan: &TablePlan,
    mut arena: Arena,
    place: Option<PfnRange>,
) -> Result<(Machine, BootReport), InitError> {
    let full = |ArenaFull(needed)| InitError::MetadataTooSmall { needed, given: plan.bytes };
    let memmap = Memmap::build(&mut arena, &plan.memmap, survey.mapped()).map_err(full)?;
    describe_planned(survey, &memmap);
    let mut zones = BootZones::build(&mut arena, survey, plan).map_err(full)?;
    give_memory(survey, &memmap, &mut zones);
    give_cma(survey, &memmap, &mut zones);
    let min_free_kbytes = zones.set_watermarks(survey);
    let managed = nr_free_zone_pages(zones.sizes().map(|size| (size.managed, 0)));
    let mobility = mobility(managed);
    zones.set_policy(mobility, survey.options().watermark_boost_factor);
    let nodes = build_zonelists(&mut arena, survey, plan, &zones).map_err(full)?;
    let distances = distances(&mut arena, survey, plan).map_err(full)?;
    let report = BootReport {
        frames: survey.frames(),
        present_pages: zones.sizes().map(|size| size.present).sum(),
        managed_pages: managed,
        nodes: plan.online,
        metadata: place,
        metadata_bytes: plan.bytes,
        min_free_kbytes,
        mobility,
        dropped: survey.dropped(),
    };
    let (layout, online) = (*survey.zones(), plan.online);
    let zones = zones.into_table();
    let pcps = pcps(&mut arena, plan, &zones).map_err(full)?;
    let nowhere = Pcps::nowhere(&mut arena).map_err(full)?;
    let cpus =
        cpus(&mut arena, survey, plan, (&nodes, &zones, &pcps, nowhere), mobility).map_err(full)?;
    let at_hand = arena.single(AtHand { memmap, cpus, pcps, zones }).map_err(full)?;
    let machine = Machine {
        at_hand,
        nowhere,
        nodes,
        distances,
        online,
        nr_online: AtomicU32::new(survey.online_nodes().len()),
        hotplug: Mutex::new(()),
        first_node: survey.online_nodes().iter().next().unwrap_or_default(),
        sizing: sizing(survey),
        user_min_free: UserMinFree::new(survey.options().min_free_kbytes),
        tables: place.unwrap_or_default(),
        layout,
        mobility,
        events: MachineEvents::default(),
    };
    machine.size_pcps();
    Ok((machine, report))
}

/// Describes what is planned for, before what is present.
#[inline(never)]
fn describe_planned(survey: &Survey<'_>, memmap: &Memmap) {
    for range in survey.planned() {
        memmap.whole_sections(range).for_each(|first| memmap.describe_planned(first));
    }
}

/// Describes all present memory and frees what is free, in ascending order.
#[doc(alias = "memblock_free_all")]
#[inline(never)]
fn give_memory(survey: &Survey<'_>, memmap: &Memmap, zones: &mut BootZones) {
    let mut describer = Describer::new(memmap);
    for run in survey.runs() {
        let giving = match run.state {
            RunState::Free => Giving::Free,
            RunState::Reserved | RunState::Reclaimable => Giving::Reserved,
        };
        let mut start = run.range.start;
        while start < run.range.end {
            let zone = zones.zone(ZoneId::new(run.node, survey.zone_of(run.node, start)));
            let Some(mut zone) = zone.map(|zone| zone.get_mut(memmap)) else { break };
            let range =
                PfnRange::new(start, run.range.end.min(zone.shared.span().end.max(start + 1)));
            zone.give(&mut describer, range, giving);
            start = range.end;
        }
    }
}

/// Gives the CMA areas, pageblock by pageblock.
#[doc(alias = "cma_init_reserved_areas")]
#[inline(never)]
fn give_cma(survey: &Survey<'_>, memmap: &Memmap, zones: &mut BootZones) {
    for pfn in survey.cma_pageblocks() {
        let Some(index) = memmap.index_of(pfn) else { continue };
        if let Some(zone) = zones.zone(memmap.zone_of(index)) {
            zone.get_mut(memmap).init_cma_pageblock(index);
        }
    }
}

/// Builds both lists of every node. Only the boot CPU counts for the rule that prefers nodes
/// without CPUs: Linux builds its lists before it knows of the others.
#[inline(never)]
fn build_zonelists(
    arena: &mut Arena,
    survey: &Survey<'_>,
    plan: &TablePlan,
    zones: &BootZones,
) -> Result<Table<Node>, ArenaFull> {
    let mut nodes = arena.table(plan.nodes, |i| Node {
        id: node_id(i),
        fallback: Zonelist::empty(),
        nofallback: Zonelist::empty(),
        kswapd: KswapdState::default(),
    })?;
    let populated = |node, zone| zones.is_populated(ZoneId::new(node, zone));
    for node in nodes.as_mut_slice().iter_mut().filter(|node| plan.online.contains(node.id)) {
        let own = ZoneType::ALL.iter().filter(|zone| populated(node.id, **zone)).count();
        let own = if plan.zonelist.1 == Growth::Later { MAX_NR_ZONES } else { own };
        node.fallback = room_for(arena, plan.zonelist)?;
        node.nofallback = room_for(arena, (own, plan.zonelist.1))?;
    }
    let topology = Topology {
        memory: survey.nodes_with_memory(),
        cpus: survey.cpu_node(CpuId::BOOT).into_iter().collect::<NodeMask>(),
        distance: |from, to| survey.distance(from, to),
    };
    let unused = plan.online.iter().filter(|node| !survey.online_nodes().contains(*node));
    let unused = unused.collect();
    build_all_zonelists(nodes.as_slice(), (plan.online, unused), &topology, populated);
    Ok(nodes)
}

/// A zonelist with room for so many zones, for two of them if it can grow.
fn room_for(arena: &mut Arena, (len, growth): (usize, Growth)) -> Result<Zonelist, ArenaFull> {
    let first = arena.table(len, |_| Zoneref::unused())?;
    let second = match growth {
        Growth::Never => None,
        Growth::Later => Some(arena.table(len, |_| Zoneref::unused())?),
    };
    Ok(Zonelist::new([Some(first), second]))
}

#[inline(never)]
fn distances(
    arena: &mut Arena,
    survey: &Survey<'_>,
    plan: &TablePlan,
) -> Result<Table<u8>, ArenaFull> {
    let nodes = plan.nodes;
    arena.table(nodes * nodes, |i| survey.distance(node_id(i / nodes), node_id(i % nodes)))
}

/// The per-CPU lists of all zones.
#[inline(never)]
fn pcps(arena: &mut Arena, plan: &TablePlan, zones: &Table<Zone>) -> Result<Pcps, ArenaFull> {
    let zone = |place: usize| {
        let zone = fixed(zones, place);
        (zone.shared.id, zone.part(|zone| &zone.shared.ample))
    };
    Pcps::build(arena, plan.cpus, (zones.as_slice().len(), zone), plan.pcp)
}

/// A zone of the machine's, for its lists and routes.
fn fixed(zones: &Table<Zone>, place: usize) -> Fixed<Zone> {
    // SAFETY: the zones are only shared by now (`BootZones::into_table` gave them out), and are or become part
    // of the machine that the lists and the routes are of, as the contract of `Fixed::new` asks.
    unsafe { Fixed::new(&zones.as_slice()[place]) }
}

#[inline(never)]
fn cpus(
    arena: &mut Arena,
    survey: &Survey<'_>,
    plan: &TablePlan,
    tables: WayTables<'_>,
    mobility: Mobility,
) -> Result<Table<Cpu>, ArenaFull> {
    arena.table(plan.cpus, |i| {
        let cpu = CpuId::new(u32::try_from(i).unwrap_or(u32::MAX));
        let node = survey.cpu_node(cpu).unwrap_or_default();
        let way = |gfp| way(tables, (cpu, node), (gfp, survey.zones()));
        Cpu::new(node, Routes::new(|gfp| asked(gfp, mobility), way))
    })
}

/// Has the requests of all CPUs go to the zones that come first in the zonelists now.
pub(crate) fn reroute(machine: &Machine) {
    for (cpu, it) in (0..).map(CpuId::new).zip(machine.cpus.as_slice()) {
        let tables = (&machine.nodes, &machine.zones, &machine.pcps, machine.nowhere);
        it.routes.lead(|gfp| way(tables, (cpu, it.node), (gfp, &machine.layout)));
    }
}

/// The migratetype of requests with these flags; any, if they are illegal.
fn asked(gfp: Gfp, mobility: Mobility) -> AskedType {
    let asked = gfp.migratetype().ok().map(|asked| mobility.migratetype(asked));
    asked.and_then(AskedType::new).unwrap_or(AskedType::Unmovable)
}

/// What tells where requests go: the last is where those go that have no lists.
type WayTables<'a> = (&'a Table<Node>, &'a Table<Zone>, &'a Pcps, Fixed<Pcp>);

/// Where requests with these flags go that a CPU of that node makes.
fn way(
    (nodes, zones, pcps, nowhere): WayTables<'_>,
    (cpu, node): (CpuId, NodeId),
    (gfp, layout): (Gfp, &ZoneLayout),
) -> Way {
    let preferred = || {
        let highest = gfp.zone_type(layout).ok()?;
        gfp.migratetype().ok()?;
        let zonelist = nodes.as_slice().get(node.index())?.zonelist(ZonelistKind::Fallback);
        first_zones_zonelist(zonelist.zones(), highest, None)
    };
    let zone = preferred().unwrap_or(ZoneId::NONE);
    let lists = if zone == ZoneId::NONE { None } else { pcps.fixed(cpu, zone) };
    Way { zone: fixed(zones, zone.index()), pcp: lists.unwrap_or(nowhere) }
}

pub(super) fn node_id(index: usize) -> NodeId {
    u32::try_from(index).ok().and_then(NodeId::new).unwrap_or_default()
}
