//! The proof of the naive model: it replays every recording of zones and of zonelist walks.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "golden_kinds/buddy.rs"]
mod buddy_recording;
#[path = "golden_kinds/files.rs"]
mod files;
#[allow(dead_code, reason = "shared with other tests")]
mod model;
#[path = "golden_kinds/recording.rs"]
mod recording;
#[path = "golden_kinds/walk.rs"]
mod walk_recording;

use model::port;
use model::zone::Naive;

/// Replays all recordings of a kind; every operation in them must have been compared.
fn replay_kind(kind: &str, replay: fn(&str) -> Result<u64, String>) {
    let recordings = files::recordings(&files::default_directory()).expect("a directory");
    let of_kind = || recordings.iter().filter(|recording| recording.kind() == kind);
    assert_ne!(of_kind().count(), 0, "there are recordings of kind {kind}");
    for recording in of_kind() {
        let text = recording.text().expect("a readable recording");
        let compared = replay(&text);
        let operations = text.lines().filter(|line| line.contains(" | ")).count() as u64;
        assert_eq!(compared, Ok(operations), "{}", recording.name);
    }
}

/// In one zone, the model gives Linux's frames, counters, digests and lists.
#[test]
fn model_replays_every_recorded_zone() {
    replay_kind("buddy", buddy_recording::replay::<Naive>);
}

/// Over zonelists, the model passes and fails the watermarks where Linux does.
#[test]
fn model_replays_every_recorded_walk() {
    replay_kind("walk", walk_recording::replay::<Naive>);
}

/// A recording in which one digit was changed is refused, and the error shows the place.
#[test]
fn changed_recording_is_refused() {
    let recordings = files::recordings(&files::default_directory()).expect("a directory");
    let tiny = recordings.iter().find(|recording| recording.name == "buddy-tiny-o1.txt");
    let text = tiny.expect("the recording is there").text().expect("a text");
    let changed = text.replacen("= 1048640 0 |", "= 1048641 0 |", 1);
    let mismatch = buddy_recording::replay::<Naive>(&changed).expect_err("frames differ");
    assert!(mismatch.starts_with("line 18: a 6 U K 0\n"), "{mismatch}");
    assert!(mismatch.contains("1048640") && mismatch.contains("1048641"), "{mismatch}");
}
