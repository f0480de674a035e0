//! The paths that are stepped through.

use crate::{LIMITS, Machine, cached};
use page_alloc::{Gfp, Order, Pages};

/// Frames of a request in bulk.
const BULK: usize = 3;

/// A path through the allocator.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path {
    /// A request that the CPU's list serves.
    AllocHit,
    /// A free to the CPU's list.
    FreeHit,
    /// A request that finds its list empty.
    AllocRefill,
    /// A free that is one too many for the list.
    FreeGiveBack,
    /// All that the CPU has.
    Drain,
    /// A request for an order without lists.
    AllocZone,
    /// A free of such a block.
    FreeZone,
    /// Several frames at once, more than the list has.
    AllocBulk,
}

impl Path {
    pub(crate) const ALL: [Self; 8] = [
        Self::AllocHit,
        Self::FreeHit,
        Self::AllocRefill,
        Self::FreeGiveBack,
        Self::Drain,
        Self::AllocZone,
        Self::FreeZone,
        Self::AllocBulk,
    ];

    /// Brings the lists into the state for the path. Gives the blocks that it needs, with room for
    /// those that it allocates.
    pub(crate) fn prepare(self, machine: &Machine) -> Vec<Pages> {
        machine.drain_local_pages(None);
        let mut held = Vec::with_capacity(64);
        match self {
            Self::AllocRefill | Self::AllocZone => {}
            Self::AllocHit | Self::AllocBulk => fill(machine, 1),
            Self::FreeHit => {
                fill(machine, 1);
                held.push(alloc(machine, Order::O0));
            }
            Self::FreeGiveBack => {
                held.push(alloc(machine, Order::O0));
                fill(machine, LIMITS.high - 1);
            }
            Self::Drain => fill(machine, LIMITS.high - 2),
            Self::FreeZone => held.push(alloc(machine, Order::O4)),
        }
        held
    }

    /// What is stepped through: no heap, no lock.
    pub(crate) fn walk(self, machine: &Machine, held: &mut Vec<Pages>) {
        match self {
            Self::AllocHit | Self::AllocRefill => held.push(alloc(machine, Order::O0)),
            Self::AllocZone => held.push(alloc(machine, Order::O4)),
            Self::FreeHit | Self::FreeGiveBack | Self::FreeZone => {
                machine.free_pages(held.pop().expect("a block")).expect("ours");
            }
            Self::Drain => assert_eq!(machine.drain_local_pages(None).skipped, 0),
            Self::AllocBulk => {
                let mut places = [const { None }; BULK];
                let filled = machine.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut places);
                assert_eq!(filled, Ok(places.len()));
                held.extend(places.into_iter().flatten());
            }
        }
    }

    /// From one instruction with an interrupt to the next, where one can come at so many. A debug
    /// build, whose paths are longer, tries some of the long ones only.
    pub(crate) fn stride(self, places: u64) -> u64 {
        match self {
            Self::AllocHit | Self::FreeHit => 1,
            _ if cfg!(debug_assertions) => places.div_ceil(20),
            _ => 1,
        }
    }

    /// Requests of the path that pass no trace point.
    pub(crate) fn untraced(self) -> u64 {
        if let Self::AllocBulk = self { BULK as u64 } else { 0 }
    }

    /// Without an interrupt, the path is what it is called.
    pub(crate) fn check(self, machine: &Machine) {
        let mut held = self.prepare(machine);
        let now =
            |machine: &Machine| [machine.nr_free_pages(), cached(machine)].map(u64::cast_signed);
        let before = now(machine);
        self.walk(machine, &mut held);
        let after = now(machine);
        let [free, cached] = [after[0] - before[0], after[1] - before[1]];
        match self {
            Self::AllocHit => assert_eq!((free, cached), (0, -1)),
            Self::FreeHit => assert_eq!((free, cached), (0, 1)),
            Self::AllocRefill | Self::AllocBulk => assert!(free < 0),
            Self::FreeGiveBack => assert!(free > 0 && free + cached == 1),
            Self::Drain => assert!(free > 0 && free == -cached),
            Self::AllocZone => assert_eq!((free, cached), (-16, 0)),
            Self::FreeZone => assert_eq!((free, cached), (16, 0)),
        }
        held.into_iter().for_each(|block| machine.free_pages(block).expect("ours"));
    }
}

fn alloc(machine: &Machine, order: Order) -> Pages {
    machine.alloc_pages(Gfp::KERNEL, order).expect("memory")
}

/// Brings so many frames to the CPU's lists, less than make it give back.
fn fill(machine: &Machine, frames: u32) {
    let blocks: Vec<_> = (0..frames).map(|_| alloc(machine, Order::O0)).collect();
    machine.drain_local_pages(None);
    blocks.into_iter().for_each(|block| machine.free_pages(block).expect("ours"));
}
