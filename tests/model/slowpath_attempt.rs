//! The model's attempt inside a whole request: the walk with the questions that the kernel around
//! it is asked.

use super::port::{Attempt, ZoneUnderTest};
use super::slowpath::Request;
use super::slowpath_gfp::Gfp;
use super::slowpath_script::zone_name;
use super::zone::UNMOVABLE;

/// Farther nodes are used before their memory is reclaimed.
const RECLAIM_DISTANCE: u64 = 30;

/// What an attempt has to know besides its request.
struct Walk<'a> {
    gfp: &'a Gfp,
    flags: String,
    /// The node last asked about its dirty pages, and the answer.
    dirty: Option<(u32, bool)>,
}

impl Request<'_> {
    /// The zones that the request may use, under a nodemask, from the top of its zonelist.
    pub(super) fn zones_under(&self, mask: Option<u64>) -> Vec<usize> {
        let mut zones = self.machine.fallback[self.asked.node as usize].clone();
        zones.retain(|&place| {
            let (node, kind) = self.machine.places[place].id;
            let own = !self.gfp.has("THISNODE") || node == self.asked.node;
            own && kind <= self.highest && mask.is_none_or(|mask| mask >> node & 1 != 0)
        });
        zones
    }

    /// One attempt, written down with the questions that were asked.
    pub(super) fn attempt_as(&mut self, gfp: &Gfp, flags: &str) -> Option<u64> {
        let line = self.steps.len();
        self.steps.push(String::new());
        let mut walk = Walk { gfp, flags: flags.into(), dirty: None };
        let mut found = None;
        while found.is_none() {
            let before = walk.flags.clone();
            found = self.walk(&mut walk);
            walk.flags = walk.flags.replace('N', "");
            if walk.flags == before {
                break;
            }
        }
        self.steps[line] = format!(
            "s try {flags} hz={} mask={} pref={} {} -> {}",
            self.highest_name(),
            self.mask_name(),
            self.preferred.map_or("-".into(), |place| zone_name(self.machine.places[place].id)),
            self.gfp_name(gfp),
            found.map_or("-".into(), |pfn| self.frame_name(pfn)),
        );
        found
    }

    /// A walk over the zones; it ends where it would leave the node but must not.
    fn walk(&mut self, walk: &mut Walk<'_>) -> Option<u64> {
        let preferred = self.preferred?;
        let local = self.machine.places[preferred].id.0;
        for at in self.zones_under(self.mask) {
            let id = self.machine.places[at].id;
            if !self.cpuset_allows(walk, id.0) || !self.dirty_allows(walk, id.0) {
                continue;
            }
            if walk.flags.contains('N') && self.machine.nodes > 1 && id.0 != local {
                return None;
            }
            if !self.has_enough(walk, at, local) {
                continue;
            }
            let found = self.take(at, &walk.flags);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn cpuset_allows(&mut self, walk: &Walk<'_>, node: u32) -> bool {
        if self.script.cpuset.is_none() || !walk.flags.contains('S') {
            return true;
        }
        let allowed = self.script.allows(node, walk.gfp.has("HARDWALL"));
        self.steps.push(format!("s + cpuset {node} -> {}", u8::from(allowed)));
        allowed
    }

    fn dirty_allows(&mut self, walk: &mut Walk<'_>, node: u32) -> bool {
        if !self.is_first || !walk.gfp.has("WRITE") {
            return true;
        }
        match walk.dirty {
            Some((asked, ok)) if asked == node => ok,
            _ => {
                let ok = self.script.over_dirty >> node & 1 == 0;
                self.steps.push(format!("s + dirty_ok {node} -> {}", u8::from(ok)));
                walk.dirty = Some((node, ok));
                ok
            }
        }
    }

    /// Whether the zone keeps its watermark, perhaps after reclaim of its node.
    fn has_enough(&mut self, walk: &Walk<'_>, at: usize, local: u32) -> bool {
        let place = &self.machine.places[at];
        let mark = place.mark(&walk.flags);
        if place.passes(self.as_attempt(walk.gfp, &walk.flags), self.highest)
            || walk.flags.contains('X')
        {
            return true;
        }
        let node = place.id.0;
        if !self.script.node_reclaim || self.machine.distance(local, node) > RECLAIM_DISTANCE {
            return false;
        }
        let (answer, _) = self.script.answer(self.machine, "noderec", "-2");
        let (order, gfp) = (self.asked.order, self.gfp_name(walk.gfp));
        self.steps.push(format!("s + node_reclaim {node} order={order} {gfp} -> {answer}"));
        let place = &self.machine.places[at];
        let attempt = self.as_attempt(walk.gfp, &walk.flags);
        !answer.starts_with('-') && place.keeps(attempt, mark, self.highest)
    }

    /// The attempt as a single zone knows it.
    pub(super) fn as_attempt<'a>(&self, gfp: &Gfp, flags: &'a str) -> Attempt<'a> {
        let gfp = if gfp.has("ATOMIC") { "GFP_ATOMIC" } else { "GFP_KERNEL" };
        let (order, node) = (self.asked.order, self.asked.node);
        Attempt { gfp, order, node, mask: self.mask, flags }
    }

    fn take(&mut self, at: usize, flags: &str) -> Option<u64> {
        let (order, migratetype) = (self.asked.order, self.migratetype());
        let place = &mut self.machine.places[at];
        let found = place.rmqueue(order, migratetype, flags);
        if flags.contains('K') && place.zone.take_boosted() {
            let (name, kind) = (zone_name(place.id), place.id.1);
            let kind = super::port::KINDS[kind];
            self.steps.push(format!("s + wake {name} order=0 hz={kind} gfp0"));
        }
        let pfn = found?;
        if order > 0 && flags.contains('H') {
            place.zone.reserve_highatomic(pfn, order);
        }
        Some(pfn)
    }

    /// The migratetype asked for; where types are not kept apart, all is unmovable.
    pub(super) fn migratetype(&self) -> u8 {
        let grouped = !self.machine.places[0].zone.is_mobility_disabled();
        if grouped { self.gfp.migratetype() } else { UNMOVABLE }
    }
}
