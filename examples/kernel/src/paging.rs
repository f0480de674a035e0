//! Memory where the boot page tables have none: pages and page tables are frames of the allocator.

use crate::frames::FRAMES;
use crate::physical;
use page_alloc::Gfp;
use page_alloc::integrations::x86_64::Frames;
use x86_64::VirtAddr;
use x86_64::registers::control::Cr3;
use x86_64::structures::paging::{
    FrameAllocator, FrameDeallocator, Mapper, OffsetPageTable, Page, PageSize, PageTableFlags,
    Size2MiB, Size4KiB,
};

/// Above all that the boot page tables map.
const SMALL: VirtAddr = VirtAddr::new(1 << 40);
const LARGE: VirtAddr = VirtAddr::new((1 << 40) + (1 << 30));

/// Pages of each size.
const PAGES: u64 = 8;

/// Maps pages of both sizes, writes to them and reads it again, and unmaps them. On the only processor that
/// runs; the page tables that were made stay, for the next time.
pub(crate) fn check() {
    let (root, _) = Cr3::read();
    let table = physical::pointer(root.start_address().as_u64()).cast();
    // SAFETY: the table is the running processor's, which nobody else looks at now, and all memory is
    // mapped where it is.
    let mut tables = unsafe { OffsetPageTable::new(&mut *table, VirtAddr::zero()) };
    let mut own = Frames::new(&FRAMES, Gfp::KERNEL);
    let mut frames = Frames::new(&FRAMES, Gfp::HIGHUSER_MOVABLE | Gfp::ZERO);
    let small = Page::<Size4KiB>::containing_address(SMALL);
    let large = Page::<Size2MiB>::containing_address(LARGE);
    map_and_unmap(small, &mut tables, &mut frames, &mut own);
    map_and_unmap(large, &mut tables, &mut frames, &mut own);
    assert_eq!((own.take_refusal(), frames.take_refusal()), (None, None));
}

fn map_and_unmap<'a, S: PageSize + core::fmt::Debug>(
    first: Page<S>,
    tables: &mut OffsetPageTable<'a>,
    frames: &mut (impl FrameAllocator<S> + FrameDeallocator<S>),
    own: &mut impl FrameAllocator<Size4KiB>,
) where
    OffsetPageTable<'a>: Mapper<S>,
{
    let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE | PageTableFlags::NO_EXECUTE;
    let pages = Page::range(first, first + PAGES);
    for page in pages {
        let frame = frames.allocate_frame().expect("memory");
        // SAFETY: the frame is nobody else's, and so is the page.
        unsafe { tables.map_to(page, frame, flags, own) }.expect("nothing is there").flush();
        let word: *mut u64 = page.start_address().as_mut_ptr();
        // SAFETY: the page is mapped, to a frame of zeroes.
        unsafe {
            assert_eq!(word.read_volatile(), 0, "{page:?}");
            word.write_volatile(page.start_address().as_u64());
        }
    }
    for page in pages {
        let word: *const u64 = page.start_address().as_ptr();
        // SAFETY: the page is mapped.
        assert_eq!(unsafe { word.read_volatile() }, page.start_address().as_u64(), "{page:?}");
        let (frame, flush) = tables.unmap(page).expect("it is mapped");
        flush.flush();
        // SAFETY: the frame came from there, and no page is mapped to it any more.
        unsafe { frames.deallocate_frame(frame) };
    }
}
