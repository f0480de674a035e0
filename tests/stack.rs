//! How much stack the calls use: kernel stacks have 16 KiB, and the caller needs some of it.
#![expect(unsafe_code, reason = "looks at the stack below a function, and signs a port")]

use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Movable, NodeRange, Numa, Options};
use page_alloc::{
    Gfp, IrqFlags, MigrateMode, Migrated, NoTrace, NodeId, NodeShrink, OomVerdict, Order,
    PageAllocator, Pages, Pfn, PhysAddr, Platform, Reclaim, Reclaimed, Shortage, ZoneLayout,
};
use std::cell::{Cell, RefCell};
use std::hint::black_box;

const PAINT: u8 = 0xa7;
const PAINTED: usize = 200 << 10;

/// Paints the stack below the caller.
#[inline(never)]
fn paint() {
    let mut stack = [0_u8; PAINTED];
    for byte in &mut stack {
        // SAFETY: a byte of the array.
        unsafe { std::ptr::from_mut(byte).write_volatile(PAINT) };
    }
    black_box(&mut stack);
}

/// How far below `top` the paint is gone.
#[inline(never)]
fn used(top: usize) -> usize {
    let lowest = top - PAINTED + (10 << 10);
    let painted = (lowest..top).take_while(|at| {
        let at: *const u8 = std::ptr::with_exposed_provenance(*at);
        // SAFETY: the thread's own stack, which is mapped that far down: it was painted.
        unsafe { at.read_volatile() == PAINT }
    });
    top - lowest - painted.count()
}

/// The stack that `f` uses.
#[inline(never)]
fn stack_of(f: impl FnOnce()) -> usize {
    let mark = 0_u8;
    let top = std::ptr::from_ref(black_box(&mark)).expose_provenance();
    paint();
    f();
    used(top)
}

/// The host's memory as the machine's.
struct Host(*mut u8);

// SAFETY: one thread and no interrupts; all addresses of the map lie in the buffer.
unsafe impl Platform for Host {
    fn irq_save(&self) -> IrqFlags {
        IrqFlags(0)
    }

    unsafe fn irq_restore(&self, _: IrqFlags) {}

    fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
        self.0.wrapping_add(usize::try_from(address.get()).expect("a small machine"))
    }
}

/// The bound of the profile: tests are compiled at level 1 and without optimisation across codegen units,
/// which keeps more on the stack than a kernel's build does.
fn most(test: usize, release: usize) -> usize {
    if cfg!(debug_assertions) { test } else { release }
}

/// Booting two nodes with a MOVABLE zone, allocating and freeing stay well within a kernel stack.
#[test]
fn calls_fit_a_kernel_stack() {
    let memory = vec![0_u8; 64 << 20].leak();
    let nodes = [0, 1].map(|node| NodeId::new(node).expect("a node"));
    let map = [MemoryRegion::new(PhysAddr::new(1 << 20), 60 << 20, MemoryKind::Usable)];
    let ranges = [0, 1].map(|i| NodeRange::new(nodes[i], PhysAddr::new((i as u64) << 25), 1 << 25));
    let numa = Numa::Ranges { ranges: &ranges, distances: &[], cpus: &nodes };
    let options = Options::DEFAULT.movable(Movable::Size(2048));
    let info = BootInfo::new(&map).numa(numa).nr_cpus(2).options(options);
    let allocator = PageAllocator::new(Host(memory.as_mut_ptr()));
    let boot = stack_of(|| {
        // SAFETY: the map's memory is the buffer, which nobody else uses.
        black_box(unsafe { allocator.init(&info) }).expect("a legal machine");
    });
    let mut held = None;
    let alloc = stack_of(|| held = allocator.alloc_pages(Gfp::KERNEL, Order::O0).ok());
    let fallback = stack_of(|| {
        let kernel = Gfp::KERNEL | Gfp::RECLAIMABLE;
        let _leaked = black_box(allocator.alloc_pages(kernel, Order::O5)).expect("memory");
    });
    let free = stack_of(|| {
        black_box(allocator.free_pages(held.take().expect("a block"))).expect("it is ours");
    });
    println!("stack: boot {boot}, alloc {alloc}, with fallback {fallback}, free {free}");
    assert!(boot <= most(12 << 10, 10 << 10), "boot uses {boot} bytes of stack");
    assert!(alloc.max(fallback).max(free) <= most(7 << 8, 5 << 8), "{alloc}, {fallback}, {free}");
}

/// A kernel that has nothing to free and nobody to kill, and moves what it has.
#[derive(Default)]
struct Kernel {
    /// Single frames, by their numbers.
    owned: RefCell<Vec<Option<Pages>>>,
    moved: Cell<u32>,
    shrinks: Cell<u32>,
    kills: Cell<u32>,
}

fn number(pfn: Pfn) -> usize {
    usize::try_from(pfn.get()).expect("a small machine")
}

impl Reclaim for Kernel {
    fn can_migrate(&self) -> bool {
        true
    }

    fn migrate(&self, from: Pfn, target: &mut Pages, _: MigrateMode, _: Gfp) -> Migrated {
        let mut owned = self.owned.borrow_mut();
        let Some(mut pages) = owned[number(from)].take() else { return Migrated::Unmovable };
        std::mem::swap(&mut pages, target);
        let to = number(pages.pfn());
        owned[to] = Some(pages);
        self.moved.set(self.moved.get() + 1);
        Migrated::Done
    }

    fn shrink_node(&self, _: &NodeShrink) -> Reclaimed {
        self.shrinks.set(self.shrinks.get() + 1);
        Reclaimed::NOTHING
    }

    fn out_of_memory(&self, _: &Shortage) -> OomVerdict {
        self.kills.set(self.kills.get() + 1);
        OomVerdict::NothingToKill
    }
}

type Machine = PageAllocator<Host, Kernel>;

/// Takes all memory, in single frames.
fn fill(allocator: &Machine) {
    let gfp = (Gfp::HIGHUSER_MOVABLE | Gfp::MEMALLOC | Gfp::NOWARN) - Gfp::RECLAIM;
    while let Ok(pages) = allocator.alloc_page(gfp) {
        let at = number(pages.pfn());
        allocator.reclaim().owned.borrow_mut()[at] = Some(pages);
    }
}

/// Requests in the slow path, with all that the crate does there: one that gets its block by compaction,
/// and one that finds nothing, has memory freed in vain, and nobody is killed for it.
#[test]
fn slow_requests_fit_a_kernel_stack() {
    let memory = vec![0_u8; 64 << 20].leak();
    let map = [MemoryRegion::new(PhysAddr::new(1 << 20), 60 << 20, MemoryKind::Usable)];
    let info = BootInfo::new(&map).zones(ZoneLayout::NORMAL_ONLY);
    let allocator = Machine::with_hooks(Host(memory.as_mut_ptr()), Kernel::default(), NoTrace);
    // SAFETY: the map's memory is the buffer, which nobody else uses.
    unsafe { allocator.init(&info) }.expect("a legal machine");
    let kernel = allocator.reclaim();
    kernel.owned.borrow_mut().resize_with(64 << 8, || None);
    fill(&allocator);
    let even: Vec<_> = kernel.owned.borrow_mut().iter_mut().step_by(2).map(Option::take).collect();
    even.into_iter().flatten().for_each(|pages| allocator.free_pages(pages).expect("ours"));
    allocator.drain_all_pages(None);
    let compaction = stack_of(|| {
        let pages = allocator.alloc_pages(Gfp::HIGHUSER_MOVABLE | Gfp::RETRY_MAYFAIL, Order::O9);
        let _leaked = black_box(pages).expect("half of the memory is free");
    });
    assert!(kernel.moved.get() >= 256);
    fill(&allocator);
    let in_vain = stack_of(|| {
        black_box(allocator.alloc_pages(Gfp::KERNEL, Order::O0)).expect_err("all is in use");
    });
    assert!(kernel.shrinks.get() >= 13 && kernel.kills.get() == 1);
    println!("stack: with compaction {compaction}, in vain {in_vain}");
    let bounds = [most(8 << 10, 6 << 10), most(2 << 10, 5 << 8)];
    assert!(compaction <= bounds[0], "a request with compaction uses {compaction} bytes of stack");
    assert!(in_vain <= bounds[1], "a request that fails uses {in_vain} bytes of stack");
}
