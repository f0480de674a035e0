//! Whole requests with the slow path, against the naive model: first the model is proven on the
//! recordings, then the crate is held against it where nobody recorded anything.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "golden_kinds/files.rs"]
mod files;
#[allow(dead_code, reason = "shared with other tests")]
mod model;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/recording.rs"]
mod recording;
#[path = "golden_kinds/slowpath_model.rs"]
mod slowpath_model;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/walk.rs"]
mod walk;

use model::port;

/// The model makes every recorded request as Linux did: the same steps, result and memory.
#[test]
fn model_repeats_every_recorded_request() {
    let recordings = files::recordings(&files::default_directory()).expect("a directory");
    let mut requests = 0;
    for recording in recordings.iter().filter(|recording| recording.kind() == "slowpath") {
        let text = recording.text().expect("a readable recording");
        let found = slowpath_model::record(&text).expect("a recording");
        let expected = recording::lines(&text).filter(|line| !line.text.ends_with("warn_on"));
        let mut case = String::new();
        let mut at = 0;
        for line in expected {
            if line.text.starts_with("case ") {
                case = line.text.into();
                requests += 1;
            }
            line.expect(found.get(at).map_or("", |found| found))
                .unwrap_or_else(|error| panic!("{}, {case}: {error}", recording.name));
            at += 1;
        }
        assert_eq!(found.len(), at, "{}", recording.name);
    }
    assert_eq!(requests, 959);
}
