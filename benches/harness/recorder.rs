//! The measurements of one run: criterion times them, and here they are kept for the summary.

use criterion::{BenchmarkId, Criterion, SamplingMode};
use std::time::Duration;

/// Short beside the time that a scheduler gives to a program at once.
const SLICE: Duration = Duration::from_micros(200);

/// How long a run takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Long enough for numbers that repeat.
    Full,
    /// Only to see that everything runs.
    Smoke,
}

impl Length {
    fn samples(self) -> usize {
        if self == Self::Full { 60 } else { 10 }
    }

    fn criterion(self) -> Criterion {
        let (warm_up, measurement) = if self == Self::Full { (300, 1200) } else { (5, 20) };
        Criterion::default()
            .sample_size(self.samples())
            .warm_up_time(Duration::from_millis(warm_up))
            .measurement_time(Duration::from_millis(measurement))
    }
}

/// What one case took, in nanoseconds for one operation.
pub(crate) struct Row {
    pub(crate) group: String,
    pub(crate) case: String,
    pub(crate) implementation: &'static str,
    pub(crate) ns_min: f64,
    pub(crate) ns_median: f64,
}

/// Measures cases, one after the other.
pub(crate) struct Recorder {
    criterion: Criterion,
    rows: Vec<Row>,
}

impl Recorder {
    pub(crate) fn new(length: Length) -> Self {
        let criterion = length.criterion();
        let criterion = match length {
            Length::Full => criterion.configure_from_args(),
            Length::Smoke => criterion,
        };
        Self { criterion, rows: Vec::new() }
    }

    pub(crate) fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// Measures a case. `run` does the work so many times and tells how long it took; done once it
    /// is `ops` operations. `setup` is called only if the case is asked for.
    ///
    /// Criterion's samples are cut into slices, and the row is made of these: where other programs
    /// use the CPUs too, most slices are still not interrupted.
    pub(crate) fn case<S>(
        &mut self,
        (group, case, implementation): (&str, &str, &'static str),
        ops: u64,
        setup: impl FnOnce() -> S,
        mut run: impl FnMut(&mut S, u64) -> Duration,
    ) {
        let mut setup = Some(setup);
        let mut state = None;
        let (mut samples, mut slice) = (Vec::new(), 1);
        let mut criterion_group = self.criterion.benchmark_group(group);
        criterion_group.sampling_mode(SamplingMode::Flat);
        criterion_group.bench_function(BenchmarkId::new(case, implementation), |bencher| {
            let state = state.get_or_insert_with(|| setup.take().expect("only once")());
            bencher.iter_custom(|iterations| {
                sliced(iterations, &mut slice, |times| {
                    let time = run(state, times);
                    samples.push(nanoseconds(time) / as_f64(times * ops));
                    time
                })
            });
        });
        criterion_group.finish();
        self.rows.extend(row((group, case, implementation), samples));
    }
}

/// Runs something so many times, `slice` at once, which grows until it takes about a [`SLICE`].
fn sliced(times: u64, slice: &mut u64, mut run: impl FnMut(u64) -> Duration) -> Duration {
    let (mut left, mut total) = (times, Duration::ZERO);
    while left > 0 {
        let now = left.min(*slice);
        let time = run(now);
        (left, total) = (left - now, total + time);
        if now == *slice && time * 2 < SLICE {
            *slice *= 2;
        }
    }
    total
}

fn row(
    (group, case, implementation): (&str, &str, &'static str),
    mut samples: Vec<f64>,
) -> Option<Row> {
    samples.sort_by(f64::total_cmp);
    let (group, case) = (group.to_owned(), case.to_owned());
    let (ns_min, ns_median) = (*samples.first()?, samples[samples.len() / 2]);
    Some(Row { group, case, implementation, ns_min, ns_median })
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[expect(clippy::cast_precision_loss, reason = "a count of operations, far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
