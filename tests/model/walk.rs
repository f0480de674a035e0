//! The model's machine: watermarks, and the walk over a zonelist.

use super::port::{
    Attempt, BootMachine, KINDS, MachineSetup, MachineUnderTest, Outcome, ZoneId, ZoneUnderTest,
    ZoneView,
};
use super::zone::{CMA, HIGHATOMIC, MOVABLE, Naive, RECLAIMABLE, TOP, Types, UNMOVABLE, Zone};

/// The largest order that per-CPU lists hold.
const COSTLY_ORDER: u32 = 3;
/// The numbers of the zone types.
const DMA: usize = 0;
const DMA32: usize = 1;
const NORMAL: usize = 2;
const MOVABLE_ZONE: usize = 3;

/// The composite flag of a request, and whether the request must stay on its node.
fn composite(gfp: &str) -> (&str, bool) {
    match gfp.strip_suffix("|__GFP_THISNODE") {
        Some(rest) => (rest, true),
        None => (gfp, gfp == "THISNODE"),
    }
}

/// The highest zone type and the migratetype that a composite flag asks for.
pub(super) fn request_of(gfp: &str) -> (usize, u8) {
    match composite(gfp).0 {
        "GFP_DMA" => (DMA, UNMOVABLE),
        "GFP_DMA32" => (DMA32, UNMOVABLE),
        "GFP_HIGHUSER_MOVABLE" => (MOVABLE_ZONE, MOVABLE),
        "RECLAIMABLE" => (NORMAL, RECLAIMABLE),
        "GFP_KERNEL" | "GFP_USER" | "GFP_ATOMIC" | "GFP_NOWAIT" | "THISNODE" => (NORMAL, UNMOVABLE),
        _ => panic!("no composite flag of the recordings: {gfp}"),
    }
}

/// A zone of the machine, with what the walk must know of it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: ZoneId,
    pub(super) zone: Zone,
    lowmem_reserve: [u64; KINDS.len()],
}

impl Place {
    /// The mark to keep: the one that the first letter names, and the boost.
    pub(super) fn mark(&self, flags: &str) -> u64 {
        let level = "mlh".find(&flags[..1]).expect("flags begin with a watermark");
        self.zone.marks[level] + self.zone.counters.boost
    }

    /// Frames that count as used in a check, of those that are free.
    fn unusable(&self, order: u32, flags: &str) -> u64 {
        let reserve =
            if flags.contains(['G', 'B', 'H', 'O']) { 0 } else { self.zone.counters.hatomic };
        let cma = if flags.contains('C') { 0 } else { self.zone.counters.cma };
        (1 << order) - 1 + reserve + cma
    }

    pub(super) fn keeps(&self, attempt: Attempt<'_>, mark: u64, highest: usize) -> bool {
        self.keeps_with(self.zone.counters.free, attempt, mark, highest)
    }

    /// Whether the mark is kept if so many frames are free.
    pub(super) fn keeps_with(
        &self,
        free: u64,
        attempt: Attempt<'_>,
        mark: u64,
        highest: usize,
    ) -> bool {
        let free = free.checked_sub(self.unusable(attempt.order, attempt.flags));
        let min = lowered(mark, attempt.flags) + self.lowmem_reserve[highest];
        free.is_some_and(|free| free > min)
            && (attempt.order == 0 || self.has_block(attempt.order, attempt.flags))
    }

    /// Whether a list that the request may use has a block that is large enough.
    fn has_block(&self, order: u32, flags: &str) -> bool {
        let mut lists = vec![UNMOVABLE, MOVABLE, RECLAIMABLE];
        lists.extend(flags.contains('C').then_some(CMA));
        lists.extend(flags.contains(['H', 'O']).then_some(HIGHATOMIC));
        (order..=TOP).any(|at| lists.iter().any(|&list| !self.zone.list(at, list).is_empty()))
    }

    /// The check of the walk. An order-0 request is first asked whether it keeps the whole mark.
    pub(super) fn passes(&self, attempt: Attempt<'_>, highest: usize) -> bool {
        let mark = self.mark(attempt.flags);
        if attempt.order == 0 {
            let free = self.zone.counters.free.saturating_sub(self.unusable(0, attempt.flags));
            if free > mark + self.lowmem_reserve[highest] {
                return true;
            }
        }
        let may_ignore_boost = attempt.order == 0
            && composite(attempt.gfp).0 == "GFP_ATOMIC"
            && attempt.flags.starts_with('m')
            && self.zone.counters.boost > 0;
        self.keeps(attempt, mark, highest)
            || (may_ignore_boost && self.keeps(attempt, self.zone.marks[0], highest))
    }

    /// Takes a block; small orders are refills of one block, which keep off the high-atomic
    /// reserve, before they are whole requests.
    pub(super) fn rmqueue(&mut self, order: u32, migratetype: u8, flags: &str) -> Option<u64> {
        let grouped = !self.zone.is_mobility_disabled();
        let migratetype = if grouped { migratetype } else { UNMOVABLE };
        let by_refill = order <= COSTLY_ORDER && (flags.contains('C') || migratetype != MOVABLE);
        let refilled =
            by_refill.then(|| self.zone.rmqueue_once(order, migratetype, flags)).flatten();
        refilled.or_else(|| self.zone.rmqueue(order, migratetype, flags))
    }
}

/// The part of a mark that privileged requests must keep.
fn lowered(mark: u64, flags: &str) -> u64 {
    let mut min = mark;
    if flags.contains('G') {
        min -= min / 2;
        if flags.contains('B') {
            min -= min / 4;
        }
    }
    if flags.contains('O') { min - min / 2 } else { min }
}

/// Several zones under the zonelists of their nodes.
#[derive(Debug)]
pub struct Machine {
    pub(super) nodes: usize,
    pub(super) places: Vec<Place>,
    /// By node: places in the order of the zonelist.
    pub(super) fallback: Vec<Vec<usize>>,
    /// By node: the distances to all nodes.
    distances: Vec<Vec<u64>>,
}

impl Machine {
    pub fn new(setup: &MachineSetup) -> Self {
        let place = |id: &ZoneId| setup.zones.iter().position(|zone| zone.id == *id);
        let types = Types::default();
        let places = setup.zones.iter().map(|zone| Place {
            id: zone.id,
            zone: Zone::with_types(&zone.zone, types.clone()),
            lowmem_reserve: zone.lowmem_reserve,
        });
        let mut places: Vec<Place> = places.collect();
        for (place, zone) in places.iter_mut().zip(&setup.zones) {
            place.zone.hand_over_all(&zone.zone);
        }
        let zonelist =
            |ids: &Vec<ZoneId>| ids.iter().map(|id| place(id).expect("a zone")).collect();
        Self {
            nodes: setup.nodes,
            places,
            fallback: setup.fallback.iter().map(zonelist).collect(),
            distances: setup.distances.clone(),
        }
    }

    /// The name of the zone at a place, modulo the places.
    pub fn zone_at(&self, pick: usize) -> ZoneId {
        self.places[pick % self.places.len()].id
    }

    /// The zone of this name.
    pub fn zone_named(&mut self, id: ZoneId) -> &mut Zone {
        let place = self.places.iter_mut().find(|place| place.id == id);
        &mut place.expect("a zone").zone
    }

    /// The distance between two nodes; a single node has no table.
    pub(super) fn distance(&self, from: u32, to: u32) -> u64 {
        self.distances.get(from as usize).map_or(10, |row| row[to as usize])
    }

    /// The name of the zone of a frame.
    pub(super) fn id_of(&self, pfn: u64) -> ZoneId {
        self.places.iter().find(|place| place.zone.holds(pfn)).expect("a frame of a zone").id
    }

    /// The zone of a frame that is memory.
    pub fn zone_of(&mut self, pfn: u64) -> &mut Zone {
        &mut self.place_of(pfn).zone
    }

    fn place_of(&mut self, pfn: u64) -> &mut Place {
        self.places.iter_mut().find(|place| place.zone.holds(pfn)).expect("a frame of a zone")
    }

    /// The places that may serve the request, in the order in which they are tried.
    pub(super) fn zonelist(&self, attempt: Attempt<'_>, highest: usize) -> Vec<usize> {
        let this_node = composite(attempt.gfp).1;
        let mut zonelist = self.fallback[attempt.node as usize].clone();
        zonelist.retain(|&place| {
            let (node, kind) = self.places[place].id;
            let in_mask = attempt.mask.is_none_or(|mask| mask >> node & 1 != 0);
            kind <= highest && in_mask && (!this_node || node == attempt.node)
        });
        zonelist
    }

    /// One round over the zonelist. `Err` says that the round had to leave the preferred node.
    fn round(
        &mut self,
        attempt: Attempt<'_>,
        zonelist: &[usize],
        outcome: &mut Outcome,
    ) -> Result<(), ()> {
        let (highest, migratetype) = request_of(attempt.gfp);
        for &at in zonelist {
            let preferred_node = self.places[zonelist[0]].id.0;
            let place = &mut self.places[at];
            let leaves = place.id.0 != preferred_node;
            if leaves && self.nodes > 1 && attempt.flags.contains('N') {
                return Err(());
            }
            if !attempt.flags.contains('X') && !place.passes(attempt, highest) {
                continue;
            }
            outcome.pfn = place.rmqueue(attempt.order, migratetype, attempt.flags);
            if attempt.flags.contains('K') && place.zone.take_boosted() {
                outcome.wakes.push(place.id);
            }
            if let Some(pfn) = outcome.pfn {
                if attempt.order > 0 && attempt.flags.contains('H') {
                    place.zone.reserve_highatomic(pfn, attempt.order);
                }
                break;
            }
        }
        Ok(())
    }
}

impl MachineUnderTest for Machine {
    fn attempt(&mut self, attempt: Attempt<'_>) -> Outcome {
        let zonelist = self.zonelist(attempt, request_of(attempt.gfp).0);
        let mut outcome = Outcome::default();
        let left = self.round(attempt, &zonelist, &mut outcome).is_err();
        if left || (outcome.pfn.is_none() && attempt.flags.contains('N')) {
            let flags = attempt.flags.replace('N', "");
            let relaxed = Attempt { flags: &flags, ..attempt };
            self.round(relaxed, &zonelist, &mut outcome).expect("no node is forbidden");
        }
        outcome
    }

    fn set_movable(&mut self, pfn: u64, order: u32) {
        self.place_of(pfn).zone.set_movable(pfn, order);
    }

    fn free(&mut self, pfn: u64, order: u32) {
        self.place_of(pfn).zone.free(pfn, order);
    }

    fn reset_boost(&mut self, zone: ZoneId) {
        self.zone_named(zone).reset_boost();
    }

    fn look(&self, index: usize, look: &mut dyn FnMut(&dyn ZoneView)) {
        look(&self.places[index].zone);
    }
}

impl BootMachine for Naive {
    fn boot<R>(setup: &MachineSetup, work: impl FnOnce(&mut dyn MachineUnderTest) -> R) -> R {
        work(&mut Machine::new(setup))
    }
}
