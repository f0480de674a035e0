//! The model's whole request: the first attempt and the slow path, with every step written down as
//! recordings write it. What a kernel around the allocator does comes from a script.

use super::port::{KINDS, ZoneUnderTest};
use super::slowpath_gfp::Gfp;
use super::slowpath_script::{Script, zone_name};
use super::walk::Machine;
use super::zone::MOVABLE;

/// Orders above it are not fought for.
const COSTLY_ORDER: u32 = 3;
/// Rounds in vain after which reclaim is given up, and as many of compaction.
const MOST_RETRIES: u32 = 16;
/// Rounds at most, unless the script says otherwise.
const MOST_ROUNDS: u32 = 65_536;
const DMA32: usize = 1;
const NORMAL: usize = 2;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub gfp: Gfp,
    pub order: u32,
    pub node: u32,
    pub mask: Option<u64>,
}

/// How a request ends, or what is to be done instead of going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Served, with these frames.
    Found(u64),
    /// There is no memory: it fails, unless it must not.
    NoPage,
    Failed,
    /// It must not fail, and did.
    Stuck,
    /// The cpuset changed: all begins anew.
    Restart,
}

/// A request under way.
pub struct Request<'m> {
    pub(super) machine: &'m mut Machine,
    pub(super) script: &'m mut Script,
    pub(super) asked: Asked,
    /// The flags without what the context forbids.
    pub(super) gfp: Gfp,
    /// The number of the highest zone type that will do.
    pub(super) highest: usize,
    /// The nodemask in force.
    pub(super) mask: Option<u64>,
    /// Where walks start.
    pub(super) preferred: Option<usize>,
    pub(super) is_first: bool,
    pub(super) steps: Vec<String>,
    flags: String,
    rounds: u32,
    generation: u32,
    /// Rounds of reclaim without progress.
    vain: u32,
    /// Rounds of compaction with progress, at the same priority.
    compactions: u32,
    priority: &'static str,
    compacted: String,
    served_by: String,
}

/// The letters in the order in which recordings write them.
fn in_order(letters: &str) -> String {
    "mlhXCKNHBGOS".chars().filter(|&letter| letters.contains(letter)).collect()
}

impl<'m> Request<'m> {
    pub fn new(machine: &'m mut Machine, script: &'m mut Script, asked: Asked) -> Self {
        let mut gfp = asked.gfp.clone();
        for (context, lost) in [
            ("PF_MEMALLOC_NOIO", &["IO", "FS"][..]),
            ("PF_MEMALLOC_NOFS", &["FS"]),
            ("PF_MEMALLOC_PIN", &["MOVABLE"]),
        ] {
            for name in lost.iter().filter(|_| script.is(context)) {
                gfp = gfp.without(name);
            }
        }
        Self {
            highest: gfp.highest(),
            mask: asked.mask,
            preferred: None,
            is_first: true,
            steps: Vec::new(),
            flags: String::new(),
            rounds: 0,
            generation: script.generation,
            vain: 0,
            compactions: 0,
            priority: "light",
            compacted: String::new(),
            served_by: String::new(),
            machine,
            script,
            asked,
            gfp,
        }
    }

    /// Makes the request; gives its steps, the last of which is the line that it ends with.
    pub fn run(mut self) -> Vec<String> {
        let mut end = self.first_attempt().err();
        self.is_first = false;
        self.mask = self.asked.mask;
        // Who can wait is not atomic.
        if self.gfp.has("DIRECT_RECLAIM") {
            self.gfp = self.gfp.without("ATOMIC");
        }
        while end.is_none_or(|end| end == End::Restart) {
            end = Some(self.from_the_start());
        }
        self.steps.push(match end {
            Some(End::Found(pfn)) => {
                let pfmemalloc = u8::from(self.served_by.contains('X'));
                format!("out {} pfmemalloc={pfmemalloc}", self.frame_name(pfn))
            }
            Some(End::Stuck) => "out stuck".into(),
            _ => "out -".into(),
        });
        self.steps
    }

    fn first_attempt(&mut self) -> Result<(), End> {
        let mut gfp = self.gfp.clone();
        let mut letters = String::from("l") + &self.common_flags();
        if let Some(cpuset) = self.script.cpuset {
            gfp = gfp.with("HARDWALL");
            if self.script.in_task() && self.mask.is_none() {
                self.mask = Some(cpuset.mems);
            } else {
                letters.push('S');
            }
        }
        self.preferred = self.zones_under(self.mask).first().copied();
        if self.keeps_apart() {
            letters.push('N');
        }
        let flags = in_order(&letters);
        match self.attempt_as(&gfp, &flags) {
            Some(pfn) => Err(End::Found(pfn)),
            None => Ok(()),
        }
    }

    /// Whether pageblocks are kept apart: the walk starts at NORMAL and can go on to a DMA32 zone.
    fn keeps_apart(&self) -> bool {
        let Some(preferred) = self.preferred else { return false };
        let (node, kind) = self.machine.places[preferred].id;
        let below = self.machine.places.iter().any(|place| place.id == (node, DMA32));
        kind == NORMAL && (self.machine.nodes == 1 || below)
    }

    /// The letters that all attempts of the request have.
    fn common_flags(&self) -> String {
        let cma = if self.migratetype() == MOVABLE { "C" } else { "" };
        let kswapd = if self.gfp.has("KSWAPD_RECLAIM") { "K" } else { "" };
        format!("{cma}{kswapd}")
    }

    /// The slow path, up to its end or to a change of the cpuset.
    fn from_the_start(&mut self) -> End {
        let mut end = self.without_reclaim().err();
        loop {
            end = match end {
                None => self.round().err(),
                Some(End::NoPage) => match self.last_resort() {
                    Ok(()) => None,
                    Err(end) => return self.warned(end),
                },
                Some(end) => return self.warned(end),
            };
        }
    }

    fn warned(&mut self, end: End) -> End {
        if end == End::Failed && !self.gfp.has("NOWARN") {
            self.steps.push("s warn".into());
        }
        end
    }

    /// What is done at first: an attempt at the min watermark, and for orders that it suits, light
    /// compaction.
    fn without_reclaim(&mut self) -> Result<(), End> {
        self.count_round()?;
        (self.vain, self.compactions, self.priority) = (0, 0, "light");
        self.generation = self.script.generation;
        self.flags = self.slow_flags();
        self.preferred = self.zones_under(self.mask).first().copied();
        if self.preferred.is_none() || self.is_shut_out() {
            return Err(End::NoPage);
        }
        self.wake_kswapds();
        self.attempt()?;
        if !self.compacts_first() {
            return Ok(());
        }
        self.compact("async")?;
        if self.is_costly() && self.gfp.has("NORETRY") {
            if ["SKIPPED", "DEFERRED"].contains(&&self.compacted[..]) {
                return Err(End::NoPage);
            }
            self.priority = "async";
        }
        Ok(())
    }

    /// Whether a cpuset of movable memory alone leaves no zone to the request.
    fn is_shut_out(&self) -> bool {
        let cpuset = self.script.cpuset.filter(|cpuset| cpuset.insane && self.gfp.has("HARDWALL"));
        cpuset.is_some_and(|cpuset| self.zones_under(Some(cpuset.mems)).is_empty())
    }

    fn compacts_first(&self) -> bool {
        let kind = self.asked.order > 0 && self.migratetype() != MOVABLE;
        self.gfp.has("DIRECT_RECLAIM")
            && self.gfp.has("IO")
            && (self.is_costly() || kind)
            && self.reserves().is_none()
    }

    fn is_costly(&self) -> bool {
        self.asked.order > COSTLY_ORDER
    }

    fn slow_flags(&self) -> String {
        let mut letters = String::from("m") + &self.common_flags();
        let high = self.gfp.has("HIGH");
        let waits = self.gfp.has("DIRECT_RECLAIM");
        if !waits && !self.gfp.has("NOMEMALLOC") {
            letters.push('B');
            letters.push_str(if high && self.asked.order > 0 { "H" } else { "" });
        }
        if high || (waits && self.script.is("rt") && self.script.in_task()) {
            letters.push('G');
        }
        if waits || !high {
            letters.push('S');
        }
        in_order(&letters)
    }

    /// The letter for the reserves that the context or the flags open.
    fn reserves(&self) -> Option<&'static str> {
        let frees_memory = self.script.is("PF_MEMALLOC");
        let in_interrupt = self.script.in_interrupt();
        match () {
            () if self.gfp.has("NOMEMALLOC") => None,
            () if self.gfp.has("MEMALLOC") => Some("X"),
            () if frees_memory && (!in_interrupt || self.script.is("softirq")) => Some("X"),
            () if !in_interrupt && self.script.is("victim") => Some("O"),
            () => None,
        }
    }

    /// A round of the slow path, with reclaim.
    fn round(&mut self) -> Result<(), End> {
        self.count_round()?;
        self.restart_if_cpuset_changed()?;
        self.wake_kswapds();
        let reserves = self.reserves();
        if let Some(reserve) = reserves {
            let common = self.common_flags();
            let kswapd = self.flags.contains('K');
            let common = if kswapd { common } else { common.replace('K', "") };
            self.flags = in_order(&format!("m{reserve}{common}"));
        }
        if reserves.is_some() || !self.flags.contains('S') {
            self.mask = None;
            self.preferred = self.zones_under(None).first().copied();
        }
        self.attempt()?;
        if !self.gfp.has("DIRECT_RECLAIM") || self.script.is("PF_MEMALLOC") {
            return Err(End::NoPage);
        }
        let progress = self.reclaim()?;
        self.compact(self.priority)?;
        if self.gfp.has("NORETRY") || (self.is_costly() && !self.may_be_costly()) {
            return Err(End::NoPage);
        }
        if self.reclaim_is_worth_it(progress) || (progress && self.compaction_is_worth_it()) {
            return Ok(());
        }
        self.restart_if_cpuset_changed()?;
        let progress = self.kill()?;
        if self.script.is("victim") && (self.flags.contains('O') || self.gfp.has("NOMEMALLOC")) {
            return Err(End::NoPage);
        }
        if !progress {
            return Err(End::NoPage);
        }
        self.vain = 0;
        Ok(())
    }

    fn may_be_costly(&self) -> bool {
        self.gfp.has("RETRY_MAYFAIL") && self.gfp.has("IO")
    }

    /// The bound of the crate.
    fn count_round(&mut self) -> Result<(), End> {
        self.rounds += 1;
        let most = self.script.rounds.unwrap_or(MOST_ROUNDS).max(1);
        match self.rounds > most {
            false => Ok(()),
            true if self.never_fails() => Err(End::Stuck),
            true => Err(End::Failed),
        }
    }

    fn never_fails(&self) -> bool {
        self.gfp.has("NOFAIL") && self.gfp.has("DIRECT_RECLAIM")
    }

    /// What must not fail gets a part of the reserves, and goes on.
    fn last_resort(&mut self) -> Result<(), End> {
        self.restart_if_cpuset_changed()?;
        if !self.never_fails() {
            return Err(End::Failed);
        }
        self.attempt_anywhere("mG")?;
        self.steps.push("s resched".into());
        Ok(())
    }

    /// An attempt inside the cpuset, then one outside of it.
    fn attempt_anywhere(&mut self, flags: &str) -> Result<(), End> {
        let gfp = self.gfp.clone();
        for flags in [in_order(&format!("{flags}S")), flags.into()] {
            if let Some(pfn) = self.attempt_as(&gfp, &flags) {
                self.served_by = flags;
                return Err(End::Found(pfn));
            }
        }
        Ok(())
    }

    fn restart_if_cpuset_changed(&mut self) -> Result<(), End> {
        let Some(cpuset) = self.script.cpuset else { return Ok(()) };
        if let Some(mask) = self.mask {
            let meets = mask & cpuset.mems != 0;
            self.steps.push(format!("s maskok -> {}", u8::from(meets)));
            if !meets {
                self.mask = None;
                return Err(End::Restart);
            }
        }
        if self.generation == self.script.generation { Ok(()) } else { Err(End::Restart) }
    }

    /// kswapd is woken once for each run of zones of a node.
    fn wake_kswapds(&mut self) {
        if !self.flags.contains('K') {
            return;
        }
        let (order, highest) = (self.asked.order, self.highest_name());
        let mut last = None;
        for place in self.zones_under(self.mask) {
            let id = self.machine.places[place].id;
            if last != Some(id.0) {
                let (name, gfp) = (zone_name(id), self.gfp_name(&self.gfp));
                self.steps.push(format!("s wake {name} order={order} hz={highest} {gfp}"));
            }
            last = Some(id.0);
        }
    }

    fn attempt(&mut self) -> Result<(), End> {
        let (gfp, flags) = (self.gfp.clone(), self.flags.clone());
        match self.attempt_as(&gfp, &flags) {
            Some(pfn) => {
                self.served_by = flags;
                Err(End::Found(pfn))
            }
            None => Ok(()),
        }
    }

    /// Reclaims, and takes what was freed; if it went, gives back what is kept back. Tells whether
    /// there was progress.
    fn reclaim(&mut self) -> Result<bool, End> {
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
    fn unreserve(&mut self, force: bool) -> bool {
        let migratetype = self.migratetype();
        let zones = self.zones_under(self.mask);
        let moved = zones.iter().any(|&place| {
            self.machine.places[place].zone.unreserve_highatomic(migratetype, force)
        });
        self.steps.push(format!("s unreserve force={} -> {}", u8::from(force), u8::from(moved)));
        moved
    }

    /// Compacts, and takes what came of it.
    fn compact(&mut self, priority: &str) -> Result<(), End> {
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

    /// A block that compaction gave away, if it will do; any other is freed.
    fn captured(&mut self, (pfn, order): (u64, u32)) -> Option<u64> {
        let id = self.machine.id_of(pfn);
        let places = self.zones_under(self.mask);
        let usable = places.iter().any(|&place| self.machine.places[place].id == id);
        if order == self.asked.order && usable {
            return Some(pfn);
        }
        self.machine.zone_of(pfn).free(pfn, order);
        None
    }

    /// Whether a zone could serve the request once all is freed that can be, and reclaim has not been
    /// in vain too often.
    fn reclaim_is_worth_it(&mut self, progress: bool) -> bool {
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

    fn is_hopeful(&mut self) -> bool {
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
    fn compaction_is_worth_it(&mut self) -> bool {
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

    fn is_suitable(&mut self) -> bool {
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
    fn raise_priority(&mut self) -> bool {
        self.priority = match self.priority {
            "async" => "light",
            "light" if !self.is_costly() => "full",
            _ => return false,
        };
        self.compactions = 0;
        true
    }

    /// Has somebody killed, if the request is worth it. Tells whether to go on.
    fn kill(&mut self) -> Result<bool, End> {
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

    fn shortage_name(&self) -> String {
        let (order, gfp) = (self.asked.order, self.gfp_name(&self.gfp));
        format!("order={order} {gfp} mask={}", self.mask_name())
    }

    pub(super) fn highest_name(&self) -> &'static str {
        KINDS[self.highest]
    }

    pub(super) fn mask_name(&self) -> String {
        let Some(mask) = self.mask else { return "-".into() };
        let nodes: Vec<String> =
            (0..64).filter(|node| mask >> node & 1 != 0).map(|node: u32| node.to_string()).collect();
        if nodes.is_empty() { "none".into() } else { nodes.join(",") }
    }

    pub(super) fn gfp_name(&self, gfp: &Gfp) -> String {
        format!("gfp{}", gfp.beside(&self.asked.gfp))
    }

    pub(super) fn frame_name(&self, pfn: u64) -> String {
        format!("{pfn} {}", zone_name(self.machine.id_of(pfn)))
    }
}
