//! Memory given back in an interrupt that comes while it is given back.
#![expect(unsafe_code, reason = "a port, and the caller's word for memory that was in use")]

use crate::text::{frames, region};
use page_alloc::alloc::ReleaseError;
use page_alloc::boot::{BootInfo, MemoryKind, Reservation, metadata_bytes};
use page_alloc::{IrqFlags, PageAllocator, Pfn, PfnRange, PhysAddr, Platform};
use std::cell::Cell;
use std::sync::OnceLock;

/// A port for one CPU, where an interrupt comes just before the code turns them off.
#[derive(Debug, Default)]
struct Interrupted {
    /// How often they are turned off until then; `None`: for ever.
    fuse: Cell<Option<u32>>,
    allocator: OnceLock<&'static PageAllocator<Interrupted>>,
    given: Cell<Option<Result<u64, ReleaseError>>>,
}

/// What the interrupt gives, and what the code that it comes upon: the former is the end of the latter.
const INNER: PfnRange = PfnRange::new(Pfn::new(0x9c0), Pfn::new(0xa00));
const OUTER: PfnRange = PfnRange::new(Pfn::new(0x440), INNER.end);

impl Interrupted {
    fn interrupt(&self) {
        let Some(left) = self.fuse.get() else { return };
        self.fuse.set(left.checked_sub(1));
        if let (0, Some(allocator)) = (left, self.allocator.get()) {
            self.given.set(Some(give(allocator, INNER)));
        }
    }
}

// SAFETY: one thread uses it, and what stands for an interrupt comes only where one can come. There is no
// memory, and nothing that is written to any.
unsafe impl Platform for Interrupted {
    fn irq_save(&self) -> IrqFlags {
        self.interrupt();
        IrqFlags(0)
    }

    unsafe fn irq_restore(&self, _: IrqFlags) {}

    fn phys_to_virt(&self, _: PhysAddr) -> *mut u8 {
        core::ptr::null_mut()
    }
}

fn give(allocator: &PageAllocator<Interrupted>, range: PfnRange) -> Result<u64, ReleaseError> {
    // SAFETY: there is no memory that anybody could use.
    unsafe { allocator.free_reserved_area(range) }
}

/// A machine of three sections, of which one and a half are reserved.
fn boot() -> &'static PageAllocator<Interrupted> {
    let map = [region(0, 0xc0_0000, MemoryKind::Usable)];
    let held = [Reservation::new("held", PhysAddr::new(0x44_0000), 0x5c_0000)];
    let info = BootInfo::new(&map).reservations(&held);
    let tables = vec![0xa5; metadata_bytes(&info, 12).unwrap()].leak();
    let allocator = Box::leak(Box::new(PageAllocator::new(Interrupted::default())));
    // SAFETY: the memory of the map is used by nobody, as it is nowhere.
    unsafe { allocator.init_in(&info, tables) }.unwrap();
    allocator
}

/// Wherever the interrupt comes: one of the two calls has all its frames, the other none, and what was
/// claimed already is put back.
#[test]
fn wherever_an_interrupt_comes() {
    let (mut inner_first, mut outer_first) = (0, 0);
    for fuse in 0.. {
        let allocator = boot();
        let port = allocator.platform();
        port.allocator.set(allocator).unwrap();
        let managed = || allocator.zones().map(|zone| zone.managed_pages()).sum::<u64>();
        let before = managed();
        port.fuse.set(Some(fuse));
        let outer = give(allocator, OUTER);
        port.fuse.set(None);
        let gained = match (outer, port.given.take()) {
            (Ok(frames), None) => {
                assert_eq!(frames, OUTER.len());
                break;
            }
            (Ok(_), Some(Err(ReleaseError::Managed(pfn)))) if pfn == INNER.start => {
                outer_first += 1;
                OUTER.len()
            }
            (Err(ReleaseError::Managed(pfn)), Some(Ok(frames))) if pfn == INNER.start => {
                inner_first += 1;
                // In the way is what the interrupt gave; the rest is there to be given.
                assert_eq!(managed() - before, frames);
                assert_eq!(give(allocator, PfnRange::new(OUTER.start, INNER.start)), Ok(0x580));
                OUTER.len()
            }
            other => panic!("interrupt {fuse}: {other:?}"),
        };
        assert_eq!((managed(), allocator.verify()), (before + gained, Ok(())), "interrupt {fuse}");
        allocator.drain_all_pages(None);
        assert_eq!(allocator.nr_free_pages(), before + gained);
    }
    assert!(inner_first == 2 && outer_first > 10, "{inner_first}, {outer_first}");
}

/// Before there is a machine, there is nothing to give to, and nothing to calculate from.
#[test]
fn no_machine() {
    let other = PageAllocator::new(Interrupted::default());
    // SAFETY: there is no such frame.
    let given = unsafe { other.free_reserved_area(frames(1, 2)) };
    assert_eq!(given, Err(ReleaseError::Uninitialized));
    let info = BootInfo::new(&[]);
    // SAFETY: as above.
    let given = unsafe { other.free_reclaimable(&info, MemoryKind::AcpiReclaimable) };
    assert_eq!(given, Err(ReleaseError::Uninitialized));
    assert!(other.init_per_zone_wmark_min().is_err());
}
