//! The recorded counts, as a text of which a diff can be read.

use super::count::Count;
use super::verdict::Verdict;
use std::str::FromStr;

/// What the file says first; after it comes the command.
const HEAD: &str = "# Instructions for one operation, counted by callgrind. Written by";

/// The name of the line that says what the counts depend on.
const COMPILER: &str = "compiler";

/// The counts of all cases, and the compiler whose code was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) compiler: String,
    pub(crate) counts: Vec<(String, Count)>,
}

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Why it is not passed.
    pub(crate) failures: Vec<String>,
    /// What makes the record worth writing anew.
    pub(crate) hints: Vec<String>,
}

impl Record {
    pub(crate) fn new(compiler: String) -> Self {
        Self { compiler, counts: Vec::new() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Count> {
        self.counts.iter().find(|(recorded, _)| recorded == name).map(|(_, count)| *count)
    }

    /// The file that this command writes.
    pub(crate) fn text(&self, command: &str) -> String {
        let line = |(name, count): &(String, Count)| format!("{name}: {count}\n");
        let counts: String = self.counts.iter().map(line).collect();
        format!("{HEAD}\n# {command}\n{COMPILER}: {}\n{counts}", self.compiler)
    }

    /// Judges counts by the record, which that command writes.
    pub(crate) fn compare(&self, now: &[(&str, Count)], command: &str) -> Report {
        let mut report = Report::default();
        for (name, now) in now {
            let recorded = self.get(name);
            let was = recorded.map(|count| count.to_string()).unwrap_or_default();
            match Verdict::of(recorded, *now) {
                Verdict::Same => {}
                Verdict::Grown => report
                    .failures
                    .push(format!("{name} grew by more than 5 %: {was} before, {now} now")),
                Verdict::Unrecorded => {
                    report
                        .failures
                        .push(format!("{name} is not in the record: write it by `{command}`"));
                }
                Verdict::Shrunk => report.hints.push(format!(
                    "{name} shrank by more than 5 %: {was} before, {now} now; keep it by `{command}`"
                )),
            }
        }
        report
    }
}

impl FromStr for Record {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut record = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, value) = line.split_once(": ").ok_or_else(|| format!("no value: {line}"))?;
            if name == COMPILER {
                value.clone_into(&mut record.compiler);
                continue;
            }
            if record.get(name).is_some() {
                return Err(format!("twice: {name}"));
            }
            let count = value.parse().map_err(|error| format!("{error}: {line}"))?;
            record.counts.push((name.to_owned(), count));
        }
        Ok(record)
    }
}
