//! Reading a trace file.

use crate::records::{alloc, free, header, part, read, records, zip};
use crate::trace::{Event, Fault, Trace, TraceError};
use page_alloc::Order;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// The recorded trace is read whole; its counts are those that the module's page gives.
#[test]
fn recorded_trace_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces");
    let file = fs::File::open(folder.join("ripgrep-build.trace.gz")).expect("the trace");
    let trace = Trace::read(file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((trace.cpus, trace.gfps.len(), trace.events.len()), (2, 39, 3_000_000));
    assert_eq!(trace.gfps[16], "GFP_TRANSHUGE|__GFP_NORETRY|__GFP_THISNODE");
    let count = |kind: fn(&Event) -> bool| trace.events.iter().filter(|event| kind(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Alloc { .. })), 1_533_293);
    assert_eq!(count(|event| matches!(event, Event::Alloc { order: Order::O0, .. })), 1_520_288);
    assert_eq!(count(|event| matches!(event, Event::Free { .. })), 1_466_707);
    assert_eq!(size_of::<Event>(), 12);
}

/// Each kind of record comes to its event, and the place of what is gone is taken again.
#[test]
fn records_become_events() {
    let trace = read(&[alloc(0, 3), alloc(1, 0), part(0, 1, 6), free(0, 3), alloc(2, 0)]).unwrap();
    assert_eq!(trace.gfps, ["GFP_KERNEL", "GFP_A|GFP_B"]);
    let offset = 6;
    assert_eq!(
        trace.events,
        [
            Event::Alloc { place: 0, order: Order::O3, cpu: 0, gfp: 1 },
            Event::Alloc { place: 1, order: Order::O0, cpu: 0, gfp: 1 },
            Event::FreePart { place: 0, offset, order: Order::O1, cpu: 1 },
            Event::Free { place: 0, cpu: 1 },
            Event::Alloc { place: 0, order: Order::O0, cpu: 0, gfp: 1 },
        ]
    );
    assert_eq!(trace.places, 2);
    let used_up = read(&[alloc(0, 1), part(0, 0, 0), part(0, 0, 1), alloc(1, 0)]).unwrap();
    assert_eq!(used_up.places, 1);
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
    let plain = [header(2, &["GFP_KERNEL", "GFP_USER"]), records(&raw)].concat();
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No bytes, however zipped, bring the reader down.
    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..200), events in 1..20_usize) {
        let trace = Trace::read(&zip(&[header(events, &["GFP_KERNEL"]), noise.clone()].concat())[..]);
        prop_assert!(trace.is_err() || noise.len() >= 8);
    }
}
