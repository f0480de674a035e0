//! The measurements of one run: criterion times them, and here they are kept for the summary.

use super::arguments::Arguments;
use super::failure::{Deadline, Failure, Patience, Timed, guarded};
use super::length::Length;
use criterion::{BenchmarkId, Criterion, SamplingMode};
use std::time::Duration;

/// Short beside the time that a scheduler gives to a program at once.
const SLICE: Duration = Duration::from_micros(200);

/// Which case: its group, its name, and who does it.
pub(crate) type Name<'a> = (&'a str, &'a str, &'static str);

/// The work of a case. Its type is the same for all, so that criterion is compiled once.
type Run<'a> = &'a mut dyn FnMut(u64) -> Timed;

/// What one case took, in nanoseconds for one operation.
pub(crate) struct Row {
    pub(crate) group: String,
    pub(crate) case: String,
    pub(crate) implementation: &'static str,
    pub(crate) ns_min: f64,
    pub(crate) ns_median: f64,
    pub(crate) samples: usize,
}

/// A case that an implementation could not do.
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) implementation: &'static str,
    pub(crate) failure: Failure,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// Measures cases, one after the other.
pub(crate) struct Recorder {
    arguments: Arguments,
    criterion: Criterion,
    report: Report,
}

impl Recorder {
    pub(crate) fn new(arguments: Arguments) -> Self {
        let criterion = arguments.length.criterion();
        Self { arguments, criterion, report: Report::default() }
    }

    pub(crate) fn into_report(self) -> Report {
        self.report
    }

    /// How long one run may take, for workloads that can be slow.
    pub(crate) fn patience(&self) -> Patience {
        self.arguments.length.patience()
    }

    /// Whether a case is asked for.
    pub(crate) fn asks_for(&self, name: Name<'_>) -> bool {
        self.arguments.asks_for(&full(name))
    }

    /// Whether there is time for cases that are slow to set up.
    pub(crate) fn is_full(&self) -> bool {
        self.arguments.length == Length::Full
    }

    /// Measures a case if it is asked for. `run` does the work so many times and tells how long it
    /// took; done once it is `ops` operations.
    pub(crate) fn case<S>(
        &mut self,
        name: Name<'_>,
        ops: u64,
        setup: impl FnOnce() -> Result<S, Failure>,
        run: impl FnMut(&mut S, u64) -> Timed,
    ) {
        if self.asks_for(name) {
            self.always(name, ops, setup, run);
        }
    }

    /// Measures a case, asked for or not.
    pub(crate) fn always<S>(
        &mut self,
        name: Name<'_>,
        ops: u64,
        setup: impl FnOnce() -> Result<S, Failure>,
        mut run: impl FnMut(&mut S, u64) -> Timed,
    ) {
        let samples = guarded(setup).and_then(|mut state| {
            self.samples(name, &mut |times| guarded(|| run(&mut state, times)))
        });
        match samples {
            Ok(samples) => self.report.rows.extend(row(name, ops, &samples)),
            Err(failure) => {
                println!("{}: {failure}", full(name));
                let (name, implementation) = (full(name), name.2);
                self.report.left_out.push(LeftOut { name, implementation, failure });
            }
        }
    }

    fn samples(&mut self, name: Name<'_>, run: Run<'_>) -> Result<Samples, Failure> {
        let slow = slow_samples(self.arguments.length, run)?;
        if slow.0.is_empty() { self.quick_samples(name, run) } else { Ok(slow) }
    }

    /// Criterion's samples are cut into slices, and the row is made of these: where other programs
    /// use the CPUs too, most slices are still not interrupted.
    fn quick_samples(
        &mut self,
        (group, case, implementation): Name<'_>,
        run: Run<'_>,
    ) -> Result<Samples, Failure> {
        let (mut samples, mut slice, mut failure) = (Samples::default(), 1, None);
        let mut criterion_group = self.criterion.benchmark_group(group);
        let deadline = self.arguments.length.most().begin();
        criterion_group.sampling_mode(SamplingMode::Flat);
        criterion_group.bench_function(BenchmarkId::new(case, implementation), |bencher| {
            bencher.iter_custom(|iterations| {
                let sliced = match failure {
                    None => samples.take_sliced(iterations, &mut slice, &deadline, run),
                    Some(failure) => Err(failure),
                };
                failure = sliced.err();
                // Criterion must be told something; the row is not kept.
                sliced.unwrap_or(Duration::from_nanos(iterations))
            });
        });
        criterion_group.finish();
        failure.map_or(Ok(samples), Err)
    }
}

fn full((group, case, implementation): Name<'_>) -> String {
    format!("{group}/{case}/{implementation}")
}

/// How often the work was done at once, and what that took.
#[derive(Default)]
struct Samples(Vec<(u64, Duration)>);

impl Samples {
    fn take(&mut self, times: u64, run: Run<'_>) -> Timed {
        let time = run(times)?;
        self.0.push((times, time));
        Ok(time)
    }

    /// Runs something so many times, `slice` at once, which grows until it takes about a [`SLICE`].
    /// What is left at the deadline is not run: it is taken to cost what was seen so far. Starting
    /// threads can take much longer than what they do.
    fn take_sliced(
        &mut self,
        times: u64,
        slice: &mut u64,
        deadline: &Deadline,
        run: Run<'_>,
    ) -> Timed {
        let (mut left, mut total) = (times, Duration::ZERO);
        while left > 0 {
            if deadline.check().is_err() && !self.0.is_empty() {
                return Ok(total + self.expected(left));
            }
            let now = left.min(*slice);
            let time = self.take(now, run)?;
            (left, total) = (left - now, total + time);
            if now == *slice && time * 2 < SLICE {
                *slice *= 2;
            }
        }
        Ok(total)
    }

    /// What so many times should take.
    fn expected(&self, times: u64) -> Duration {
        let seen: u64 = self.0.iter().map(|(times, _)| times).sum();
        self.total().mul_f64(as_f64(times) / as_f64(seen.max(1)))
    }

    fn total(&self) -> Duration {
        self.0.iter().map(|(_, time)| time).sum()
    }

    /// The nanoseconds of an operation, in order. Short slices show the clock and the start.
    fn to_nanoseconds(&self, ops: u64) -> Vec<f64> {
        let most = self.0.iter().map(|(times, _)| *times).max().unwrap_or(0);
        let long = self.0.iter().filter(|(times, _)| times * 2 >= most);
        let mut values: Vec<_> =
            long.map(|(times, time)| time.as_secs_f64() * 1e9 / as_f64(times * ops)).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

/// The samples of work that is not quick; none if it is. The first runs may meet cold memory.
fn slow_samples(length: Length, run: Run<'_>) -> Result<Samples, Failure> {
    let mut samples = Samples::default();
    while samples.total() < length.budget() {
        if samples.take(1, run)? <= length.quick() {
            return Ok(Samples::default());
        }
    }
    Ok(samples)
}

fn row((group, case, implementation): Name<'_>, ops: u64, samples: &Samples) -> Option<Row> {
    let values = samples.to_nanoseconds(ops);
    let (group, case, samples) = (group.to_owned(), case.to_owned(), values.len());
    let (ns_min, ns_median) = (*values.first()?, values[samples / 2]);
    Some(Row { group, case, implementation, ns_min, ns_median, samples })
}

#[expect(clippy::cast_precision_loss, reason = "a count of operations, far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
