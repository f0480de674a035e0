//! The measurements of one run: criterion times them, and here they are kept for the summary.

use criterion::{BenchmarkId, Criterion, SamplingMode};
use std::time::Duration;

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
    length: Length,
    rows: Vec<Row>,
}

impl Recorder {
    pub(crate) fn new(length: Length) -> Self {
        let criterion = length.criterion();
        let criterion = match length {
            Length::Full => criterion.configure_from_args(),
            Length::Smoke => criterion,
        };
        Self { criterion, length, rows: Vec::new() }
    }

    pub(crate) fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// Measures a case. `run` does the work so many times and tells how long it took; done once it
    /// is `ops` operations. `setup` is called only if the case is asked for.
    pub(crate) fn case<S>(
        &mut self,
        (group, case, implementation): (&str, &str, &'static str),
        ops: u64,
        setup: impl FnOnce() -> S,
        mut run: impl FnMut(&mut S, u64) -> Duration,
    ) {
        let mut setup = Some(setup);
        let mut state = None;
        let mut samples = Vec::new();
        let mut criterion_group = self.criterion.benchmark_group(group);
        criterion_group.sampling_mode(SamplingMode::Flat);
        criterion_group.bench_function(BenchmarkId::new(case, implementation), |bencher| {
            let state = state.get_or_insert_with(|| setup.take().expect("only once")());
            bencher.iter_custom(|iterations| {
                let time = run(state, iterations);
                samples.push(nanoseconds(time) / as_f64(iterations * ops));
                time
            });
        });
        criterion_group.finish();
        // The first samples are criterion's warm-up.
        let warm = samples.len().saturating_sub(self.length.samples());
        self.rows.extend(row((group, case, implementation), samples.split_off(warm)));
    }
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
