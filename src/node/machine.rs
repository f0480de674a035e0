//! The machine: all nodes and zones, the memmap over their memory, and which CPU is where.

use super::pcp::{Pcp, Pcps};
use super::sizing::{Sizing, UserMinFree};
use super::topology::Topology;
use super::{Cpu, MachineEvents, Node, build_all_zonelists};
use crate::memmap::{Fixed, Memmap, Table};
use crate::zone::Zone;
use crate::zone::watermark::ZoneView;
use crate::zone_id::ZoneId;
use crate::{CpuId, Mobility, NodeId, NodeMask, PfnRange, WatermarkLevel, ZoneLayout, ZoneType};
use core::sync::atomic::{AtomicU32, Ordering};
use spin::Mutex;

/// Those of a machine's tables that the quick ways use. They have a place of their own, so that one look
/// finds them.
#[derive(Debug)]
pub(crate) struct AtHand {
    pub(crate) memmap: Memmap,
    /// By CPU number.
    pub(crate) cpus: Table<Cpu>,
    pub(crate) pcps: Pcps,
    /// By [`ZoneId::index`]; some places are of no zone.
    pub(crate) zones: Table<Zone>,
}

/// What is found before there is a machine: no frames, no CPUs.
pub(crate) static NOTHING_AT_HAND: AtHand =
    AtHand { memmap: Memmap::EMPTY, cpus: Table::EMPTY, pcps: Pcps::EMPTY, zones: Table::EMPTY };

impl AtHand {
    /// The zone that a frame or a zonelist entry names.
    #[inline]
    pub(crate) fn zone(&self, zone: ZoneId) -> Option<&Zone> {
        self.zones.as_slice().get(zone.index())
    }
}

/// All that an initialised allocator knows of its machine. The tables [at hand](AtHand) are as good as
/// fields of it.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) at_hand: Fixed<AtHand>,
    /// Lists that are nobody's.
    pub(crate) nowhere: Fixed<Pcp>,
    /// By node number; a number that no node has stands for an empty node.
    pub(crate) nodes: Table<Node>,
    /// A row for each node: how far each node is.
    pub(crate) distances: Table<u8>,
    /// The nodes that there are.
    pub(crate) online: NodeMask,
    /// How many of them have memory or CPUs: the others are only planned for.
    #[doc(alias = "nr_online_nodes")]
    pub(crate) nr_online: AtomicU32,
    /// Held by who has memory come.
    #[doc(alias = "mem_hotplug_lock")]
    pub(crate) hotplug: Mutex<()>,
    /// The lowest of the nodes that had memory or CPUs at boot.
    pub(crate) first_node: NodeId,
    pub(crate) sizing: Sizing,
    pub(crate) user_min_free: UserMinFree,
    /// Where all this lies, if it is in the machine's own memory; else empty.
    pub(crate) tables: PfnRange,
    pub(crate) layout: ZoneLayout,
    pub(crate) mobility: Mobility,
    pub(crate) events: MachineEvents,
}

impl core::ops::Deref for Machine {
    type Target = AtHand;

    #[inline]
    fn deref(&self) -> &AtHand {
        &self.at_hand
    }
}

impl Machine {
    /// The node of that number, if it is online.
    #[inline]
    pub(crate) fn node(&self, node: NodeId) -> Option<&Node> {
        if self.online.contains(node) { self.nodes.as_slice().get(node.index()) } else { None }
    }

    /// The number of nodes that have memory or CPUs.
    #[inline]
    pub(crate) fn nr_online(&self) -> u32 {
        self.nr_online.load(Ordering::Relaxed)
    }

    /// Somebody could free memory of that node: if its kswapd has given up, it may try again.
    pub(crate) fn revive_kswapd(&self, node: NodeId) {
        if let Some(node) = self.node(node) {
            node.kswapd.succeeded();
        }
    }

    /// Whether any pageblock is isolated.
    pub(crate) fn has_isolated(&self) -> bool {
        self.zones.as_slice().iter().any(|zone| zone.shared.nr_isolated.get() != 0)
    }

    /// The node of a CPU; for one that was not announced, the first node.
    #[inline]
    pub(crate) fn cpu_to_node(&self, cpu: CpuId) -> NodeId {
        self.cpus.as_slice().get(cpu.index()).map_or(self.first_node, |cpu| cpu.node)
    }

    /// Shares the frames that CPUs may keep of each zone out anew: after the watermarks have changed,
    /// or the CPUs that are online.
    #[doc(alias = "zone_pcp_update")]
    pub(crate) fn size_pcps(&self) {
        for zone in self.zones.as_slice() {
            let boost = zone.shared.watermark_boost();
            let low = zone.shared.watermark(WatermarkLevel::Low).saturating_add(boost);
            let cpus = self.cpus_that_share(zone.shared.id.node());
            let (shift, high) = (self.sizing.page_shift, self.sizing.pcp_high);
            self.pcps.size(&zone.shared, low, cpus, (shift, high));
        }
    }

    /// The online CPUs of a node; if there are none, of the machine.
    fn cpus_that_share(&self, node: NodeId) -> u32 {
        let online = || self.cpus.as_slice().iter().filter(|cpu| cpu.is_online());
        let here = online().filter(|cpu| cpu.node == node).count();
        let sharing = if here > 0 { here } else { online().count() };
        u32::try_from(sharing).unwrap_or(u32::MAX)
    }

    /// Makes all zonelists anew, of the zones that have memory now. All CPUs that are online count.
    pub(crate) fn build_all_zonelists(&self) {
        let populated = self.online_zones().filter(|zone| zone.shared.is_populated());
        let memory: NodeMask = populated.map(|zone| zone.shared.id.node()).collect();
        let cpus = self.cpus.as_slice().iter();
        let all: NodeMask = cpus.clone().map(|cpu| cpu.node).collect();
        let used = NodeMask::from_bits(memory.bits() | all.bits());
        self.nr_online.store(used.len(), Ordering::Relaxed);
        let unused = self.online.iter().filter(|node| !used.contains(*node)).collect();
        let topology = Topology {
            memory,
            cpus: cpus.filter(|cpu| cpu.is_online()).map(|cpu| cpu.node).collect(),
            distance: |from, to| self.distance(from, to),
        };
        build_all_zonelists(
            self.nodes.as_slice(),
            (self.online, unused),
            &topology,
            |node, zone| {
                self.zone(ZoneId::new(node, zone)).is_some_and(|zone| zone.shared.is_populated())
            },
        );
    }

    /// The distance between two nodes; the greatest for one that there is not.
    #[doc(alias = "node_distance")]
    pub(crate) fn distance(&self, from: NodeId, to: NodeId) -> u8 {
        let nodes = self.nodes.as_slice().len();
        let row = self.distances.as_slice().chunks_exact(nodes.max(1)).nth(from.index());
        row.and_then(|row| row.get(to.index())).copied().unwrap_or(u8::MAX)
    }

    /// Frames of a zone freed since boot; what moves between the zone and per-CPU lists does not count.
    #[doc(alias = "PGFREE")]
    pub(crate) fn frames_freed_of(&self, zone: &Zone) -> u64 {
        let lists = self.pcps.of_zone(zone.shared.id).map(Pcp::frames_freed);
        lists.fold(zone.shared.events.freed.get(), u64::wrapping_add)
    }

    /// The same for all zones.
    pub(crate) fn frames_freed(&self) -> u64 {
        self.online_zones().map(|zone| self.frames_freed_of(zone)).fold(0, u64::wrapping_add)
    }

    /// Whether some DMA zone has memory.
    pub(crate) fn has_managed_dma(&self) -> bool {
        let dma = |zone: &&Zone| zone.shared.zone_type() == ZoneType::Dma;
        self.online_zones().filter(dma).any(|zone| zone.shared.managed.get() > 0)
    }

    /// The zones of online nodes that the layout has, node by node, from the lowest type up.
    pub(crate) fn online_zones(&self) -> impl Iterator<Item = &Zone> + Clone {
        self.zones.as_slice().iter().filter(|zone| {
            let id = zone.shared.id;
            id.is_zone() && self.online.contains(id.node()) && self.layout.has(id.zone_type())
        })
    }

    /// The zones of a node that the layout has, from the lowest type up.
    pub(crate) fn node_zones(&self, node: NodeId) -> impl Iterator<Item = &Zone> + Clone {
        self.online_zones().filter(move |zone| zone.shared.id.node() == node)
    }

    /// The zone of a type on the node of another zone.
    pub(crate) fn sibling(&self, zone: ZoneId, other: ZoneType) -> Option<&Zone> {
        self.zone(ZoneId::new(zone.node(), other))
    }
}
