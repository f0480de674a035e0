//! A heap in a `static`, as a kernel's `#[global_allocator]`, on memory whose place is known.
#![expect(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "signs a port, and a heap's own calls are unsafe"
)]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion};
use page_alloc::integrations::{DirectMap, PageHeap};
use page_alloc::{AllocError, Gfp, IrqFlags, Order, PageAllocator, PhysAddr, Platform};

const PAGE: usize = 4096;
const LARGEST: usize = 4 << 20;
const MEMORY: usize = 32 << 20;

/// Memory of the host from address 0 on, at a place that is aligned to the largest block but for
/// `SKEW` bytes. One thread at a time uses it. It may be told to say a frame too much where it is asked for
/// a pointer's address.
struct Host<const SKEW: usize> {
    start: AtomicPtr<u8>,
    lies: AtomicBool,
}

impl<const SKEW: usize> Host<SKEW> {
    const fn new() -> Self {
        Self { start: AtomicPtr::new(ptr::null_mut()), lies: AtomicBool::new(false) }
    }

    fn start(&self) -> *mut u8 {
        self.start.load(Ordering::Relaxed).wrapping_add(SKEW)
    }

    fn lend(&self) {
        let layout = Layout::from_size_align(MEMORY + LARGEST, LARGEST).expect("a layout");
        // SAFETY: the layout has a size.
        self.start.store(unsafe { std::alloc::alloc(layout) }, Ordering::Relaxed);
    }
}

// SAFETY: each `Host` is used by the thread of one test; its memory is one block of the host's, which
// is never given back.
unsafe impl<const SKEW: usize> Platform for Host<SKEW> {
    fn irq_save(&self) -> IrqFlags {
        IrqFlags(0)
    }

    unsafe fn irq_restore(&self, _: IrqFlags) {}

    fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
        self.start().wrapping_add(usize::try_from(address.get()).expect("64 bits"))
    }
}

impl<const SKEW: usize> DirectMap for Host<SKEW> {
    fn virt_to_phys(&self, address: *mut u8) -> PhysAddr {
        let lie = if self.lies.load(Ordering::Relaxed) { PAGE } else { 0 };
        PhysAddr::new((address.addr() + lie).wrapping_sub(self.start().addr()) as u64)
    }
}

/// Lends the port its memory, and boots.
fn boot<const SKEW: usize>(frames: &PageAllocator<Host<SKEW>>) {
    frames.platform().lend();
    let map = [MemoryRegion::new(PhysAddr::new(0), MEMORY as u64, MemoryKind::Usable)];
    // SAFETY: the memory was lent just now, and is used by nobody else.
    unsafe { frames.init(&BootInfo::new(&map)) }.expect("a machine");
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

/// Before `init` every request is answered with null, and what is freed by mistake is nothing; then the
/// same static serves requests.
#[test]
fn a_static_heap_is_null_before_init() {
    static FRAMES: PageAllocator<Host<0>> = PageAllocator::new(Host::new());
    static HEAP: PageHeap<'static, Host<0>> = PageHeap::new(&FRAMES, Gfp::KERNEL);
    let word = Layout::new::<u64>();
    // SAFETY: the layout has a size.
    assert!(unsafe { HEAP.alloc(word) }.is_null());
    // SAFETY: the layout has a size.
    assert!(unsafe { HEAP.alloc_zeroed(word) }.is_null());
    assert_eq!(FRAMES.alloc_page(Gfp::KERNEL).unwrap_err(), AllocError::Uninitialized);
    boot(&FRAMES);
    let free = FRAMES.nr_free_pages();
    // SAFETY: the layout has a size; the block is ours until it is freed.
    unsafe {
        let value = HEAP.alloc(word).cast::<u64>();
        value.write(42);
        let grown = HEAP.realloc(value.cast(), word, PAGE).cast::<u64>();
        assert_eq!((grown, grown.read()), (value, 42), "a word had the page already");
        let moved = HEAP.realloc(value.cast(), layout(PAGE, 8), PAGE + 1).cast::<u64>();
        assert_eq!(moved.read(), 42);
        HEAP.dealloc(moved.cast(), layout(PAGE + 1, 8));
    }
    FRAMES.drain_all_pages(None);
    assert_eq!(FRAMES.nr_free_pages(), free);
    assert_eq!(FRAMES.verify(), Ok(()));
}

/// Every alignment up to the largest block's is had, whatever the size; larger ones are null.
#[test]
fn alignments_up_to_the_largest_block_are_had() {
    static FRAMES: PageAllocator<Host<0>> = PageAllocator::new(Host::new());
    static HEAP: PageHeap<'static, Host<0>> = PageHeap::new(&FRAMES, Gfp::KERNEL);
    boot(&FRAMES);
    let free = FRAMES.nr_free_pages();
    for align in (0..=22).map(|shift| 1 << shift) {
        for size in [1, align, 3 * PAGE] {
            let layout = layout(size, align);
            // SAFETY: the layout has a size, and the block is ours until it is freed.
            unsafe {
                let start = HEAP.alloc_zeroed(layout);
                assert!(!start.is_null() && start.addr().is_multiple_of(align), "{layout:?}");
                assert!((0..size).step_by(512).all(|at| start.add(at).read() == 0));
                start.write_bytes(0xff, size);
                HEAP.dealloc(start, layout);
            }
        }
    }
    for too_much in [layout(1, 2 * LARGEST), layout(LARGEST + 1, 1), layout(isize::MAX as usize, 1)]
    {
        // SAFETY: the layout has a size.
        assert!(unsafe { HEAP.alloc(too_much) }.is_null(), "{too_much:?}");
    }
    FRAMES.drain_all_pages(None);
    assert_eq!(FRAMES.nr_free_pages(), free);
    assert_eq!(FRAMES.verify(), Ok(()));
}

/// Where memory is not mapped at an address as aligned as its own, larger alignments are null, and no
/// frame is lost by asking.
#[test]
fn a_skewed_map_refuses_alignments_it_has_not() {
    static FRAMES: PageAllocator<Host<PAGE>> = PageAllocator::new(Host::new());
    static HEAP: PageHeap<'static, Host<PAGE>> = PageHeap::new(&FRAMES, Gfp::KERNEL);
    boot(&FRAMES);
    let free = FRAMES.nr_free_pages();
    // SAFETY: the layout has a size, and the block is ours until it is freed.
    unsafe {
        assert!(HEAP.alloc(layout(PAGE, 2 * PAGE)).is_null());
        let page = HEAP.alloc(layout(PAGE, PAGE));
        assert!(!page.is_null());
        HEAP.dealloc(page, layout(PAGE, PAGE));
    }
    FRAMES.drain_all_pages(None);
    assert_eq!(FRAMES.nr_free_pages(), free);
}

/// Memory that is out is null, and a reallocation that fails leaves the block as it was.
#[test]
fn a_failed_reallocation_changes_nothing() {
    static FRAMES: PageAllocator<Host<0>> = PageAllocator::new(Host::new());
    static HEAP: PageHeap<'static, Host<0>> = PageHeap::new(&FRAMES, Gfp::KERNEL);
    boot(&FRAMES);
    let block = layout(PAGE, 8);
    // SAFETY: the layouts have sizes, and the block is ours.
    unsafe {
        let start = HEAP.alloc(block);
        start.write_bytes(0x3c, PAGE);
        while FRAMES.alloc_pages(Gfp::KERNEL, Order::O4).is_ok() {}
        assert!(HEAP.realloc(start, block, 16 * PAGE).is_null());
        assert!(core::slice::from_raw_parts(start, PAGE).iter().all(|byte| *byte == 0x3c));
        HEAP.dealloc(start, block);
    }
    assert_eq!(FRAMES.verify(), Ok(()));
}

/// Where the port says a wrong address of a pointer, nothing is freed, and nobody else's block least of all:
/// the memory stays taken until the right address is said.
#[test]
fn a_wrong_address_frees_nothing() {
    static FRAMES: PageAllocator<Host<0>> = PageAllocator::new(Host::new());
    static HEAP: PageHeap<'static, Host<0>> = PageHeap::new(&FRAMES, Gfp::KERNEL);
    boot(&FRAMES);
    let free = FRAMES.nr_free_pages();
    let (page, lies) = (layout(PAGE, PAGE), &FRAMES.platform().lies);
    // SAFETY: the layout has a size, and pages are ours until they are freed; what is not freed is ours still.
    unsafe {
        let pages = [HEAP.alloc(page), HEAP.alloc(page)];
        assert_eq!(
            pages[0].wrapping_add(PAGE),
            pages[1],
            "neighbours, so the lie is the other's address"
        );
        lies.store(true, Ordering::Relaxed);
        HEAP.dealloc(pages[0], page);
        lies.store(false, Ordering::Relaxed);
        FRAMES.drain_all_pages(None);
        assert_eq!((FRAMES.nr_free_pages(), FRAMES.verify()), (free - 2, Ok(())));
        HEAP.dealloc(pages[0], page);
        HEAP.dealloc(pages[1], page);
    }
    FRAMES.drain_all_pages(None);
    assert_eq!((FRAMES.nr_free_pages(), FRAMES.verify()), (free, Ok(())));
}
