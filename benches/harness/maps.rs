//! Machines to boot: flat ones, and the memory maps of real ones.

use page_alloc::boot::{MemoryKind, MemoryRegion, NodeRange};
use page_alloc::sim::SimConfig;
use page_alloc::{NodeId, PhysAddr};
use std::error::Error;
use std::fs;
use std::path::Path;

/// The machine of a file of `tests/data/maps`: its lines `range NODE FIRST LAST` and
/// `distance NODE d0 d1 …`.
pub(crate) fn read(name: &str) -> Result<SimConfig, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/maps");
    let text = fs::read_to_string(folder.join(name))?;
    let mut config = SimConfig::new(Vec::new());
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["range", node, first, last] => {
                let (first, last) = (address(first)?, address(last)?);
                let (base, length) = (PhysAddr::new(first), last - first + 1);
                config.memory_map.push(MemoryRegion::new(base, length, MemoryKind::Usable));
                let node = NodeId::new(node.parse()?).ok_or("too many nodes")?;
                config.nodes.push(NodeRange::new(node, base, length));
            }
            ["distance", _, ref row @ ..] => {
                let row = row.iter().map(|distance| distance.parse());
                config.distances.push(row.collect::<Result<_, _>>()?);
            }
            _ => {}
        }
    }
    Ok(config)
}

fn address(word: &str) -> Result<u64, Box<dyn Error>> {
    Ok(u64::from_str_radix(word.strip_prefix("0x").ok_or("no 0x")?, 16)?)
}
