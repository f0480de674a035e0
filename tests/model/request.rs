//! The model's whole request: a first attempt, and what follows when it fails, for kernels that
//! reclaim nothing.

use super::port::{Attempt, MachineUnderTest, Outcome};
use super::walk::{Machine, Place, request_of};
use super::zone::MOVABLE;

/// Rounds of a request that reclaim does not help.
const MOST_RETRIES: u32 = 16;
/// The numbers of the zone types.
const DMA32: usize = 1;
const NORMAL: usize = 2;

impl Machine {
    /// A request of an ordinary task. The flags of `asked` are not looked at.
    pub fn request(&mut self, asked: Attempt<'_>) -> Outcome {
        let zonelist = self.zonelist(asked, request_of(asked.gfp).0);
        let Some(&preferred) = zonelist.first() else { return Outcome::default() };
        let flags = format!("l{}{}", self.common_flags(asked), self.nofragment_flag(preferred));
        let mut outcome = self.attempt(Attempt { flags: &flags, ..asked });
        if outcome.pfn.is_none() {
            self.slow_path(asked, &zonelist, &mut outcome);
        }
        outcome
    }

    /// The letters that both the first attempt and the later ones have.
    fn common_flags(&self, asked: Attempt<'_>) -> String {
        let grouped = !self.places[0].zone.is_mobility_disabled();
        let movable = grouped && request_of(asked.gfp).1 == MOVABLE;
        let wakes = !matches!(asked.gfp, "GFP_DMA" | "GFP_DMA32");
        format!("{}{}", if movable { "C" } else { "" }, if wakes { "K" } else { "" })
    }

    /// Pageblocks are kept apart where the walk begins in NORMAL and can go on to a DMA32 zone.
    fn nofragment_flag(&self, preferred: usize) -> &'static str {
        let (node, kind) = self.places[preferred].id;
        let below = self.places.iter().any(|place| place.id == (node, DMA32));
        if kind == NORMAL && (self.nodes == 1 || below) { "N" } else { "" }
    }

    fn slow_path(&mut self, asked: Attempt<'_>, zonelist: &[usize], outcome: &mut Outcome) {
        let flags = format!("m{}{}", self.common_flags(asked), slow_flags(asked));
        self.wake_nodes(zonelist, &flags, outcome);
        self.attempt_again(Attempt { flags: &flags, ..asked }, outcome);
        let mask = if flags.contains('S') { asked.mask } else { None };
        let again = Attempt { flags: &flags, mask, ..asked };
        let mut vain = 0;
        while outcome.pfn.is_none() {
            self.wake_nodes(zonelist, &flags, outcome);
            self.attempt_again(again, outcome);
            // Costly orders rather fail than take the reserve.
            if outcome.pfn.is_some() || !may_wait(asked.gfp) || asked.order > 3 {
                return;
            }
            vain += 1;
            let hopeful = vain <= MOST_RETRIES && self.is_hopeful(again, zonelist);
            if !hopeful && !self.unreserve(asked, zonelist) {
                return self.attempt_again(Attempt { flags: "hS", ..asked }, outcome);
            }
        }
    }

    /// Whether some zone keeps its min watermark, so that it is odd that it had no block.
    fn is_hopeful(&self, attempt: Attempt<'_>, zonelist: &[usize]) -> bool {
        let highest = request_of(attempt.gfp).0;
        zonelist.iter().any(|&place| {
            let place = &self.places[place];
            place.keeps(attempt, place.mark("m"), highest)
        })
    }

    fn attempt_again(&mut self, attempt: Attempt<'_>, outcome: &mut Outcome) {
        let again = self.attempt(attempt);
        outcome.pfn = again.pfn;
        outcome.wakes.extend(again.wakes);
    }

    /// kswapd is woken once for each run of zones of a node; those without managed frames don't count.
    fn wake_nodes(&self, zonelist: &[usize], flags: &str, outcome: &mut Outcome) {
        if !flags.contains('K') {
            return;
        }
        let mut last = None;
        for &place in zonelist {
            let Place { id, zone, .. } = &self.places[place];
            if zone.nr_managed() == 0 {
                continue;
            }
            if last != Some(id.0) {
                outcome.wakes.push(*id);
            }
            last = Some(id.0);
        }
    }

    /// Gives a high-atomic pageblock back, of the first zone that has one.
    fn unreserve(&mut self, asked: Attempt<'_>, zonelist: &[usize]) -> bool {
        let migratetype = request_of(asked.gfp).1;
        zonelist.iter().any(|&place| {
            let zone = &mut self.places[place].zone;
            let migratetype = if zone.is_mobility_disabled() { 0 } else { migratetype };
            zone.unreserve_highatomic_pageblock(migratetype, true)
        })
    }
}

fn may_wait(gfp: &str) -> bool {
    !["GFP_ATOMIC", "GFP_NOWAIT", "GFP_DMA", "GFP_DMA32"].iter().any(|it| gfp.starts_with(it))
}

/// The letters that the slow path adds.
fn slow_flags(asked: Attempt<'_>) -> &'static str {
    match (may_wait(asked.gfp), asked.gfp.starts_with("GFP_ATOMIC"), asked.order) {
        (true, ..) => "S",
        (false, true, 0) => "GB",
        (false, true, _) => "GBH",
        (false, false, _) => "BS",
    }
}
