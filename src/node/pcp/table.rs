//! All per-CPU lists of a machine.

use super::limits::{MIN_PERCPU_PAGELIST_HIGH_FRACTION, zone_batchsize, zone_highsize};
use super::{Pcp, PcpHigh, PcpOrders};
use crate::memmap::{Arena, ArenaFull, Fixed, Rows, ZoneBits};
use crate::zone::{Ample, NEVER_AMPLE, ReclaimActive, ZoneShared};
use crate::zone_id::ZoneId;
use crate::{CpuId, Order, Pages};
use core::sync::atomic::{Ordering, fence};

/// A place in the table of all lists, of the size that such places have in [`Rows`].
#[derive(Debug)]
#[repr(C)]
struct Slot {
    pcp: Pcp,
    rest: [u8; ZoneBits::ONE - size_of::<Pcp>()],
}

/// The per-CPU lists: a row for each CPU, with a place for each zone by [`ZoneId::index`].
#[derive(Debug)]
pub(crate) struct Pcps {
    table: Rows<Slot>,
    /// Places in a row.
    row: usize,
    /// A bit for each order that has lists.
    orders: u16,
}

impl Pcps {
    /// Of no CPU.
    pub(crate) const EMPTY: Self = Self { table: Rows::EMPTY, row: 0, orders: 0 };

    /// The bytes that the table takes.
    pub(crate) fn bytes_for(cpus: usize, nodes: usize, orders: PcpOrders) -> Option<usize> {
        Arena::bytes_for::<Slot>(rows(cpus, orders).checked_mul(nodes * ZoneId::PER_NODE)?)?
            .checked_add(Arena::bytes_for::<Pcp>(1)?)
    }

    /// Empty lists for so many CPUs, of zones whose number and mark `zone` gives by their place in the
    /// machine's table, which has so many.
    #[inline(never)]
    pub(crate) fn build(
        arena: &mut Arena,
        cpus: usize,
        (row, zone): (usize, impl Fn(usize) -> (ZoneId, Fixed<Ample>)),
        orders: PcpOrders,
    ) -> Result<Self, ArenaFull> {
        let table = arena.table(rows(cpus, orders) * row, |i| {
            let owner = u32::try_from(i / row.max(1)).unwrap_or(u32::MAX);
            let (zone, ample) = zone(i % row.max(1));
            let pcp = Pcp::new(CpuId::new(owner), zone, ample);
            Slot { pcp, rest: [0; ZoneBits::ONE - size_of::<Pcp>()] }
        })?;
        Ok(Self { table: Rows::new(table, row), row, orders: orders.mask() })
    }

    /// Where requests are sent that have no lists: to some that are nobody's, always empty.
    pub(crate) fn nowhere(arena: &mut Arena) -> Result<Fixed<Pcp>, ArenaFull> {
        arena.single(Pcp::new(CpuId::new(u32::MAX), ZoneId::NONE, Fixed::from(&NEVER_AMPLE)))
    }

    /// Whether blocks of an order are kept on per-CPU lists.
    #[inline]
    pub(crate) fn takes(&self, order: Order) -> bool {
        self.orders >> order.get() & 1 != 0
    }

    /// Whether blocks such as this one are kept on per-CPU lists.
    #[inline]
    pub(crate) fn takes_back(&self, pages: &Pages) -> bool {
        self.orders >> pages.name().order_bits() & 1 != 0
    }

    /// A CPU's lists of a zone; `None` for a CPU that was not announced, or if there are no lists.
    #[inline]
    pub(crate) fn get(&self, cpu: CpuId, zone: impl Into<ZoneBits>) -> Option<&Pcp> {
        // The zone's place is within the row, so only the CPU can be too large. Where that wraps, the
        // lists are another CPU's, and not to be had for this one.
        Some(&self.table.get(cpu.index(), zone.into())?.pcp)
    }

    /// The same, for who keeps them.
    pub(crate) fn fixed(&self, cpu: CpuId, zone: impl Into<ZoneBits>) -> Option<Fixed<Pcp>> {
        Some(self.table.fixed(cpu.index(), zone.into())?.part(|slot| &slot.pcp))
    }

    /// All CPUs' lists of a zone, by CPU.
    pub(crate) fn of_zone(&self, zone: ZoneId) -> impl Iterator<Item = &Pcp> + Clone {
        let all = self.table.as_slice().iter().map(|slot| &slot.pcp);
        all.skip(zone.index()).step_by(self.row.max(1))
    }

    /// Sets the limits of a zone on all CPUs, from its size and low watermark, for so many CPUs
    /// among which the frames are shared out. A `high` that adapts stays where it is, if it may.
    #[doc(alias = "zone_set_pageset_high_and_batch")]
    pub(crate) fn size(
        &self,
        zone: &ZoneShared,
        low: u64,
        cpus: u32,
        (page_shift, high): (u32, PcpHigh),
    ) {
        let managed = zone.managed.get();
        let batch = zone_batchsize(managed, page_shift);
        let min = zone_highsize(low, cpus, batch);
        let max = match high {
            PcpHigh::Fixed => min,
            PcpHigh::Adaptive => {
                zone_highsize(managed / MIN_PERCPU_PAGELIST_HIGH_FRACTION, cpus, batch).max(min)
            }
        };
        self.of_zone(zone.id).for_each(|pcp| pcp.set_range(batch, min..=max, zone));
    }

    /// Notes whether memory of a zone is being reclaimed, and has all CPUs keep as much as they may then.
    pub(crate) fn set_reclaim_active(&self, zone: &ZoneShared, active: ReclaimActive) {
        zone.set_reclaim_active(active);
        // A CPU that adapts its bound now either is before this, or sees what was noted.
        fence(Ordering::SeqCst);
        self.of_zone(zone.id).for_each(|pcp| pcp.follow_reclaim(zone));
    }
}

/// CPUs that get lists: all, or none.
fn rows(cpus: usize, orders: PcpOrders) -> usize {
    if orders == PcpOrders::None { 0 } else { cpus }
}
