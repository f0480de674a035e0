//! The input of the example `replay`: every map and trace of the crate is read, hostile ones are
//! refused with a reason, and partial frees keep the book of live blocks right.

#[path = "../examples/replay/map.rs"]
mod map;
#[path = "../examples/replay/options.rs"]
mod options;
#[path = "../examples/replay/replayer.rs"]
mod replayer;
#[path = "../examples/replay/trace.rs"]
mod trace;

use flate2::{Compression, write::GzEncoder};
use map::{Map, MapError, Plug};
use options::{Command, Output};
use page_alloc::{CpuId, Order};
use proptest::prelude::*;
use replayer::{Counts, Machine, Replayer};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use trace::{Event, Fault, Trace, TraceError};

fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

fn maps(folder: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(data(folder)).expect("maps").map(|entry| entry.unwrap().path());
    let paths = entries.filter(|path| path.extension().is_some_and(|e| e == "map"));
    paths.map(|path| (path.clone(), fs::read_to_string(path).expect("a map"))).collect()
}

/// Every map of Linux is read, and has as many pages as Linux printed for it in total.
#[test]
fn linux_maps_are_read() {
    let mut compared = 0;
    for (path, text) in maps("maps") {
        let map: Map = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let totals = text.lines().filter_map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let total = words.len() == 4 && words[0] == "present" && words[2] == "total";
            total.then(|| (words[1].parse::<u32>().unwrap(), words[3].parse::<u64>().unwrap()))
        });
        for (node, total) in totals {
            let ranges = map.ranges.iter().filter(|range| range.node == node);
            let pages: u64 =
                ranges.map(|r| (r.bytes.end >> 12) - r.bytes.start.div_ceil(4096)).sum();
            assert_eq!(pages, total, "{}: node {node}", path.display());
            compared += 1;
        }
    }
    assert!(compared >= 5, "{compared}");
}

/// Every firmware map is read: entries, affinities, kernel and CPUs.
#[test]
fn firmware_maps_are_read() {
    let maps = maps("maps/firmware");
    assert_eq!(maps.len(), 4);
    for (path, text) in maps {
        let map: Map = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
        let read = [map.entries.len(), map.srat.len(), map.cpus.len()];
        assert_eq!(read, [lines("entry "), lines("srat "), lines("cpu ")]);
        assert!(map.kernel.is_some() && map.usable().count() > 0);
    }
}

/// The words of each kind of line come to their fields.
#[test]
fn map_lines_mean_what_they_say() {
    let text = "range 1 0x1000 0x1fff # a comment\n\ndistance 1 20 10\npresent 0 DMA 1\n\
        entry 0x0 0x10 2\nsrat 0x0 0x20 3 hotplug\nkernel 0x30 0x40\ncpu 1 apic 7 node 3";
    let map: Map = text.parse().unwrap();
    assert_eq!((map.ranges[0].node, map.ranges[0].bytes.clone()), (1, 0x1000..0x2000));
    assert_eq!((map.distances[0].node, &map.distances[0].distances[..]), (1, &[20, 10][..]));
    assert_eq!((map.entries[0].kind, map.entries[0].bytes.clone()), (2, 0..0x10));
    assert_eq!((map.srat[0].node, map.srat[0].plug), (3, Plug::Hot));
    assert_eq!(map.srat[0].bytes, 0..0x20);
    assert_eq!(map.kernel, Some(0x30..0x40));
    let cpu = &map.cpus[0];
    assert_eq!((cpu.number, cpu.apic, cpu.node), (1, 7, 3));
}

/// A line that is not understood is refused, by its number.
#[test]
fn broken_maps_are_refused() {
    for line in [
        "rangs 0 0x0 0x1",
        "range 0 0x0",
        "range 0 0 0x1",
        "range -1 0x0 0x1",
        "range 0 0x0 0xffffffffffffffff",
        "range 0 0x0 0x10000000000000000",
        "distance 0",
        "distance 0 256",
        "srat 0x0 0x1 0 warmplug",
        "cpu 0 apic 0",
    ] {
        let text = format!("range 0 0x0 0x1\n{line}");
        assert_eq!(text.parse::<Map>(), Err(MapError::Line(2)), "{line}");
    }
    assert_eq!("entry 0x2 0x2 1".parse::<Map>(), Err(MapError::Empty(1)));
    assert_eq!("kernel 0x0 0x1\nentry 0x0 0x1 2".parse::<Map>(), Err(MapError::NoMemory));
}

/// Options come to their fields; defaults are files that exist; nonsense is refused.
#[test]
fn options_are_read() {
    let parse = |words: &str| options::parse(words.split_whitespace());
    let Ok(Command::Replay(defaults)) = parse("") else { panic!("no options are fine") };
    assert!(defaults.map.is_file() && defaults.trace.is_file() && defaults.cpus == 2);
    let all = "--map a --trace=b --cpus 3 --json";
    let Ok(Command::Replay(given)) = parse(all) else { panic!("all options are fine") };
    assert_eq!((given.map, given.trace), (PathBuf::from("a"), PathBuf::from("b")));
    assert_eq!((given.cpus, given.output), (3, Output::Json));
    assert_eq!(parse("--help").unwrap(), Command::Help);
    for option in ["--map", "--trace", "--cpus", "--json", "--help"] {
        assert!(options::HELP.contains(option), "{option} is explained");
    }
    for bad in ["--map", "--cpus 0", "--cpus 257", "--cpus x", "--json=1", "file", "-x"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

/// A record; `tail` belongs to kind 2.
type Raw = (u32, [u8; 4], Option<[u32; 2]>);

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn records(raw: &[Raw]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, rest, tail) in raw {
        bytes.extend(id.to_le_bytes());
        bytes.extend(rest);
        bytes.extend(tail.iter().flatten().flat_map(|word| word.to_le_bytes()));
    }
    bytes
}

fn header(events: usize) -> Vec<u8> {
    format!("page-trace 1\nevents {events}\ncpus 2\ngfp 0 GFP_KERNEL\ngfp 1 GFP_A|GFP_B\nend\n")
        .into()
}

fn read(raw: &[Raw]) -> Result<Trace, TraceError> {
    Trace::read(&zip(&[header(raw.len()), records(raw)].concat())[..])
}

fn alloc(id: u32, order: u8) -> Raw {
    (id, [0, order, 0, 1], None)
}

fn free(id: u32, order: u8) -> Raw {
    (id, [1, order, 1, 0], None)
}

fn part(id: u32, order: u8, offset: u32) -> Raw {
    (id, [2, order, 1, 0], Some([offset, 0]))
}

/// The recorded trace is read whole; its counts are those that the module's page gives.
#[test]
fn recorded_trace_is_read() {
    let file = fs::File::open(data("traces/ripgrep-build.trace.gz")).expect("the trace");
    let trace = Trace::read(file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((trace.cpus, trace.gfps.len(), trace.events.len()), (2, 39, 3_000_000));
    assert_eq!(trace.gfps[16], "GFP_TRANSHUGE|__GFP_NORETRY|__GFP_THISNODE");
    let count = |kind: fn(&Event) -> bool| trace.events.iter().filter(|event| kind(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Alloc { .. })), 1_533_293);
    assert_eq!(count(|event| matches!(event, Event::Alloc { order: Order::O0, .. })), 1_520_288);
    assert_eq!(count(|event| matches!(event, Event::Free { .. })), 1_466_707);
    assert_eq!(size_of::<Event>(), 12);
}

/// Each kind of record comes to its event.
#[test]
fn records_become_events() {
    let trace = read(&[alloc(0, 3), part(0, 1, 6), free(0, 3)]).unwrap();
    assert_eq!(trace.gfps, ["GFP_KERNEL", "GFP_A|GFP_B"]);
    let offset = 6;
    assert_eq!(
        trace.events,
        [
            Event::Alloc { order: Order::O3, cpu: 0, gfp: 1 },
            Event::FreePart { id: 0, offset, order: Order::O1, cpu: 1 },
            Event::Free { id: 0, cpu: 1 },
        ]
    );
}

/// Each impossible record is refused at its place, for its reason.
#[test]
fn impossible_records_are_refused() {
    let gone = [alloc(0, 1), part(0, 0, 0), part(0, 0, 1)];
    for (raw, expected) in [
        (vec![(0, [3, 0, 0, 0], None)], Fault::Kind(3)),
        (vec![(0, [0, 11, 0, 0], None)], Fault::Order(11)),
        (vec![(0, [0, 255, 0, 0], None)], Fault::Order(255)),
        (vec![(0, [0, 0, 2, 0], None)], Fault::Cpu(2)),
        (vec![(0, [0, 0, 0, 2], None)], Fault::Gfp(2)),
        (vec![alloc(1, 0)], Fault::OutOfTurn { id: 1, expected: 0 }),
        (vec![alloc(0, 0), alloc(0, 0)], Fault::OutOfTurn { id: 0, expected: 1 }),
        (vec![free(0, 0)], Fault::NotMade(0)),
        (vec![part(u32::MAX, 0, 0)], Fault::NotMade(u32::MAX)),
        (vec![alloc(0, 0), free(0, 0), free(0, 0)], Fault::Gone(0)),
        (vec![alloc(0, 0), free(0, 0), part(0, 0, 0)], Fault::Gone(0)),
        ([&gone[..], &[free(0, 1)]].concat(), Fault::Gone(0)),
        (vec![alloc(0, 2), free(0, 1)], Fault::WrongOrder { id: 0, allocated: Order::O2 }),
        (vec![alloc(0, 2), part(0, 1, 4)], Fault::Outside(0)),
        (vec![alloc(0, 2), part(0, 3, 0)], Fault::Outside(0)),
        (vec![alloc(0, 10), part(0, 0, 65_536)], Fault::Outside(0)),
        (vec![alloc(0, 10), part(0, 0, u32::MAX)], Fault::Outside(0)),
        (vec![alloc(0, 2), part(0, 1, 1)], Fault::Misaligned(0)),
        (vec![alloc(0, 2), part(0, 0, 1), part(0, 1, 0)], Fault::PartGone(0)),
        (vec![alloc(0, 2), (0, [2, 0, 0, 0], Some([0, 1]))], Fault::NotZero),
    ] {
        match read(&raw) {
            Err(TraceError::Event(event, fault)) => {
                assert_eq!((event, fault), (raw.len() as u64 - 1, expected));
            }
            other => panic!("{expected:?}: {other:?}"),
        }
    }
}

/// A part may cover earlier parts' neighbours, and a block with parts gone is freed as any other.
#[test]
fn possible_parts_are_accepted() {
    let parts = [alloc(0, 3), part(0, 0, 0), part(0, 0, 1), part(0, 2, 4), part(0, 1, 2)];
    assert_eq!(read(&parts).unwrap().events.len(), 5);
    assert!(read(&[alloc(0, 3), part(0, 0, 5), free(0, 0)]).is_ok());
    assert!(read(&[alloc(0, 3), part(0, 3, 0), alloc(1, 0)]).is_ok());
}

/// Headers that say too little, too much or nonsense are refused.
#[test]
fn broken_headers_are_refused() {
    let read = |text: &str| Trace::read(&zip(text.as_bytes())[..]).expect_err(text);
    let long = format!("page-trace 1\ngfp 0 {}\nend\n", "A".repeat(5000));
    assert!(matches!(read(""), TraceError::NotATrace));
    assert!(matches!(read("page-trace 2\n"), TraceError::NotATrace));
    assert!(matches!(read("page-trace 1"), TraceError::NotATrace));
    assert!(matches!(read("page-trace 1\n"), TraceError::Header(2)));
    assert!(matches!(read("page-trace 1\ncpus 1\nevents 0\n"), TraceError::Header(4)));
    assert!(matches!(read("page-trace 1\ngfp 1 A\nend\n"), TraceError::Header(2)));
    assert!(matches!(read(&long), TraceError::Header(2)));
    assert!(matches!(read("page-trace 1\ncpus 1\nend\n"), TraceError::Missing("events")));
    assert!(matches!(read("page-trace 1\nevents 0\nend\n"), TraceError::Missing("cpus")));
    let huge = "page-trace 1\nevents 18446744073709551615\ncpus 1\nend\n";
    assert!(matches!(read(huge), TraceError::TooManyEvents(u64::MAX)));
    assert!(matches!(read("page-trace 1\ncpus 257\nevents 0\nend\n"), TraceError::Missing("cpus")));
}

/// A trace that is cut anywhere is refused, and so is one that goes on.
#[test]
fn cut_and_overlong_traces_are_refused() {
    let raw = [alloc(0, 1), part(0, 0, 0)];
    let plain = [header(2), records(&raw)].concat();
    for cut in 1..=24 {
        let error = Trace::read(&zip(&plain[..plain.len() - cut])[..]).expect_err("cut off");
        let event = u64::from(cut <= 16);
        assert!(matches!(error, TraceError::Truncated(e) if e == event), "{cut}: {error:?}");
    }
    let longer = [&plain[..], &[0]].concat();
    assert!(matches!(Trace::read(&zip(&longer)[..]), Err(TraceError::Trailing)));
    let zipped = zip(&plain);
    for cut in 1..=zipped.len() {
        assert!(Trace::read(&zipped[..zipped.len() - cut]).is_err(), "{cut} bytes of gzip cut off");
    }
    assert!(matches!(Trace::read(&plain[..]), Err(TraceError::Io(_))));
}

/// A machine that remembers which frames are allocated.
#[derive(Default)]
struct Frames {
    /// Order of each allocated block, by its first frame.
    blocks: BTreeMap<u64, Order>,
    next: u64,
    /// Requests to refuse.
    refusals: u32,
    frees: Vec<(u64, Order)>,
    cpus: Vec<CpuId>,
}

impl Machine for Frames {
    type Gfp = char;
    type Block = u64;

    fn alloc(&mut self, cpu: CpuId, gfp: char, order: Order) -> Option<u64> {
        assert_eq!(gfp, 'b', "the flags of index 1");
        self.cpus.push(cpu);
        if self.refusals > 0 {
            self.refusals -= 1;
            return None;
        }
        let frame = self.next;
        self.next += Order::MAX.nr_pages();
        self.blocks.insert(frame, order);
        Some(frame)
    }

    fn free(&mut self, cpu: CpuId, block: u64) {
        self.cpus.push(cpu);
        let order = self.blocks.remove(&block).expect("an allocated block");
        self.frees.push((block, order));
    }

    fn split(&mut self, block: u64) -> [u64; 2] {
        let order = self.blocks.remove(&block).and_then(Order::below).expect("a block of two");
        let high = block + order.nr_pages();
        self.blocks.extend([(block, order), (high, order)]);
        [block, high]
    }
}

fn play(machine: &mut Frames, raw: &[Raw], cpus: u32) -> Counts {
    let trace = read(raw).unwrap_or_else(|error| panic!("{error}"));
    let mut replayer = Replayer::new(machine, &['a', 'b'], cpus);
    let mut seen = 0;
    replayer.play(&trace, |events| seen = events);
    assert_eq!(seen, raw.len() as u64);
    replayer.finish()
}

/// A part is cut out by halving; the rest is freed whole, in blocks, from below.
#[test]
fn parts_are_split_off() {
    let mut machine = Frames::default();
    play(&mut machine, &[alloc(0, 3), part(0, 0, 5), free(0, 3)], 2);
    let orders = [(5, Order::O0), (0, Order::O2), (4, Order::O0), (6, Order::O1)];
    assert_eq!(machine.frees, orders);
}

/// A part that covers several blocks that are left frees each; parts can use an allocation up.
#[test]
fn parts_can_cover_earlier_cuts() {
    let mut machine = Frames::default();
    let raw =
        [alloc(0, 3), part(0, 0, 7), part(0, 0, 6), part(0, 1, 4), part(0, 2, 0), alloc(1, 0)];
    let counts = play(&mut machine, &raw, 2);
    let firsts: Vec<_> = machine.frees.iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [7, 6, 4, 0, 1024]);
    assert_eq!((counts.partial_frees, counts.left), (4, 1));
}

/// Every event is counted once, failures are not freed, and what is left is freed at the end.
#[test]
fn events_are_counted() {
    let mut machine = Frames { refusals: 1, ..Frames::default() };
    let raw = [alloc(0, 2), alloc(1, 2), alloc(2, 0), part(0, 0, 0), free(0, 2), free(1, 2)];
    let counts = play(&mut machine, &raw, 1);
    let expected = Counts {
        events: 6,
        allocations: 3,
        failed: 1,
        frees: 1,
        partial_frees: 0,
        skipped: 2,
        left: 1,
    };
    assert_eq!(counts, expected);
    assert!(machine.blocks.is_empty());
    assert!(machine.cpus.iter().all(|cpu| *cpu == CpuId::BOOT), "one CPU plays all parts");
}

/// Records that make sense: allocations, and frees of frames that are left.
fn sensible(choices: &[(u8, u16, u8)]) -> Vec<Raw> {
    let mut raw = Vec::new();
    let mut live: Vec<(u32, u8, Vec<bool>)> = Vec::new();
    let mut next = 0;
    for (choice, place, order) in choices {
        if live.is_empty() || choice % 3 == 0 {
            let order = order % 11;
            live.push((next, order, vec![false; 1 << order]));
            raw.push(alloc(next, order));
            next += 1;
            continue;
        }
        let index = usize::from(*place) % live.len();
        let (id, allocated, gone) = &mut live[index];
        let order = order % (*allocated + 1);
        let first = (usize::from(*place) % gone.len()) >> order << order;
        let frames = &mut gone[first..first + (1 << order)];
        if choice % 3 == 1 {
            raw.push(free(*id, *allocated));
            live.remove(index);
        } else if frames.iter().all(|gone| !gone) {
            frames.fill(true);
            raw.push(part(*id, order, u32::try_from(first).unwrap()));
            if gone.iter().all(|gone| *gone) {
                live.remove(index);
            }
        }
    }
    raw
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is freed in whatever parts, every frame is given back once.
    #[test]
    fn every_frame_is_freed_once(choices in prop::collection::vec(any::<(u8, u16, u8)>(), 0..80)) {
        let raw = sensible(&choices);
        let mut machine = Frames::default();
        let counts = play(&mut machine, &raw, 2);
        prop_assert!(machine.blocks.is_empty());
        let freed: u64 = machine.frees.iter().map(|(_, order)| order.nr_pages()).sum();
        let allocated = raw.iter().filter(|record| record.1[0] == 0);
        prop_assert_eq!(freed, allocated.map(|record| 1 << record.1[1]).sum::<u64>());
        prop_assert_eq!(counts.skipped, 0);
    }

    /// No bytes, however zipped, bring the reader down.
    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..200), events in 1..20_usize) {
        let trace = Trace::read(&zip(&[header(events), noise.clone()].concat())[..]);
        prop_assert!(trace.is_err() || noise.len() >= 8);
        prop_assert!(String::from_utf8_lossy(&noise).parse::<Map>().is_err());
    }
}
