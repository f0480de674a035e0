//! Recordings of one zone: `buddy-*`.

use crate::port::{Boot, Setup, ZoneUnderTest};
use crate::recording::{Digest, Line, State, lines, span};
use std::iter::Peekable;

/// Replays a recording on a zone that `B` boots, and compares every result, counter, digest and
/// dump. Returns the number of operations.
pub fn replay<B: Boot>(text: &str) -> Result<u64, String> {
    let mut lines = lines(text).peekable();
    let setup = header(&mut lines)?;
    B::boot(&setup, |zone| {
        let mut replay = Replay { state: State::default(), zone, operations: 0 };
        while let Some(line) = lines.next() {
            match line.text.as_bytes()[0] {
                b'S' => replay.dump(line, &mut lines, &setup)?,
                _ => replay.operation(line, &setup)?,
            }
        }
        Ok(replay.operations)
    })
}

fn header<'a>(lines: &mut Peekable<impl Iterator<Item = Line<'a>>>) -> Result<Setup, String> {
    let mut setup = Setup::default();
    while let Some(line) = lines.next_if(|line| !line.text.starts_with("S ")) {
        let words = line.words();
        let spans =
            || words[1..].iter().map(|word| span(line, word)).collect::<Result<Vec<_>, _>>();
        match words[0] {
            "zone" => setup.span = (line.number_at(&words, 1)?, line.number_at(&words, 2)?),
            "mem" => setup.present = spans()?,
            "reserved" => setup.reserved = spans()?,
            "cma" => setup.cma = spans()?,
            "wmark" => {
                for (index, mark) in setup.marks.iter_mut().enumerate() {
                    *mark = line.number_at(&words, index + 1)?;
                }
            }
            "boost_factor" => setup.boost_factor = line.number_at(&words, 1)?,
            "mobility_disabled" => setup.mobility_disabled = line.switch_at(&words, 1)?,
            "spanned" | "scale" | "min_free_kbytes" => {}
            _ => return Err(line.error("no word of the header")),
        }
    }
    if setup.span.0 < setup.span.1 { Ok(setup) } else { Err("the header names no zone".into()) }
}

struct Replay<'z> {
    zone: &'z mut dyn ZoneUnderTest,
    state: State,
    operations: u64,
}

impl Replay<'_> {
    fn dump<'a>(
        &mut self,
        first: Line<'a>,
        lines: &mut Peekable<impl Iterator<Item = Line<'a>>>,
        setup: &Setup,
    ) -> Result<(), String> {
        let tag = first.words()[1];
        if tag != "end" && tag != self.operations.to_string() {
            return Err(first.error(&format!("{} operations were done", self.operations)));
        }
        self.zone.verify().map_err(|violation| first.error(&violation))?;
        self.state.read(self.zone, setup.span);
        let dump = self.state.dump(tag);
        first.expect(&dump[0])?;
        for found in &dump[1..] {
            lines.next().ok_or("the dump ends early")?.expect(found)?;
        }
        match lines.peek() {
            Some(line) if line.text.starts_with("L ") => Err(line.error("found no such blocks")),
            _ => Ok(()),
        }
    }

    fn operation(&mut self, line: Line<'_>, setup: &Setup) -> Result<(), String> {
        let mut found = self.apply(line)?;
        if !found.is_empty() {
            found.insert(0, ' ');
        }
        self.operations += 1;
        self.state.read(self.zone, setup.span);
        let mut digest = Digest::new();
        digest.state(&self.state);
        let free = self.state.counters.free;
        line.expect(&format!("{} ={found} | {free} {digest}", line.asked()))
    }

    /// Does the operation; returns its result as the recording has it.
    fn apply(&mut self, line: Line<'_>) -> Result<String, String> {
        let words = line.words();
        match words[0] {
            "a" => self.allocate(line, &words),
            "f" => {
                self.zone.free(line.number_at(&words, 1)?, line.order_at(&words, 2)?);
                Ok(String::new())
            }
            "s" => {
                let movable = line.switch_at(&words, 3)?;
                self.zone.split(line.number_at(&words, 1)?, line.order_at(&words, 2)?, movable);
                Ok(String::new())
            }
            "u" => {
                let force = line.switch_at(&words, 2)?;
                let moved = self.zone.unreserve_highatomic(line.type_at(&words, 1)?, force);
                Ok(u8::from(moved).to_string())
            }
            "b" => {
                self.zone.reset_boost();
                Ok(String::new())
            }
            "i" => {
                let done = self.zone.isolate(line.number_at(&words, 1)?, line.type_at(&words, 2)?);
                Ok(if done { "0" } else { "-16" }.into())
            }
            "I" => {
                self.zone.unisolate(line.number_at(&words, 1)?, line.type_at(&words, 2)?);
                Ok(String::new())
            }
            _ => Err(line.error("no operation")),
        }
    }

    fn allocate(&mut self, line: Line<'_>, words: &[&str]) -> Result<String, String> {
        let (order, flags) = (line.order_at(words, 1)?, words[3]);
        let found = self.zone.rmqueue(order, line.type_at(words, 2)?, flags);
        let wake = u8::from(self.zone.take_boosted());
        let Some(pfn) = found else { return Ok(format!("- {wake}")) };
        if line.switch_at(words, 4)? {
            self.zone.set_movable(pfn, order);
        }
        if order > 0 && flags.contains('H') {
            self.zone.reserve_highatomic(pfn, order);
        }
        Ok(format!("{pfn} {wake}"))
    }
}
