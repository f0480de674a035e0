//! The machines of `slowpath-*`: what their headers say, and how a state is reached from boot.

use crate::port::{KINDS, MachineSetup};
use crate::raw_zone::{flags_of, type_of};
use crate::recording::{Digest, Line, State, span};
use crate::sim_machine::{
    TYPES, View, check_watermarks, check_zonelists, config, has_watermarks, node_id, order_of,
};
use crate::slowpath_case::{Case, zone};
use crate::slowpath_kernel::{Kernel, Machine};
use crate::slowpath_log::{Log, Watcher};
use crate::{sim_machine, walk};
use page_alloc::sim::{Sim, SimConfig};
use std::cell::RefCell;
use std::iter::Peekable;
use std::rc::Rc;

/// A machine, to be booted for each request anew.
pub struct Header {
    setup: MachineSetup,
    config: SimConfig,
    min_free_kbytes: Option<u32>,
    names: Rc<[(String, crate::port::Span)]>,
}

impl Header {
    /// Reads the lines before the first state, and checks what boot makes of them.
    pub fn read<'a>(lines: &mut Peekable<impl Iterator<Item = Line<'a>>>) -> Result<Self, String> {
        let mut setup = MachineSetup::default();
        let mut cma = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.text.starts_with("state ")) {
            let words = line.words();
            match words[0] {
                "cma" => cma.push(span(line, words[1])?),
                "max_zone_pfn" => {
                    setup.borders = Some([line.number_at(&words, 1)?, line.number_at(&words, 2)?]);
                }
                // Shown by the zones.
                "movablecore" | "boost_factor" | "nofallback" => {}
                _ => walk::header_line(&mut setup, line, &words)?,
            }
        }
        for area in cma {
            let has = |(start, end): crate::port::Span| (start..end).contains(&area.0);
            let zone = setup.zones.iter_mut().find(|zone| has(zone.zone.span));
            zone.ok_or("a CMA area outside of all zones")?.zone.cma.push(area);
        }
        check_zonelists(&setup);
        let config = config(&setup);
        let min_free_kbytes = min_free_kbytes(&config, &setup)?;
        let name = |zone: &crate::port::ZoneSetup| {
            (format!("{}:{}", zone.id.0, KINDS[zone.id.1]), zone.zone.span)
        };
        let names = setup.zones.iter().map(name).collect();
        Ok(Self { setup, config, min_free_kbytes, names })
    }

    /// Boots the machine for a request, and brings it to the state of these lines.
    pub fn boot(&self, case: Case, pre: &[Line<'_>]) -> Result<Booted<'_>, String> {
        let log = Rc::new(RefCell::new(Log::new(case.gfp, Rc::clone(&self.names))));
        let kernel = Kernel::new(case, Rc::clone(&log));
        let machine = Sim::boot_with(&self.config, kernel, Watcher(log));
        let machine = Rc::new(machine.expect("a legal machine"));
        machine.reclaim().know(&machine);
        if let Some(kbytes) = self.min_free_kbytes {
            machine.set_min_free_kbytes(kbytes).expect("a machine that runs");
        }
        let booted = Booted { machine, setup: &self.setup };
        pre.iter().try_for_each(|line| booted.prepare(*line))?;
        Ok(booted)
    }
}

/// The `min_free_kbytes` that gives the zones of the setup their watermarks, if it is not boot's.
/// Where there is CMA memory, Linux had calculated them before that came to its zone, and again after,
/// with the frames above the high watermarks. The sum of the min watermarks tells it, but for what is
/// lost by division.
fn min_free_kbytes(config: &SimConfig, setup: &MachineSetup) -> Result<Option<u32>, String> {
    let sim = sim_machine::Machine::boot_as(config.clone(), setup).sim;
    if setup.zones.iter().all(|zone| zone.zone.cma.is_empty()) {
        check_watermarks(&sim, setup);
        return Ok(None);
    }
    let sum: u64 = setup.zones.iter().map(|zone| zone.zone.marks[0]).sum();
    let candidates = (0..setup.zones.len() as u64).map(|lost| u32::try_from((sum + lost) * 4));
    let fits = |kbytes: &u32| {
        sim.set_min_free_kbytes(*kbytes).expect("a machine that runs");
        has_watermarks(&sim, setup)
    };
    let found = candidates.flatten().find(fits);
    found.map(Some).ok_or("no min_free_kbytes gives these watermarks".into())
}

/// A machine that runs.
pub struct Booted<'h> {
    pub machine: Rc<Machine>,
    setup: &'h MachineSetup,
}

impl Booted<'_> {
    fn prepare(&self, line: Line<'_>) -> Result<(), String> {
        let words = line.words();
        match words[1] {
            "note" => Ok(()),
            "take" => self.take(line, &words),
            "free" => {
                let order = line.order_at(&words, 2)?;
                let first: u64 = line.number_at(&words, 3)?;
                let stride: u64 = line.number_at(&words, 4)?;
                let count: u64 = line.number_at(&words, 5)?;
                (0..count).for_each(|block| self.kernel().free(first + block * stride, order));
                Ok(())
            }
            "boost0" => {
                let (node, kind) = zone(line, words[2])?;
                let zone = self.machine.zone(node_id(node), TYPES[kind]);
                zone.ok_or_else(|| line.error("no such zone"))?.reset_watermark_boost();
                Ok(())
            }
            _ => Err(line.error("no preparation")),
        }
    }

    /// Takes blocks of one zone until there are as many, or no more.
    fn take(&self, line: Line<'_>, words: &[&str]) -> Result<(), String> {
        let (node, kind) = zone(line, words[2])?;
        let order = order_of(line.order_at(words, 3)?);
        let migratetype = type_of(line.type_at(words, 4)?);
        let flags = flags_of(words[5]);
        let most: usize = line.number_at(words, 6)?;
        let take = || self.machine.rmqueue(node_id(node), TYPES[kind], order, migratetype, flags);
        let mut held = self.kernel().held.borrow_mut();
        let before = held.len();
        held.extend(std::iter::from_fn(take).take(most).map(|pages| (pages.pfn().get(), pages)));
        let taken = held.len() - before;
        line.expect(&format!("{} = {taken}", line.asked()))
    }

    pub fn kernel(&self) -> &Kernel {
        self.machine.reclaim()
    }

    /// The states of the zones, with their names.
    pub fn states(&self) -> impl Iterator<Item = (String, State)> {
        self.setup.zones.iter().map(|zone| {
            let (node, kind) = zone.id;
            let mut state = State::default();
            let found = self.machine.zone(node_id(node), TYPES[kind]).expect("a zone");
            state.read(&View(found), zone.zone.span);
            (format!("{node} {}", KINDS[kind]), state)
        })
    }

    /// `FREE DIGEST`
    pub fn digest(&self) -> String {
        let mut digest = Digest::new();
        let mut free = 0;
        for (_, state) in self.states() {
            digest.state(&state);
            free += state.counters.free;
        }
        format!("{free} {digest}")
    }
}
