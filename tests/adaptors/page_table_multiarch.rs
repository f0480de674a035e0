//! Page tables of the crate `page_table_multiarch`, in the memory of a simulated machine.
#![expect(unsafe_code, reason = "names the frames of page tables")]

use ::page_table_multiarch::x86_64::X64PageTable;
use ::page_table_multiarch::{
    GenericPTE, MappingFlags, PageSize, PageTable64, PagingError, PagingHandler, PagingMetaData,
};
use memory_addr::{MemoryAddr, PhysAddr, VirtAddr};
use page_alloc::integrations::page_table_multiarch::{TableFrames, TableHandler};
use page_alloc::sim::{Sim, SimConfig, SimKernel, SimPlatform, SimTrace};
use page_alloc::{FreeError, Gfp, PageAllocator};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A machine for each test, named by its number: handlers have no `self`.
struct Kernel<const TEST: usize>;

static MACHINES: [LazyLock<Sim>; 3] = [const { LazyLock::new(boot) }; 3];
static REFUSED: AtomicUsize = AtomicUsize::new(0);

fn boot() -> Sim {
    Sim::boot(SimConfig::flat(16 << 20)).expect("a machine")
}

// SAFETY: in these tests page tables alone call the handler, and those who know that nothing is kept in
// the frames of the machine.
unsafe impl<const TEST: usize> TableFrames for Kernel<TEST> {
    type Platform = SimPlatform;
    type Reclaim = SimKernel;
    type Trace = SimTrace;

    fn allocator() -> &'static PageAllocator<SimPlatform, SimKernel, SimTrace> {
        &MACHINES[TEST]
    }

    fn refused(reason: FreeError) {
        assert!(matches!(reason, FreeError::NotAllocated(_) | FreeError::Foreign(_)), "{reason}");
        REFUSED.fetch_add(1, Ordering::Relaxed);
    }
}

type Handler<const TEST: usize> = TableHandler<Kernel<TEST>>;

/// The entry type of a page table.
trait Entries {
    type Entry: GenericPTE;
}

impl<M: PagingMetaData, E: GenericPTE, H: PagingHandler> Entries for PageTable64<M, E, H> {
    type Entry = E;
}

/// Tables of x86-64 that no processor has loaded, so that there is nothing to flush.
struct Unloaded;

impl PagingMetaData for Unloaded {
    const LEVELS: usize = 4;
    const PA_MAX_BITS: usize = 52;
    const VA_MAX_BITS: usize = 48;
    type VirtAddr = VirtAddr;

    fn flush_tlb(_: Option<VirtAddr>) {}
}

type Table<const TEST: usize> =
    PageTable64<Unloaded, <X64PageTable<Handler<TEST>> as Entries>::Entry, Handler<TEST>>;

fn frames_out<const TEST: usize>(free: u64) -> u64 {
    MACHINES[TEST].drain_all_pages(None);
    assert_eq!(MACHINES[TEST].verify(), Ok(()));
    free - MACHINES[TEST].nr_free_pages()
}

/// Regions of both page sizes are mapped, found and unmapped; the tables are as many as they need, and
/// come back when the address space is dropped.
#[test]
fn regions_are_mapped_and_all_tables_come_back() {
    let free = MACHINES[0].nr_free_pages();
    let mut table = Table::<0>::try_new().expect("memory");
    let (start, size) = (VirtAddr::from(0x4000_0000_0000), 6 << 20);
    let flags = MappingFlags::READ | MappingFlags::WRITE;
    let physical = |address: VirtAddr| PhysAddr::from(address.as_usize() - 0x3fff_8000_0000);
    table.cursor().map_region(start, physical, size, flags, false).expect("memory");
    assert_eq!(frames_out::<0>(free), 1 + 1 + 1 + 3, "a table for each 2 MiB");
    let huge = start.add(1 << 30);
    table.cursor().map_region(huge, physical, size, flags, true).expect("memory");
    assert_eq!(frames_out::<0>(free), 1 + 1 + 2 + 3, "no table for huge pages");
    let inside = table.query(start.add(0x40_1234)).expect("mapped");
    assert_eq!(inside, (physical(start.add(0x40_1234)), flags, PageSize::Size4K));
    let inside = table.query(huge.add(0x40_1234)).expect("mapped");
    assert_eq!(inside, (physical(huge.add(0x40_1234)), flags, PageSize::Size2M));
    table.cursor().unmap_region(start, size).expect("mapped");
    assert_eq!(table.query(start), Err(PagingError::NotMapped));
    drop(table);
    assert_eq!(frames_out::<0>(free), 0);
}

/// Out of memory is the crate's own error, and what was taken until then comes back.
#[test]
fn mapping_fails_when_memory_is_out() {
    let free = MACHINES[1].nr_free_pages();
    let mut table = Table::<1>::try_new().expect("memory");
    let failed = (0..1 << 20).find_map(|number| {
        let address = VirtAddr::from(number << 21);
        let target = PhysAddr::from(0x1000);
        let mapped = table.cursor().map(address, target, PageSize::Size4K, MappingFlags::READ);
        mapped.err()
    });
    assert_eq!(failed, Some(PagingError::NoMemory));
    assert!(frames_out::<1>(free) > 2000, "of 4096 frames");
    drop(table);
    assert_eq!(frames_out::<1>(free), 0);
}

/// Several frames are one block, as aligned as asked, and come back by their number alone; what no block
/// has is refused.
#[test]
fn several_frames_are_one_block() {
    let free = MACHINES[2].nr_free_pages();
    for (frames, align, taken) in
        [(1, 0x1000, 1), (3, 0x1000, 4), (4, 0x1_0000, 16), (512, 0x1000, 512)]
    {
        let address = Handler::<2>::alloc_frames(frames, align).expect("memory");
        assert!(address.is_aligned(align));
        assert_eq!(frames_out::<2>(free), taken);
        Handler::<2>::dealloc_frames(address, frames);
        assert_eq!(frames_out::<2>(free), 0, "{frames} frames");
    }
    assert_eq!(Handler::<2>::alloc_frames(1025, 0x1000), None);
    assert_eq!(Handler::<2>::alloc_frames(1, 8 << 20), None);
    assert_eq!(Kernel::<2>::GFP, Gfp::KERNEL);
    let address = Handler::<2>::alloc_frame().expect("memory");
    Handler::<2>::dealloc_frame(address);
    Handler::<2>::dealloc_frame(address);
    Handler::<2>::dealloc_frame(PhysAddr::from(1 << 40));
    assert_eq!(REFUSED.load(Ordering::Relaxed), 2, "wrong frees are told");
}
