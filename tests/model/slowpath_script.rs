//! The kernel around a request, as a recording tells it: who asks, and the answers to come.

use super::port::{KINDS, ZoneId, ZoneUnderTest};
use super::walk::Machine;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The cpuset of a task: nodes by bits.
#[derive(Clone, Copy, Debug)]
pub struct Cpuset {
    pub mems: u64,
    /// The nodes of the nearest ancestor with a hard wall.
    pub hard: u64,
    pub insane: bool,
}

/// The kernel of one request. It knows the blocks that somebody holds.
#[derive(Clone, Debug, Default)]
pub struct Script {
    context: Vec<String>,
    pub cpuset: Option<Cpuset>,
    /// How often the task's nodes have changed.
    pub generation: u32,
    pub node_reclaim: bool,
    pub over_dirty: u64,
    /// By zone; others 0.
    pub reclaimable: HashMap<ZoneId, u64>,
    /// By hook: the words of each answer to come; the first one is the answer, the others are what
    /// happens before it.
    answers: HashMap<String, VecDeque<Vec<String>>>,
    /// How often a request may begin anew.
    pub rounds: Option<u32>,
    /// First frame and order.
    pub held: BTreeMap<u64, u32>,
}

/// Nodes between commas, or `none`, as bits.
pub fn nodes(word: &str) -> u64 {
    let numbers = word.split(',').filter(|node| *node != "none");
    numbers.map(|node| 1 << node.parse::<u32>().expect("a node")).sum()
}

/// A zone `NID:NAME`.
pub fn zone_id(word: &str) -> ZoneId {
    let (node, kind) = word.split_once(':').expect("NID:NAME");
    let kind = KINDS.iter().position(|name| *name == kind);
    (node.parse().expect("a node"), kind.expect("a zone type"))
}

pub fn zone_name((node, kind): ZoneId) -> String {
    format!("{node}:{}", KINDS[kind])
}

fn number(word: &str) -> u64 {
    word.parse().expect("a number")
}

/// `NID:NAME=PAGES`
fn estimate(word: &str) -> (ZoneId, u64) {
    let (zone, pages) = word.split_once('=').expect("NID:NAME=PAGES");
    (zone_id(zone), number(pages))
}

fn cpuset(words: &[&str]) -> Cpuset {
    let of = |key| nodes(words.iter().find_map(|word| word.strip_prefix(key)).expect("nodes"));
    Cpuset { mems: of("mems="), hard: of("hard="), insane: words.contains(&"insane") }
}

impl Script {
    /// Reads a line that begins with `in`, but for what the request itself is.
    pub fn read(&mut self, words: &[&str]) {
        match words[1] {
            "ctx" => self.context = words[2].split('|').map(String::from).collect(),
            "cpuset" => self.cpuset = Some(cpuset(&words[2..])),
            "node_reclaim_mode" => self.node_reclaim = words[2] != "0",
            "dirty_over" => self.over_dirty = nodes(words[2]),
            "lru" => self.reclaimable = words[2..].iter().map(|word| estimate(word)).collect(),
            "rounds" => self.rounds = Some(words[2].parse().expect("a number")),
            hook => {
                let words = words[2..].iter().map(|word| String::from(*word)).collect();
                self.answers.entry(hook.into()).or_default().push_back(words);
            }
        }
    }

    pub fn is(&self, context: &str) -> bool {
        self.context.iter().any(|known| known == context)
    }

    /// Whether no task is to be charged: interrupts, and tasks that keep them off.
    pub fn in_interrupt(&self) -> bool {
        ["hardirq", "softirq", "bh"].iter().any(|context| self.is(context))
    }

    pub fn in_task(&self) -> bool {
        !self.is("hardirq") && !self.is("softirq")
    }

    /// Whether the task's cpuset allows a node to a request whose flags say HARDWALL or not.
    pub fn allows(&self, node: u32, hardwall: bool) -> bool {
        let Some(cpuset) = self.cpuset else { return true };
        let in_bits = |bits: u64| bits >> node & 1 != 0;
        self.in_interrupt()
            || in_bits(cpuset.mems)
            || self.is("victim")
            || (!hardwall && (self.is("PF_EXITING") || in_bits(cpuset.hard)))
    }

    /// The next answer of a hook, after what happens before it; and the block that it gives away.
    pub fn answer(
        &mut self,
        machine: &mut Machine,
        hook: &str,
        default: &str,
    ) -> (String, Option<(u64, u32)>) {
        let next = self.answers.get_mut(hook).and_then(VecDeque::pop_front);
        let Some(words) = next else { return (default.into(), None) };
        let mut given = None;
        for effect in &words[1..] {
            let (key, value) = effect.split_once('=').unwrap_or((effect, ""));
            match key {
                "capture" => given = self.held.remove_entry(&number(value)),
                _ => self.happen(machine, key, value),
            }
        }
        (words[0].clone(), given)
    }

    fn happen(&mut self, machine: &mut Machine, key: &str, value: &str) {
        match key {
            "free" => {
                for block in value.split(',') {
                    let (pfn, order) = block.split_once(':').expect("PFN:ORDER");
                    assert_eq!(self.held.remove(&number(pfn)), order.parse().ok(), "{block}");
                    machine
                        .zone_of(number(pfn))
                        .free(number(pfn), order.parse().expect("an order"));
                }
            }
            "lru" => self.reclaimable.extend([estimate(value)]),
            "mems" => {
                self.cpuset.as_mut().expect("cpusets are on").mems = nodes(value);
                self.generation += 1;
            }
            "victim" | "sigkill" => self.context.push(key.into()),
            _ => panic!("no effect is `{key}`"),
        }
    }
}
