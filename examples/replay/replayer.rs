//! The loop that plays a trace against a machine, and its book of live blocks.
//!
//! An allocation of the trace is one block of the machine, until a part of it is freed. Then the
//! block is split into halves down to the part, and what is left is a set of blocks, each aligned to
//! its order. The whole free of such an allocation frees the set, lowest frame first.

use crate::trace::{Event, Trace};
use page_alloc::{CpuId, Order};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Events between two reports of progress.
const STRIDE: usize = 1 << 16;

/// What a trace is played against.
pub(crate) trait Machine {
    /// The flags of a request.
    type Gfp: Copy;
    /// The proof that a block is allocated.
    type Block;

    /// Does some work as that CPU.
    fn on_cpu(&mut self, cpu: CpuId, work: impl FnOnce(&mut Self));

    /// A block of 2^`order` frames, or `None`.
    fn alloc(&mut self, gfp: Self::Gfp, order: Order) -> Option<Self::Block>;

    /// Gives a block back.
    fn free(&mut self, block: Self::Block);

    /// Makes two blocks of half the size out of one of order 1 or more; the lower half first.
    /// `None`: it could not, and the block is lost.
    fn split(&mut self, block: Self::Block) -> Option<[Self::Block; 2]>;
}

/// What was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Events of all kinds.
    pub(crate) events: u64,
    /// Allocations asked for.
    pub(crate) allocations: u64,
    /// Allocations that the machine did not give.
    pub(crate) failed: u64,
    /// Whole frees.
    pub(crate) frees: u64,
    /// Frees of a part.
    pub(crate) partial_frees: u64,
    /// Frees with nothing to free, since the allocation had failed.
    pub(crate) skipped: u64,
    /// Allocations that the trace does not free, freed after it.
    pub(crate) left: u64,
}

/// An allocation of the trace.
enum Live<B> {
    /// Failed, or freed.
    Nothing,
    Whole(Order, B),
    /// Some of it is freed; the rest is in [`Replayer::parts`].
    Parts,
}

/// A block that is left of an allocation.
struct Part<B> {
    /// Its first frame, counted from that of the allocation.
    offset: u64,
    order: Order,
    block: B,
}

impl<B> Part<B> {
    /// Whether `2^order` frames at `offset` lie in the part.
    fn contains(&self, offset: u64, order: Order) -> bool {
        self.order >= order && offset & !(self.order.nr_pages() - 1) == self.offset
    }

    /// Whether the part lies in `2^order` frames at `offset`.
    fn is_within(&self, offset: u64, order: Order) -> bool {
        order >= self.order && self.offset & !(order.nr_pages() - 1) == offset
    }
}

/// A trace that is being played.
pub(crate) struct Replayer<'a, M: Machine> {
    machine: &'a mut M,
    /// The CPU of the machine that stands for each one of the trace.
    cpus: [CpuId; 256],
    book: Book<'a, M>,
}

impl<'a, M: Machine> Replayer<'a, M> {
    /// A replayer for a machine with `cpus` CPUs (at least one is assumed). `gfps` has the flags of
    /// [`Trace::gfps`], in their order.
    pub(crate) fn new(machine: &'a mut M, gfps: &'a [M::Gfp], cpus: u32) -> Self {
        let mut in_turn = (0..cpus.max(1)).cycle();
        let cpus = std::array::from_fn(|_| in_turn.next().map_or(CpuId::BOOT, CpuId::new));
        Self { machine, cpus, book: Book::new(gfps) }
    }

    /// Plays the events, and tells now and then how many are done. Gives the time it took.
    ///
    /// The book is laid out before the clock starts, so that its pages are real. Only partial frees
    /// make it grow.
    pub(crate) fn play(&mut self, trace: &Trace, mut progress: impl FnMut(u64)) -> Duration {
        self.book.live.extend((0..trace.places).map(|_| Live::Nothing));
        let start = Instant::now();
        for events in trace.events.chunks(STRIDE) {
            for events in events.chunk_by(|one, next| one.cpu() == next.cpu()) {
                self.play_on_one_cpu(events);
            }
            progress(self.book.counts.events);
        }
        start.elapsed()
    }

    #[inline]
    fn play_on_one_cpu(&mut self, events: &[Event]) {
        let Some(first) = events.first() else { return };
        let (cpu, book) = (self.cpus[usize::from(first.cpu())], &mut self.book);
        self.machine
            .on_cpu(cpu, |machine| events.iter().for_each(|event| book.step(machine, *event)));
    }

    /// The machine as it is now.
    pub(crate) fn machine(&self) -> &M {
        self.machine
    }

    /// Frees what the trace left, place by place, on the first CPU.
    pub(crate) fn finish(self) -> Counts {
        let mut book = self.book;
        self.machine.on_cpu(CpuId::BOOT, |machine| book.free_all(machine));
        book.counts
    }
}

/// The live blocks.
struct Book<'a, M: Machine> {
    /// The flags that the trace's indices stand for.
    gfps: &'a [M::Gfp],
    /// The allocations of the trace, by place.
    live: Vec<Live<M::Block>>,
    parts: BTreeMap<u32, Vec<Part<M::Block>>>,
    counts: Counts,
}

impl<'a, M: Machine> Book<'a, M> {
    fn new(gfps: &'a [M::Gfp]) -> Self {
        Self { gfps, live: Vec::new(), parts: BTreeMap::new(), counts: Counts::default() }
    }

    #[inline]
    fn step(&mut self, machine: &mut M, event: Event) {
        self.counts.events += 1;
        match event {
            Event::Alloc { place, order, gfp, .. } => self.alloc(machine, place, gfp, order),
            Event::Free { place, .. } => {
                let freed = self.free_whole(machine, place);
                self.counts.frees += u64::from(freed);
                self.counts.skipped += u64::from(!freed);
            }
            Event::FreePart { place, offset, order, .. } => {
                let freed = self.free_part(machine, place, u64::from(offset), order);
                self.counts.partial_frees += u64::from(freed);
                self.counts.skipped += u64::from(!freed);
            }
        }
    }

    #[inline]
    fn alloc(&mut self, machine: &mut M, place: u32, gfp: u8, order: Order) {
        let block = machine.alloc(self.gfps[usize::from(gfp)], order);
        self.counts.allocations += 1;
        self.counts.failed += u64::from(block.is_none());
        if let Some(block) = block {
            self.live[place as usize] = Live::Whole(order, block);
        }
    }

    fn free_all(&mut self, machine: &mut M) {
        for place in 0..u32::try_from(self.live.len()).unwrap_or(u32::MAX) {
            self.counts.left += u64::from(self.free_whole(machine, place));
        }
    }

    /// Frees what is left of an allocation; tells whether there was anything.
    #[inline]
    fn free_whole(&mut self, machine: &mut M, place: u32) -> bool {
        match std::mem::replace(&mut self.live[place as usize], Live::Nothing) {
            Live::Nothing => return false,
            Live::Whole(_, block) => machine.free(block),
            Live::Parts => {
                for part in self.parts.remove(&place).into_iter().flatten() {
                    machine.free(part.block);
                }
            }
        }
        true
    }

    /// Frees a part of an allocation; tells whether there was anything.
    fn free_part(&mut self, machine: &mut M, place: u32, offset: u64, order: Order) -> bool {
        let live = std::mem::replace(&mut self.live[place as usize], Live::Parts);
        let mut parts = match live {
            Live::Nothing => Vec::new(),
            Live::Whole(order, block) => vec![Part { offset: 0, order, block }],
            Live::Parts => self.parts.remove(&place).unwrap_or_default(),
        };
        if let Some(index) = parts.iter().position(|part| part.contains(offset, order)) {
            split_down(machine, &mut parts, index, offset, order);
        }
        let all = parts.len();
        let (within, rest): (Vec<_>, _) =
            parts.into_iter().partition(|part| part.is_within(offset, order));
        within.into_iter().for_each(|part| machine.free(part.block));
        let freed = rest.len() < all;
        if rest.is_empty() {
            self.live[place as usize] = Live::Nothing;
        } else {
            self.parts.insert(place, rest);
        }
        freed
    }
}

/// Halves the part at `index` until one of the halves is the block wanted.
fn split_down<M: Machine>(
    machine: &mut M,
    parts: &mut Vec<Part<M::Block>>,
    mut index: usize,
    offset: u64,
    order: Order,
) {
    while let Some(half) = parts[index].order.below().filter(|_| parts[index].order > order) {
        let part = parts.remove(index);
        let Some([low, high]) = machine.split(part.block) else { return };
        let middle = part.offset + half.nr_pages();
        parts.insert(index, Part { offset: middle, order: half, block: high });
        parts.insert(index, Part { offset: part.offset, order: half, block: low });
        index += usize::from(offset >= middle);
    }
}
