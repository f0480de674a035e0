//! Page tables of the crate `x86_64`, in the memory of a simulated machine.
#![expect(unsafe_code, reason = "page tables are unsafe to change")]

use ::x86_64::structures::paging::mapper::{CleanUp, MapToError, TranslateResult, UnmapError};
use ::x86_64::structures::paging::{
    FrameAllocator, FrameDeallocator, Mapper, OffsetPageTable, Page, PageTable, PageTableFlags,
    PhysFrame, Size2MiB, Size4KiB, Translate,
};
use ::x86_64::{PhysAddr, VirtAddr};
use page_alloc::integrations::x86_64::Frames;
use page_alloc::sim::{Sim, SimConfig, SimKernel, SimPlatform, SimTrace};
use page_alloc::{FreeError, Gfp, Order, Pfn, PhysAddr as Address, Platform};

type SimFrames<'a> = Frames<'a, SimPlatform, SimKernel, SimTrace>;

const WRITABLE: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE);

fn machine(bytes: u64) -> Sim {
    Sim::boot(SimConfig::flat(bytes)).expect("a machine")
}

/// An empty address space, and the frame of its root. The machine's memory is mapped at an offset of
/// the host's.
fn address_space<'a>(sim: &'a Sim, frames: &mut SimFrames<'_>) -> (OffsetPageTable<'a>, PhysFrame) {
    let root: PhysFrame<Size4KiB> = frames.allocate_frame().expect("a frame");
    let offset = VirtAddr::from_ptr(sim.platform().phys_to_virt(Address::new(0)));
    let table: *mut PageTable = (offset + root.start_address().as_u64()).as_mut_ptr();
    // SAFETY: the frame is ours, zeroed, and reached there.
    let table = unsafe { &mut *table };
    // SAFETY: the root is an empty table, and all memory is mapped at the offset.
    (unsafe { OffsetPageTable::new(table, offset) }, root)
}

/// As a kernel has it: frames for tables, frames for what they map, each with its flags.
struct Kernel<'a> {
    tables: SimFrames<'a>,
    user: SimFrames<'a>,
    space: OffsetPageTable<'a>,
    root: PhysFrame,
}

impl<'a> Kernel<'a> {
    fn new(sim: &'a Sim) -> Self {
        let mut tables = Frames::new(sim, Gfp::KERNEL | Gfp::ZERO);
        let user = Frames::new(sim, Gfp::HIGHUSER_MOVABLE | Gfp::ZERO);
        let (space, root) = address_space(sim, &mut tables);
        Self { tables, user, space, root }
    }

    /// Maps a new frame at the page.
    fn map<S>(&mut self, page: Page<S>) -> Result<PhysFrame<S>, MapToError<S>>
    where
        S: ::x86_64::structures::paging::PageSize + std::fmt::Debug,
        OffsetPageTable<'a>: Mapper<S>,
        SimFrames<'a>: FrameAllocator<S>,
    {
        let frame = self.user.allocate_frame().ok_or(MapToError::FrameAllocationFailed)?;
        // SAFETY: the frame is ours, and no processor uses these tables.
        let mapped = unsafe { self.space.map_to(page, frame, WRITABLE, &mut self.tables) };
        mapped.map(|flush| flush.ignore())?;
        Ok(frame)
    }

    /// Unmaps the page, and frees what was there.
    fn unmap<S>(&mut self, page: Page<S>) -> Result<(), UnmapError>
    where
        S: ::x86_64::structures::paging::PageSize,
        OffsetPageTable<'a>: Mapper<S>,
        SimFrames<'a>: FrameDeallocator<S>,
    {
        let (frame, flush) = self.space.unmap(page)?;
        flush.ignore();
        // SAFETY: the frame was mapped there alone.
        unsafe { self.user.deallocate_frame(frame) };
        Ok(())
    }

    /// Frees all tables.
    fn tear_down(mut self) -> (Option<FreeError>, Option<FreeError>) {
        // SAFETY: no processor uses these tables, and each of them is pointed to once.
        unsafe { self.space.clean_up(&mut self.tables) };
        // SAFETY: it was the root alone.
        unsafe { self.tables.deallocate_frame(self.root) };
        (self.tables.take_refusal(), self.user.take_refusal())
    }
}

fn small_page(number: u64) -> Page<Size4KiB> {
    Page::containing_address(VirtAddr::new(0x7000_0000_0000 + (number << 12)))
}

fn huge_page(number: u64) -> Page<Size2MiB> {
    Page::containing_address(VirtAddr::new(0x5000_0000_0000 + (number << 21)))
}

/// Pages of both sizes are mapped, translate to the frames that were given, and unmapped; then all
/// frames are back, those of the tables too.
#[test]
fn pages_are_mapped_and_all_frames_come_back() {
    let sim = machine(64 << 20);
    sim.drain_all_pages(None);
    let free = sim.nr_free_pages();
    let mut kernel = Kernel::new(&sim);
    // A stride of 513 pages: a new table of the lowest level for nearly each.
    for number in 0..100 {
        let frame = kernel.map(small_page(number * 513)).expect("memory");
        let inside = small_page(number * 513).start_address() + 0x123;
        assert_eq!(kernel.space.translate_addr(inside), Some(frame.start_address() + 0x123));
    }
    for number in 0..4 {
        let frame = kernel.map(huge_page(number)).expect("memory");
        let inside = huge_page(number).start_address() + 0x12_3456;
        assert_eq!(kernel.space.translate_addr(inside), Some(frame.start_address() + 0x12_3456));
        let found = kernel.space.translate(inside);
        assert!(matches!(found, TranslateResult::Mapped { offset: 0x12_3456, .. }));
    }
    // The root, and for each of the two areas one of the third level and one of the second.
    let tables = 1 + 2 + 2 + 100;
    assert_eq!(free - sim.nr_free_pages(), 100 + 4 * 512 + tables);
    assert_eq!(sim.verify(), Ok(()));
    for number in 0..100 {
        kernel.unmap(small_page(number * 513)).expect("mapped");
    }
    for number in 0..4 {
        kernel.unmap(huge_page(number)).expect("mapped");
    }
    assert_eq!(kernel.tear_down(), (None, None));
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), free);
    assert_eq!(sim.verify(), Ok(()));
}

/// When memory is out, a mapping fails with the mapper's own error; when the mapped pages are
/// unmapped, all of it is back.
#[test]
fn mapping_fails_when_memory_is_out() {
    let sim = machine(16 << 20);
    sim.drain_all_pages(None);
    let free = sim.nr_free_pages();
    let mut kernel = Kernel::new(&sim);
    let mapped = (0..).take_while(|number| kernel.map(huge_page(*number)).is_ok()).count();
    let mapped = u64::try_from(mapped).expect("few");
    assert!((1..8).contains(&mapped), "{mapped} of 16 MiB");
    let refused = kernel.map(huge_page(mapped));
    assert!(matches!(refused, Err(MapToError::FrameAllocationFailed)), "{refused:?}");
    for number in 0..mapped {
        kernel.unmap(huge_page(number)).expect("mapped");
    }
    assert_eq!(kernel.tear_down(), (None, None));
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), free);
    assert_eq!(sim.verify(), Ok(()));
}

/// Frames are zeroed when the flags say so, and frames of 2 MiB are aligned to their size.
#[test]
fn flags_are_the_callers() {
    let sim = machine(64 << 20);
    let dirty: PhysFrame<Size2MiB> =
        Frames::new(&sim, Gfp::KERNEL).allocate_frame().expect("memory");
    assert!(dirty.start_address().is_aligned(0x20_0000_u64));
    let address = |frame: PhysFrame<Size2MiB>| {
        sim.platform().phys_to_virt(Address::new(frame.start_address().as_u64()))
    };
    // SAFETY: the frame is ours.
    unsafe { address(dirty).write_bytes(0x5a, 0x20_0000) };
    let mut frames = Frames::new(&sim, Gfp::KERNEL | Gfp::ZERO);
    // SAFETY: the frame is ours.
    unsafe { frames.deallocate_frame(dirty) };
    let zeroed: PhysFrame<Size2MiB> = frames.allocate_frame().expect("memory");
    assert_eq!(zeroed, dirty, "the frame that was freed last");
    // SAFETY: the frame is ours.
    let bytes = unsafe { std::slice::from_raw_parts(address(zeroed), 0x20_0000) };
    assert!(bytes.iter().all(|byte| *byte == 0));
    // SAFETY: the frame is ours.
    unsafe { frames.deallocate_frame(zeroed) };
    assert_eq!(frames.take_refusal(), None);
    let low: PhysFrame<Size4KiB> =
        Frames::new(&sim, Gfp::DMA).allocate_frame().expect("memory of the lowest zone");
    assert!(low.start_address() < PhysAddr::new(16 << 20));
}

/// What was never allocated, and what is not the allocator's, is refused and told, and nothing is
/// changed; the same for a frame that is freed twice.
#[test]
fn wrong_frees_are_told() {
    let sim = machine(64 << 20);
    let mut frames = Frames::new(&sim, Gfp::KERNEL);
    let frame: PhysFrame<Size4KiB> = frames.allocate_frame().expect("memory");
    let pfn = Pfn::new(frame.start_address().as_u64() >> 12);
    let beyond = PhysFrame::<Size4KiB>::containing_address(PhysAddr::new(1 << 40));
    let mut refused = |frame: PhysFrame<Size4KiB>| {
        // SAFETY: nothing is kept in frames of this machine.
        unsafe { frames.deallocate_frame(frame) };
        frames.take_refusal()
    };
    assert_eq!(refused(beyond), Some(FreeError::Foreign(Pfn::new(1 << 28))));
    assert_eq!(refused(frame), None);
    assert_eq!(refused(frame), Some(FreeError::NotAllocated(pfn)));
    assert_eq!(sim.verify(), Ok(()));
}

/// A token's frames may come back through the adaptor, and the adaptor's as a token.
#[test]
fn frames_and_tokens_are_the_same_blocks() {
    let sim = machine(64 << 20);
    let free = sim.nr_free_pages();
    let mut frames = Frames::new(&sim, Gfp::KERNEL);
    let (pfn, _) = sim.alloc_pages(Gfp::KERNEL, Order::O9).expect("memory").into_raw();
    let frame = PhysFrame::<Size2MiB>::containing_address(PhysAddr::new(pfn.get() << 12));
    // SAFETY: the token's reference is ours.
    unsafe { frames.deallocate_frame(frame) };
    assert_eq!(frames.take_refusal(), None);
    let frame: PhysFrame<Size4KiB> = frames.allocate_frame().expect("memory");
    // SAFETY: the frame's reference is ours.
    let pages =
        unsafe { sim.pages_from_raw(Pfn::new(frame.start_address().as_u64() >> 12), Order::O0) };
    sim.free_pages(pages.expect("an allocated frame")).expect("the same block");
    sim.drain_all_pages(None);
    assert_eq!(sim.nr_free_pages(), free);
}
