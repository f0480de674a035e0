//! Machines to boot: the memory maps of real ones.

use page_alloc::sim::{MapFile, SimConfig};
use std::error::Error;
use std::fs;
use std::path::Path;

/// The machine of a file of `tests/data/maps`, with one CPU.
pub(crate) fn read(name: &str) -> Result<SimConfig, Box<dyn Error>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/maps"));
    let map: MapFile = fs::read_to_string(folder.join(name))?.parse()?;
    Ok(map.to_config(1))
}
