//! The allocator's own tables: how large they are, and the zones while they are being filled.

use super::build::node_id;
use super::{InitError, Survey};
use crate::memmap::{Arena, ArenaFull, MemmapPlan, TABLE_ALIGN, Table};
use crate::node::pcp::{PcpOrders, Pcps};
use crate::node::sizing::{Sizing, sizes};
use crate::node::{AtHand, Cpu, Node, Zoneref};
use crate::zone::Zone;
use crate::zone::watermark::setup::ZoneSize;
use crate::zone_id::ZoneId;
use crate::{MAX_NR_ZONES, Mobility, NodeMask, PfnRange, ZoneType};

/// Whether zones can get memory that have none at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    Never,
    Later,
}

/// The dimensions of all tables.
#[derive(Debug)]
pub(super) struct TablePlan {
    pub(super) memmap: MemmapPlan,
    pub(super) online: NodeMask,
    /// One more than the highest node number.
    pub(super) nodes: usize,
    pub(super) cpus: usize,
    /// The places of a zonelist: of those zones that have memory; if zones can come later, of all, twice.
    pub(super) zonelist: (usize, Growth),
    pub(super) pcp: PcpOrders,
    pub(super) bytes: usize,
}

impl TablePlan {
    #[inline(never)]
    pub(super) fn new(survey: &Survey<'_>) -> Result<Self, InitError> {
        let ranges = survey.mapped();
        let too_many = InitError::TooManyFrames {
            frames: ranges.clone().map(|range| range.len()).sum(),
            limit: MemmapPlan::MAX_FRAMES,
        };
        let memmap = MemmapPlan::new(ranges).ok_or(too_many)?;
        let later = survey.hotplug_nodes();
        let online = NodeMask::from_bits(survey.online_nodes().bits() | later.bits());
        let nodes = online.iter().last().map_or(1, |node| node.index() + 1);
        let cpus = survey.nr_cpus() as usize;
        let populated = all_zones(nodes)
            .filter(|zone| survey.zone(zone.node(), zone.zone_type()).present > 0)
            .count();
        let zonelist = match later.is_empty() {
            true => (populated, Growth::Never),
            false => (online.len() as usize * MAX_NR_ZONES, Growth::Later),
        };
        let pcp = survey.options().pcp;
        let mut plan = Self { memmap, online, nodes, cpus, zonelist, pcp, bytes: 0 };
        plan.bytes = plan.sum().ok_or(too_many)?;
        Ok(plan)
    }

    /// The bytes of all tables, and what aligning the first may take.
    fn sum(&self) -> Option<usize> {
        let (zones, growth) = self.zonelist;
        let places = if growth == Growth::Later { 2 * self.nodes } else { self.nodes };
        let zonelists = Arena::bytes_for::<Zoneref>(zones)?
            .checked_add(Arena::bytes_for::<Zoneref>(MAX_NR_ZONES)?)?
            .checked_mul(places)?;
        [
            self.memmap.bytes()?,
            Arena::bytes_for::<Zone>(self.nodes * ZoneId::PER_NODE)?,
            Arena::bytes_for::<Node>(self.nodes)?,
            zonelists,
            Arena::bytes_for::<u8>(self.nodes * self.nodes)?,
            Arena::bytes_for::<Cpu>(self.cpus)?,
            Pcps::bytes_for(self.cpus, self.nodes, self.pcp)?,
            Arena::bytes_for::<AtHand>(1)?,
        ]
        .into_iter()
        .try_fold(TABLE_ALIGN, usize::checked_add)
    }
}

/// The zones of so many nodes.
fn all_zones(nodes: usize) -> impl Iterator<Item = ZoneId> {
    (0..nodes).flat_map(|node| ZoneType::ALL.map(|zone| ZoneId::new(node_id(node), zone)))
}

/// The zones before anybody else knows of them.
#[derive(Debug)]
pub(super) struct BootZones(Table<Zone>);

impl BootZones {
    #[inline(never)]
    pub(super) fn build(
        arena: &mut Arena,
        survey: &Survey<'_>,
        plan: &TablePlan,
    ) -> Result<Self, ArenaFull> {
        let table = arena.table(plan.nodes * ZoneId::PER_NODE, |i| {
            let id = ZoneId::from_bits(u16::try_from(i).unwrap_or(u16::MAX));
            let span = match id.is_zone() {
                true => survey.zone(id.node(), id.zone_type()).span,
                false => PfnRange::default(),
            };
            Zone::new(id, span)
        });
        table.map(Self)
    }

    pub(super) fn into_table(self) -> Table<Zone> {
        self.0
    }

    pub(super) fn zone(&mut self, id: ZoneId) -> Option<&mut Zone> {
        self.0.as_mut_slice().get_mut(id.index())
    }

    pub(super) fn is_populated(&self, id: ZoneId) -> bool {
        let zone = self.0.as_slice().get(id.index());
        zone.is_some_and(|zone| zone.shared.is_populated())
    }

    /// The sizes of all zones.
    pub(super) fn sizes(&self) -> impl Iterator<Item = ZoneSize> {
        sizes(&self.0)
    }

    /// Calculates and sets the watermarks and lowmem reserves of all zones; gives the
    /// `min_free_kbytes` that they follow from.
    #[doc(alias = "init_per_zone_wmark_min")]
    #[inline(never)]
    pub(super) fn set_watermarks(&mut self, survey: &Survey<'_>) -> u64 {
        let sizing = sizing(survey);
        let min_free_kbytes = sizing.min_free_kbytes(&self.0, survey.options().min_free_kbytes);
        let marks = sizing.watermarks(&self.0, min_free_kbytes);
        for (zone, marks) in self.0.as_slice().iter().zip(marks) {
            zone.shared.set_watermarks(marks);
            let reserve = sizing.lowmem_reserve(&self.0, zone.shared.id);
            zone.shared.set_lowmem_reserves(reserve);
        }
        min_free_kbytes
    }

    pub(super) fn set_policy(&mut self, mobility: Mobility, boost_factor: u32) {
        for zone in self.0.as_slice() {
            zone.shared.set_mobility(mobility);
            zone.shared.set_boost_factor(boost_factor);
        }
    }
}

/// What the watermarks of the machine follow from.
pub(super) fn sizing(survey: &Survey<'_>) -> Sizing {
    Sizing {
        page_shift: survey.page_shift(),
        watermark_scale_factor: survey.options().watermark_scale_factor,
        lowmem_reserve_ratio: survey.options().lowmem_reserve_ratio,
        movable_zone: survey.movable_zone(),
        pcp_high: survey.options().pcp_high,
    }
}
