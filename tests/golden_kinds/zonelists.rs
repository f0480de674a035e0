//! Node orders and zonelists against `zonelists*.txt`.
//!
//! The lists were built as at boot, when Linux knows CPU 0 alone, and that is on node 0 or (`cpu=0`
//! there) on none: the `cpu=` of other nodes has no effect on the recorded lists.

use page_alloc::node::topology::{NodeLoads, Topology, mobility, zonelist};
use page_alloc::zone::watermark::setup::nr_free_zone_pages;
use page_alloc::{Mobility, NodeId, ZoneType};

/// The columns of `present=` and `managed=`.
const ZONES: [ZoneType; 4] = [ZoneType::Dma, ZoneType::Dma32, ZoneType::Normal, ZoneType::Movable];

/// Compares every `out` line of one file; gives their number.
pub(crate) fn run(name: &str, text: &str) -> Result<u64, String> {
    let mut compared = 0;
    let mut case = Case::default();
    let mut expected = Vec::new().into_iter();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |error: String| format!("{name}:{}: {error}", number + 1);
        if line.starts_with("case ") {
            complete(&mut expected).map_err(at)?;
            case = Case::default();
        } else if let Some(input) = line.strip_prefix("in ") {
            case.read(input).map_err(at)?;
        } else if line.starts_with("out ") {
            if let Some(ready) = case.take_ready() {
                expected = ready.outputs().map_err(at)?.into_iter();
            }
            same(expected.next(), line).map_err(at)?;
            compared += 1;
        } else {
            return Err(at(format!("unknown line: {line}")));
        }
    }
    complete(&mut expected).map_err(|error| format!("{name}: at the end: {error}"))?;
    Ok(compared)
}

fn same(found: Option<String>, expected: &str) -> Result<(), String> {
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(format!("expected `{expected}`, found `{found}`")),
        None => Err(format!("one line too many: {expected}")),
    }
}

fn complete(rest: &mut impl Iterator<Item = String>) -> Result<(), String> {
    rest.next().map_or(Ok(()), |line| Err(format!("the case before lacks a line: {line}")))
}

#[derive(Default)]
struct Case {
    nodes: u32,
    distances: Vec<Vec<u8>>,
    cpus: Vec<bool>,
    present: Vec<Vec<u64>>,
    managed: Vec<Vec<u64>>,
    answered: bool,
}

impl Case {
    /// One `in` line; nodes come in ascending order.
    fn read(&mut self, input: &str) -> Result<(), String> {
        let words: Vec<&str> = input.split(' ').collect();
        match words[..] {
            [nodes, distances] if distances.starts_with("distances=") => {
                self.nodes = number(value(nodes, "nodes=")?)?;
            }
            ["dist", node, ref row @ ..] if node == self.distances.len().to_string() => {
                self.distances.push(row.iter().map(|word| number(word)).collect::<Result<_, _>>()?);
            }
            ["node", node, cpu, present, managed] if node == self.present.len().to_string() => {
                self.cpus.push(number::<u8>(value(cpu, "cpu=")?)? != 0);
                self.present.push(numbers(value(present, "present=")?)?);
                self.managed.push(numbers(value(managed, "managed=")?)?);
            }
            _ => return Err(format!("unknown line: in {input}")),
        }
        Ok(())
    }

    /// The case when its first `out` line is met.
    fn take_ready(&mut self) -> Option<&Self> {
        let first = !self.answered;
        self.answered = true;
        first.then_some(self)
    }

    /// The `out` lines as this crate has them.
    fn outputs(&self) -> Result<Vec<String>, String> {
        let nodes = self.nodes()?;
        let topology = Topology {
            memory: nodes.iter().copied().filter(|node| self.has_memory(*node)).collect(),
            cpus: nodes.iter().copied().filter(|node| self.has_boot_cpu(*node)).collect(),
            distance: |from: NodeId, to: NodeId| self.distances[from.index()][to.index()],
        };
        let mut loads = NodeLoads::new();
        let mut lines = Vec::new();
        let mut lists = Vec::new();
        for &local in &nodes {
            let order: Vec<NodeId> = topology.node_order(local, &mut loads).collect();
            lines.push(output(&format!("order {local}"), &order));
            lists.push(output(&format!("fallback {local}"), &self.zones(order)));
            lists.push(output(&format!("nofallback {local}"), &self.zones([local])));
        }
        lines.append(&mut lists);
        lines.push(format!("out mobility_disabled = {}", u8::from(self.mobility_disabled())));
        Ok(lines)
    }

    /// The nodes, when the case describes each.
    fn nodes(&self) -> Result<Vec<NodeId>, String> {
        let count = self.nodes as usize;
        let square =
            self.distances.len() == count && self.distances.iter().all(|r| r.len() == count);
        let whole = |zones: &Vec<u64>| zones.len() == ZONES.len();
        let zones = self.present.iter().chain(&self.managed).all(whole);
        if !square || !zones || self.present.len() != count {
            return Err("the case does not describe every node".into());
        }
        (0..self.nodes).map(|n| NodeId::new(n).ok_or("too many nodes".into())).collect()
    }

    fn has_memory(&self, node: NodeId) -> bool {
        self.present[node.index()].iter().any(|present| *present > 0)
    }

    fn has_boot_cpu(&self, node: NodeId) -> bool {
        node == NodeId::ZERO && self.cpus[node.index()]
    }

    fn populated(&self, node: NodeId, zone: ZoneType) -> bool {
        let column = ZONES.into_iter().position(|known| known == zone);
        column.is_some_and(|column| self.present[node.index()][column] > 0)
    }

    fn zones(&self, nodes: impl IntoIterator<Item = NodeId>) -> Vec<String> {
        zonelist(nodes, |node, zone| self.populated(node, zone))
            .map(|(node, zone)| format!("{node}:{}", zone.to_string().to_uppercase()))
            .collect()
    }

    fn mobility_disabled(&self) -> bool {
        let zones = self.managed.iter().flatten().map(|managed| (*managed, 0));
        mobility(nr_free_zone_pages(zones)) == Mobility::Disabled
    }
}

fn output(name: &str, items: &[impl ToString]) -> String {
    let items: String = items.iter().map(|item| format!(" {}", item.to_string())).collect();
    format!("out {name} ={items}")
}

fn value<'a>(word: &'a str, key: &str) -> Result<&'a str, String> {
    word.strip_prefix(key).ok_or_else(|| format!("`{key}` wanted, not `{word}`"))
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("not a number, or too large: `{word}`"))
}

fn numbers(words: &str) -> Result<Vec<u64>, String> {
    words.split(',').map(number).collect()
}
