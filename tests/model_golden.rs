//! The proof of the naive model: it replays every recording of zones.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "golden_kinds/buddy.rs"]
mod buddy_recording;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/common.rs"]
mod common;
#[allow(dead_code, reason = "shared with other tests")]
mod model;
#[path = "golden_kinds/walk.rs"]
mod walk_recording;

use model::port;
use model::zone::Naive;
use std::io::Read;
use std::path::PathBuf;

/// The recordings whose names begin with `prefix`: names and texts.
fn recordings(prefix: &str) -> Vec<(String, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(directory).expect("the recordings are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let named = paths.into_iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path));
    named.filter(|(name, _)| name.starts_with(prefix)).map(|(name, path)| (name, text(&path))).collect()
}

fn text(path: &PathBuf) -> String {
    let bytes = std::fs::read(path).expect("a readable file");
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("a gzipped text");
    } else {
        text = String::from_utf8(bytes).expect("a text");
    }
    text
}

/// Every result, counter, digest and dump of the single-zone recordings is the model's.
#[test]
fn model_replays_buddy_recordings() {
    let mut operations = 0;
    let mut bad = 0;
    for (name, text) in recordings("buddy-") {
        match buddy_recording::replay::<Naive>(&text) {
            Ok(n) => operations += n,
            Err(e) => {
                bad += 1;
                println!("{name}: {e}");
            }
        }
    }
    println!("{operations}");
    assert_eq!(bad, 0);
}

#[test]
fn model_replays_walk_recordings() {
    let mut operations = 0;
    let mut bad = 0;
    for (name, text) in recordings("walk-") {
        match walk_recording::replay::<Naive>(&text) {
            Ok(n) => operations += n,
            Err(e) => {
                bad += 1;
                println!("{name}: {e}");
            }
        }
    }
    println!("{operations}");
    assert_eq!(bad, 0);
}
