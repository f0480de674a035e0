//! The model's whole request: the first attempt and the slow path, with every step written down as
//! recordings write it. What a kernel around the allocator does comes from a script.

use super::slowpath_gfp::Gfp;
use super::slowpath_script::Script;
use super::walk::Machine;
use super::zone::MOVABLE;

/// Orders above it are not fought for.
const COSTLY_ORDER: u32 = 3;
/// Rounds at most, unless the script says otherwise.
const MOST_ROUNDS: u32 = 65_536;
/// The number of a zone type.
pub(super) const NORMAL: usize = 2;

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
pub(super) enum End {
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
    pub(super) flags: String,
    rounds: u32,
    generation: u32,
    /// Rounds of reclaim without progress.
    pub(super) vain: u32,
    /// Rounds of compaction with progress, at the same priority.
    pub(super) compactions: u32,
    pub(super) priority: &'static str,
    pub(super) compacted: String,
    pub(super) served_by: String,
}

/// The letters in the order in which recordings write them.
pub(super) fn in_order(letters: &str) -> String {
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
            end = Some(self.pass());
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

    /// The slow path, up to its end or to a change of the cpuset.
    fn pass(&mut self) -> End {
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

    pub(super) fn is_costly(&self) -> bool {
        self.asked.order > COSTLY_ORDER
    }

    /// A round of the slow path, with reclaim.
    fn round(&mut self) -> Result<(), End> {
        self.restart_if_cpuset_changed()?;
        self.count_round()?;
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
    pub(super) fn attempt_anywhere(&mut self, flags: &str) -> Result<(), End> {
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

    pub(super) fn attempt(&mut self) -> Result<(), End> {
        let (gfp, flags) = (self.gfp.clone(), self.flags.clone());
        match self.attempt_as(&gfp, &flags) {
            Some(pfn) => {
                self.served_by = flags;
                Err(End::Found(pfn))
            }
            None => Ok(()),
        }
    }
}
