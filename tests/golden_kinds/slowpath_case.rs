//! One recorded request: what was asked, and the answers of the kernel around the allocator.

use crate::port::ZoneId;
use crate::recording::Line;
use crate::sim_machine::gfp_of;
use crate::walk;
use page_alloc::{CompactResult, Context, Gfp, NodeMask, NodeReclaimed};
use std::collections::{HashMap, VecDeque};

/// What happens before an answer is given.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A held block is freed.
    Free(u64, u32),
    /// A held block is given to the caller by compaction.
    Capture(u64),
    /// A new estimate of what can be freed.
    Lru(ZoneId, u64),
    /// The nodes of the task's cpuset change.
    Mems(NodeMask),
    Victim,
    Sigkill,
}

/// An answer, and what happens before it.
#[derive(Clone, Debug)]
pub struct Answer<A> {
    pub answer: A,
    pub effects: Vec<Effect>,
}

/// The cpuset of the task.
#[derive(Clone, Copy, Debug)]
pub struct Cpuset {
    pub mems: NodeMask,
    /// The nodes of the nearest ancestor with a hard wall.
    pub hard: NodeMask,
    pub insane: bool,
}

/// A request and its answers, in the order in which they are given.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub gfp: Gfp,
    pub order: u32,
    pub node: u32,
    pub mask: Option<NodeMask>,
    pub context: Context,
    pub exiting: bool,
    pub cpuset: Option<Cpuset>,
    pub node_reclaim: bool,
    pub over_dirty: NodeMask,
    pub lru: HashMap<ZoneId, u64>,
    pub reclaim: VecDeque<Answer<u64>>,
    pub compact: VecDeque<Answer<CompactResult>>,
    pub suitable: VecDeque<bool>,
    pub oom: VecDeque<Answer<bool>>,
    pub oom_lock: VecDeque<Answer<bool>>,
    pub node_reclaims: VecDeque<Answer<NodeReclaimed>>,
    /// How often it may begin anew, which Linux does not bound: `in rounds N`.
    pub rounds: Option<u32>,
}

/// The names of the answers of compaction.
pub const COMPACT_RESULTS: [(&str, CompactResult); 6] = [
    ("SKIPPED", CompactResult::Skipped),
    ("DEFERRED", CompactResult::Deferred),
    ("COMPLETE", CompactResult::Complete),
    ("PARTIAL_SKIPPED", CompactResult::PartialSkipped),
    ("CONTENDED", CompactResult::Contended),
    ("SUCCESS", CompactResult::Success),
];

/// The numbers of the answers of node reclaim.
pub const NODE_RECLAIMS: [(&str, NodeReclaimed); 4] = [
    ("-2", NodeReclaimed::NotScanned),
    ("-1", NodeReclaimed::Full),
    ("0", NodeReclaimed::Some),
    ("1", NodeReclaimed::Success),
];

fn named<A: Copy>(line: Line<'_>, names: &[(&str, A)], word: &str) -> Result<A, String> {
    let found = names.iter().find(|(name, _)| *name == word);
    found.map(|(_, answer)| *answer).ok_or_else(|| line.error(&format!("no answer is `{word}`")))
}

fn number<N: std::str::FromStr>(line: Line<'_>, word: &str) -> Result<N, String> {
    word.parse().map_err(|_| line.error(&format!("`{word}` is no number")))
}

/// Nodes between commas, or `none`.
fn nodes(line: Line<'_>, word: &str) -> Result<NodeMask, String> {
    let numbers = word.split(',').filter(|node| *node != "none");
    let bits = numbers.map(|node| Ok(1_u64 << number::<u32>(line, node)?));
    bits.sum::<Result<u64, String>>().map(NodeMask::from_bits)
}

/// A zone `NID:NAME`.
pub fn zone(line: Line<'_>, word: &str) -> Result<ZoneId, String> {
    let (node, kind) = word.split_once(':').unwrap_or_default();
    walk::zone_id(line, node, kind)
}

/// `NID:NAME=PAGES`
fn estimate(line: Line<'_>, word: &str) -> Result<(ZoneId, u64), String> {
    let (id, pages) = word.split_once('=').ok_or_else(|| line.error("no NID:ZONE=PAGES"))?;
    Ok((zone(line, id)?, number(line, pages)?))
}

/// What `in ctx` says of the task; `PF_EXITING` apart, which only the kernel looks at.
fn context(line: Line<'_>, names: &str) -> Result<Context, String> {
    let one = |name| {
        Ok(match name {
            "task" | "PF_KTHREAD" | "PF_EXITING" => Context::TASK,
            "softirq" => Context::SOFTIRQ,
            "bh" => Context::BH_DISABLED,
            "hardirq" => Context::HARDIRQ,
            "rt" => Context::RT_TASK,
            "victim" => Context::OOM_VICTIM,
            "sigkill" => Context::FATAL_SIGNAL,
            "PF_DUMPCORE" => Context::DUMPS_CORE,
            "PF_WQ_WORKER" => Context::WORKER,
            "PF_MEMALLOC" => Context::MEMALLOC,
            "PF_MEMALLOC_NOFS" => Context::MEMALLOC_NOFS,
            "PF_MEMALLOC_NOIO" => Context::MEMALLOC_NOIO,
            "PF_MEMALLOC_PIN" => Context::MEMALLOC_PIN,
            _ => return Err(line.error(&format!("no context is `{name}`"))),
        })
    };
    names.split('|').map(one).collect()
}

fn effects(line: Line<'_>, words: &[&str]) -> Result<Vec<Effect>, String> {
    let mut effects = Vec::new();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "free" => {
                for block in value.split(',') {
                    let (pfn, order) = block.split_once(':').unwrap_or_default();
                    effects.push(Effect::Free(number(line, pfn)?, number(line, order)?));
                }
            }
            "capture" => effects.push(Effect::Capture(number(line, value)?)),
            "lru" => {
                let (id, pages) = estimate(line, value)?;
                effects.push(Effect::Lru(id, pages));
            }
            "mems" => effects.push(Effect::Mems(nodes(line, value)?)),
            "victim" => effects.push(Effect::Victim),
            "sigkill" => effects.push(Effect::Sigkill),
            _ => return Err(line.error(&format!("no effect is `{word}`"))),
        }
    }
    Ok(effects)
}

fn cpuset(line: Line<'_>, words: &[&str]) -> Result<Cpuset, String> {
    let of = |key| {
        let word = words.iter().find_map(|word| word.strip_prefix(key));
        nodes(line, word.ok_or_else(|| line.error("no such nodes"))?)
    };
    let insane = words.contains(&"insane");
    Ok(Cpuset { mems: of("mems=")?, hard: of("hard=")?, insane })
}

impl Case {
    /// Reads a line that begins with `in`.
    pub fn read(&mut self, line: Line<'_>) -> Result<(), String> {
        let words = line.words();
        let word = *words.get(2).ok_or_else(|| line.error("a word is missing"))?;
        match words[1] {
            "state" => {}
            "gfp" => self.gfp = gfp_of(word),
            "order" => self.order = line.order_at(&words, 2)?,
            "node" => self.node = number(line, word)?,
            "mask" => self.mask = if word == "-" { None } else { Some(nodes(line, word)?) },
            "ctx" => {
                self.context = context(line, word)?;
                self.exiting = word.split('|').any(|name| name == "PF_EXITING");
            }
            "cpuset" => self.cpuset = Some(cpuset(line, &words[2..])?),
            "node_reclaim_mode" => self.node_reclaim = word != "0",
            "rounds" => self.rounds = Some(number(line, word)?),
            "dirty_over" => self.over_dirty = nodes(line, word)?,
            "lru" => {
                let estimates = words[2..].iter().map(|word| estimate(line, word));
                self.lru = estimates.collect::<Result<_, _>>()?;
            }
            _ => self.read_answer(line, &words)?,
        }
        Ok(())
    }

    fn read_answer(&mut self, line: Line<'_>, words: &[&str]) -> Result<(), String> {
        let word = words[2];
        let effects = effects(line, &words[3..])?;
        match words[1] {
            "reclaim" => {
                self.reclaim.push_back(Answer { answer: number(line, word)?, effects });
            }
            "compact" => {
                let answer = named(line, &COMPACT_RESULTS, word)?;
                self.compact.push_back(Answer { answer, effects });
            }
            "suitable" => self.suitable.push_back(line.switch_at(words, 2)?),
            "oom" => self.oom.push_back(Answer { answer: line.switch_at(words, 2)?, effects }),
            "oomlock" => {
                self.oom_lock.push_back(Answer { answer: line.switch_at(words, 2)?, effects });
            }
            "noderec" => {
                let answer = named(line, &NODE_RECLAIMS, word)?;
                self.node_reclaims.push_back(Answer { answer, effects });
            }
            _ => return Err(line.error("no part of a request")),
        }
        Ok(())
    }
}
