//! What the kernel printed when its work was done, as numbers, and whether they fit together and fit
//! the machine.

use crate::machine::Machine;
use std::collections::{BTreeMap, BTreeSet};

/// Page tables that the kernel keeps: two pages a GiB apart, of 4 KiB and of 2 MiB, need one of the
/// third level, two of the second and one of the first.
const TABLES: u64 = 4;

/// Frames of a node that firmware keeps for itself, at most: a hole below 1 MiB and what it needs.
const MOST_KEPT: u64 = 16 << 8;

/// A zone: its node and its name.
type Name = (usize, String);

/// What is told of a zone.
#[derive(Default)]
struct Zone {
    free: u64,
    present: u64,
    managed: u64,
    /// Free frames on the lists of each CPU.
    counts: Vec<u64>,
    /// Free blocks by order: of all types, and added up over the types.
    buddyinfo: Vec<u64>,
    pagetypeinfo: Vec<u64>,
}

/// What is told of a CPU.
struct Cpu {
    node: usize,
    count: u64,
    pgalloc: u64,
    pgfree: u64,
    marked: u64,
    unmarked: u64,
}

/// All that was printed.
#[derive(Default)]
pub struct Printed {
    zonelists: Vec<Vec<Name>>,
    zones: BTreeMap<Name, Zone>,
    cpus: Vec<Cpu>,
    pgalloc: u64,
    pgfree: u64,
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}

fn numbers(words: &[&str]) -> Vec<u64> {
    words.iter().map(|word| number(word)).collect()
}

fn name(node: &str, zone: &str) -> Name {
    (number(node) as usize, zone.to_owned())
}

impl Printed {
    pub fn read(output: &str) -> Self {
        let mut printed = Self::default();
        let (before, after) = output.split_once("\nverify: ok\n").expect("a good end");
        for line in before.lines() {
            if let ["Node", node, "zonelist", zones @ ..] = &words(line)[..] {
                assert_eq!(number(node) as usize, printed.zonelists.len(), "{line}");
                let zones = zones.chunks(2).map(|zone| name(zone[0], zone[1]));
                printed.zonelists.push(zones.collect());
            }
        }
        let mut current = (0, String::new());
        after.lines().for_each(|line| printed.read_line(&words(line), &mut current));
        printed.zones.retain(|_, zone| zone.present > 0);
        printed
    }

    /// A line of the end; `current` is the zone whose lines are being read.
    fn read_line(&mut self, words: &[&str], current: &mut Name) {
        match words {
            ["Node", node, "zone", zone] => *current = name(node, zone),
            ["pages", "free", free] => self.zone(current).free = number(free),
            ["present", present] => self.zone(current).present = number(present),
            ["managed", managed] => self.zone(current).managed = number(managed),
            ["count", count] => self.zone(current).counts.push(number(count)),
            ["Node", node, "zone", zone, "type", _, free @ ..] => {
                let sums = &mut self.zone(&name(node, zone)).pagetypeinfo;
                sums.resize(free.len(), 0);
                sums.iter_mut().zip(numbers(free)).for_each(|(sum, free)| *sum += free);
            }
            // With fewer numbers it is a row of pageblocks.
            ["Node", node, "zone", zone, free @ ..] if free.len() == 11 => {
                self.zone(&name(node, zone)).buddyinfo = numbers(free);
            }
            [
                "CPU",
                cpu,
                "node",
                node,
                "count",
                count,
                "pgalloc",
                pgalloc,
                "pgfree",
                pgfree,
                rest @ ..,
            ] => {
                assert_eq!(number(cpu) as usize, self.cpus.len(), "{words:?}");
                let [_, "ticks", marked, "frames", "marked", unmarked, ..] = rest else {
                    panic!("{words:?}");
                };
                let [count, pgalloc, pgfree, marked, unmarked] =
                    [count, pgalloc, pgfree, marked, unmarked].map(|word| number(word));
                let node = number(node) as usize;
                self.cpus.push(Cpu { node, count, pgalloc, pgfree, marked, unmarked });
            }
            ["pgfree", frames] => self.pgfree = number(frames),
            [name, frames] if name.starts_with("pgalloc_") => self.pgalloc += number(frames),
            _ => {}
        }
    }

    fn zone(&mut self, name: &Name) -> &mut Zone {
        self.zones.entry(name.clone()).or_default()
    }

    /// Compares everything with everything, and with the machine.
    pub fn check(&self, machine: &Machine) {
        self.check_zones(machine);
        self.check_zonelists(machine);
        self.check_cpus(machine);
        self.check_totals();
    }

    /// The free blocks are those of all types, and all free frames; no CPU has any; each node has the
    /// memory that it was given, but what firmware kept.
    fn check_zones(&self, machine: &Machine) {
        for (name, zone) in &self.zones {
            assert_eq!(zone.buddyinfo, zone.pagetypeinfo, "{name:?}");
            let frames = (0..).zip(&zone.buddyinfo).map(|(order, blocks)| blocks << order);
            assert_eq!(frames.sum::<u64>(), zone.free, "{name:?}");
            assert_eq!(zone.counts, vec![0; machine.nr_cpus()], "{name:?}");
        }
        for (node, mib) in machine.memory_of_nodes().into_iter().enumerate() {
            let zones = self.zones.iter().filter(|((of, _), _)| *of == node);
            let present: u64 = zones.map(|(_, zone)| zone.present).sum();
            let given = mib << 8;
            assert!(present <= given && present + MOST_KEPT >= given, "node {node}: {present}");
            assert_eq!(present == 0, given == 0, "node {node}");
        }
    }

    /// Each list names each zone with memory once: those of near nodes first, and of each node the
    /// highest first.
    fn check_zonelists(&self, machine: &Machine) {
        assert_eq!(self.zonelists.len(), machine.memory_of_nodes().len());
        let all: BTreeSet<_> = self.zones.keys().collect();
        for (node, list) in self.zonelists.iter().enumerate() {
            assert_eq!(list.iter().collect::<BTreeSet<_>>(), all, "node {node}: {list:?}");
            assert_eq!(list.len(), all.len(), "node {node}: {list:?}");
            let height = |zone: &str| ["Normal", "DMA32", "DMA"].iter().position(|of| *of == zone);
            let key = |(of, zone): &Name| (machine.distance(node, *of), *of, height(zone));
            let sorted = list.is_sorted_by_key(|zone| key(zone).0);
            assert!(sorted, "node {node}: {list:?}");
            let of_nodes = list.chunk_by(|(a, _), (b, _)| a == b);
            assert!(of_nodes.clone().all(|zones| zones.is_sorted_by_key(key)), "{list:?}");
            let nodes: BTreeSet<_> = list.iter().map(|(of, _)| of).collect();
            assert_eq!(of_nodes.count(), nodes.len(), "node {node} comes back to a node: {list:?}");
        }
    }

    /// The CPUs are where they were put, all have worked, and have nothing any more.
    fn check_cpus(&self, machine: &Machine) {
        let nodes: Vec<_> = self.cpus.iter().map(|cpu| cpu.node).collect();
        assert_eq!(nodes, machine.nodes_of_cpus());
        for (number, cpu) in self.cpus.iter().enumerate() {
            assert_eq!(cpu.count, 0, "CPU {number}");
            assert!(cpu.marked > 0 && cpu.pgalloc > 0 && cpu.pgfree > 0, "CPU {number}");
        }
    }

    /// What was handed out was freed, on whichever CPU, but the page tables: by the kernel's marks, by
    /// the allocator's counts, and by the frames that are not free.
    fn check_totals(&self) {
        let sum = |of: fn(&Cpu) -> u64| self.cpus.iter().map(of).sum::<u64>();
        assert_eq!(sum(|cpu| cpu.marked), sum(|cpu| cpu.unmarked));
        assert!(sum(|cpu| cpu.marked) <= self.pgalloc);
        assert!(sum(|cpu| cpu.pgalloc) <= self.pgalloc && sum(|cpu| cpu.pgfree) <= self.pgfree);
        let used: u64 = self.zones.values().map(|zone| zone.managed - zone.free).sum();
        assert_eq!((self.pgalloc - self.pgfree, used), (TABLES, TABLES));
    }
}

/// The words of a line, punctuation left aside.
fn words(line: &str) -> Vec<&str> {
    line.split([' ', ',', ':', ';']).filter(|word| !word.is_empty()).collect()
}
