//! How far a request has come in the slow path.

use super::patience::Patience;
use crate::alloc::request::Request;
use crate::reclaim::KswapdWake;
use crate::zone_id::ZoneId;
use crate::{
    AllocFlags, CompactPriority, CompactResult, Gfp, NodeMask, PAGE_ALLOC_COSTLY_ORDER, Shortage,
};

/// What has become of a request in the slow path so far.
#[derive(Debug)]
pub(super) struct Slow<'r, 'm> {
    pub(super) request: &'r Request<'m>,
    pub(super) gfp: Gfp,
    pub(super) flags: AllocFlags,
    /// The nodes that will do; forgotten when the request may leave them.
    pub(super) nodemask: Option<NodeMask>,
    /// Where attempts start; `None`: no zone will do.
    pub(super) preferred: Option<ZoneId>,
    /// What the cpuset's generation was.
    pub(super) cpuset: u32,
    pub(super) priority: CompactPriority,
    pub(super) compacted: CompactResult,
    /// Compactions at this priority that made a block, which others took.
    pub(super) compact_retries: u32,
    /// Whether the last reclaim, or killing, gave hope.
    pub(super) progress: bool,
    /// Reclaims in a row that did not.
    pub(super) no_progress: u32,
    pub(super) rounds_left: u32,
    pub(super) patience: Patience,
}

impl<'r, 'm> Slow<'r, 'm> {
    /// A request that may wait is not one of atomic context, whatever its flags say.
    pub(super) fn new(request: &'r Request<'m>, max_rounds: u32) -> Self {
        let mut gfp = request.gfp;
        if gfp.contains(Gfp::DIRECT_RECLAIM) {
            gfp -= Gfp::ATOMIC_CONTEXT;
        }
        Self {
            request,
            gfp,
            flags: AllocFlags::empty(),
            nodemask: request.nodemask,
            preferred: None,
            cpuset: 0,
            priority: CompactPriority::SyncLight,
            compacted: CompactResult::Skipped,
            compact_retries: 0,
            progress: false,
            no_progress: 0,
            rounds_left: max_rounds,
            patience: Patience::default(),
        }
    }

    /// Counts a round; false: there are no more.
    pub(super) fn begins_round(&mut self) -> bool {
        let left = self.rounds_left.checked_sub(1);
        self.rounds_left = left.unwrap_or(0);
        left.is_some()
    }

    #[doc(alias = "can_direct_reclaim")]
    pub(super) fn may_wait(&self) -> bool {
        self.gfp.contains(Gfp::DIRECT_RECLAIM)
    }

    /// Whether there is no way but to go on. Where waiting is not allowed, it can't be kept to.
    pub(super) fn must_not_fail(&self) -> bool {
        self.gfp.contains(Gfp::NOFAIL) && self.may_wait()
    }

    /// Whether blocks of that order are too rare to insist on one.
    pub(super) fn is_costly(&self) -> bool {
        self.request.order > PAGE_ALLOC_COSTLY_ORDER
    }

    /// Whether anybody is to be told of its failure: nobody who was prepared for it, and nobody who asks
    /// for the DMA zone where no memory is in one.
    pub(super) fn is_worth_a_warning(&self) -> bool {
        let has_dma = || self.request.machine.has_managed_dma();
        !self.gfp.contains(Gfp::NOWARN) && (!self.gfp.contains(Gfp::DMA) || has_dma())
    }

    /// The zones that will do.
    pub(super) fn zones(&self) -> impl Iterator<Item = ZoneId> + use<'m> {
        self.request.zones_on(self.nodemask)
    }

    pub(super) fn wake(&self, zone: ZoneId) -> KswapdWake {
        KswapdWake {
            node: zone.node(),
            zone: zone.zone_type(),
            order: self.request.order,
            highest: self.request.highest,
            gfp: self.gfp,
        }
    }

    /// The request as the kernel's hooks are told of it.
    pub(super) fn shortage(&self) -> Shortage {
        Shortage {
            order: self.request.order,
            gfp: self.gfp,
            node: self.request.node,
            highest: self.request.highest,
            nodemask: self.nodemask,
        }
    }
}
