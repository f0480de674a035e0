//! Memory given back in an interrupt that comes while it is given back.
#![expect(unsafe_code, reason = "the caller's word for memory that was in use")]

use crate::interrupted::{Interrupted, Machine};
use crate::text::{frames, region};
use page_alloc::alloc::ReleaseError;
use page_alloc::boot::{BootInfo, MemoryKind, Reservation};
use page_alloc::{PageAllocator, Pfn, PfnRange, PhysAddr};

type Given = Result<u64, ReleaseError>;

/// What the interrupt gives, and what the code that it comes upon: the former is the end of the latter.
const INNER: PfnRange = PfnRange::new(Pfn::new(0x9c0), Pfn::new(0xa00));
const OUTER: PfnRange = PfnRange::new(Pfn::new(0x440), INNER.end);

fn give(allocator: &Machine<Given>, range: PfnRange) -> Given {
    // SAFETY: there is no memory that anybody could use.
    unsafe { allocator.free_reserved_area(range) }
}

fn give_inner(allocator: &Machine<Given>) -> Given {
    give(allocator, INNER)
}

/// A machine of three sections, of which one and a half are reserved.
fn boot() -> &'static Machine<Given> {
    let map = [region(0, 0xc0_0000, MemoryKind::Usable)];
    let held = [Reservation::new("held", PhysAddr::new(0x44_0000), 0x5c_0000)];
    Interrupted::boot(&BootInfo::new(&map).reservations(&held), give_inner)
}

/// Wherever the interrupt comes: one of the two calls has all its frames, the other none, and what was
/// claimed already is put back.
#[test]
fn wherever_an_interrupt_comes() {
    let (mut inner_first, mut outer_first) = (0, 0);
    for fuse in 0.. {
        let allocator = boot();
        let managed = || allocator.zones().map(|zone| zone.managed_pages()).sum::<u64>();
        let before = managed();
        let gained = match allocator.platform().during(fuse, || give(allocator, OUTER)) {
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
    let other = PageAllocator::new(Interrupted::new(give_inner));
    // SAFETY: there is no such frame.
    let given = unsafe { other.free_reserved_area(frames(1, 2)) };
    assert_eq!(given, Err(ReleaseError::Uninitialized));
    let info = BootInfo::new(&[]);
    // SAFETY: as above.
    let given = unsafe { other.free_reclaimable(&info, MemoryKind::AcpiReclaimable) };
    assert_eq!(given, Err(ReleaseError::Uninitialized));
    assert!(other.init_per_zone_wmark_min().is_err());
}
