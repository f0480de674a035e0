//! The files of the crate.

use crate::scan::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 3] = [".git", "target", "node_modules"];

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the crate, sorted; none if there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    let foreign = |path: &PathBuf| FOREIGN.iter().any(|name| path.ends_with(name));
    paths.retain(|path| !foreign(path));
    paths.into_iter().flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

/// The path below the root, with `/`.
fn relative(path: &Path) -> String {
    let parts = path.strip_prefix(root()).expect("a path below the root").iter();
    parts.map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The Rust files below the given folders, recorded data left aside.
pub(crate) fn rust(folders: &[&str]) -> Vec<Source> {
    let paths = folders.iter().flat_map(|folder| files(&root().join(folder)));
    let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let paths = paths.map(|path| relative(&path)).filter(|path| !path.starts_with("tests/data/"));
    paths.map(|path| Source::new(&path, &read(&path).expect("Rust is UTF-8"))).collect()
}

/// Path and text of every file that is text.
pub(crate) fn texts() -> Vec<(String, String)> {
    let paths = files(&root()).into_iter().map(|path| relative(&path));
    paths.filter_map(|path| read(&path).map(|text| (path, text))).collect()
}

/// The text of a file; `None` if there is no such file, or if it is not text.
pub(crate) fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}
