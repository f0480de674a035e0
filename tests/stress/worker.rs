//! What one CPU does.

use crate::{Block, Machine};
use page_alloc::zone::ReclaimActive;
use page_alloc::{CpuId, Gfp, NodeId, Order, ZoneType};
use std::sync::Mutex;
use std::time::Instant;

/// Steps between two looks at the clock; at least so many are done.
const ROUND: u32 = 20_000;

const GFPS: [Gfp; 8] = [
    Gfp::KERNEL,
    Gfp::HIGHUSER_MOVABLE,
    Gfp::ATOMIC,
    Gfp::NOWAIT,
    Gfp::KERNEL.union(Gfp::RECLAIMABLE),
    Gfp::KERNEL.union(Gfp::ZERO),
    Gfp::KERNEL.union(Gfp::DMA),
    Gfp::HIGHUSER_MOVABLE.union(Gfp::THISNODE),
];

const ORDERS: [Order; 16] = {
    use Order::{O0, O1, O2, O3, O4, O5, O9, O10};
    [O0, O0, O0, O0, O0, O0, O0, O1, O1, O2, O3, O4, O5, O0, O9, O10]
};

/// Places where CPUs leave blocks for each other.
pub(crate) struct Slots(Vec<Mutex<Option<Block>>>);

impl Slots {
    pub(crate) fn new() -> Self {
        Self((0..64).map(|_| Mutex::new(None)).collect())
    }

    /// What is left.
    pub(crate) fn into_blocks(self) -> impl Iterator<Item = Block> {
        self.0.into_iter().filter_map(|slot| slot.into_inner().expect("no panic"))
    }
}

/// How much was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) allocs: u64,
    /// Blocks that came from another CPU, or from this one after a stay in a slot.
    pub(crate) exchanged: u64,
    pub(crate) bulk: u64,
    pub(crate) drained_here: u64,
    pub(crate) drained_elsewhere: u64,
}

/// How much all did.
#[derive(Default)]
pub(crate) struct Total(Mutex<Done>);

impl Total {
    pub(crate) fn add(&self, done: Done) {
        let mut total = self.0.lock().expect("no panic");
        total.allocs += done.allocs;
        total.exchanged += done.exchanged;
        total.bulk += done.bulk;
        total.drained_here += done.drained_here;
        total.drained_elsewhere += done.drained_elsewhere;
    }

    pub(crate) fn into_done(self) -> Done {
        self.0.into_inner().expect("no panic")
    }
}

/// A small generator of numbers, a different sequence for each seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// One CPU: allocates, marks its blocks, leaves some to others, frees, drains, has all CPUs keep less
/// for a while.
pub(crate) struct Worker<'a> {
    machine: &'a Machine,
    slots: &'a Slots,
    cpu: CpuId,
    random: Random,
    held: Vec<Block>,
    held_frames: u64,
    /// With more frames it frees.
    most_frames: u64,
    /// The mark of the next block, no other's ever.
    mark: u64,
    done: Done,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(machine: &'a Machine, slots: &'a Slots, cpu: CpuId) -> Self {
        let number = u64::from(cpu.get()) + 1;
        Self {
            machine,
            slots,
            cpu,
            random: Random(0x9e37_79b9_7f4a_7c15 ^ number),
            held: Vec::new(),
            held_frames: 0,
            most_frames: machine.nr_free_pages() / u64::from(machine.nr_cpus()),
            mark: number << 48,
            done: Done::default(),
        }
    }

    pub(crate) fn work_until(&mut self, end: Instant) {
        loop {
            (0..ROUND).for_each(|_| self.step());
            if Instant::now() >= end {
                return;
            }
        }
    }

    /// Frees all that it has.
    pub(crate) fn finish(mut self) -> Done {
        while !self.held.is_empty() {
            self.free();
        }
        self.done
    }

    fn step(&mut self) {
        if self.held_frames > self.most_frames {
            (0..self.held.len() / 2).for_each(|_| self.free());
        }
        match self.random.below(1024) {
            0..480 => self.alloc(),
            480..870 => self.free(),
            870..970 => self.exchange(),
            970..990 => self.alloc_bulk(),
            990..1005 => self.free_bulk(),
            _ => self.drain(),
        }
    }

    fn hold(&mut self, block: Block) {
        self.held_frames += block.len();
        self.held.push(block);
    }

    fn pick(&mut self) -> Option<Block> {
        let count = self.held.len();
        let block = (count > 0).then(|| self.held.swap_remove(self.random.below(count)))?;
        self.held_frames -= block.len();
        Some(block)
    }

    fn gfp(&mut self) -> Gfp {
        GFPS[self.random.below(GFPS.len())]
    }

    fn alloc(&mut self) {
        let (gfp, order) = (self.gfp(), ORDERS[self.random.below(ORDERS.len())]);
        if let Ok(pages) = self.machine.alloc_pages(gfp, order) {
            self.mark += 1;
            self.done.allocs += 1;
            self.hold(Block::new(self.machine, pages, self.mark));
        }
    }

    fn free(&mut self) {
        if let Some(block) = self.pick() {
            block.free(self.machine);
        }
    }

    /// Leaves a block and takes what was there.
    fn exchange(&mut self) {
        let mine = self.pick();
        let slot = self.random.below(self.slots.0.len());
        let found = std::mem::replace(&mut *self.slots.0[slot].lock().expect("no panic"), mine);
        if let Some(block) = found {
            self.done.exchanged += 1;
            self.hold(block);
        }
    }

    fn alloc_bulk(&mut self) {
        let gfp = self.gfp();
        let mut places = [const { None }; 50];
        let wanted = 1 + self.random.below(places.len());
        let filled = self.machine.alloc_pages_bulk(gfp, None, None, &mut places[..wanted]);
        let found = places.into_iter().flatten();
        let before = self.held.len();
        for pages in found {
            self.mark += 1;
            self.hold(Block::new(self.machine, pages, self.mark));
        }
        assert_eq!(filled.unwrap_or(0), self.held.len() - before);
        self.done.bulk += (self.held.len() - before) as u64;
    }

    fn free_bulk(&mut self) {
        let wanted = self.random.below(50).min(self.held.len());
        let mut places: Vec<_> =
            (0..wanted).map(|_| self.pick().map(|block| block.unmark(self.machine))).collect();
        assert_eq!(self.machine.free_pages_bulk(&mut places), wanted);
    }

    fn drain(&mut self) {
        let machine = self.machine;
        let number = |below: usize| u32::try_from(below).expect("few");
        let other = CpuId::new(number(self.random.below(machine.nr_cpus() as usize)));
        let node = NodeId::new(number(self.random.below(2))).expect("a node");
        let zone = [ZoneType::Dma, ZoneType::Dma32][self.random.below(2)];
        let count = match other == self.cpu {
            true => &mut self.done.drained_here,
            false => &mut self.done.drained_elsewhere,
        };
        match self.random.below(10) {
            8 => _ = machine.set_reclaim_active(node, zone, ReclaimActive::Yes),
            9 => _ = machine.set_reclaim_active(node, zone, ReclaimActive::No),
            0 => _ = machine.drain_all_pages(None),
            1 => _ = machine.age_local_pages(),
            2 => self.done.drained_here += machine.drain_local_pages(None).frames,
            3 => self.done.drained_here += machine.drain_local_pages(Some((node, zone))).frames,
            4 => *count += machine.drain_cpu_pages(other).frames,
            _ => *count += machine.drain_zone_pages(other, node, zone).frames,
        }
    }
}
