//! Where the MOVABLE zone begins on each node.
//!
//! The memory that is not to be movable is spread evenly over the nodes. A node that has too little
//! of it leaves the rest to the others, so that the spreading goes on in passes; memory below the
//! highest zone counts, since it can't be movable anyway.

use crate::boot::{Movable, Survey};
use crate::{MAX_NUMNODES, NodeId, Order, Pfn, PfnRange};

/// The MOVABLE zone begins at a multiple of this.
const BLOCK: u64 = Order::MAX.nr_pages();

/// For each node, the first frame of its MOVABLE zone, if it has one.
pub(crate) type MovableStarts = [Option<Pfn>; MAX_NUMNODES];

/// Where the MOVABLE zone begins on each node.
#[doc(alias = "find_zone_movable_pfns_for_nodes")]
#[inline(never)]
pub(crate) fn movable_starts(survey: &Survey<'_>, movable: Movable<'_>) -> MovableStarts {
    let total = survey.nodes_with_memory().iter().map(|node| survey.present_in(node)).sum();
    let mut ends = [None; MAX_NUMNODES];
    match movable {
        Movable::None => return ends,
        Movable::From(starts) => explicit(survey, starts, &mut ends),
        Movable::Size(frames) => {
            let movable = frames.checked_next_multiple_of(BLOCK).unwrap_or(total);
            spread(survey, total - movable.min(total), total, &mut ends);
        }
        Movable::KernelSize(frames) => spread(survey, frames, total, &mut ends),
    }
    for (index, end) in ends.iter_mut().enumerate() {
        let start = end.and_then(|end| end.get().checked_next_multiple_of(BLOCK)).map(Pfn::new);
        *end = start.filter(|start| *start < survey.node_end(index));
    }
    ends
}

/// The given beginnings, but none below the highest zone.
fn explicit(survey: &Survey<'_>, starts: &[(NodeId, Pfn)], ends: &mut MovableStarts) {
    for (node, start) in starts {
        let limits = PfnRange::new(survey.movable_limits().start, survey.node_end(node.index()));
        ends[node.index()] = Some((*start).max(limits.start)).filter(|start| *start < limits.end);
    }
}

/// Spreads `required` frames of kernel memory over the nodes; where each node's part ends.
fn spread(survey: &Survey<'_>, required: u64, total: u64, ends: &mut MovableStarts) {
    if required == 0 || required >= total {
        return;
    }
    let mut spread = Spread { survey, required, ends };
    for nodes in (1..=u64::from(survey.nodes_with_memory().len())).rev() {
        spread.pass(nodes);
        if spread.required < nodes {
            break;
        }
    }
}

/// Kernel memory on its way to the nodes.
struct Spread<'a> {
    survey: &'a Survey<'a>,
    /// Frames that have no node yet.
    required: u64,
    /// How far each node's kernel memory reaches so far.
    ends: &'a mut MovableStarts,
}

impl Spread<'_> {
    /// Gives each node its share of what is required, with `nodes` that still have room.
    fn pass(&mut self, nodes: u64) {
        let mut share = self.required / nodes;
        for node in self.survey.nodes_with_memory().iter() {
            if self.required < share {
                share = self.required / nodes;
            }
            self.take(node, share);
        }
    }

    /// Takes `share` frames of the node, from where the pass before ended.
    fn take(&mut self, node: NodeId, mut share: u64) {
        let usable = self.survey.movable_limits().start;
        let span = self.survey.node_span(node);
        let start = self.ends[node.index()].unwrap_or(span.start);
        let runs = self.survey.runs_in(PfnRange::new(start, span.end));
        for range in runs.filter(|run| run.node == node).map(|run| run.range) {
            share = self.count(range.intersection(PfnRange::new(range.start, usable)), share);
            if range.end <= usable {
                self.ends[node.index()] = Some(range.end);
                continue;
            }
            let start = range.start.max(usable);
            let part = PfnRange::new(start, range.end.min(start + share));
            share = self.count(part, share);
            self.ends[node.index()] = Some(part.end);
            if share == 0 {
                break;
            }
        }
    }

    /// Counts frames as kernel memory; what is left of the share.
    fn count(&mut self, frames: PfnRange, share: u64) -> u64 {
        self.required = self.required.saturating_sub(frames.len());
        share.saturating_sub(frames.len())
    }
}
