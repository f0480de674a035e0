//! Whether the model's slow path goes on: after reclaim, and after compaction.

use super::slowpath::Request;
use super::slowpath_script::zone_name;

/// Rounds in vain after which reclaim is given up, and as many of compaction.
const MOST_RETRIES: u32 = 16;

impl Request<'_> {
    /// Whether a zone could serve the request once all is freed that can be, and reclaim has not been
    /// in vain too often.
    pub(super) fn reclaim_is_worth_it(&mut self, progress: bool) -> bool {
        let counts = progress && !self.is_costly();
        self.vain = if counts { 0 } else { self.vain + 1 };
        if self.vain <= MOST_RETRIES {
            let hopeful = self.is_hopeful();
            let worker = self.script.is("PF_WQ_WORKER");
            self.steps.push(if worker { "s sleep 1" } else { "s resched" }.into());
            if hopeful {
                return true;
            }
        }
        self.unreserve(true)
    }

    pub(super) fn is_hopeful(&mut self) -> bool {
        let flags = self.flags.clone();
        for at in self.zones_under(self.mask) {
            let place = &self.machine.places[at];
            let pages = self.script.reclaimable.get(&place.id).copied().unwrap_or(0);
            self.steps.push(format!("s lru {} -> {pages}", zone_name(place.id)));
            let free = place.zone.counters.free.saturating_add(pages);
            let attempt = self.as_attempt(&self.gfp, &flags);
            if place.keeps_with(free, attempt, place.mark("m"), self.highest) {
                return true;
            }
        }
        false
    }

    /// Whether compaction should be tried again, perhaps more thoroughly.
    pub(super) fn compaction_is_worth_it(&mut self) -> bool {
        if self.asked.order == 0 || !self.gfp.has("IO") || self.script.is("sigkill") {
            return false;
        }
        match &self.compacted[..] {
            "SUCCESS" => {
                self.compactions += 1;
                let most = if self.is_costly() { MOST_RETRIES / 4 } else { MOST_RETRIES };
                self.compactions <= most || self.raise_priority()
            }
            "SKIPPED" => self.is_suitable(),
            _ => self.raise_priority(),
        }
    }

    pub(super) fn is_suitable(&mut self) -> bool {
        let (answer, _) = self.script.answer(self.machine, "suitable", "0");
        self.steps.push(format!(
            "s suitable order={} flags={} hz={} mask={} -> {answer}",
            self.asked.order,
            self.flags,
            self.highest_name(),
            self.mask_name(),
        ));
        answer == "1"
    }

    /// The next priority; costly orders are not worth the last one.
    pub(super) fn raise_priority(&mut self) -> bool {
        self.priority = match self.priority {
            "async" => "light",
            "light" if !self.is_costly() => "full",
            _ => return false,
        };
        self.compactions = 0;
        true
    }
}
