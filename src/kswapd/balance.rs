//! A round of kswapd: passes over the node until enough is free.

use super::wake::high_mark;
use super::{KswapdNext, KswapdReport};
use crate::compact::compact_gap;
use crate::node::{Machine, Node, Wanted};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::zone::watermark::ZoneView;
use crate::zone::{ReclaimActive, Zone};
use crate::{Gfp, MAX_NR_ZONES, NodeShrink, Order, PAGEBLOCK_ORDER, Reclaimer, Shortage, ZoneType};
use core::fmt;

/// A round has so many passes at most, whatever the kernel says that it frees; then the thread calls
/// again.
const MAX_PASSES: u32 = 1024;

/// A node, and all that is needed to keep its memory free.
pub(crate) struct Balancer<'a, P, R> {
    pub(crate) machine: &'a Machine,
    pub(crate) node: &'a Node,
    pub(crate) platform: &'a P,
    pub(crate) reclaim: &'a R,
}

/// A round under way.
struct Round {
    /// The order that is still gone for.
    order: Order,
    highest: ZoneType,
    /// Frames that are to be freed for the boosts.
    boost: u64,
    priority: u32,
    reclaimed: u64,
    scanned: u64,
    passes: u32,
}

/// What to do after a look at the node, or a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Pass,
    /// Enough is free.
    Balanced,
    /// Nothing more is to be had.
    Stop,
}

impl<P: Platform, R: Reclaim> Balancer<'_, P, R> {
    /// One round for what is wanted; the thread sleeps or goes on as the report says.
    #[doc(alias = "balance_pgdat")]
    pub(crate) fn balance(&self) -> KswapdReport {
        let state = &self.node.kswapd;
        let wanted = state.begin();
        let running = state.run();
        let round = self.round(wanted);
        drop(running);
        let next = self.after(wanted, &round);
        KswapdReport {
            alloc_order: wanted.order,
            reclaim_order: round.order,
            reclaimed: round.reclaimed,
            scanned: round.scanned,
            passes: round.passes,
            priority: round.priority,
            failures: state.failures(),
            next,
        }
    }

    fn round(&self, wanted: Wanted) -> Round {
        let boosts = self.boosts(wanted.highest);
        let mut round = Round {
            order: wanted.order,
            highest: wanted.highest,
            boost: boosts.iter().sum(),
            priority: NodeShrink::DEF_PRIORITY,
            reclaimed: 0,
            scanned: 0,
            passes: 0,
        };
        let boosted = round.boost != 0;
        let active = Reclaiming::new(self, wanted.highest);
        if self.passes(&mut round) == Step::Stop && round.reclaimed == 0 {
            self.node.kswapd.failed();
        }
        drop(active);
        if boosted {
            self.lower_boosts(boosts, wanted.highest);
            self.wake_kcompactd(Wanted { order: PAGEBLOCK_ORDER, ..wanted });
        }
        round
    }

    /// Passes over the node until one zone is balanced, or nothing comes free.
    fn passes(&self, round: &mut Round) -> Step {
        while round.priority >= 1 && round.passes < MAX_PASSES {
            let balanced = self.is_balanced(round.order, round.highest);
            if !balanced && round.boost != 0 {
                // What is really short comes first.
                round.boost = 0;
                round.priority = NodeShrink::DEF_PRIORITY;
            }
            if round.boost == 0 && balanced {
                return Step::Balanced;
            }
            if self.pass(round) == Step::Stop {
                break;
            }
        }
        Step::Stop
    }

    fn pass(&self, round: &mut Round) -> Step {
        let for_boost = round.boost != 0;
        let mut raise = !(for_boost && round.priority == NodeShrink::DEF_PRIORITY - 2);
        let (reclaimed, enough) = self.shrink(round);
        raise &= !enough;
        round.boost -= round.boost.min(reclaimed);
        if round.boost != 0 && reclaimed == 0 {
            return Step::Stop;
        }
        if raise || reclaimed == 0 {
            round.priority -= 1;
        }
        Step::Pass
    }

    /// Has the kernel free memory: the frames that it freed, and whether it looked at enough.
    #[doc(alias = "kswapd_shrink_node")]
    fn shrink(&self, round: &mut Round) -> (u64, bool) {
        let goal = |zone: &Zone| high_mark(zone).max(Shortage::CLUSTER);
        let nr_to_reclaim = self.zones(round.highest).map(goal).fold(0, u64::saturating_add);
        let done = self.shrink_node(&NodeShrink {
            node: self.node.id,
            reclaimer: Reclaimer::Kswapd,
            gfp: Gfp::KERNEL,
            highest: round.highest,
            order: round.order,
            nr_to_reclaim,
            priority: round.priority,
            may_writepage: round.boost == 0,
            may_swap: round.boost == 0,
        });
        round.passes += 1;
        round.reclaimed = round.reclaimed.saturating_add(done.reclaimed);
        round.scanned = round.scanned.saturating_add(done.scanned);
        if round.order > Order::ZERO && round.reclaimed >= compact_gap(round.order) {
            round.order = Order::ZERO;
        }
        (done.reclaimed, done.scanned >= nr_to_reclaim)
    }

    /// Whether the thread may sleep. After a round that ended at a smaller order, it sleeps if that
    /// is balanced; otherwise, if what is wanted now is.
    fn after(&self, wanted: Wanted, round: &Round) -> KswapdNext {
        let wishes = &self.node.kswapd.wishes;
        if round.passes == MAX_PASSES {
            wishes.add(wanted);
            return KswapdNext::Again;
        }
        let (wanted, reached) = match round.order < wanted.order {
            true => (wanted, round.order),
            false => {
                let nothing = Wanted { order: Order::ZERO, ..wanted };
                let new = wishes.get().unwrap_or(nothing);
                (new, new.order)
            }
        };
        let reached = Wanted { order: reached, ..wanted };
        if !self.may_sleep(reached) {
            return KswapdNext::Again;
        }
        self.node.kswapd.naps_with(reached);
        self.hand_over(wanted);
        KswapdNext::Nap
    }

    fn boosts(&self, highest: ZoneType) -> [u64; MAX_NR_ZONES] {
        let mut boosts = [0; MAX_NR_ZONES];
        for zone in self.zones(highest) {
            boosts[zone.shared.zone_type().index()] = zone.shared.watermark_boost();
        }
        boosts
    }

    /// The boosts that there were at the beginning are over; what was added meanwhile stays.
    fn lower_boosts(&self, boosts: [u64; MAX_NR_ZONES], highest: ZoneType) {
        for zone in self.zones(highest) {
            let over = boosts[zone.shared.zone_type().index()];
            if over == 0 {
                continue;
            }
            let irq = IrqGuard::new(self.platform);
            zone.with(&self.machine.memmap, &irq, |zone| {
                zone.shared.set_boost(zone.shared.watermark_boost().saturating_sub(over));
            });
        }
    }

    fn set_reclaim_active(&self, highest: ZoneType, active: ReclaimActive) {
        for zone in self.zones(highest) {
            self.machine.pcps.set_reclaim_active(&zone.shared, active);
        }
    }
}

/// CPUs keep less of the zones while their memory is being reclaimed: until this is dropped.
struct Reclaiming<'b, 'a, P: Platform, R: Reclaim> {
    balancer: &'b Balancer<'a, P, R>,
    highest: ZoneType,
}

impl<'b, 'a, P: Platform, R: Reclaim> Reclaiming<'b, 'a, P, R> {
    fn new(balancer: &'b Balancer<'a, P, R>, highest: ZoneType) -> Self {
        balancer.set_reclaim_active(highest, ReclaimActive::Yes);
        Self { balancer, highest }
    }
}

impl<P: Platform, R: Reclaim> Drop for Reclaiming<'_, '_, P, R> {
    fn drop(&mut self) {
        self.balancer.set_reclaim_active(self.highest, ReclaimActive::No);
    }
}

impl<P, R> fmt::Debug for Balancer<'_, P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer").field("node", &self.node).finish_non_exhaustive()
    }
}
