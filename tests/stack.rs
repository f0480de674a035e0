//! How much stack the calls use: kernel stacks have 16 KiB, and the caller needs some of it.
#![expect(unsafe_code, reason = "looks at the stack below a function, and signs a port")]

use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Movable, NodeRange, Numa, Options};
use page_alloc::{Gfp, IrqFlags, NodeId, Order, PageAllocator, PhysAddr, Platform};
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
    // Tests are compiled at level 1, which keeps more on the stack than a kernel's build does.
    let most = if cfg!(debug_assertions) { 12 << 10 } else { 10 << 10 };
    assert!(boot <= most, "boot uses {boot} bytes of stack");
    let most = if cfg!(debug_assertions) { 7 << 8 } else { 5 << 8 };
    assert!(alloc.max(fallback).max(free) <= most, "{alloc}, {fallback}, {free}");
}
