//! One step of a history, and how steps are drawn. What is picked is picked by a number, modulo what
//! there is; a step without anything to pick does nothing.

use page_alloc::{Gfp, Order};
use proptest::prelude::*;

/// Where a request says that its memory should come from.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Here,
    Node(usize),
    Masked(usize, u64),
}

/// A zone with memory.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Dma,
    Dma32,
    Normal(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Drain {
    Local(Option<Place>),
    All(Option<Place>),
    Cpu(u32),
    Zone(u32, Place),
    Age,
}

#[derive(Clone, Debug)]
pub enum Step {
    Alloc {
        gfp: Gfp,
        order: Order,
        way: Way,
    },
    AllocBulk {
        gfp: Gfp,
        count: usize,
        at: Option<usize>,
    },
    Free {
        pick: usize,
    },
    FreeBulk {
        pick: usize,
        count: usize,
    },
    SetMovable {
        pick: usize,
    },
    Drain(Drain),
    /// Batch and high.
    Limits {
        place: Place,
        limits: (u32, u32),
    },
    Reclaim {
        place: Place,
        active: bool,
    },
    MinFree {
        kbytes: u32,
    },
    Isolate {
        pick: usize,
    },
    Unisolate {
        pick: usize,
    },
}

/// What callers ask for: the first ones ask for nothing special, the last ones are illegal.
pub const GFPS: [Gfp; 20] = [
    Gfp::KERNEL,
    Gfp::HIGHUSER_MOVABLE,
    Gfp::KERNEL.union(Gfp::RECLAIMABLE),
    Gfp::NOWAIT,
    Gfp::USER,
    Gfp::KERNEL.union(Gfp::ZERO),
    Gfp::KERNEL.union(Gfp::DMA),
    Gfp::KERNEL.union(Gfp::DMA32),
    Gfp::NOFS.union(Gfp::NORETRY),
    Gfp::USER.union(Gfp::MOVABLE),
    Gfp::ATOMIC,
    Gfp::KERNEL.union(Gfp::THISNODE),
    Gfp::HIGHUSER_MOVABLE.union(Gfp::THISNODE),
    Gfp::KERNEL.union(Gfp::WRITE),
    Gfp::HIGHUSER_MOVABLE.union(Gfp::WRITE),
    Gfp::KERNEL.union(Gfp::RETRY_MAYFAIL),
    Gfp::NOWAIT.union(Gfp::MEMALLOC),
    Gfp::empty(),
    Gfp::KERNEL.union(Gfp::DMA).union(Gfp::HIGHMEM),
    Gfp::KERNEL.union(Gfp::MOVABLE).union(Gfp::RECLAIMABLE),
];

pub fn gfp() -> impl Strategy<Value = Gfp> {
    prop_oneof![
        3 => prop::sample::select(&GFPS[..3]),
        1 => prop::sample::select(&GFPS[..]),
    ]
}

/// All orders, mostly those that have lists.
pub fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![
        6 => Just(Order::O0),
        4 => prop::sample::select(&Order::ALL[..4]),
        1 => Just(Order::O9),
        1 => prop::sample::select(&Order::ALL[..]),
    ]
}

pub fn place() -> impl Strategy<Value = Place> {
    prop_oneof![Just(Place::Dma), Just(Place::Dma32), (0_usize..2).prop_map(Place::Normal)]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        8 => Just(Way::Here),
        2 => (0_usize..2).prop_map(Way::Node),
        1 => (0_usize..2, 0_u64..4).prop_map(|(at, bits)| Way::Masked(at, bits)),
    ]
}

fn drain() -> impl Strategy<Value = Drain> {
    prop_oneof![
        prop::option::of(place()).prop_map(Drain::Local),
        prop::option::of(place()).prop_map(Drain::All),
        any::<u32>().prop_map(Drain::Cpu),
        (any::<u32>(), place()).prop_map(|(cpu, place)| Drain::Zone(cpu, place)),
        Just(Drain::Age),
        Just(Drain::Age),
    ]
}

/// Legal ones mostly, from none kept to more than there is.
fn limits() -> impl Strategy<Value = (u32, u32)> {
    prop_oneof![
        1 => Just((1, 0)),
        8 => (1_u32..40, 0_u32..150).prop_map(|(batch, more)| (batch, batch + more)),
        1 => (0_u32..9, 0_u32..9),
    ]
}

/// Requests and frees of blocks: what changes free lists most.
pub fn traffic() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (gfp(), any_order(), way()).prop_map(|(gfp, order, way)| Step::Alloc { gfp, order, way }),
        8 => any::<usize>().prop_map(|pick| Step::Free { pick }),
        1 => any::<usize>().prop_map(|pick| Step::SetMovable { pick }),
    ]
}

/// Every kind of step.
pub fn step() -> impl Strategy<Value = Step> {
    let bulk = (gfp(), 0_usize..40, prop::option::of(0_usize..2));
    prop_oneof![
        24 => traffic(),
        2 => bulk.prop_map(|(gfp, count, at)| Step::AllocBulk { gfp, count, at }),
        2 => (any::<usize>(), 0_usize..40).prop_map(|(pick, count)| Step::FreeBulk { pick, count }),
        2 => drain().prop_map(Step::Drain),
        1 => (place(), limits()).prop_map(|(place, limits)| Step::Limits { place, limits }),
        1 => (place(), any::<bool>()).prop_map(|(place, active)| Step::Reclaim { place, active }),
        1 => (0_u32..20_000).prop_map(|kbytes| Step::MinFree { kbytes }),
        1 => any::<usize>().prop_map(|pick| Step::Isolate { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Unisolate { pick }),
    ]
}
