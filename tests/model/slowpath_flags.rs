//! The letters of the model's attempts: what flags and context make of them.

use super::slowpath::{NORMAL, Request, in_order};
use super::zone::MOVABLE;

const DMA32: usize = 1;

impl Request<'_> {
    /// Whether pageblocks are kept apart: the walk starts at NORMAL and can go on to a DMA32 zone.
    pub(super) fn keeps_apart(&self) -> bool {
        let Some(preferred) = self.preferred else { return false };
        let (node, kind) = self.machine.places[preferred].id;
        let below = self.machine.places.iter().any(|place| place.id == (node, DMA32));
        kind == NORMAL && (self.machine.nodes == 1 || below)
    }

    /// The letters that all attempts of the request have.
    pub(super) fn common_flags(&self) -> String {
        let cma = if self.migratetype() == MOVABLE { "C" } else { "" };
        let kswapd = if self.gfp.has("KSWAPD_RECLAIM") { "K" } else { "" };
        format!("{cma}{kswapd}")
    }

    pub(super) fn slow_flags(&self) -> String {
        let mut letters = String::from("m") + &self.common_flags();
        let high = self.gfp.has("HIGH");
        let waits = self.gfp.has("DIRECT_RECLAIM");
        if !waits && !self.gfp.has("NOMEMALLOC") {
            letters.push('B');
            letters.push_str(if high && self.asked.order > 0 { "H" } else { "" });
        }
        if high || (waits && self.script.is("rt") && self.script.in_task()) {
            letters.push('G');
        }
        if waits || !high {
            letters.push('S');
        }
        in_order(&letters)
    }

    /// The letter for the reserves that the context or the flags open.
    pub(super) fn reserves(&self) -> Option<&'static str> {
        let frees_memory = self.script.is("PF_MEMALLOC");
        let in_interrupt = self.script.in_interrupt();
        match () {
            () if self.gfp.has("NOMEMALLOC") => None,
            () if self.gfp.has("MEMALLOC") => Some("X"),
            () if frees_memory && (!in_interrupt || self.script.is("softirq")) => Some("X"),
            () if !in_interrupt && self.script.is("victim") => Some("O"),
            () => None,
        }
    }
}
