//! Memory that comes in an interrupt while other memory is being added.
#![expect(unsafe_code, reason = "the caller's word for memory that came")]

use crate::interrupted::{Interrupted, Machine};
use crate::text::{frames, region};
use page_alloc::alloc::{HotplugError, OnlineTo, Onlined};
use page_alloc::boot::{BootInfo, MemoryKind, NodeRange};
use page_alloc::{NodeId, PfnRange, PhysAddr};

type Came = Result<Onlined, HotplugError>;

/// What comes in the interrupt, and what the code adds that it comes upon.
fn inner() -> PfnRange {
    frames(0x10_0000, 0x10_0400)
}

fn outer() -> PfnRange {
    frames(0x10_0400, 0x10_0c00)
}

fn add(allocator: &Machine<Came>, range: PfnRange) -> Came {
    // SAFETY: there is no memory that anybody could use.
    unsafe { allocator.add_memory(NodeId::ZERO, range, OnlineTo::Kernel) }
}

fn boot() -> &'static Machine<Came> {
    let map = [region(0, 0x100_0000, MemoryKind::Usable)];
    let later = [NodeRange::new(NodeId::ZERO, PhysAddr::new(1 << 32), 16 << 20)];
    Interrupted::boot(&BootInfo::new(&map).hotplug(&later), |allocator| add(allocator, inner()))
}

/// Wherever the interrupt comes, it is told to come again, and does not wait for what it interrupted; what
/// that adds is added as if nothing had come.
#[test]
fn an_interrupt_comes_again_later() {
    for fuse in 0.. {
        let allocator = boot();
        let before = allocator.nr_free_pages();
        let (added, came) = allocator.platform().during(fuse, || add(allocator, outer()));
        assert_eq!(added.map(|added| added.pages), Ok(0x800));
        assert_eq!((allocator.nr_free_pages(), allocator.verify()), (before + 0x800, Ok(())));
        let Some(came) = came else {
            assert!(fuse > 4, "it never came");
            return;
        };
        assert_eq!(came, Err(HotplugError::Busy));
        assert_eq!(add(allocator, inner()).map(|came| came.pages), Ok(0x400));
        assert_eq!((allocator.nr_free_pages(), allocator.verify()), (before + 0xc00, Ok(())));
    }
}
