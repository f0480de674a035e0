//! The book of live blocks, on a machine that remembers its frames.

use crate::records::{Raw, alloc, free, part, read, sensible};
use crate::replayer::{Counts, Machine, Replayer};
use page_alloc::{CpuId, Order};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A machine that remembers which frames are allocated.
#[derive(Default)]
struct Frames {
    /// Order of each allocated block, by its first frame.
    blocks: BTreeMap<u64, Order>,
    next: u64,
    /// Requests to refuse.
    refusals: u32,
    frees: Vec<(u64, Order)>,
    /// As which it works now.
    cpu: Option<CpuId>,
    /// As which it did what it did.
    cpus: Vec<CpuId>,
}

impl Machine for Frames {
    type Gfp = char;
    type Block = u64;

    fn on_cpu(&mut self, cpu: CpuId, work: impl FnOnce(&mut Self)) {
        assert_eq!(self.cpu.replace(cpu), None, "one CPU at a time");
        work(self);
        self.cpu = None;
    }

    fn alloc(&mut self, gfp: char, order: Order) -> Option<u64> {
        assert_eq!(gfp, 'b', "the flags of index 1");
        self.cpus.extend(self.cpu);
        if self.refusals > 0 {
            self.refusals -= 1;
            return None;
        }
        let frame = self.next;
        self.next += Order::MAX.nr_pages();
        self.blocks.insert(frame, order);
        Some(frame)
    }

    fn free(&mut self, block: u64) {
        self.cpus.extend(self.cpu);
        let order = self.blocks.remove(&block).expect("an allocated block");
        self.frees.push((block, order));
    }

    fn split(&mut self, block: u64) -> Option<[u64; 2]> {
        let order = self.blocks.remove(&block).and_then(Order::below).expect("a block of two");
        let high = block + order.nr_pages();
        self.blocks.extend([(block, order), (high, order)]);
        Some([block, high])
    }
}

fn play(machine: &mut Frames, raw: &[Raw], cpus: u32) -> Counts {
    let trace = read(raw).unwrap_or_else(|error| panic!("{error}"));
    let mut replayer = Replayer::new(machine, &['a', 'b'], cpus);
    let mut seen = 0;
    replayer.play(&trace, |events| seen = events);
    assert_eq!(seen, raw.len() as u64);
    replayer.finish()
}

/// A part is cut out by halving; the rest is freed whole, in blocks, from below.
#[test]
fn parts_are_split_off() {
    let mut machine = Frames::default();
    play(&mut machine, &[alloc(0, 3), part(0, 0, 5), free(0, 3)], 2);
    let orders = [(5, Order::O0), (0, Order::O2), (4, Order::O0), (6, Order::O1)];
    assert_eq!(machine.frees, orders);
}

/// A part that covers several blocks that are left frees each; parts can use an allocation up.
#[test]
fn parts_can_cover_earlier_cuts() {
    let mut machine = Frames::default();
    let raw =
        [alloc(0, 3), part(0, 0, 7), part(0, 0, 6), part(0, 1, 4), part(0, 2, 0), alloc(1, 0)];
    let counts = play(&mut machine, &raw, 2);
    let firsts: Vec<_> = machine.frees.iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [7, 6, 4, 0, 1024]);
    assert_eq!((counts.partial_frees, counts.left), (4, 1));
}

/// Every event is counted once, failures are not freed, and what is left is freed at the end.
#[test]
fn events_are_counted() {
    let mut machine = Frames { refusals: 1, ..Frames::default() };
    let raw = [alloc(0, 2), alloc(1, 2), alloc(2, 0), part(0, 0, 0), free(0, 2), free(1, 2)];
    let counts = play(&mut machine, &raw, 1);
    let expected = Counts {
        events: 6,
        allocations: 3,
        failed: 1,
        frees: 1,
        partial_frees: 0,
        skipped: 2,
        left: 1,
    };
    assert_eq!(counts, expected);
    assert!(machine.blocks.is_empty());
    assert!(machine.cpus.iter().all(|cpu| *cpu == CpuId::BOOT), "one CPU plays all parts");
}

/// Each event happens on the CPU of the machine that stands for its own; what is left is freed on the first.
#[test]
fn events_happen_on_their_cpu() {
    let raw = [alloc(0, 0), alloc(1, 0), free(0, 0), alloc(2, 0), free(2, 0)];
    for (cpus, expected) in [(1, [0; 6]), (2, [0, 0, 1, 0, 1, 0])] {
        let mut machine = Frames::default();
        play(&mut machine, &raw, cpus);
        assert_eq!(machine.cpus, expected.map(CpuId::new));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is freed in whatever parts, every frame is given back once.
    #[test]
    fn every_frame_is_freed_once(choices in prop::collection::vec(any::<(u8, u16, u8)>(), 0..80)) {
        let raw = sensible(&choices);
        let mut machine = Frames::default();
        let counts = play(&mut machine, &raw, 2);
        prop_assert!(machine.blocks.is_empty());
        let freed: u64 = machine.frees.iter().map(|(_, order)| order.nr_pages()).sum();
        let allocated = raw.iter().filter(|record| record.1[0] == 0);
        prop_assert_eq!(freed, allocated.map(|record| 1 << record.1[1]).sum::<u64>());
        prop_assert_eq!(counts.skipped, 0);
    }
}
