//! The memory map of a real machine, from either kind of file of `tests/data/maps`.
//!
//! `*.map` has usable memory as Linux saw it: lines `range NODE FIRST LAST`, `distance NODE d0 d1 …`
//! and `present …`, which is only for comparison. `firmware/*.map` has what firmware gave: lines
//! `entry START END TYPE`, `srat START END NODE [hotplug]`, `kernel START END` and
//! `cpu N apic A node K`. A `#` begins a comment. Addresses are in bytes; here, ends are exclusive.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The type of usable memory in a firmware map.
pub(crate) const USABLE: u32 = 1;

/// Physical addresses, in bytes.
pub(crate) type Bytes = Range<u64>;

/// Usable memory of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRange {
    pub(crate) node: u32,
    pub(crate) bytes: Bytes,
}

/// The distances from a node to the nodes 0, 1 and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DistanceRow {
    pub(crate) node: u32,
    pub(crate) distances: Vec<u8>,
}

/// An entry of a firmware map, dirt included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) bytes: Bytes,
    /// The number of the boot protocol; [`USABLE`] is memory.
    pub(crate) kind: u32,
}

/// Whether memory may be added while the machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plug {
    Fixed,
    Hot,
}

/// An entry of the SRAT: to which node addresses belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Affinity {
    pub(crate) bytes: Bytes,
    pub(crate) node: u32,
    pub(crate) plug: Plug,
}

/// A CPU, and the node it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cpu {
    pub(crate) number: u32,
    pub(crate) apic: u32,
    pub(crate) node: u32,
}

/// A memory map: what the lines of its file say, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) ranges: Vec<NodeRange>,
    pub(crate) distances: Vec<DistanceRow>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) srat: Vec<Affinity>,
    /// Where the kernel was loaded.
    pub(crate) kernel: Option<Bytes>,
    pub(crate) cpus: Vec<Cpu>,
}

/// Why a map can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapError {
    /// A line (from 1) that is none of the known ones.
    Line(usize),
    /// A line (from 1) with an end that is not above its start.
    Empty(usize),
    /// No line gives usable memory.
    NoMemory,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line} is not understood"),
            Self::Empty(line) => write!(f, "line {line} ends where it starts, or below"),
            Self::NoMemory => f.write_str("no usable memory"),
        }
    }
}

impl std::error::Error for MapError {}

/// What is wrong with a line.
enum Fault {
    Unknown,
    Empty,
}

impl FromStr for Map {
    type Err = MapError;

    fn from_str(text: &str) -> Result<Self, MapError> {
        let mut map = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            map.add_line(line).map_err(|fault| match fault {
                Fault::Unknown => MapError::Line(number),
                Fault::Empty => MapError::Empty(number),
            })?;
        }
        if map.usable().next().is_none() { Err(MapError::NoMemory) } else { Ok(map) }
    }
}

impl Map {
    /// The usable memory, with the dirt that the map has.
    pub(crate) fn usable(&self) -> impl Iterator<Item = &Bytes> {
        let usable = self.entries.iter().filter(|entry| entry.kind == USABLE);
        let ranges = self.ranges.iter().map(|range| &range.bytes);
        ranges.chain(usable.map(|entry| &entry.bytes))
    }

    fn add_line(&mut self, line: &str) -> Result<(), Fault> {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [] | ["present", ..] => {}
            ["range", node, first, last] => {
                let end = address(last)?.checked_add(1).ok_or(Fault::Unknown)?;
                let bytes = span(address(first)?, end)?;
                self.ranges.push(NodeRange { node: number(node)?, bytes });
            }
            ["distance", node, ref row @ ..] if !row.is_empty() => {
                let distances = row.iter().map(|word| number(word)).collect::<Result<_, _>>()?;
                self.distances.push(DistanceRow { node: number(node)?, distances });
            }
            ["entry", start, end, kind] => {
                let bytes = span(address(start)?, address(end)?)?;
                self.entries.push(Entry { bytes, kind: number(kind)? });
            }
            ["srat", start, end, node, ref plug @ ..] => {
                let plug = match plug {
                    [] => Plug::Fixed,
                    ["hotplug"] => Plug::Hot,
                    _ => return Err(Fault::Unknown),
                };
                let bytes = span(address(start)?, address(end)?)?;
                self.srat.push(Affinity { bytes, node: number(node)?, plug });
            }
            ["kernel", start, end] if self.kernel.is_none() => {
                self.kernel = Some(span(address(start)?, address(end)?)?);
            }
            ["cpu", cpu, "apic", apic, "node", node] => {
                let (number, apic, node) = (number(cpu)?, number(apic)?, number(node)?);
                self.cpus.push(Cpu { number, apic, node });
            }
            _ => return Err(Fault::Unknown),
        }
        Ok(())
    }
}

fn span(start: u64, end: u64) -> Result<Bytes, Fault> {
    if start < end { Ok(start..end) } else { Err(Fault::Empty) }
}

/// A hexadecimal address, with its `0x`.
fn address(word: &str) -> Result<u64, Fault> {
    let digits = word.strip_prefix("0x").ok_or(Fault::Unknown)?;
    u64::from_str_radix(digits, 16).map_err(|_| Fault::Unknown)
}

/// A decimal number.
fn number<T: FromStr>(word: &str) -> Result<T, Fault> {
    word.parse().map_err(|_| Fault::Unknown)
}
