//! A machine in use and requests made of it, none of which anybody recorded, written as a recording
//! without results.

use crate::model::slowpath_script::zone_name;
use crate::model::walk::Machine;
use crate::port::MachineSetup;
use crate::recording::Line;
use crate::slowpath_model::prepare;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What leads from boot to the state in which requests are made.
#[derive(Clone, Debug)]
pub enum Use {
    /// Blocks of one zone are taken.
    Take {
        zone: usize,
        order: u32,
        migratetype: char,
        flags: &'static str,
        most: u64,
    },
    /// Held blocks are freed, each so many blocks after the last.
    Free {
        pick: usize,
        stride: u64,
        most: u64,
    },
    ResetBoost {
        zone: usize,
    },
}

/// What happens before an answer. Blocks and zones are picked modulo what there is.
#[derive(Clone, Debug)]
pub enum Event {
    Free {
        pick: usize,
        count: usize,
    },
    /// A block is given to the request: mostly one of its order, if there is one.
    Capture {
        pick: usize,
    },
    Reclaimable {
        zone: usize,
        pages: u64,
    },
    /// Other nodes of the cpuset, or the same: it counts as a change.
    Mems(u64),
    Victim,
    Sigkill,
}

/// The answers of one hook, in order.
#[derive(Clone, Debug)]
pub struct Answers {
    pub hook: &'static str,
    pub words: Vec<String>,
    /// What happens before the answer at a place, modulo the answers.
    pub events: Vec<(usize, Event)>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub gfp: String,
    pub order: u32,
    pub node: u32,
    pub mask: Option<u64>,
    pub context: String,
    /// Its nodes, those of its hard wall, and whether cpusets of movable memory alone exist.
    pub cpuset: Option<(u64, u64, &'static str)>,
    pub node_reclaim: u32,
    pub over_dirty: u64,
    pub reclaimable: Vec<(usize, u64)>,
    pub rounds: u32,
    pub answers: Vec<Answers>,
}

#[derive(Clone)]
pub struct Scene {
    pub setup: MachineSetup,
    pub uses: Vec<Use>,
    pub requests: Vec<Ask>,
}

/// As the lines of a recording: so a failure shows what to replay.
impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.text())
    }
}

/// The blocks that are held: first frame and order.
type Held = BTreeMap<u64, u32>;

fn list<T: ToString>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}

/// Nodes by bits, as recordings name them.
fn nodes(bits: u64) -> String {
    if bits == 0 { "none".into() } else { list((0..64).filter(|node| bits >> node & 1 != 0), ",") }
}

/// Picks a block: its order first, so that the few large ones are not lost among the many frames.
fn pick_block(held: &Held, pick: usize) -> Option<(u64, u32)> {
    let orders: BTreeSet<u32> = held.values().copied().collect();
    let order = *orders.iter().nth(pick.checked_rem(orders.len())?)?;
    let of_order: Vec<u64> = held.keys().copied().filter(|pfn| held[pfn] == order).collect();
    Some((of_order[pick / orders.len() % of_order.len()], order))
}

impl Scene {
    /// The lines that say what is done and asked.
    pub fn text(&self) -> String {
        let mut lines = self.header();
        lines.push("state random".into());
        let mut machine = Machine::new(&self.setup);
        let mut held = Held::new();
        for step in &self.uses {
            let Some(text) = self.used(step, &held) else { continue };
            let line = Line { number: 0, text: &text };
            lines.push(prepare(&mut machine, &mut held, line).expect("a line as it should be"));
        }
        for (number, ask) in self.requests.iter().enumerate() {
            lines.push(format!("case {number}"));
            lines.extend(self.asked(ask, held.clone()));
        }
        lines.join("\n")
    }

    fn header(&self) -> Vec<String> {
        let setup = &self.setup;
        let mut lines = vec![format!("nodes {}", setup.nodes)];
        lines.extend(setup.memory.iter().map(|(node, (a, b))| format!("mem {node} {a}-{b}")));
        let areas = setup.zones.iter().flat_map(|zone| &zone.zone.cma);
        lines.extend(areas.map(|(a, b)| format!("cma {a}-{b}")));
        let rows = setup.distances.iter().enumerate();
        lines.extend(rows.map(|(node, row)| format!("dist {node} {}", list(row, " "))));
        let [dma, dma32] = setup.borders.expect("a plan has borders");
        lines.push(format!("max_zone_pfn {dma} {dma32}"));
        for zone in &setup.zones {
            let (id, (start, end)) = (zone_name(zone.id).replace(':', " "), zone.zone.span);
            let present: u64 = zone.zone.present.iter().map(|(a, b)| b - a).sum();
            lines.push(format!(
                "zone {id} {start}-{end} present {present} managed {present} wmark {} lowmem_reserve {}",
                list(zone.zone.marks, " "),
                list(zone.lowmem_reserve, " "),
            ));
        }
        for (node, zones) in setup.fallback.iter().enumerate() {
            let zones = zones.iter().map(|&zone| zone_name(zone));
            lines.push(format!("fallback {node} {}", list(zones, " ")));
        }
        lines
    }

    fn zone(&self, pick: usize) -> String {
        zone_name(self.setup.zones[pick % self.setup.zones.len()].id)
    }

    fn used(&self, step: &Use, held: &Held) -> Option<String> {
        Some(match *step {
            Use::Take { zone, order, migratetype, flags, most } => {
                format!("pre take {} {order} {migratetype} {flags} {most}", self.zone(zone))
            }
            Use::Free { pick, stride, most } => {
                let (first, order) = pick_block(held, pick)?;
                let stride = stride << order;
                let is_held = |block: &u64| held.get(&(first + block * stride)) == Some(&order);
                let count = (0..most).take_while(is_held).count();
                format!("pre free {order} {first} {stride} {count}")
            }
            Use::ResetBoost { zone } => format!("pre boost0 {}", self.zone(zone)),
        })
    }

    fn asked(&self, ask: &Ask, mut held: Held) -> Vec<String> {
        let mut lines = vec![
            "in state random".into(),
            format!("in gfp {}", ask.gfp),
            format!("in order {}", ask.order),
            format!("in node {}", ask.node % u32::try_from(self.setup.nodes).expect("few")),
            format!("in mask {}", ask.mask.map_or("-".into(), nodes)),
            format!("in ctx {}", ask.context),
            format!("in rounds {}", ask.rounds),
            format!("in node_reclaim_mode {}", ask.node_reclaim),
            format!("in dirty_over {}", nodes(ask.over_dirty)),
        ];
        if let Some((mems, hard, insane)) = ask.cpuset {
            let line = format!("in cpuset mems={} hard={} {insane}", nodes(mems), nodes(hard));
            lines.push(line.trim_end().into());
        }
        let estimates = ask.reclaimable.iter();
        let estimates = estimates.map(|&(zone, pages)| format!("{}={pages}", self.zone(zone)));
        if !ask.reclaimable.is_empty() {
            lines.push(format!("in lru {}", list(estimates, " ")));
        }
        for answers in &ask.answers {
            for (at, word) in answers.words.iter().enumerate() {
                let events = answers.events.iter();
                let events = events.filter(|(place, _)| place % answers.words.len() == at);
                let effects = events.filter_map(|(_, event)| self.effect(event, ask, &mut held));
                let line = format!("in {} {word} {}", answers.hook, list(effects, " "));
                lines.push(line.trim_end().into());
            }
        }
        lines
    }

    /// What happens, in the words of recordings. No block is picked twice.
    fn effect(&self, event: &Event, ask: &Ask, held: &mut Held) -> Option<String> {
        match *event {
            Event::Free { pick, count } => {
                let at = pick.checked_rem(held.len())?;
                let some: Held = held.iter().skip(at).take(count).map(|(&a, &b)| (a, b)).collect();
                held.retain(|pfn, _| !some.contains_key(pfn));
                let blocks = some.iter().map(|(pfn, order)| format!("{pfn}:{order}"));
                Some(format!("free={}", list(blocks, ",")))
            }
            Event::Capture { pick } => {
                let mut fitting = held.clone();
                fitting.retain(|_, order| *order == ask.order && pick % 4 > 0);
                let (pfn, _) = pick_block(&fitting, pick / 4).or_else(|| pick_block(held, pick))?;
                held.remove(&pfn);
                Some(format!("capture={pfn}"))
            }
            Event::Reclaimable { zone, pages } => Some(format!("lru={}={pages}", self.zone(zone))),
            Event::Mems(bits) => ask.cpuset.map(|_| format!("mems={}", nodes(bits))),
            Event::Victim => Some("victim".into()),
            Event::Sigkill => Some("sigkill".into()),
        }
    }
}
