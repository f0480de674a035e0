//! Who has which frame: whatever is asked of the allocator, in whatever context, no frame is given
//! twice, none is lost, and the counters say so.

use crate::raw;
use page_alloc::boot::{InitError, MemoryKind, MemoryRegion, NodeRange, Reservation};
use page_alloc::sim::{Contents, Sim, SimConfig, SimError, Tables};
use page_alloc::{
    AllocError, Context, CpuId, FreeError, Gfp, MigrateType, Movability, NodeId, NodeMask, Order,
    Pages, Pfn, PhysAddr, ZoneLayout,
};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, TestCaseError, any, prop_oneof, proptest};
use std::collections::BTreeMap;

const GFPS: [Gfp; 14] = [
    Gfp::KERNEL,
    Gfp::ATOMIC,
    Gfp::NOWAIT,
    Gfp::HIGHUSER_MOVABLE,
    Gfp::HIGHUSER_MOVABLE.union(Gfp::NORETRY),
    Gfp::KERNEL.union(Gfp::RECLAIMABLE),
    Gfp::KERNEL.union(Gfp::THISNODE),
    Gfp::DMA,
    Gfp::DMA32.union(Gfp::KERNEL),
    Gfp::KERNEL.union(Gfp::MEMALLOC),
    Gfp::KERNEL.union(Gfp::NOMEMALLOC),
    Gfp::USER.union(Gfp::WRITE),
    Gfp::TRANSHUGE,
    Gfp::KERNEL.union(Gfp::RETRY_MAYFAIL),
];

const CONTEXTS: [Context; 8] = [
    Context::TASK,
    Context::HARDIRQ,
    Context::SOFTIRQ,
    Context::BH_DISABLED,
    Context::MEMALLOC,
    Context::OOM_VICTIM,
    Context::RT_TASK,
    Context::MEMALLOC_NOFS,
];

/// What one step does; what is picked is picked modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Alloc {
        gfp: usize,
        order: u32,
        node: Option<u32>,
        mask: Option<u64>,
        cpu: u32,
    },
    Free(usize),
    FreeRaw(usize),
    /// Lets a guard free it.
    Guard(usize),
    Split(usize),
    Halve(usize),
    Share(usize),
    Mark(usize, bool),
    Isolate(u64),
    Unisolate(u64),
    Context(usize),
    Cpuset(Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![5 => 0..4_u32, 3 => 4..10_u32, 1 => 10..11_u32];
    let pick = any::<usize>;
    let option = proptest::option::weighted::<std::ops::Range<u64>>;
    let alloc =
        (0..GFPS.len(), order, proptest::option::of(0..4_u32), option(0.2, 0..16), 0..3_u32);
    prop_oneof![
        20 => alloc.prop_map(|(gfp, order, node, mask, cpu)| {
            Step::Alloc { gfp, order, node, mask, cpu }
        }),
        8 => pick().prop_map(Step::Free),
        3 => pick().prop_map(Step::FreeRaw),
        2 => pick().prop_map(Step::Guard),
        2 => pick().prop_map(Step::Split),
        4 => pick().prop_map(Step::Halve),
        3 => pick().prop_map(Step::Share),
        3 => (pick(), any::<bool>()).prop_map(|(pick, movable)| Step::Mark(pick, movable)),
        3 => (0..20_000_u64).prop_map(Step::Isolate),
        3 => (0..20_000_u64).prop_map(Step::Unisolate),
        2 => (0..CONTEXTS.len()).prop_map(Step::Context),
        1 => option(0.5, 0..8).prop_map(Step::Cpuset),
    ]
}

/// Where a zone ends, as the address of a frame.
fn border(pfn: u64) -> PhysAddr {
    Pfn::new(pfn).start_address(12)
}

/// A machine whose nodes may interleave, inside pageblocks too.
fn machine() -> impl Strategy<Value = SimConfig> {
    let length = prop_oneof![
        (1..5_u64, -1..=1_i64).prop_map(|(n, by)| (n * 512).saturating_add_signed(by)),
        1..1500_u64
    ];
    let part = (0..3_u32, length, prop_oneof![3 => 0..1_u64, 1 => 0..1200_u64]);
    let held = vec((0..6000_u64, 1..200_u64), 0..3);
    let borders = (0..2500_u64, 0..2500_u64);
    (0..1100_u64, vec(part, 1..5), held, borders, any::<bool>()).prop_map(
        |(base, parts, held, (dma, dma32), carved)| {
            let mut config = SimConfig::new(Vec::new());
            let mut at = base;
            for (id, length, gap) in parts {
                let start = Pfn::new(at + gap).start_address(12);
                at += gap + length;
                let kind = MemoryKind::Usable;
                config.memory_map.push(MemoryRegion::new(start, length << 12, kind));
                let node = NodeId::new(id).expect("a node");
                config.nodes.push(NodeRange::new(node, start, length << 12));
            }
            let reservation = |(at, length): (u64, u64)| {
                Reservation::new("held", Pfn::new(base + at).start_address(12), length << 12)
            };
            config.reservations = held.into_iter().map(reservation).collect();
            config.cpus = vec![NodeId::ZERO; 3];
            config.zones =
                ZoneLayout::new(Some(border(base + dma)), Some(border(base + dma + dma32)), None);
            config.contents = Contents::Ignored;
            config.tables = if carved { Tables::Carved } else { Tables::Apart };
            config
        },
    )
}

/// The allocator, and the book of all tokens: by first frame, the tokens of each block.
struct Book {
    sim: Sim,
    held: BTreeMap<u64, Vec<Pages>>,
}

impl Book {
    /// Writes down a new block; an error if a frame of it is somebody's.
    fn enter(&mut self, pages: Pages) -> Result<(), String> {
        let (start, end) = (pages.range().start.get(), pages.range().end.get());
        let overlaps = |(&first, tokens): (&u64, &Vec<Pages>)| {
            first < end && start < first + tokens[0].order().nr_pages()
        };
        let below = self.held.range(..end).next_back();
        if below.is_some_and(overlaps) {
            return Err(format!("{:?} is somebody's", pages.range()));
        }
        self.held.insert(start, vec![pages]);
        Ok(())
    }

    /// Takes a token out of the book, and says whether it was the block's last.
    fn take(&mut self, pick: usize) -> Option<(Pages, bool)> {
        let index = pick.checked_rem(self.held.len())?;
        let (&pfn, tokens) = self.held.iter_mut().nth(index)?;
        let pages = tokens.pop()?;
        let last = tokens.is_empty();
        if last {
            self.held.remove(&pfn);
        }
        Some((pages, last))
    }

    fn put_back(&mut self, pages: Pages) {
        self.held.entry(pages.pfn().get()).or_default().push(pages);
    }

    fn apply(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Alloc { gfp, order, node, mask, cpu } => {
                return self.alloc(GFPS[gfp], order, node, mask, cpu);
            }
            Step::Free(pick) => {
                if let Some((pages, _)) = self.take(pick) {
                    self.sim.free_pages(pages).map_err(|refused| refused.to_string())?;
                }
            }
            Step::FreeRaw(pick) => {
                if let Some((pages, _)) = self.take(pick) {
                    let (pfn, order) = pages.into_raw();
                    raw::free(&self.sim, pfn, order).map_err(|error| error.to_string())?;
                }
            }
            Step::Guard(pick) => {
                if let Some((pages, _)) = self.take(pick) {
                    drop(self.sim.guard(pages).map_err(|refused| refused.to_string())?);
                }
            }
            Step::Split(pick) => return self.split(pick),
            Step::Halve(pick) => return self.halve(pick),
            Step::Share(pick) => {
                if let Some((pages, _)) = self.take(pick) {
                    let second = self.sim.get_page(&pages).map_err(|error| error.to_string())?;
                    self.put_back(pages);
                    self.put_back(second);
                }
            }
            Step::Mark(pick, movable) => {
                if let Some((pages, _)) = self.take(pick) {
                    let mark = if movable { Movability::Movable } else { Movability::Pinned };
                    self.sim.set_movable(&pages, mark).map_err(|error| error.to_string())?;
                    self.put_back(pages);
                }
            }
            Step::Isolate(pfn) => {
                let _ = self.sim.isolate_pageblock(Pfn::new(pfn), MigrateType::Movable);
            }
            Step::Unisolate(pfn) => {
                let _ = self.sim.unisolate_pageblock(Pfn::new(pfn), MigrateType::Movable);
            }
            Step::Context(context) => self.sim.reclaim().set_context(CONTEXTS[context]),
            Step::Cpuset(nodes) => self.sim.reclaim().set_cpuset(nodes.map(NodeMask::from_bits)),
        }
        Ok(())
    }

    fn alloc(
        &mut self,
        gfp: Gfp,
        order: u32,
        node: Option<u32>,
        mask: Option<u64>,
        cpu: u32,
    ) -> Result<(), String> {
        let (order, node) = (Order::new(order).expect("an order"), node.and_then(NodeId::new));
        let sim = &self.sim;
        let result = sim.on_cpu(CpuId::new(cpu), || match mask {
            None => sim.alloc_pages_node(node, gfp, order),
            Some(bits) => {
                let node = node.unwrap_or_default();
                sim.alloc_pages_nodemask(gfp, order, node, Some(NodeMask::from_bits(bits)))
            }
        });
        match result {
            Ok(pages) if pages.order() != order => Err(format!("{pages:?} for order {order}")),
            Ok(pages) => self.enter(pages),
            Err(
                AllocError::OutOfMemory { .. }
                | AllocError::NoZone
                | AllocError::NoSuchNode(_)
                | AllocError::WouldSleep(_),
            ) => Ok(()),
            Err(other) => Err(other.to_string()),
        }
    }

    fn split(&mut self, pick: usize) -> Result<(), String> {
        let Some((pages, last)) = self.take(pick) else { return Ok(()) };
        match self.sim.split_page(pages) {
            Ok(frames) if last => frames.into_iter().try_for_each(|frame| self.enter(frame)),
            Err(refused) if !last && matches!(refused.reason, FreeError::Shared(_)) => {
                self.put_back(refused.pages);
                Ok(())
            }
            other => Err(format!("split of a block, held by one: {last}: {other:?}")),
        }
    }

    fn halve(&mut self, pick: usize) -> Result<(), String> {
        let Some((pages, last)) = self.take(pick) else { return Ok(()) };
        match self.sim.split_in_halves(pages) {
            Ok((lower, upper)) if last => self.enter(lower).and_then(|()| self.enter(upper)),
            Err(refused) if !last || refused.pages.order() == Order::ZERO => {
                self.put_back(refused.pages);
                Ok(())
            }
            other => Err(format!("halves of a block, held by one: {last}: {other:?}")),
        }
    }

    /// Free and held frames, and those that CPUs have at hand, are all managed ones, each once.
    fn check(&self) -> Result<(), String> {
        self.sim.verify().map_err(|violation| violation.to_string())?;
        let mut blocks: Vec<(u64, u64)> = self
            .held
            .iter()
            .map(|(&pfn, tokens)| (pfn, pfn + tokens[0].order().nr_pages()))
            .collect();
        for zone in self.sim.zones() {
            zone.for_each_free(|order, _, pfn| {
                blocks.push((pfn.get(), pfn.get() + order.nr_pages()));
            });
            for pageset in zone.pagesets() {
                let looked = pageset.for_each(|list, pfn, _| {
                    blocks.push((pfn.get(), pfn.get() + list.order.nr_pages()));
                });
                looked.ok_or("a CPU's lists are in use")?;
            }
        }
        blocks.sort_unstable();
        if let Some(pair) = blocks.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            return Err(format!("{pair:?} overlap"));
        }
        let frames: u64 = blocks.iter().map(|(start, end)| end - start).sum();
        let managed = self.sim.report().managed_pages;
        if frames == managed { Ok(()) } else { Err(format!("{frames} frames of {managed}")) }
    }

    /// Gives everything back; each zone then has all that it manages, but for what is isolated.
    fn close(&mut self) -> Result<(), String> {
        self.sim.reclaim().set_context(Context::TASK);
        while let Some((pages, _)) = self.take(0) {
            self.sim.free_pages(pages).map_err(|refused| refused.to_string())?;
        }
        self.check()?;
        for pfn in (0..20_000).step_by(512) {
            let _ = self.sim.unisolate_pageblock(Pfn::new(pfn), MigrateType::Movable);
        }
        self.check()?;
        self.sim.drain_all_pages(None);
        for zone in self.sim.zones() {
            let (free, managed) = (zone.snapshot().free_pages, zone.managed_pages());
            if free != managed {
                return Err(format!("{zone:?}: {free} free of {managed}"));
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..Default::default() })]

    /// Any calls in any order and context keep the book straight.
    #[test]
    fn the_book_is_straight(config in machine(), history in vec(step(), 1..120)) {
        let sim = match Sim::boot(config) {
            Ok(sim) => sim,
            // Next to nothing is free at boot.
            Err(SimError::Init(InitError::NoUsableMemory { .. })) => return Ok(()),
            Err(SimError::Init(InitError::NoRoomForMetadata { .. })) => return Ok(()),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        let mut book = Book { sim, held: BTreeMap::new() };
        let run = history.iter().enumerate().try_for_each(|(index, step)| {
            let done = book.apply(step).and_then(|()| book.check());
            done.map_err(|error| format!("step {index}, {step:?}: {error}"))
        });
        run.and_then(|()| book.close()).map_err(TestCaseError::fail)?;
    }
}

/// All of a zone's memory can be had in blocks of any order, and the largest blocks are there again
/// once all of it is free.
#[test]
fn everything_in_every_order() {
    let mut config = SimConfig::flat(32 << 20);
    config.options.first_frame = Pfn::new(0);
    config.tables = Tables::Apart;
    let sim = Sim::boot(config).unwrap();
    for order in Order::ALL {
        let all = || sim.alloc_pages(Gfp::KERNEL | Gfp::MEMALLOC, order).ok();
        let mut taken: Vec<Pages> = std::iter::from_fn(all).collect();
        assert_eq!(taken.len() as u64, 8192 / order.nr_pages(), "order {order}");
        let total: PhysAddr = PhysAddr::new(32 << 20);
        assert!(taken.iter().all(|pages| pages.range().end <= total.frame(12)));
        taken.sort_by_key(|pages| pages.pfn().get().reverse_bits());
        taken.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
        sim.drain_local_pages(None);
        let largest: u64 = sim.zones().map(|zone| zone.nr_free()[Order::MAX.index()]).sum();
        assert_eq!(largest, 8, "after order {order}");
    }
    assert_eq!(sim.verify(), Ok(()));
}
