//! Compaction, through the allocator.

use super::PageAllocator;
use super::tune::TuneError;
use crate::compact::{
    CompactRequest, CompactStats, Compactor, FragmentationScore, Suitability, ZoneCompacted,
    compaction_suitable, could_compact, nr_free, score_of_node,
};
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::{Compacted, Context, Reclaim};
use crate::trace::{Trace, ZoneTried};
use crate::zone::{Outlook, Zone};
use crate::zone_id::ZoneId;
use crate::{
    AllocFlags, CompactPriority, CompactResult, Gfp, MigrateType, NodeId, Order, Shortage, ZoneType,
};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Compacts a zone as far as it goes: all blocks that may be moved are moved
    /// towards its end ([`Reclaim::migrate`]). Where the kernel can't move any
    /// ([`Reclaim::can_migrate`]), nothing happens.
    ///
    /// Sleeps where the hook does. Blocks that CPUs keep at hand are in the way;
    /// [`drain_all_pages`](Self::drain_all_pages) gives them back before.
    ///
    /// # Errors
    ///
    /// There is no such zone.
    pub fn compact_zone(
        &self,
        node: NodeId,
        zone: ZoneType,
    ) -> Result<(CompactResult, CompactStats), TuneError> {
        let (machine, zone) = self.tuned_zone(node, zone)?;
        let done = self.compact(machine, zone, CompactRequest::ALL);
        Ok((done.result, done.stats))
    }

    /// Compacts all zones of a node, as [`compact_zone`](Self::compact_zone) does.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::NodeId;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let stats = sim.compact_node(NodeId::ZERO)?;
    /// assert_eq!(stats.moved, 0); // nothing was allocated
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such node.
    #[doc(alias = "sysctl_compact_memory")]
    pub fn compact_node(&self, node: NodeId) -> Result<CompactStats, TuneError> {
        self.compact_zones(node, CompactRequest::ALL)
    }

    /// Compacts a node ahead of need, until its score is good enough at that proactiveness (Linux's
    /// is 20 unless set otherwise), or kswapd gets to work. Call it when
    /// [`FragmentationScore::calls_for_compaction`] says so.
    ///
    /// # Errors
    ///
    /// There is no such node.
    #[doc(alias = "proactive_compact_node")]
    pub fn compact_node_proactively(
        &self,
        node: NodeId,
        proactiveness: u32,
    ) -> Result<CompactStats, TuneError> {
        let (enough, _) = FragmentationScore::marks(proactiveness);
        self.compact_zones(node, CompactRequest::proactive(enough))
    }

    /// How fragmented a node is.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn fragmentation_score_node(&self, node: NodeId) -> Result<FragmentationScore, TuneError> {
        let (machine, _) = self.tuned_node(node)?;
        let nr_free = |zone: &Zone| nr_free(zone, machine, &self.platform);
        Ok(score_of_node(machine, node, nr_free))
    }

    /// kcompactd's work for a node: compacts for the largest order that was wanted since the last
    /// call, in each zone where that may help, up to the highest that does for all who want something.
    /// To be called when [`Reclaim::wake_kcompactd`] was.
    ///
    /// Sleeps where the hooks do.
    ///
    /// # Errors
    ///
    /// There is no such node.
    #[doc(alias = "kcompactd_do_work")]
    pub fn kcompactd(&self, node: NodeId) -> Result<CompactStats, TuneError> {
        let (machine, found) = self.tuned_node(node)?;
        let mut stats = CompactStats::default();
        let Some(wanted) = found.kswapd.compaction.get() else { return Ok(stats) };
        machine.events.kcompactd_wakes.add(1);
        let request = CompactRequest::background(wanted.order, wanted.highest);
        let zones = machine
            .node_zones(node)
            .filter(|zone| zone.shared.zone_type() <= wanted.highest && zone.shared.is_populated());
        for zone in zones {
            stats += self.compact_in_background(machine, zone, (request, wanted.order));
        }
        found.kswapd.compaction.done(wanted);
        Ok(stats)
    }

    fn compact_in_background(
        &self,
        machine: &Machine,
        zone: &Zone,
        (request, order): (CompactRequest, Order),
    ) -> CompactStats {
        let state = &zone.shared.compaction;
        let nr_free = || nr_free(zone, machine, &self.platform);
        let asked = (zone.shared.zone_type(), AllocFlags::empty());
        let worth = !state.is_deferred(order)
            && compaction_suitable(&zone.shared, &nr_free(), order, asked) == Suitability::Worth;
        if !worth {
            return CompactStats::default();
        }
        let done = self.compact(machine, zone, request);
        state.tally.daemon_migrate_scanned.add(done.stats.migrate_scanned);
        state.tally.daemon_free_scanned.add(done.stats.free_scanned);
        match done.result {
            CompactResult::Success => state.defer_reset(order, Outlook::Expected),
            CompactResult::Complete | CompactResult::PartialSkipped => {
                let id = zone.shared.id;
                self.drain_all_pages(Some((id.node(), id.zone_type())));
                state.defer(order);
            }
            CompactResult::Skipped | CompactResult::Deferred | CompactResult::Contended => {}
        }
        done.stats
    }

    /// Compacts the zones that would do for a request, one after the other, until one has a block.
    #[cold]
    #[inline(never)]
    pub(super) fn try_to_compact_pages(
        &self,
        machine: &Machine,
        zones: impl Iterator<Item = ZoneId>,
        (shortage, migratetype): (&Shortage, MigrateType),
        (flags, priority): (AllocFlags, CompactPriority),
    ) -> Compacted {
        let mut all = Compacted::from(CompactResult::Skipped);
        if !shortage.gfp.contains(Gfp::IO) {
            return all;
        }
        let order = shortage.order;
        let asked = (shortage.highest, flags);
        let request = CompactRequest::direct((order, shortage.gfp), migratetype, asked, priority);
        for zone in zones.filter_map(|id| machine.zone(id)) {
            let state = &zone.shared.compaction;
            let is_deferred = priority > CompactPriority::SyncFull && state.is_deferred(order);
            let done = match is_deferred {
                true => CompactResult::Deferred.into(),
                false => self.compact(machine, zone, request),
            };
            self.trace.mm_compaction_end(tried(zone.shared.id, (order, priority), &done));
            all.result = all.result.max(done.result);
            if is_deferred {
                continue;
            }
            if done.result == CompactResult::Success {
                state.defer_reset(order, Outlook::Expected);
                all.captured = done.captured.map(|index| machine.memmap.token(index, order));
                break;
            }
            let in_vain =
                matches!(done.result, CompactResult::Complete | CompactResult::PartialSkipped);
            if in_vain && priority != CompactPriority::Async {
                state.defer(order);
            }
            if self.reclaim.context().contains(Context::FATAL_SIGNAL) {
                break;
            }
        }
        all
    }

    /// Whether compaction would have room in one of the zones if all that can be freed were.
    pub(super) fn compaction_zonelist_suitable(
        &self,
        machine: &Machine,
        mut zones: impl Iterator<Item = ZoneId>,
        shortage: &Shortage,
        flags: AllocFlags,
    ) -> bool {
        self.reclaim.can_migrate()
            && zones.any(|id| {
                let reclaimable = self.reclaim.reclaimable_pages(id.node(), id.zone_type());
                // Not all of it helps: the larger the order, the less.
                let more = reclaimable / u64::from(shortage.order.get()).max(1);
                let asked = (shortage.highest, flags);
                machine
                    .zone(id)
                    .is_some_and(|zone| could_compact(zone, shortage.order, asked, more))
            })
    }

    /// A block of that order came from the zone: its next compaction is not put off, and need not look
    /// again where looking was in vain.
    pub(super) fn compaction_defer_reset(&self, machine: &Machine, zone: ZoneId, order: Order) {
        machine.events.compact_successes.add(1);
        if let Some(zone) = machine.zone(zone) {
            zone.shared.compaction.flushed();
            zone.shared.compaction.defer_reset(order, Outlook::Allocated);
        }
    }

    fn compact_zones(
        &self,
        node: NodeId,
        request: CompactRequest,
    ) -> Result<CompactStats, TuneError> {
        let (machine, _) = self.tuned_node(node)?;
        let mut stats = CompactStats::default();
        for zone in machine.node_zones(node).filter(|zone| zone.shared.is_populated()) {
            stats += self.compact(machine, zone, request).stats;
        }
        Ok(stats)
    }

    fn compact(&self, machine: &Machine, zone: &Zone, request: CompactRequest) -> ZoneCompacted {
        let drain = |zone: &Zone| {
            let id = zone.shared.id;
            self.drain_local_pages(Some((id.node(), id.zone_type())));
        };
        let (platform, reclaim, trace) = (&self.platform, &self.reclaim, &self.trace);
        let compactor = Compactor { machine, zone, platform, reclaim, trace, drain: &drain };
        compactor.compact_zone(request)
    }
}

/// What is told of a zone that was compacted for a request, or passed over.
fn tried(
    id: ZoneId,
    (order, priority): (Order, CompactPriority),
    done: &ZoneCompacted,
) -> ZoneTried {
    let (node, zone, result) = (id.node(), id.zone_type(), done.result);
    let CompactStats { moved, failed, .. } = done.stats;
    ZoneTried { node, zone, order, priority, result, moved, failed }
}
