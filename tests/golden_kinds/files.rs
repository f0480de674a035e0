//! The files of recordings: finding and reading them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the recordings stand in the source tree.
pub fn default_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("golden")
}

/// Files that lie beside the recordings and are none.
const NO_RECORDINGS: [&str; 2] = ["FORMAT.md", "SHA256SUMS"];

/// A recording: its file name without directory, where it is, and its size in bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recording {
    pub name: String,
    pub path: PathBuf,
    pub size: u64,
}

impl Recording {
    /// The kind: the name up to the first `-` or `.`.
    pub fn kind(&self) -> &str {
        self.name.split(['-', '.']).next().unwrap_or_default()
    }

    /// The text, unpacked if need be.
    pub fn text(&self) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.path.display());
        let bytes = fs::read(&self.path).map_err(failed)?;
        let mut text = String::new();
        if self.name.ends_with(".gz") {
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).map_err(failed)?;
        } else {
            bytes.as_slice().read_to_string(&mut text).map_err(failed)?;
        }
        Ok(text)
    }
}

/// The recordings of a directory, by name.
pub fn recordings(directory: &Path) -> Result<Vec<Recording>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !NO_RECORDINGS.contains(&name.as_str()) {
            let size = entry.metadata().map_err(failed)?.len();
            found.push(Recording { name, path: entry.path(), size });
        }
    }
    found.sort();
    Ok(found)
}
