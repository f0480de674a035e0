//! Blocks that went from a CPU's lists to their zone, noted under its lock and told to the trace
//! points when no lock is held.

use super::PageAllocator;
use crate::node::pcp::{Pcp, PcpIndex};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::{PcpMove, Trace};
use crate::zone_id::ZoneId;

/// How many blocks of each list.
#[derive(Debug, Default)]
pub(super) struct Moved([u32; PcpIndex::PLACES]);

impl Moved {
    #[inline]
    pub(super) fn note(&mut self, list: PcpIndex, blocks: u32) {
        self.0[list.get()] += blocks;
    }
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Tells of blocks that were given back.
    #[inline]
    pub(super) fn trace_drained(&self, zone: ZoneId, pcp: &Pcp, moved: &Moved) {
        for list in PcpIndex::all() {
            let blocks = moved.0[list.get()];
            if blocks > 0 {
                self.trace.mm_page_pcpu_drain(movement(zone, pcp, (list, blocks)));
            }
        }
    }

    /// Tells of blocks that a list was filled with.
    #[inline]
    pub(super) fn trace_refilled(&self, zone: ZoneId, pcp: &Pcp, (list, blocks): (PcpIndex, u32)) {
        if blocks > 0 {
            self.trace.mm_page_pcpu_refill(movement(zone, pcp, (list, blocks)));
        }
    }
}

#[inline]
fn movement(zone: ZoneId, pcp: &Pcp, (list, blocks): (PcpIndex, u32)) -> PcpMove {
    let of = list.to_list();
    PcpMove {
        cpu: pcp.lists.owner(),
        node: zone.node(),
        zone: zone.zone_type(),
        order: of.order,
        migratetype: of.migratetype,
        blocks,
    }
}
