//! The cases. A new one is a line here; then the record is to be written anew.

use super::workload::{
    allocs, batches, boots, bulks, checkerboard_pairs, compactions, failures, frees, fresh_pairs,
    warm_pairs,
};
use crate::harness::free_order::FreeOrder;
use crate::harness::ours::{Asked, Atomic, Machine, Zone};
use page_alloc::{Gfp, Order};

/// Something that is counted.
pub(crate) struct Case {
    /// What the record calls it.
    pub(crate) name: &'static str,
    /// The operations of one round.
    pub(crate) ops: u64,
    /// How many rounds are counted: the difference between once and twice as many.
    pub(crate) rounds: u64,
    /// Sets up, warms up and does so many rounds. All but the rounds must not depend on the number.
    pub(crate) run: fn(rounds: u64),
}

/// For the memory below 4 GiB, where there is more: for another zone than that of plain requests.
type Dma32 = Asked<{ Gfp::KERNEL.bits() | Gfp::DMA32.bits() }, { 1 << 20 }>;

const PAIRS: u64 = 4096;
const SINGLES: u64 = 8192;

const fn pair(name: &'static str, run: fn(u64)) -> Case {
    Case { name, ops: 1, rounds: PAIRS, run }
}

const fn single(name: &'static str, run: fn(u64)) -> Case {
    Case { name, ops: 1, rounds: SINGLES, run }
}

const fn batch(name: &'static str, frames: u64, run: fn(u64)) -> Case {
    Case { name, ops: frames, rounds: 16, run }
}

/// One operation is a largest block, of 4 MiB.
const fn boot(name: &'static str, blocks: u64, run: fn(u64)) -> Case {
    Case { name, ops: blocks, rounds: 4, run }
}

pub(crate) const CASES: &[Case] = &[
    pair("alloc/warm-pair-order-0", |n| warm_pairs::<Machine>(Order::O0, n)),
    pair("alloc/warm-pair-order-3", |n| warm_pairs::<Machine>(Order::O3, n)),
    pair("alloc/warm-pair-order-4", |n| warm_pairs::<Machine>(Order::O4, n)),
    pair("alloc/warm-pair-order-9", |n| warm_pairs::<Machine>(Order::O9, n)),
    pair("alloc/warm-pair-order-10", |n| warm_pairs::<Machine>(Order::O10, n)),
    pair("alloc/fresh-pair-order-0", |n| fresh_pairs::<Machine>(Order::O0, n)),
    pair("alloc/fresh-pair-order-4", |n| fresh_pairs::<Machine>(Order::O4, n)),
    pair("alloc/checkerboard-pair-order-0", checkerboard_pairs::<Machine>),
    pair("alloc/atomic-warm-pair-order-0", |n| warm_pairs::<Atomic>(Order::O0, n)),
    pair("alloc/dma32-warm-pair-order-0", |n| warm_pairs::<Dma32>(Order::O0, n)),
    single("alloc/alloc-order-0", |n| allocs::<Machine>(2 * SINGLES, n)),
    single("alloc/free-order-0", |n| frees::<Machine>(2 * SINGLES, n)),
    batch("alloc/batch-512-fifo", 512, |n| batches::<Machine>(512, FreeOrder::Fifo, n)),
    batch("alloc/batch-512-lifo", 512, |n| batches::<Machine>(512, FreeOrder::Lifo, n)),
    batch("alloc/batch-512-random", 512, |n| batches::<Machine>(512, FreeOrder::Random, n)),
    batch("alloc/batch-4096-fifo", 4096, |n| batches::<Machine>(4096, FreeOrder::Fifo, n)),
    batch("alloc/batch-4096-lifo", 4096, |n| batches::<Machine>(4096, FreeOrder::Lifo, n)),
    batch("alloc/batch-4096-random", 4096, |n| batches::<Machine>(4096, FreeOrder::Random, n)),
    batch("alloc/bulk-512", 512, |n| bulks::<Machine>(512, n)),
    pair("zone/warm-pair-order-0", |n| warm_pairs::<Zone>(Order::O0, n)),
    pair("zone/warm-pair-order-4", |n| warm_pairs::<Zone>(Order::O4, n)),
    pair("zone/warm-pair-order-9", |n| warm_pairs::<Zone>(Order::O9, n)),
    pair("zone/warm-pair-order-10", |n| warm_pairs::<Zone>(Order::O10, n)),
    pair("zone/fresh-pair-order-0", |n| fresh_pairs::<Zone>(Order::O0, n)),
    pair("slow/atomic-failure", failures),
    Case { name: "compact/frame-moved", ops: 256, rounds: 8, run: compactions },
    boot("boot/16-gib", 16 << 8, |n| boots(16 << 30, n)),
];
