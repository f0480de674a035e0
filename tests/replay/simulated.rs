//! Traces on a simulated machine: what is given back is whole, what fails is counted.

use crate::machine::{SimMachine, playable};
use crate::records::{Raw, alloc, free, part, read_with, sensible};
use crate::summary::Summary;
use crate::trace::Trace;
use page_alloc::node::pcp::PcpOrders;
use page_alloc::sim::{MapFile, SimConfig};
use page_alloc::{Gfp, MigrateType, Order};
use proptest::prelude::*;

/// Requests of all kinds; the index 1 is the one of [`alloc`].
const GFPS: &[&str] = &[
    "GFP_KERNEL|__GFP_ZERO",
    "GFP_HIGHUSER_MOVABLE|__GFP_COMP",
    "GFP_ATOMIC",
    "GFP_NOFS|__GFP_NOFAIL",
    "GFP_KERNEL|__GFP_RECLAIMABLE",
    "GFP_KERNEL_ACCOUNT|GFP_DMA32",
];

/// Two nodes of 16 MiB.
fn small() -> SimConfig {
    let map =
        "range 0 0x0 0xffffff\nrange 1 0x1000000 0x1ffffff\ndistance 0 10 20\ndistance 1 20 10";
    map.parse::<MapFile>().unwrap().to_config(2)
}

fn trace(raw: &[Raw]) -> (Trace, Vec<Gfp>) {
    let trace = read_with(raw, GFPS).unwrap_or_else(|error| panic!("{error}"));
    let gfps = playable(&trace.gfps).unwrap();
    (trace, gfps)
}

fn replay<'a>((trace, gfps): &'a (Trace, Vec<Gfp>), config: SimConfig) -> Summary<'a> {
    let machine = SimMachine::boot(config).unwrap_or_else(|error| panic!("{error}"));
    Summary::replay(machine, trace, gfps, |_| ())
}

/// The machine is whole at the end. Pageblocks that are kept for atomic requests merge with no
/// others, so then there may be other blocks than at boot.
fn check(summary: &Summary<'_>) {
    assert!(summary.is_right(), "{summary}");
    let others = summary.end.other_blocks(&summary.boot);
    assert!(others.iter().all(|zone| zone.contains("kept for atomic requests")), "{others:?}");
}

/// A trace with partial frees leaves the machine as it was, and JSON and tables say so.
#[test]
fn parts_are_given_back() {
    let raw = [alloc(0, 3), alloc(1, 9), part(0, 0, 5), part(1, 4, 48), free(1, 9), part(0, 2, 0)];
    let played = trace(&raw);
    let mut config = small();
    config.options.pcp = PcpOrders::None; // for the free frames before the end
    let summary = replay(&played, config);
    check(&summary);
    let json = summary.to_json();
    for (name, value) in [
        ("events", 6),
        ("allocations", 2),
        ("failed", 0),
        ("frees", 1),
        ("partial_frees", 3),
        ("skipped_frees", 0),
        ("freed_at_end", 1),
    ] {
        assert_eq!(json[name], value, "{name}");
    }
    assert_eq!(json["free_pages_start"], json["free_pages_end"]);
    assert_eq!((&json["verify"], &json["blocks_as_at_boot"]), (&"ok".into(), &true.into()));
    assert_eq!(summary.boot.free_pages() - summary.after.free_pages(), 2 + 1);
    let tables = summary.to_string();
    assert!(tables.ends_with("verify: ok\n"), "{tables}");
    assert!(tables.contains("every zone has its blocks of boot"), "{tables}");
    assert!(tables.contains("Node 1, zone    DMA32"), "{tables}");
}

/// More than fits is asked for: what fails is counted by type and order, its frees are skipped, and
/// flags that forbid to fail do not end the replay.
#[test]
fn failures_are_counted() {
    let asked = 16;
    let request = |id| (id, [0, 10, 0, 3], None);
    let mut raw: Vec<Raw> = (0..asked).map(request).collect();
    raw.extend((0..asked).map(|id| free(id, 10)));
    let played = trace(&raw);
    let summary = replay(&played, small());
    check(&summary);
    let failed = summary.counts.failed;
    assert!(failed > 8 && failed < 16, "{failed}");
    let of_order_10 = summary.machine.failed()[MigrateType::Unmovable.index()][10];
    assert_eq!((of_order_10, summary.counts.skipped), (failed, failed));
    assert_eq!(summary.counts.frees, u64::from(asked) - failed);
    assert!(summary.to_string().contains("failed, by order"));
}

/// A machine with one page less than at boot, or with a violation, is not right.
#[test]
fn losses_are_found() {
    let played = trace(&[alloc(0, 0)]);
    let mut summary = replay(&played, small());
    assert!(summary.is_right());
    let lost = summary.machine.sim().alloc_page(Gfp::KERNEL).unwrap();
    summary.end = summary.machine.state();
    assert!(!summary.is_right(), "frame {} is lost", lost.pfn());
    assert!(!summary.end.other_blocks(&summary.boot).is_empty());
    summary.end = summary.boot.clone();
    assert!(summary.is_right());
    summary.verify = "I4".to_owned();
    assert!(!summary.is_right());
}

/// Flags that the allocator does not know are refused by name.
#[test]
fn unknown_flags_are_refused() {
    let trace = read_with(&[], &["GFP_KERNEL", "GFP_KERNEL|__GFP_FAST"]).unwrap();
    assert_eq!(playable(&trace.gfps).unwrap_err().0, "__GFP_FAST");
    let gfps = ["GFP_KERNEL|__GFP_NOFAIL".to_owned()];
    assert_eq!(playable(&gfps), Ok(vec![Gfp::KERNEL]));
}

/// All memory of the second node is movable at first: an unmovable request takes a pageblock over.
#[test]
fn fallbacks_are_counted() {
    let played = trace(&[(0, [0, 0, 1, 0], None)]);
    let summary = replay(&played, small());
    let fallbacks = summary.machine.sim().trace();
    assert_eq!(fallbacks.count(MigrateType::Movable, MigrateType::Unmovable), 1);
    assert_eq!((fallbacks.total(), fallbacks.steals()), (1, 1));
    assert_eq!(summary.end.other_types(&summary.boot).len(), 1);
    assert_eq!(summary.asked[MigrateType::Unmovable.index()][Order::O0.index()], 1);
    assert!(summary.to_string().contains("Unmovable from Movable: 1"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever is asked for and freed in whatever parts, on a machine that has too little for some
    /// of it, the allocator's invariants hold at the end and all its pages are back.
    #[test]
    fn all_pages_come_back(
        choices in prop::collection::vec(any::<(u8, u16, u8)>(), 0..200),
        gfps in prop::collection::vec(0..6_u8, 200),
    ) {
        let mut raw = sensible(&choices);
        for (record, gfp) in raw.iter_mut().zip(gfps).filter(|(record, _)| record.1[0] == 0) {
            record.1[3] = gfp;
        }
        let played = trace(&raw);
        let summary = replay(&played, small());
        check(&summary);
        let counts = summary.counts;
        prop_assert_eq!(counts.events, raw.len() as u64);
        let frees = counts.frees + counts.partial_frees + counts.skipped;
        prop_assert_eq!(counts.allocations + frees, counts.events);
        prop_assert_eq!(summary.machine.failed().iter().flatten().sum::<u64>(), counts.failed);
    }
}
