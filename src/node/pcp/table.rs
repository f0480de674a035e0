//! All per-CPU lists of a machine.

use super::limits::{PcpLimits, zone_batchsize, zone_highsize};
use super::{Pcp, PcpOrders};
use crate::CpuId;
use crate::memmap::{Arena, ArenaFull, Memmap, Table};
use crate::zone::ZoneShared;

/// The per-CPU lists: a row for each CPU, with a place for each zone that has memory.
#[derive(Debug)]
pub(crate) struct Pcps {
    table: Table<Pcp>,
    /// Zones that have a place in each row.
    slots: usize,
    /// A bit for each order that has lists.
    orders: u16,
}

impl Pcps {
    /// The bytes that the table takes.
    pub(crate) fn bytes_for(cpus: usize, slots: usize, orders: PcpOrders) -> Option<usize> {
        Arena::bytes_for::<Pcp>(rows(cpus, orders).checked_mul(slots)?)
    }

    /// Empty lists for so many CPUs and zones.
    #[inline(never)]
    pub(crate) fn build(
        arena: &mut Arena,
        cpus: usize,
        slots: usize,
        orders: PcpOrders,
        memmap: &Memmap,
    ) -> Result<Self, ArenaFull> {
        let table = arena.table(rows(cpus, orders) * slots, |i| {
            let owner = u32::try_from(i / slots.max(1)).unwrap_or(u32::MAX);
            Pcp::new(CpuId::new(owner), memmap)
        })?;
        Ok(Self { table, slots, orders: orders.mask() })
    }

    /// Whether blocks of an order are kept on per-CPU lists.
    #[inline]
    pub(crate) fn takes(&self, order: crate::Order) -> bool {
        self.orders >> order.get() & 1 != 0
    }

    /// A CPU's lists of a zone; `None` for a CPU that was not announced.
    #[inline]
    pub(crate) fn get(&self, cpu: CpuId, zone: &ZoneShared) -> Option<&Pcp> {
        let slot = usize::from(zone.pcp_slot.0?);
        // The slot is below `slots`, so only the CPU can be too large.
        self.table.as_slice().get(cpu.index().checked_mul(self.slots)?.checked_add(slot)?)
    }

    /// All CPUs' lists of a zone, by CPU.
    pub(crate) fn of_zone(&self, zone: &ZoneShared) -> impl Iterator<Item = &Pcp> + Clone {
        let slot = zone.pcp_slot.0.map_or(usize::MAX, usize::from);
        self.table.as_slice().iter().skip(slot).step_by(self.slots.max(1))
    }

    /// Sets the limits of a zone on all CPUs, from its size and low watermark, for so many CPUs
    /// among which the frames are shared out.
    #[doc(alias = "zone_set_pageset_high_and_batch")]
    pub(crate) fn size(&self, zone: &ZoneShared, low: u64, cpus: u32, page_shift: u32) {
        let batch = zone_batchsize(zone.managed.get(), page_shift);
        let limits = PcpLimits { batch, high: zone_highsize(low, cpus, batch) };
        self.of_zone(zone).for_each(|pcp| pcp.set_limits(limits));
    }
}

/// CPUs that get lists: all, or none.
fn rows(cpus: usize, orders: PcpOrders) -> usize {
    if orders == PcpOrders::None { 0 } else { cpus }
}
