//! The first events of a recorded trace, played on one CPU.

#[allow(dead_code, reason = "shared with the example")]
#[path = "../../examples/replay/trace.rs"]
mod reader;

use crate::harness::adaptor::SharedAllocator;
use crate::harness::ours::{Machine, NAME};
use crate::harness::recorder::Recorder;
use page_alloc::{Gfp, Pages};
use reader::{Event, Trace};
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

const EVENTS: usize = 300_000;

/// 8 GiB: the trace has at most 818 MiB in use.
const FRAMES: u64 = 8 << 18;

/// What a machine is asked for.
struct Script {
    machine: Machine,
    events: Vec<Event>,
    /// The places for live allocations that the events name.
    places: usize,
    gfps: Vec<Gfp>,
}

pub(crate) fn run(recorder: &mut Recorder) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/traces"));
    let setup = || Ok(script(&folder.join("ripgrep-build.trace.gz")).expect("a trace"));
    let ops = u64::try_from(EVENTS)?;
    recorder.case(("trace", "300,000 events", NAME), ops, setup, |script, times| {
        Ok((0..times).map(|_| play(script)).sum())
    });
    Ok(())
}

fn script(path: &Path) -> Result<Script, Box<dyn Error>> {
    let Trace { mut events, gfps, places, .. } = Trace::read(File::open(path)?)?;
    events.truncate(EVENTS);
    let gfps = gfps.iter().map(|text| Gfp::parse(text).map_err(|flag| flag.to_string()));
    let gfps = gfps.collect::<Result<_, _>>()?;
    let places = usize::try_from(places)?;
    Ok(Script { machine: Machine::boot(FRAMES, 1), events, places, gfps })
}

/// Plays the events, then frees what they leave, which is not timed.
fn play(script: &Script) -> Duration {
    let machine = &script.machine.0;
    let mut live: Vec<Option<Pages>> = (0..script.places).map(|_| None).collect();
    let free = |block: Option<Pages>| block.map(|pages| machine.free_pages(pages));
    let start = Instant::now();
    for event in &script.events {
        match *event {
            Event::Alloc { place, order, gfp, .. } => {
                let block = machine.alloc_pages(script.gfps[usize::from(gfp)], order);
                live[place as usize] = block.ok();
            }
            Event::Free { place, .. } => {
                free(live[place as usize].take());
            }
            // The trace has none.
            Event::FreePart { .. } => {}
        }
    }
    let time = start.elapsed();
    live.into_iter().for_each(|block| {
        free(block);
    });
    time
}
