//! Memory that comes while a request is in the slow path.
#![expect(unsafe_code, reason = "a port, and the caller's word for memory that comes")]

use crate::text::{frames, node, range, region};
use page_alloc::alloc::OnlineTo;
use page_alloc::boot::{BootInfo, MemoryKind, metadata_bytes};
use page_alloc::{
    Gfp, IrqFlags, NoTrace, OomVerdict, Order, PageAllocator, Pages, PfnRange, PhysAddr, Platform,
    Reclaim, Reclaimed, Shortage,
};
use std::cell::{Cell, RefCell};
use std::sync::OnceLock;

const GIB: u64 = 1 << 30;

/// One CPU, no interrupts, and no memory behind the frames.
struct Port;

// SAFETY: one thread, and nothing that is written to any memory.
unsafe impl Platform for Port {
    fn irq_save(&self) -> IrqFlags {
        IrqFlags(0)
    }

    unsafe fn irq_restore(&self, _: IrqFlags) {}

    fn phys_to_virt(&self, _: PhysAddr) -> *mut u8 {
        core::ptr::null_mut()
    }
}

type Machine = PageAllocator<Port, Kernel>;

/// A kernel that frees nothing, but has memory come when it is asked to, or when others may run.
#[derive(Default)]
struct Kernel {
    machine: OnceLock<&'static Machine>,
    coming: Cell<Option<(u64, PfnRange)>>,
    kills: Cell<u32>,
    taken: RefCell<Vec<Pages>>,
}

impl Kernel {
    fn memory_comes(&self) {
        if let (Some((of, range)), Some(machine)) = (self.coming.take(), self.machine.get()) {
            // SAFETY: there is no memory that anybody could use.
            let came = unsafe { machine.add_memory(node(of), range, OnlineTo::Kernel) };
            assert!(came.unwrap().populated);
        }
    }
}

impl Reclaim for Kernel {
    fn direct_reclaim(&self, _: &Shortage) -> Option<Reclaimed> {
        self.memory_comes();
        Some(Reclaimed::NOTHING)
    }

    fn cond_resched(&self) {
        self.memory_comes();
    }

    fn out_of_memory(&self, _: &Shortage) -> OomVerdict {
        self.kills.set(self.kills.get() + 1);
        OomVerdict::NothingToKill
    }

    fn max_rounds(&self) -> u32 {
        100
    }
}

/// 64 MiB on node 0, as much that may come there, and on node 1.
fn boot() -> &'static Machine {
    let map = [region(0, 64 << 20, MemoryKind::Usable)];
    let later = [range(0, 4 * GIB, 4 * GIB + (64 << 20)), range(1, 5 * GIB, 5 * GIB + (64 << 20))];
    let info = BootInfo::new(&map).hotplug(&later);
    let tables = vec![0xa5; metadata_bytes(&info, 12).unwrap()].leak();
    let machine: &Machine =
        Box::leak(Box::new(PageAllocator::with_hooks(Port, Kernel::default(), NoTrace)));
    // SAFETY: nothing is written to the memory.
    unsafe { machine.init_in(&info, tables) }.unwrap();
    assert!(machine.reclaim().machine.set(machine).is_ok());
    machine
}

/// Takes all memory that there is.
fn fill(machine: &Machine) {
    let gfp = (Gfp::KERNEL | Gfp::MEMALLOC | Gfp::NOWARN) - Gfp::RECLAIM;
    let pages = std::iter::from_fn(|| machine.alloc_page(gfp).ok());
    machine.reclaim().taken.borrow_mut().extend(pages);
}

/// A request for which nothing can be freed is served from a zone that memory comes to meanwhile; nobody is
/// killed for it.
#[test]
fn a_slow_request_finds_the_new_zone() {
    let machine = boot();
    fill(machine);
    assert!(machine.alloc_page(Gfp::KERNEL | Gfp::NORETRY | Gfp::NOWARN).is_err());
    let came = frames(0x10_0000, 0x10_4000);
    machine.reclaim().coming.set(Some((0, came)));
    let page = machine.alloc_page(Gfp::KERNEL).unwrap();
    assert!(came.contains(page.pfn()));
    assert_eq!((machine.reclaim().kills.get(), machine.verify()), (0, Ok(())));
    machine.free_pages(page).unwrap();
}

/// A request for which there was no zone at all begins anew when its node gets memory.
#[test]
fn a_slow_request_that_had_no_zone_begins_anew() {
    let machine = boot();
    let gfp = Gfp::KERNEL | Gfp::THISNODE;
    assert!(machine.alloc_pages_node(Some(node(1)), gfp, Order::O0).is_err());
    let came = frames(0x14_0000, 0x14_4000);
    machine.reclaim().coming.set(Some((1, came)));
    let page = machine.alloc_pages_node(Some(node(1)), gfp | Gfp::NOFAIL, Order::O0).unwrap();
    assert!(came.contains(page.pfn()));
    assert_eq!((machine.reclaim().kills.get(), machine.verify()), (0, Ok(())));
    machine.free_pages(page).unwrap();
}
