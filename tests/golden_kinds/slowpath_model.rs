//! Recordings of whole requests, made by the naive model: the lines that say what is asked stay as
//! they are, all results are the model's.
//!
//! Of a recording of Linux this makes the same recording again. Of lines that nobody recorded it makes
//! one that the crate can be held against.

use crate::model::slowpath::{Asked, Request};
use crate::model::slowpath_gfp::Gfp;
use crate::model::slowpath_script::{Script, nodes, zone_id};
use crate::model::walk::Machine;
use crate::port::{KINDS, MachineSetup, MachineUnderTest, Span, ZoneUnderTest};
use crate::recording::{Digest, Line, State, lines, span};
use crate::walk::header_line;
use std::collections::BTreeMap;

/// Fewer frames than this, and migratetypes are not kept apart.
const GROUPING: u64 = 6 * 512;

/// The lines, with the model's results in place of those that they have.
pub fn record(text: &str) -> Result<Vec<String>, String> {
    let mut recorder = Recorder::default();
    lines(text).try_for_each(|line| recorder.line(line))?;
    recorder.finish()?;
    Ok(recorder.lines)
}

#[derive(Default)]
struct Recorder<'a> {
    setup: MachineSetup,
    cma: Vec<Span>,
    lines: Vec<String>,
    /// The state that is being read, and the lines that lead to it.
    state: Option<&'a str>,
    pre: Vec<Line<'a>>,
    case: Option<(Asked, Script)>,
}

impl<'a> Recorder<'a> {
    fn line(&mut self, line: Line<'a>) -> Result<(), String> {
        let words = line.words();
        match words[0] {
            "s" | "out" | "Z" | "S" | "P" | "L" | "digest" => return Ok(()),
            "pre" => {
                self.pre.push(line);
                return Ok(());
            }
            "state" => {
                self.finish()?;
                self.state = Some(words[1]);
                self.pre.clear();
            }
            "case" => {
                self.finish()?;
                self.case = Some(Default::default());
            }
            "in" => self.asked(line, &words)?,
            _ => self.header(line, &words)?,
        }
        self.lines.push(line.text.into());
        Ok(())
    }

    fn header(&mut self, line: Line<'_>, words: &[&str]) -> Result<(), String> {
        match words[0] {
            "cma" => self.cma.push(span(line, words[1])?),
            "max_zone_pfn" | "movablecore" | "boost_factor" | "nofallback" => {}
            _ => header_line(&mut self.setup, line, words)?,
        }
        Ok(())
    }

    fn asked(&mut self, line: Line<'_>, words: &[&str]) -> Result<(), String> {
        let (asked, script) = self.case.as_mut().ok_or_else(|| line.error("of no case"))?;
        match words[1] {
            "state" => {}
            "gfp" => asked.gfp = Gfp::read(words[2]),
            "order" => asked.order = line.order_at(words, 2)?,
            "node" => asked.node = line.number_at(words, 2)?,
            "mask" => asked.mask = (words[2] != "-").then(|| nodes(words[2])),
            _ => script.read(words),
        }
        Ok(())
    }

    /// The results of the state or the case that was read last.
    fn finish(&mut self) -> Result<(), String> {
        if let Some(name) = self.state.take() {
            let mut lines = Vec::new();
            let (machine, _) = self.prepare(&mut lines)?;
            self.lines.append(&mut lines);
            for (index, zone) in self.setup.zones.iter().enumerate() {
                self.lines.push(format!("Z {} {}", zone.id.0, KINDS[zone.id.1]));
                self.lines.extend(state_of(&machine, &self.setup, index).dump(name));
            }
            self.lines.push(format!("digest {}", digest(&machine, &self.setup)));
        }
        let Some((asked, mut script)) = self.case.take() else { return Ok(()) };
        let (mut machine, held) = self.prepare(&mut Vec::new())?;
        script.held = held;
        let mut steps = Request::new(&mut machine, &mut script, asked).run();
        let end = steps.pop().ok_or("a request without an end")?;
        self.lines.extend(steps);
        self.lines.push(format!("{end} | {}", digest(&machine, &self.setup)));
        Ok(())
    }

    /// The machine in the present state, and who holds what; also the lines that lead there.
    fn prepare(&self, lines: &mut Vec<String>) -> Result<(Machine, BTreeMap<u64, u32>), String> {
        let mut machine = Machine::new(&self.booted());
        let mut held = BTreeMap::new();
        for &line in &self.pre {
            lines.push(prepare(&mut machine, &mut held, line)?);
        }
        Ok((machine, held))
    }

    /// What the machine is made of.
    fn booted(&self) -> MachineSetup {
        let mut setup = self.setup.clone();
        let size = |&(start, end): &(u64, u64)| end - start;
        let present = setup.zones.iter().flat_map(|zone| &zone.zone.present).map(size);
        let grouped = present.sum::<u64>() >= GROUPING;
        for zone in &mut setup.zones {
            let (start, end) = zone.zone.span;
            let own = self.cma.iter().filter(|area| (start..end).contains(&area.0));
            zone.zone.cma = own.copied().collect();
            zone.zone.mobility_disabled = !grouped;
        }
        setup
    }
}

/// Does what a line says on the way to a state; gives the line with the model's result.
pub fn prepare(
    machine: &mut Machine,
    held: &mut BTreeMap<u64, u32>,
    line: Line<'_>,
) -> Result<String, String> {
    let words = line.words();
    match words[1] {
        "take" => {
            let id = zone_id(words[2]);
            let order = line.order_at(&words, 3)?;
            let migratetype = line.type_at(&words, 4)?;
            let most: u64 = line.number_at(&words, 6)?;
            let zone = machine.zone_named(id);
            let mut taken = 0;
            while taken < most
                && let Some(pfn) = zone.rmqueue(order, migratetype, words[5])
            {
                if order > 0 && words[5].contains('H') {
                    zone.reserve_highatomic(pfn, order);
                }
                held.insert(pfn, order);
                taken += 1;
            }
            zone.take_boosted();
            return Ok(format!("{} = {taken}", line.asked()));
        }
        "free" => {
            let order = line.order_at(&words, 2)?;
            let [first, stride, count] = [3, 4, 5].map(|at| line.number_at::<u64>(&words, at));
            let (first, stride) = (first?, stride?);
            for pfn in (0..count?).map(|block| first + block * stride) {
                held.remove(&pfn).ok_or_else(|| line.error("a block that nobody holds"))?;
                machine.free(pfn, order);
            }
        }
        "boost0" => machine.reset_boost(zone_id(words[2])),
        _ => {}
    }
    Ok(line.text.into())
}

fn state_of(machine: &Machine, setup: &MachineSetup, index: usize) -> State {
    let mut state = State::default();
    machine.look(index, &mut |zone| state.read(zone, setup.zones[index].zone.span));
    state
}

/// `FREE DIGEST`
fn digest(machine: &Machine, setup: &MachineSetup) -> String {
    let mut digest = Digest::new();
    let mut free = 0;
    for index in 0..setup.zones.len() {
        let state = state_of(machine, setup, index);
        digest.state(&state);
        free += state.counters.free;
    }
    format!("{free} {digest}")
}
