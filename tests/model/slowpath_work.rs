//! What the model's slow path has others do: kswapd, reclaim, compaction, the out-of-memory killer.

use super::port::ZoneUnderTest;
use super::slowpath::{End, NORMAL, Request};
use super::slowpath_script::zone_name;

impl Request<'_> {
    /// kswapd is woken once for each run of zones of a node; those without managed frames don't count.
    pub(super) fn wake_kswapds(&mut self) {
        if !self.flags.contains('K') {
            return;
        }
        let (order, highest) = (self.asked.order, self.highest_name());
        let mut last = None;
        for place in self.zones_under(self.mask) {
            let place = &self.machine.places[place];
            if place.zone.nr_managed() == 0 {
                continue;
            }
            let id = place.id;
            if last != Some(id.0) {
                let (name, gfp) = (zone_name(id), self.gfp_name(&self.gfp));
                self.steps.push(format!("s wake {name} order={order} hz={highest} {gfp}"));
            }
            last = Some(id.0);
        }
    }

    /// Reclaims, and takes what was freed; if it went, gives back what is kept back. Tells whether
    /// there was progress.
    pub(super) fn reclaim(&mut self) -> Result<bool, End> {
        self.steps.push("s resched".into());
        let (freed, _) = self.script.answer(self.machine, "reclaim", "0");
        self.steps.push(format!("s reclaim {} -> {freed}", self.shortage_name()));
        self.steps.push("s resched".into());
        if freed == "0" {
            return Ok(false);
        }
        self.attempt()?;
        self.unreserve(false);
        self.steps.push("s drain".into());
        self.attempt()?;
        Ok(true)
    }

    /// Gives a high-atomic pageblock back, of the first zone that can.
    pub(super) fn unreserve(&mut self, force: bool) -> bool {
        let migratetype = self.migratetype();
        let zones = self.zones_under(self.mask);
        let moved = zones
            .iter()
            .any(|&place| self.machine.places[place].zone.unreserve_highatomic(migratetype, force));
        self.steps.push(format!("s unreserve force={} -> {}", u8::from(force), u8::from(moved)));
        moved
    }

    /// Compacts, and takes what came of it.
    pub(super) fn compact(&mut self, priority: &str) -> Result<(), End> {
        let order = self.asked.order;
        if order == 0 {
            return Ok(());
        }
        let (result, given) = self.script.answer(self.machine, "compact", "SKIPPED");
        let captured = given.map_or(String::new(), |(pfn, _)| format!(" captured={pfn}"));
        self.steps.push(format!(
            "s compact order={order} flags={} prio={priority} hz={} mask={} {} -> {result}{captured}",
            self.flags,
            self.highest_name(),
            self.mask_name(),
            self.gfp_name(&self.gfp),
        ));
        self.compacted = result;
        let end = match given.and_then(|block| self.captured(block)) {
            Some(pfn) => {
                self.served_by = self.flags.clone();
                Err(End::Found(pfn))
            }
            None if self.compacted == "SKIPPED" => return Ok(()),
            None => self.attempt(),
        };
        self.steps.push(match end {
            Err(End::Found(pfn)) => {
                let zone = zone_name(self.machine.id_of(pfn));
                format!("s defer_reset {zone} order={order} success=1")
            }
            _ => "s resched".into(),
        });
        end
    }

    /// A block that compaction gave away, if it will do; any other is freed, and so is one from a
    /// compaction that says that it did nothing.
    pub(super) fn captured(&mut self, (pfn, order): (u64, u32)) -> Option<u64> {
        let id = self.machine.id_of(pfn);
        let places = self.zones_under(self.mask);
        let usable = places.iter().any(|&place| self.machine.places[place].id == id);
        if order == self.asked.order && usable && self.compacted != "SKIPPED" {
            return Some(pfn);
        }
        self.machine.zone_of(pfn).free(pfn, order);
        None
    }

    /// Has somebody killed, if the request is worth it. Tells whether to go on.
    pub(super) fn kill(&mut self) -> Result<bool, End> {
        let (got, _) = self.script.answer(self.machine, "oomlock", "1");
        self.steps.push(format!("s oomlock -> {got}"));
        if got == "0" {
            self.steps.push("s sleep 1".into());
            return Ok(true);
        }
        let gfp = self.gfp.with("HARDWALL").without("DIRECT_RECLAIM");
        if let Some(pfn) = self.attempt_as(&gfp, "hS") {
            self.served_by = "hS".into();
            return Err(End::Found(pfn));
        }
        let spares = self.script.is("PF_DUMPCORE")
            || self.is_costly()
            || self.gfp.has("RETRY_MAYFAIL")
            || self.gfp.has("THISNODE")
            || self.highest < NORMAL;
        if spares {
            return Ok(false);
        }
        let (killed, _) = self.script.answer(self.machine, "oom", "0");
        self.steps.push(format!("s oom {} -> {killed}", self.shortage_name()));
        if self.gfp.has("NOFAIL") {
            self.attempt_anywhere("mX")?;
            return Ok(true);
        }
        Ok(killed == "1")
    }
}
