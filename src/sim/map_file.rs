//! The memory map of a real machine, as a file.
//!
//! A file is lines of words; a `#` begins a comment. Numbers are decimal, addresses hexadecimal
//! bytes with `0x`. It says what Linux saw of its memory:
//!
//! ```text
//! range NODE FIRST LAST          usable memory of a node, the last byte included
//! distance NODE TO_0 TO_1 …      how far node 0, 1 and so on are from it
//! present …                      page counts that Linux printed; not read
//! ```
//!
//! or what firmware gave a kernel (ends are not included):
//!
//! ```text
//! entry START END TYPE           an entry of the map, types as in an E820 map
//! srat START END NODE [hotplug]  to which node addresses belong; whether memory may come there
//! kernel START END               where the kernel was loaded
//! cpu NUMBER apic ID node NODE   the node of a CPU
//! ```

use super::SimConfig;
use crate::boot::{MemoryKind, MemoryRegion, NodeRange, Reservation};
use crate::{NodeId, NodeMask, PhysAddr};
use std::fmt;
use std::str::{FromStr, SplitWhitespace};
use std::vec;
use std::vec::Vec;

/// A memory map that was read from a file.
///
/// ```
/// use page_alloc::sim::{MapFile, Sim};
///
/// let map: MapFile = "\
///     range 0 0x1000 0x9efff
///     range 0 0x100000 0x7ffffff
///     range 1 0x8000000 0xfffffff # the second half
///     distance 0 10 21
///     distance 1 21 10"
///     .parse()?;
/// let sim = Sim::boot(map.to_config(4))?;
/// assert_eq!(sim.report().present_pages, 0x1_0000 - 0x100 + 0x9e);
/// assert_eq!(sim.report().nodes.len(), 2);
/// assert_eq!(sim.nr_cpus(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapFile {
    memory_map: Vec<MemoryRegion>,
    nodes: Vec<NodeRange>,
    distances: Vec<Vec<u8>>,
    reservations: Vec<Reservation>,
    /// CPU numbers and their nodes.
    cpus: Vec<(u32, NodeId)>,
    hotplug: Vec<NodeRange>,
}

/// Why a map can't be used. Lines are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// A line that is none of the known ones, or with a number that can't be.
    Line(usize),
    /// A line with an end that is not above its start.
    Empty(usize),
    /// A line that says again, perhaps otherwise, what an earlier one said: the distances of a
    /// node, the node of a CPU, the place of the kernel.
    Repeated(usize),
    /// No line gives usable memory.
    NoMemory,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line} is not understood"),
            Self::Empty(line) => write!(f, "line {line} ends where it starts, or below"),
            Self::Repeated(line) => write!(f, "line {line} repeats what was said before"),
            Self::NoMemory => f.write_str("no usable memory"),
        }
    }
}

impl core::error::Error for MapError {}

impl MapFile {
    /// A machine with this memory and so many CPUs (at least one); the rest is as
    /// [`SimConfig::new`] has it.
    ///
    /// A CPU is on the node that the file names for it. CPUs that it does not name are dealt out in
    /// turn to the nodes that have memory.
    #[must_use]
    pub fn to_config(&self, nr_cpus: u32) -> SimConfig {
        let mut config = SimConfig::new(self.memory_map.clone());
        config.nodes.clone_from(&self.nodes);
        config.distances.clone_from(&self.distances);
        config.reservations.clone_from(&self.reservations);
        let with_memory: Vec<_> = self.nodes_with_memory().iter().collect();
        let mut in_turn = with_memory.iter().copied().cycle();
        let node = |cpu| self.cpu_node(cpu).or_else(|| in_turn.next()).unwrap_or_default();
        config.cpus = (0..nr_cpus.max(1)).map(node).collect();
        config
    }

    /// Where memory may come later. [`to_config`](Self::to_config) leaves it out, as tables for it take
    /// memory, which Linux does not take then; put into [`SimConfig::hotplug`], it is planned for.
    ///
    /// ```
    /// use page_alloc::sim::{MapFile, Sim};
    /// let map: MapFile = "\
    ///     entry 0x0 0x8000000 1
    ///     srat 0x0 0x8000000 0
    ///     srat 0x100000000 0x140000000 0 hotplug"
    ///     .parse()?;
    /// let (without, mut with) = (map.to_config(1), map.to_config(1));
    /// with.hotplug = map.hotplug().to_vec();
    /// let [without, with] = [without, with].map(|config| Sim::boot(config).unwrap());
    /// // 16 bytes for each frame of a GiB, and little more.
    /// let more = with.report().metadata_bytes - without.report().metadata_bytes;
    /// assert!(more > 4 << 20 && more < 5 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hotplug(&self) -> &[NodeRange] {
        &self.hotplug
    }

    fn cpu_node(&self, cpu: u32) -> Option<NodeId> {
        self.cpus.iter().find(|(number, _)| *number == cpu).map(|(_, node)| *node)
    }

    /// The nodes with a range that any memory of the map lies in.
    fn nodes_with_memory(&self) -> NodeMask {
        let present = self.memory_map.iter().filter(|region| region.kind.state().is_some());
        let present: Vec<_> = present.filter_map(MemoryRegion::bytes).collect();
        let has_memory = |range: &&NodeRange| {
            range.bytes().is_some_and(|bytes| present.iter().any(|other| bytes.overlaps(*other)))
        };
        self.nodes.iter().filter(has_memory).map(|range| range.node).collect()
    }
}

/// What is wrong with a line.
enum Fault {
    Unknown,
    Empty,
    Repeated,
}

impl FromStr for MapFile {
    type Err = MapError;

    fn from_str(text: &str) -> Result<Self, MapError> {
        let mut map = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            map.add_line(line).map_err(|fault| match fault {
                Fault::Unknown => MapError::Line(number),
                Fault::Empty => MapError::Empty(number),
                Fault::Repeated => MapError::Repeated(number),
            })?;
        }
        match map.memory_map.iter().any(|region| region.kind == MemoryKind::Usable) {
            true => Ok(map),
            false => Err(MapError::NoMemory),
        }
    }
}

impl MapFile {
    fn add_line(&mut self, line: &str) -> Result<(), Fault> {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let mut words = Words(line.split_whitespace());
        let Some(kind) = words.0.next() else { return Ok(()) };
        match kind {
            "range" => self.add_range(&mut words)?,
            "distance" => self.add_distances(&mut words)?,
            "present" => return Ok(()),
            "entry" => self.add_entry(&mut words)?,
            "srat" => self.add_affinity(&mut words)?,
            "kernel" => self.add_kernel(&mut words)?,
            "cpu" => self.add_cpu(&mut words)?,
            _ => return Err(Fault::Unknown),
        }
        words.end()
    }

    fn add_range(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        let (node, first, last) = (words.node()?, words.address()?, words.address()?);
        let (base, length) = span(first, last.checked_add(1).ok_or(Fault::Unknown)?)?;
        self.memory_map.push(MemoryRegion::new(base, length, MemoryKind::Usable));
        self.nodes.push(NodeRange::new(node, base, length));
        Ok(())
    }

    fn add_distances(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        let node = words.node()?.index();
        let row = words.0.by_ref().map(number).collect::<Result<Vec<u8>, _>>()?;
        if row.is_empty() {
            return Err(Fault::Unknown);
        }
        if self.distances.len() <= node {
            self.distances.resize(node + 1, vec![]);
        }
        match &mut self.distances[node] {
            known if known.is_empty() => *known = row,
            _ => return Err(Fault::Repeated),
        }
        Ok(())
    }

    fn add_entry(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        let (base, length) = words.span()?;
        let kind = MemoryKind::from_e820(words.number()?);
        self.memory_map.push(MemoryRegion::new(base, length, kind));
        Ok(())
    }

    /// A range that may be plugged in later is one without memory.
    fn add_affinity(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        let (base, length) = words.span()?;
        let range = NodeRange::new(words.node()?, base, length);
        self.nodes.push(range);
        match words.0.next() {
            None => {}
            Some("hotplug") => self.hotplug.push(range),
            Some(_) => return Err(Fault::Unknown),
        }
        Ok(())
    }

    fn add_kernel(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        if !self.reservations.is_empty() {
            return Err(Fault::Repeated);
        }
        let (base, length) = words.span()?;
        self.reservations.push(Reservation::new("kernel", base, length));
        Ok(())
    }

    fn add_cpu(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        let cpu = words.number()?;
        words.word("apic")?;
        let _apic: u32 = words.number()?;
        words.word("node")?;
        let node = words.node()?;
        if self.cpu_node(cpu).is_some() {
            return Err(Fault::Repeated);
        }
        self.cpus.push((cpu, node));
        Ok(())
    }
}

/// The words of a line that are still to be read.
struct Words<'a>(SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a str, Fault> {
        self.0.next().ok_or(Fault::Unknown)
    }

    fn word(&mut self, expected: &str) -> Result<(), Fault> {
        if self.next()? == expected { Ok(()) } else { Err(Fault::Unknown) }
    }

    fn number<T: FromStr>(&mut self) -> Result<T, Fault> {
        number(self.next()?)
    }

    fn node(&mut self) -> Result<NodeId, Fault> {
        NodeId::new(self.number()?).ok_or(Fault::Unknown)
    }

    fn address(&mut self) -> Result<u64, Fault> {
        let digits = self.next()?.strip_prefix("0x").ok_or(Fault::Unknown)?;
        // A sign is not refused by the conversion.
        match digits.starts_with('+') {
            true => Err(Fault::Unknown),
            false => u64::from_str_radix(digits, 16).map_err(|_| Fault::Unknown),
        }
    }

    fn span(&mut self) -> Result<(PhysAddr, u64), Fault> {
        let (start, end) = (self.address()?, self.address()?);
        span(start, end)
    }

    fn end(&mut self) -> Result<(), Fault> {
        if self.0.next().is_none() { Ok(()) } else { Err(Fault::Unknown) }
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, Fault> {
    word.parse().map_err(|_| Fault::Unknown)
}

/// The first byte and the number of bytes of what ends before `end`.
fn span(start: u64, end: u64) -> Result<(PhysAddr, u64), Fault> {
    if start < end { Ok((PhysAddr::new(start), end - start)) } else { Err(Fault::Empty) }
}
