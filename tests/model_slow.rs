//! Whole requests with the slow path, against the naive model: first the model is proven on the
//! recordings, then the crate is held against it where nobody recorded anything.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "model_slow/answers.rs"]
mod answers;
#[path = "model_slow/bound.rs"]
mod bound;
#[path = "golden_kinds/files.rs"]
mod files;
#[allow(dead_code, reason = "shared with other tests")]
mod model;
#[path = "allocator/plan.rs"]
mod plan;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/raw_zone.rs"]
mod raw_zone;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/recording.rs"]
mod recording;
#[path = "model_slow/scene.rs"]
mod scene;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/sim_machine.rs"]
mod sim_machine;
#[path = "golden_kinds/slowpath.rs"]
mod slowpath;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/slowpath_branches.rs"]
mod slowpath_branches;
#[path = "golden_kinds/slowpath_case.rs"]
mod slowpath_case;
#[path = "golden_kinds/slowpath_kernel.rs"]
mod slowpath_kernel;
#[path = "golden_kinds/slowpath_log.rs"]
mod slowpath_log;
#[path = "golden_kinds/slowpath_machine.rs"]
mod slowpath_machine;
#[path = "golden_kinds/slowpath_model.rs"]
mod slowpath_model;
#[path = "model_slow/strategy.rs"]
mod strategy;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/walk.rs"]
mod walk;

use model::port;
use proptest::prelude::{ProptestConfig, TestCaseError, proptest};
use scene::Scene;

/// The model makes every recorded request as Linux did: the same steps, result and memory.
#[test]
fn model_repeats_every_recorded_request() {
    let recordings = files::recordings(&files::default_directory()).expect("a directory");
    let mut requests = 0;
    for recording in recordings.iter().filter(|recording| recording.kind() == "slowpath") {
        let text = recording.text().expect("a readable recording");
        let found = slowpath_model::record(&text).expect("a recording");
        requests += text.lines().filter(|line| line.starts_with("case ")).count();
        repeats(&text, &found).unwrap_or_else(|error| panic!("{}, {error}", recording.name));
    }
    assert_eq!(requests, 959);
}

/// Whether the lines are those of the recording, but for warnings about calls that are wrong in
/// themselves.
fn repeats(text: &str, found: &[String]) -> Result<(), String> {
    let mut found = found.iter();
    let mut case = "the header";
    for line in recording::lines(text).filter(|line| !line.text.ends_with("warn_on")) {
        if line.text.starts_with("case ") {
            case = line.text;
        }
        let found = found.next().map_or("nothing", String::as_str);
        line.expect(found).map_err(|error| format!("{case}, {error}"))?;
    }
    found.next().map_or(Ok(()), |more| Err(format!("at the end: found {more}")))
}

/// With one answer changed, the model does not make the steps that were recorded with the other.
#[test]
fn changed_answer_is_seen() {
    let recordings = files::recordings(&files::default_directory()).expect("a directory");
    let uma = recordings.iter().find(|recording| recording.name == "slowpath-hand-uma-o1.txt");
    let text = uma.expect("the recording is there").text().expect("a text");
    let changed = text.replacen("in reclaim 32", "in reclaim 0", 1);
    let found = slowpath_model::record(&changed).expect("a recording");
    let error = repeats(&changed, &found).expect_err("an answer differs");
    assert!(error.starts_with("case kernel0-estimate, "), "{error}");
    assert!(error.contains("found:    s reclaim order=0 gfp= mask=- -> 0"), "{error}");
}

/// Makes the requests of a scene with the model and with the crate, and compares each step, the
/// results and the memory afterwards.
fn compare(scene: &Scene) -> Result<(), String> {
    let recording = slowpath_model::record(&scene.text())?;
    bound::check(&recording)?;
    let compared = slowpath::run("random", &recording.join("\n"));
    compared.map(drop).map_err(|error| format!("{error}\n{}", steps(&recording, &error)))
}

/// The steps of the model for the request that an error names.
fn steps(recording: &[String], error: &str) -> String {
    let name = error.split_once("request ").and_then(|(_, rest)| rest.split_once(','));
    let start = format!("case {}", name.map_or("", |(name, _)| name));
    let lines = recording.iter().skip_while(|line| **line != start);
    let steps = lines.skip(1).take_while(|line| !line.starts_with("case "));
    let steps: Vec<&str> = steps.map(String::as_str).collect();
    steps.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the machine, the request, its context and the answers of the kernel, lies among them,
    /// the allocator goes the way that the model goes, and ends within its rounds.
    #[test]
    fn random_requests_agree(scene in strategy::scene()) {
        compare(&scene).map_err(TestCaseError::fail)?;
    }
}
