//! The bench `instructions`: what callgrind writes is read, the record is read as it was written,
//! growth is told from noise, and the command line means what it says. The bench itself is run by
//! the gate.

#[path = "../benches/counting/callgrind.rs"]
mod callgrind;
#[path = "../benches/counting/command.rs"]
mod command;
#[path = "../benches/counting/count.rs"]
mod count;
#[path = "../benches/counting/record.rs"]
mod record;
#[path = "../benches/counting/verdict.rs"]
mod verdict;

use callgrind::instructions;
use command::Command;
use count::Count;
use record::Record;
use verdict::Verdict;

/// The records of this crate, and how each differs in the command that writes it.
const OURS: [(&str, &str); 2] = [
    (include_str!("../benches/instructions.txt"), ""),
    (include_str!("../benches/instructions-plain.txt"), "--profile plain "),
];

/// As callgrind writes it, but for most of the costs.
const PROFILE: &str = "\
# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 4711
cmd:  instructions --child totals: 7
part: 1

desc: I1 cache:
positions: line
events: Ir
summary: 123456789

ob=(1) a-program
fl=(1) a-file.rs
fn=(1) totals
16 40
calls=1 0
17 2
totals: 123456790
";

fn count(text: &str) -> Count {
    text.parse().expect("a count")
}

/// The record of one case.
fn recorded(value: &str) -> Record {
    let mut record = Record::new("rustc 1.2.3".to_owned());
    record.counts.push(("zone/a".to_owned(), count(value)));
    record
}

/// The total of the instructions is taken, in whatever column it stands; the line `summary:` does
/// if there is no line `totals:`.
#[test]
fn totals_are_read() {
    assert_eq!(instructions(PROFILE), Ok(123_456_790));
    let summary = PROFILE.replace("\ntotals: 123456790\n", "\n");
    assert_eq!(instructions(&summary), Ok(123_456_789));
    let columns = "events: Bc Ir Dr\ntotals: 1 22 333\n";
    assert_eq!(instructions(columns), Ok(22));
}

/// A file without the number is refused, and not taken for 0.
#[test]
fn files_without_totals_are_refused() {
    assert_eq!(instructions(""), Err("no line `events:`"));
    assert_eq!(instructions("events: Dr\ntotals: 5\n"), Err("instructions are not counted"));
    assert_eq!(instructions("events: Ir\n"), Err("no line of totals"));
    assert_eq!(instructions("events: Dr Ir\ntotals: 5\n"), Err("too few totals"));
    assert_eq!(instructions("events: Ir\ntotals: many\n"), Err("a total that is no number"));
}

/// A count is rounded to the nearest tenth; no operations have no count.
#[test]
fn counts_are_rounded() {
    let of = |instructions, operations| Count::new(instructions, operations).map(|c| c.tenths);
    assert_eq!(of(1000, 8), Some(1250));
    assert_eq!((of(1004, 100), of(1005, 100)), (Some(100), Some(101)));
    assert_eq!(of(5, 0), None);
}

/// A count is printed as it is read, and nothing else is read.
#[test]
fn counts_are_read_as_printed() {
    for text in ["0.0", "0.9", "12.0", "1234567.8"] {
        assert_eq!(count(text).to_string(), text);
    }
    for text in ["", "12", "12.", ".5", "12.34", "-1.0", "1.x", "1e3.0", "1844674407370955162.0"] {
        assert!(text.parse::<Count>().is_err(), "{text}");
    }
}

/// Changes are printed in percent, with their sign.
#[test]
fn changes_are_in_percent() {
    let change = |before, now| count(now).change_from(count(before));
    assert_eq!(change("100.0", "105.1").as_deref(), Some("+5.1 %"));
    assert_eq!(change("200.0", "100.0").as_deref(), Some("-50.0 %"));
    assert_eq!(change("200.0", "200.0").as_deref(), Some("0.0 %"));
    assert_eq!(change("0.0", "200.0"), None);
}

/// Growth by exactly 5 % is none, by 5.1 % it is; the other way round the count has shrunk.
#[test]
fn five_percent_are_the_border() {
    let verdict = |before, now| Verdict::of(Some(count(before)), count(now));
    assert_eq!(verdict("100.0", "105.0"), Verdict::Same);
    assert_eq!(verdict("100.0", "105.1"), Verdict::Grown);
    assert_eq!(verdict("100.0", "95.0"), Verdict::Same);
    assert_eq!(verdict("100.0", "94.9"), Verdict::Shrunk);
    assert_eq!(Verdict::of(None, count("1.0")), Verdict::Unrecorded);
}

/// One instruction more or less is no change, however few there were.
#[test]
fn one_instruction_is_noise() {
    let verdict = |before, now| Verdict::of(Some(count(before)), count(now));
    assert_eq!(verdict("8.0", "9.0"), Verdict::Same);
    assert_eq!(verdict("8.0", "9.1"), Verdict::Grown);
    assert_eq!(verdict("8.0", "7.0"), Verdict::Same);
    assert_eq!(verdict("8.0", "6.9"), Verdict::Shrunk);
    assert_eq!(verdict("0.0", "1.1"), Verdict::Grown);
}

/// A case that grew, and one that is not recorded, fail with their names; one that shrank does not.
#[test]
fn reports_name_the_cases() {
    let report = |name, now| recorded("100.0").compare(&[(name, count(now))], "record it");
    let same = report("zone/a", "105.0");
    assert!(same.failures.is_empty() && same.hints.is_empty());
    let grown = report("zone/a", "105.1");
    assert_eq!(grown.failures, ["zone/a grew by more than 5 %: 100.0 before, 105.1 now"]);
    let shrunk = report("zone/a", "50.0");
    assert!(shrunk.failures.is_empty() && shrunk.hints[0].starts_with("zone/a shrank"));
    let missing = report("zone/b", "100.0");
    assert_eq!(missing.failures, ["zone/b is not in the record: write it by `record it`"]);
    let nothing = Record::default().compare(&[("zone/a", count("100.0"))], "record it");
    assert_eq!(nothing.failures.len(), 1);
}

/// A record is read as it was written; so are those of this crate.
#[test]
fn records_are_read_as_written() {
    let record = recorded("100.0");
    let text = record.text("record it");
    assert!(text.ends_with("\n# record it\ncompiler: rustc 1.2.3\nzone/a: 100.0\n"));
    assert_eq!(text.parse(), Ok(record));
    for (ours, profile) in OURS {
        let record: Record = ours.parse().unwrap();
        assert!(record.compiler.starts_with("rustc ") && !record.counts.is_empty());
        let command = format!("cargo bench {profile}--bench instructions -- --record");
        assert_eq!(record.text(&command), ours);
    }
}

/// Crate by crate, as a kernel builds that sets nothing, an operation takes about what it takes where all
/// crates are optimised as one: what the paths call in this crate can be inlined by other ones. (A pair of
/// the largest order takes a tenth more. Half of that is what a program that unwinds keeps in memory.)
#[test]
fn no_operation_hangs_on_the_link() {
    let [bench, plain] = OURS.map(|(ours, _)| ours.parse::<Record>().unwrap());
    assert_eq!(bench.counts.len(), plain.counts.len());
    for (name, whole) in &bench.counts {
        let alone = plain.get(name).unwrap();
        assert!(alone.tenths * 100 <= whole.tenths * 111, "{name}: {alone} for {whole}");
    }
}

/// A damaged record is refused, with the line.
#[test]
fn damaged_records_are_refused() {
    let error = |text: &str| text.parse::<Record>().unwrap_err();
    assert_eq!(error("zone/a"), "no value: zone/a");
    assert_eq!(error("zone/a: 1.0\nzone/a: 2.0\n"), "twice: zone/a");
    assert!(error("zone/a: many\n").ends_with(": zone/a: many"));
    assert!(error("<<<<<<< ours\n").starts_with("no value"));
}

/// Only what `cargo bench` starts compares and records; everything else runs the cases once.
#[test]
fn options_are_read() {
    let parse = |line: &str| Command::parse(line.split_whitespace().map(str::to_owned));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(parse("--bench"), Ok(Command::Compare { words: vec![] }));
    let filtered = Command::Compare { words: words(&["zone", "boot"]) };
    assert_eq!(parse("zone boot --bench"), Ok(filtered));
    assert_eq!(parse("--record --bench"), Ok(Command::Record));
    assert_eq!(parse("--listing --bench"), Ok(Command::Listing));
    assert_eq!(parse(""), Ok(Command::Smoke { words: vec![] }));
    assert_eq!(parse("--smoke a --bench"), Ok(Command::Smoke { words: words(&["a"]) }));
    let child = Command::Child { case: "zone/a".to_owned(), times: 2 };
    assert_eq!(parse("--child zone/a 2"), Ok(child));
    for line in
        ["--recrod --bench", "--record zone --bench", "--record", "--listing", "--child zone/a x"]
    {
        assert!(parse(line).is_err(), "{line}");
    }
}
