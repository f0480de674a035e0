//! Memory that comes in an interrupt while other memory is being added.
#![expect(unsafe_code, reason = "a port, and the caller's word for memory that came")]

use crate::text::{frames, region};
use page_alloc::alloc::{HotplugError, OnlineTo, Onlined};
use page_alloc::boot::{BootInfo, MemoryKind, NodeRange, metadata_bytes};
use page_alloc::{IrqFlags, NodeId, PageAllocator, PfnRange, PhysAddr, Platform};
use std::cell::Cell;
use std::sync::OnceLock;

/// A port for one CPU, where an interrupt comes just before the code turns them off.
#[derive(Debug, Default)]
struct Interrupted {
    /// How often they are turned off until then; `None`: for ever.
    fuse: Cell<Option<u32>>,
    allocator: OnceLock<&'static PageAllocator<Interrupted>>,
    came: Cell<Option<Result<Onlined, HotplugError>>>,
}

// SAFETY: one thread uses it, and what stands for an interrupt comes only where one can come. There is no
// memory, and nothing that is written to any.
unsafe impl Platform for Interrupted {
    fn irq_save(&self) -> IrqFlags {
        if let Some(left) = self.fuse.get() {
            self.fuse.set(left.checked_sub(1));
            if let (0, Some(allocator)) = (left, self.allocator.get()) {
                self.came.set(Some(add(allocator, inner())));
            }
        }
        IrqFlags(0)
    }

    unsafe fn irq_restore(&self, _: IrqFlags) {}

    fn phys_to_virt(&self, _: PhysAddr) -> *mut u8 {
        core::ptr::null_mut()
    }
}

/// What comes in the interrupt, and what the code adds that it comes upon.
fn inner() -> PfnRange {
    frames(0x10_0000, 0x10_0400)
}

fn outer() -> PfnRange {
    frames(0x10_0400, 0x10_0c00)
}

fn add(allocator: &PageAllocator<Interrupted>, range: PfnRange) -> Result<Onlined, HotplugError> {
    // SAFETY: there is no memory that anybody could use.
    unsafe { allocator.add_memory(NodeId::ZERO, range, OnlineTo::Kernel) }
}

fn boot() -> &'static PageAllocator<Interrupted> {
    let map = [region(0, 0x100_0000, MemoryKind::Usable)];
    let later = [NodeRange::new(NodeId::ZERO, PhysAddr::new(1 << 32), 16 << 20)];
    let info = BootInfo::new(&map).hotplug(&later);
    let tables = vec![0xa5; metadata_bytes(&info, 12).unwrap()].leak();
    let allocator = Box::leak(Box::new(PageAllocator::new(Interrupted::default())));
    // SAFETY: the memory of the map is used by nobody, as it is nowhere.
    unsafe { allocator.init_in(&info, tables) }.unwrap();
    allocator.platform().allocator.set(allocator).unwrap();
    allocator
}

/// Wherever the interrupt comes, it is told to come again, and does not wait for what it interrupted; what
/// that adds is added as if nothing had come.
#[test]
fn an_interrupt_comes_again_later() {
    for fuse in 0.. {
        let allocator = boot();
        let port = allocator.platform();
        port.fuse.set(Some(fuse));
        let before = allocator.nr_free_pages();
        assert_eq!(add(allocator, outer()).map(|came| came.pages), Ok(0x800));
        port.fuse.set(None);
        assert_eq!((allocator.nr_free_pages(), allocator.verify()), (before + 0x800, Ok(())));
        let Some(came) = port.came.take() else {
            assert!(fuse > 4, "it never came");
            return;
        };
        assert_eq!(came, Err(HotplugError::Busy));
        assert_eq!(add(allocator, inner()).map(|came| came.pages), Ok(0x400));
        assert_eq!((allocator.nr_free_pages(), allocator.verify()), (before + 0xc00, Ok(())));
    }
}
