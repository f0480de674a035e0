//! Recordings of machines with per-CPU lists: `pcp-*`.

use crate::pcp_header::PcpSetup;
use crate::pcp_machine::PcpMachine;
use crate::pcp_state::PcpState;
use crate::port::{KINDS, ZoneId};
use crate::recording::{Digest, Line, State, lines};
use crate::walk;
use page_alloc::PcpExclusion;
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::zone::ReclaimActive;
use std::fmt::Write;
use std::iter::Peekable;

/// The ways in which lists are kept from other CPUs; they decide nothing, so that the recordings
/// hold for each.
const EXCLUSIONS: [PcpExclusion; 2] = [PcpExclusion::Swap, PcpExclusion::Busy];

/// Replays a recording once for each way to keep lists from other CPUs, and compares every result,
/// counter, digest and dump. Returns the number of operations of all.
pub fn run(_name: &str, text: &str) -> Result<u64, String> {
    let replays = EXCLUSIONS.map(|exclusion| {
        replay(text, exclusion).map_err(|mismatch| format!("{exclusion:?}: {mismatch}"))
    });
    replays.into_iter().sum()
}

fn replay(text: &str, exclusion: PcpExclusion) -> Result<u64, String> {
    let mut lines = lines(text).peekable();
    let setup = PcpSetup::read(&mut lines)?;
    let mut replay = Replay::new(PcpMachine::boot(setup, exclusion));
    while let Some(line) = lines.next() {
        match line.text.as_bytes()[0] {
            b'Z' => replay.dump(line, &mut lines)?,
            _ => replay.operation(line)?,
        }
    }
    Ok(replay.operations)
}

/// The zone `NID:NAME` at `index` of the words.
fn zone_at(line: Line<'_>, words: &[&str], index: usize) -> Result<ZoneId, String> {
    let (node, kind) = words.get(index).and_then(|word| word.split_once(':')).unwrap_or_default();
    walk::zone_id(line, node, kind)
}

/// The frames at `index` of the words: numbers between commas, or `-`.
fn pfns_at(line: Line<'_>, words: &[&str], index: usize) -> Result<Vec<u64>, String> {
    let list = *words.get(index).ok_or_else(|| line.error("no frames"))?;
    let numbers = list.split(',').filter(|word| *word != "-");
    numbers.map(|word| word.parse().map_err(|_| line.error("no frame number"))).collect()
}

struct Replay {
    machine: PcpMachine,
    /// The states of the zones, as last read.
    states: Vec<State>,
    /// What CPUs have of them: by zone, then CPU.
    pcps: Vec<Vec<PcpState>>,
    operations: u64,
}

impl Replay {
    fn new(machine: PcpMachine) -> Self {
        let PcpSetup { cpus, orders, machine: ref zones, .. } = machine.setup;
        let zones = zones.zones.len();
        let states = vec![State::default(); zones];
        let pcps = vec![vec![PcpState::new(orders); cpus]; zones];
        let mut replay = Self { machine, states, pcps, operations: 0 };
        replay.read();
        replay
    }

    fn read(&mut self) {
        for (index, (state, pcps)) in self.states.iter_mut().zip(&mut self.pcps).enumerate() {
            self.machine.read(index, state, pcps);
        }
    }

    /// Compares one zone, and what CPUs have of it.
    fn dump<'a>(
        &mut self,
        first: Line<'a>,
        lines: &mut Peekable<impl Iterator<Item = Line<'a>>>,
    ) -> Result<(), String> {
        let words = first.words();
        let id = walk::zone_id(first, words[1], words[2])?;
        let zones = &self.machine.setup.machine.zones;
        let index = zones.iter().position(|zone| zone.id == id);
        let index = index.ok_or_else(|| first.error("the header has no such zone"))?;
        let head = *lines.peek().ok_or("the dump ends early")?;
        let tag = *head.words().get(1).ok_or_else(|| head.error("no tag"))?;
        if !["full", "end", &self.operations.to_string()].contains(&tag) {
            return Err(head.error(&format!("{} operations were done", self.operations)));
        }
        self.machine.verify().map_err(|violation| head.error(&violation))?;
        let pcps = self.pcps[index].iter().enumerate().flat_map(|(cpu, pcp)| pcp.dump(cpu));
        for found in self.states[index].dump(tag).into_iter().chain(pcps) {
            lines.next().ok_or("the dump ends early")?.expect(&found)?;
        }
        Ok(())
    }

    fn operation(&mut self, line: Line<'_>) -> Result<(), String> {
        let asked = line.words();
        let types = self.types(line, &asked)?;
        let taken = self.apply(line, &asked)?;
        self.operations += 1;
        self.read();
        let mut found = String::new();
        for word in types.into_iter().chain(taken).chain(self.counts(line, &asked)?) {
            write!(found, " {word}").expect("a string grows");
        }
        let (mut zones, mut pcps) = (Digest::new(), Digest::new());
        self.states.iter().for_each(|state| zones.state(state));
        self.pcps.iter().flatten().for_each(|pcp| pcp.digest(&mut pcps));
        let free: u64 = self.states.iter().map(|state| state.counters.free).sum();
        line.expect(&format!("{} ={found} | {free} {zones} {pcps}", line.asked()))
    }

    /// What a result says of the state before: the types of pageblocks.
    fn types(&self, line: Line<'_>, words: &[&str]) -> Result<Option<String>, String> {
        let pfns = match words[0] {
            "f" => vec![line.number_at(words, 2)?],
            "F" => pfns_at(line, words, 2)?,
            _ => return Ok(None),
        };
        let types: String = pfns.into_iter().map(|pfn| self.machine.type_at(pfn)).collect();
        Ok(Some(if types.is_empty() { "-".into() } else { types }))
    }

    /// Does the operation; returns what it gave.
    fn apply(&mut self, line: Line<'_>, words: &[&str]) -> Result<Option<String>, String> {
        let machine = &mut self.machine;
        match words[0] {
            "a" => return self.allocate(line, words).map(Some),
            "f" => {
                let (pfn, order) = (line.number_at(words, 2)?, line.order_at(words, 3)?);
                machine.free(line.number_at(words, 1)?, pfn, order);
            }
            "F" => machine.free_bulk(line.number_at(words, 1)?, &pfns_at(line, words, 2)?),
            "d" => {
                let zone = if words[2] == "all" { None } else { Some(zone_at(line, words, 2)?) };
                machine.drain_local(line.number_at(words, 1)?, zone);
            }
            "D" => machine.drain_all(),
            "e" => machine.drain_batch(line.number_at(words, 1)?, zone_at(line, words, 2)?),
            "r" if line.switch_at(words, 2)? => {
                machine.set_reclaim_active(zone_at(line, words, 1)?, ReclaimActive::Yes);
            }
            "r" => machine.set_reclaim_active(zone_at(line, words, 1)?, ReclaimActive::No),
            "b" => machine.reset_boost(zone_at(line, words, 1)?),
            "w" => machine.set_min_free_kbytes(line.number_at(words, 1)?),
            "i" => {
                let done = machine.isolate(line.number_at(words, 1)?, line.type_at(words, 2)?);
                return Ok(Some(if done { "0" } else { "-16" }.into()));
            }
            "I" => machine.unisolate(line.number_at(words, 1)?, line.type_at(words, 2)?),
            _ => return Err(line.error("no operation")),
        }
        Ok(None)
    }

    fn allocate(&mut self, line: Line<'_>, words: &[&str]) -> Result<String, String> {
        let (cpu, zone) = (line.number_at(words, 1)?, zone_at(line, words, 2)?);
        let (order, migratetype) = (line.order_at(words, 3)?, line.type_at(words, 4)?);
        let (pfn, wakes) = self.machine.allocate(cpu, zone, (order, migratetype), words[5]);
        let Some(pfn) = pfn else { return Ok(format!("- {wakes}")) };
        if line.switch_at(words, 6)? {
            self.machine.set_movable(pfn, order);
        }
        Ok(format!("{pfn} {wakes}"))
    }

    /// What a result says of the state after: counts and free factors, or limits.
    fn counts(&self, line: Line<'_>, words: &[&str]) -> Result<Vec<String>, String> {
        let cpu = || line.number_at::<usize>(words, 1);
        let of = |zone: usize, cpu: usize| {
            let PcpState { count, free_factor, .. } = self.pcps[zone][cpu];
            format!("{count} {free_factor}")
        };
        Ok(match words[0] {
            "a" => vec![of(self.machine.index_of(zone_at(line, words, 2)?), cpu()?)],
            "f" => vec![of(self.machine.setup.zone_of(line.number_at(words, 2)?), cpu()?)],
            "F" => {
                let cpu = cpu()?;
                self.by_zone(|zone| of(zone, cpu).replace(' ', ":"))
            }
            "w" => self.by_zone(|zone| self.limits(zone)),
            _ => Vec::new(),
        })
    }

    fn by_zone(&self, of: impl Fn(usize) -> String) -> Vec<String> {
        let zones = self.machine.setup.machine.zones.iter().enumerate();
        zones.map(|(index, zone)| format!("{}:{}", KINDS[zone.id.1], of(index))).collect()
    }

    fn limits(&self, zone: usize) -> String {
        let [min, low, high] = self.machine.watermarks(zone);
        let PcpLimits { batch, high: most } = self.pcps[zone][0].limits;
        format!("{min},{low},{high}:{batch},{most}")
    }
}
