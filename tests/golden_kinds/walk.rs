//! Recordings of machines whose requests walk zonelists: `walk-*`.

use crate::port::{
    Attempt, BootMachine, KINDS, MachineSetup, MachineUnderTest, Setup, Span, ZoneId, ZoneSetup,
};
use crate::recording::{Digest, Line, State, lines, span};
use std::iter::Peekable;

/// The boost factor of the recordings: the default one.
const BOOST_FACTOR: u64 = 15_000;

/// Replays a recording on a machine that `B` boots, and compares every result, counter, digest and
/// dump. Returns the number of operations.
pub fn replay<B: BootMachine>(text: &str) -> Result<u64, String> {
    let mut lines = lines(text).peekable();
    let setup = header(&mut lines)?;
    B::boot(&setup, |machine| {
        let zones: Vec<_> = setup.zones.iter().map(|zone| (zone.id, zone.zone.span)).collect();
        let states = vec![State::default(); zones.len()];
        let mut replay = Replay { machine, zones, states, operations: 0 };
        while let Some(line) = lines.next() {
            match line.text.as_bytes()[0] {
                b'Z' => replay.dump(line, &mut lines)?,
                _ => replay.operation(line)?,
            }
        }
        Ok(replay.operations)
    })
}

/// The zone that the words `NID` and `NAME` mean.
pub fn zone_id(line: Line<'_>, node: &str, kind: &str) -> Result<ZoneId, String> {
    let kind = KINDS.iter().position(|&name| name == kind);
    match (node.parse(), kind) {
        (Ok(node), Some(kind)) => Ok((node, kind)),
        _ => Err(line.error("no such zone")),
    }
}

fn header<'a>(
    lines: &mut Peekable<impl Iterator<Item = Line<'a>>>,
) -> Result<MachineSetup, String> {
    let mut setup = MachineSetup::default();
    while let Some(line) = lines.next_if(|line| !line.text.starts_with("Z ")) {
        header_line(&mut setup, line, &line.words())?;
    }
    Ok(setup)
}

/// Reads a line of a header into the setup.
pub fn header_line(setup: &mut MachineSetup, line: Line<'_>, words: &[&str]) -> Result<(), String> {
    match words[0] {
        "nodes" => setup.nodes = line.number_at(words, 1)?,
        "mem" => setup.memory.push((line.number_at(words, 1)?, span(line, words[2])?)),
        "dist" => {
            let row = (2..words.len()).map(|index| line.number_at(words, index));
            setup.distances.push(row.collect::<Result<_, _>>()?);
        }
        "zone" => {
            let mut zone = zone(line, words, &setup.memory)?;
            for (index, reserve) in zone.lowmem_reserve.iter_mut().enumerate() {
                *reserve = line.number_at(words, 13 + index)?;
            }
            setup.zones.push(zone);
        }
        "fallback" => {
            let ids = words[2..].iter().map(|word| {
                let (node, kind) = word.split_once(':').unwrap_or_default();
                zone_id(line, node, kind)
            });
            setup.fallback.push(ids.collect::<Result<_, _>>()?);
        }
        _ => return Err(line.error("no word of the header")),
    }
    Ok(())
}

/// A zone line: `NID NAME A-B present P managed M wmark MIN LOW HIGH`, and more.
pub fn zone(line: Line<'_>, words: &[&str], memory: &[(u32, Span)]) -> Result<ZoneSetup, String> {
    let id = zone_id(line, words[1], words[2])?;
    let (start, end) = span(line, words[3])?;
    let own = memory.iter().filter(|(node, _)| *node == id.0);
    let cut = own.map(|&(_, (first, last))| (first.max(start), last.min(end)));
    let present: Vec<Span> = cut.filter(|(first, last)| first < last).collect();
    if present.iter().map(|(first, last)| last - first).sum::<u64>()
        != line.number_at::<u64>(words, 5)?
    {
        return Err(line.error(&format!("the mem lines give it {present:?}")));
    }
    let mut setup = ZoneSetup { id, ..ZoneSetup::default() };
    for (index, mark) in setup.zone.marks.iter_mut().enumerate() {
        *mark = line.number_at(words, 9 + index)?;
    }
    setup.zone = Setup {
        span: (start, end),
        present,
        boost_factor: BOOST_FACTOR,
        marks: setup.zone.marks,
        all_movable: KINDS[id.1] == "MOVABLE",
        ..Setup::default()
    };
    Ok(setup)
}

struct Replay<'m> {
    machine: &'m mut dyn MachineUnderTest,
    zones: Vec<(ZoneId, Span)>,
    /// The states of the zones, as last read.
    states: Vec<State>,
    operations: u64,
}

impl Replay<'_> {
    fn name((node, kind): ZoneId) -> String {
        format!("{node}:{}", KINDS[kind])
    }

    fn read(&mut self) {
        for (index, state) in self.states.iter_mut().enumerate() {
            let span = self.zones[index].1;
            self.machine.look(index, &mut |zone| state.read(zone, span));
        }
    }

    fn dump<'a>(
        &mut self,
        first: Line<'a>,
        lines: &mut Peekable<impl Iterator<Item = Line<'a>>>,
    ) -> Result<(), String> {
        let words = first.words();
        let id = zone_id(first, words[1], words[2])?;
        let index = self.zones.iter().position(|(known, _)| *known == id);
        let index = index.ok_or_else(|| first.error("the header has no such zone"))?;
        let head = lines.next().ok_or("the dump ends early")?;
        let tag = *head.words().get(1).ok_or_else(|| head.error("no tag"))?;
        if tag != "end" && tag != self.operations.to_string() {
            return Err(head.error(&format!("{} operations were done", self.operations)));
        }
        let mut verified = Ok(());
        self.machine.look(index, &mut |zone| verified = zone.verify());
        verified.map_err(|violation| head.error(&violation))?;
        self.read();
        let dump = self.states[index].dump(tag);
        head.expect(&dump[0])?;
        for found in &dump[1..] {
            lines.next().ok_or("the dump ends early")?.expect(found)?;
        }
        match lines.peek() {
            Some(line) if line.text.starts_with("L ") => Err(line.error("found no such blocks")),
            _ => Ok(()),
        }
    }

    fn operation(&mut self, line: Line<'_>) -> Result<(), String> {
        let mut found = self.apply(line)?;
        if !found.is_empty() {
            found.insert(0, ' ');
        }
        self.operations += 1;
        self.read();
        let mut digest = Digest::new();
        self.states.iter().for_each(|state| digest.state(state));
        let free: u64 = self.states.iter().map(|state| state.counters.free).sum();
        line.expect(&format!("{} ={found} | {free} {digest}", line.asked()))
    }

    fn apply(&mut self, line: Line<'_>) -> Result<String, String> {
        let words = line.words();
        match words[0] {
            "g" => self.attempt(line, &words),
            "f" => {
                self.machine.free(line.number_at(&words, 1)?, line.order_at(&words, 2)?);
                Ok(String::new())
            }
            "b" => {
                self.machine.reset_boost(zone_id(line, words[1], words[2])?);
                Ok(String::new())
            }
            _ => Err(line.error("no operation")),
        }
    }

    fn attempt(&mut self, line: Line<'_>, words: &[&str]) -> Result<String, String> {
        let order = line.order_at(words, 2)?;
        let node = line.number_at(words, 3)?;
        let attempt = Attempt { gfp: words[1], order, node, mask: None, flags: words[4] };
        let outcome = self.machine.attempt(attempt);
        let wakes: Vec<String> = outcome.wakes.iter().map(|&id| Self::name(id)).collect();
        let wakes = if wakes.is_empty() { "-".into() } else { wakes.join(",") };
        let Some(pfn) = outcome.pfn else { return Ok(format!("- {wakes}")) };
        if line.switch_at(words, 5)? {
            self.machine.set_movable(pfn, order);
        }
        let zone = self.zones.iter().find(|(_, (start, end))| (start..end).contains(&&pfn));
        let zone = zone.map_or_else(|| "no zone".into(), |&(id, _)| Self::name(id));
        Ok(format!("{pfn} {zone} {wakes}"))
    }
}
