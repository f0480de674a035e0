//! Frames for the page tables of the crate `x86_64` (0.15), and for what they map.

use crate::alloc::PageAllocator;
use crate::platform::Platform;
use crate::reclaim::{NoReclaim, Reclaim};
use crate::trace::{NoTrace, Trace};
use crate::{FreeError, Gfp, Order, Pfn};
use ::x86_64::PhysAddr;
use ::x86_64::structures::paging::{
    FrameAllocator, FrameDeallocator, PageSize, PhysFrame, Size2MiB, Size4KiB,
};
use core::fmt;

/// The page size of x86-64, and so of a port that this adaptor serves.
const PAGE_SHIFT: u32 = 12;

/// A [`FrameAllocator`] and [`FrameDeallocator`] on an allocator, with flags of the caller's choice.
///
/// Frames of 4 KiB are blocks of order 0, those of 2 MiB blocks of order 9. There is none for 1 GiB:
/// the largest block has 4 MiB, so such a frame is never to be had, and code that asks for one does
/// not compile. (A kernel that wants 1 GiB pages keeps memory for them out of the map.)
///
/// For page tables, the flags are [`Gfp::KERNEL`] as a rule: mappers clear the tables themselves. An
/// adaptor is made in a moment, so what is mapped can have another one, with flags of its own, perhaps
/// [`Gfp::ZERO`].
///
/// ```
/// use page_alloc::integrations::x86_64::Frames;
/// use page_alloc::sim::{Sim, SimConfig};
/// use page_alloc::{FreeError, Gfp, Order};
/// use x86_64::structures::paging::{FrameAllocator, FrameDeallocator, PhysFrame, Size2MiB, Size4KiB};
///
/// let sim = Sim::boot(SimConfig::flat(64 << 20))?;
/// let free = sim.nr_free_pages();
/// let mut frames = Frames::new(&sim, Gfp::HIGHUSER_MOVABLE | Gfp::ZERO);
/// let small: PhysFrame<Size4KiB> = frames.allocate_frame().ok_or("no frame")?;
/// let huge: PhysFrame<Size2MiB> = frames.allocate_frame().ok_or("no huge frame")?;
/// assert!(huge.start_address().is_aligned(2_u64 << 20));
/// assert!(sim.nr_free_pages() <= free - 1 - 512);
///
/// let first_of_huge = PhysFrame::<Size4KiB>::containing_address(huge.start_address());
/// // SAFETY: both frames are ours, and nobody uses them.
/// unsafe {
///     frames.deallocate_frame(small);
///     frames.deallocate_frame(first_of_huge); // wrong: it was not given out alone
///     let found = frames.take_refusal();
///     assert!(matches!(found, Some(FreeError::WrongOrder { found: Order::O9, .. })));
///     frames.deallocate_frame(huge);
/// }
/// assert_eq!(frames.take_refusal(), None);
/// sim.drain_all_pages(None); // what was freed may be on the list of a CPU
/// assert_eq!(sim.nr_free_pages(), free);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0277
/// # use page_alloc::integrations::x86_64::Frames;
/// # use page_alloc::sim::{Sim, SimConfig};
/// # use x86_64::structures::paging::{FrameAllocator, PhysFrame, Size1GiB};
/// # let sim = Sim::boot(SimConfig::flat(64 << 20)).unwrap();
/// let mut frames = Frames::new(&sim, page_alloc::Gfp::KERNEL);
/// let never: Option<PhysFrame<Size1GiB>> = frames.allocate_frame();
/// ```
///
/// # Freeing
///
/// [`deallocate_frame`](FrameDeallocator::deallocate_frame) gives a reference to a block back. What is
/// not an allocated block of that size stays as it is, and is told by
/// [`take_refusal`](Self::take_refusal): tables that the boot loader made are a usual case, met when
/// `CleanUp` walks over them.
///
/// # Safety
///
/// Of a frame that `deallocate_frame` is given, if it is an allocated block of that size, the caller has
/// a reference: it came from such an adaptor, or from [`Pages::into_raw`](crate::Pages::into_raw). This
/// is what "unused" means in the contract of that function.
pub struct Frames<'a, P: Platform, R: Reclaim = NoReclaim, T: Trace = NoTrace> {
    allocator: &'a PageAllocator<P, R, T>,
    gfp: Gfp,
    refusal: Option<FreeError>,
}

impl<'a, P: Platform, R: Reclaim, T: Trace> Frames<'a, P, R, T> {
    /// Frames of this allocator, asked for with these flags. A port whose pages are not of 4 KiB is
    /// refused by the compiler.
    #[must_use]
    pub const fn new(allocator: &'a PageAllocator<P, R, T>, gfp: Gfp) -> Self {
        const { assert!(P::PAGE_SHIFT == PAGE_SHIFT, "pages of x86-64 have 4 KiB") };
        Self { allocator, gfp, refusal: None }
    }

    /// The latest free that was refused since the last call, with what was there instead of a block.
    /// The frames are as they were.
    pub const fn take_refusal(&mut self) -> Option<FreeError> {
        self.refusal.take()
    }

    fn allocate<S: PageSize>(&self, order: Order) -> Option<PhysFrame<S>> {
        let pages = self.allocator.alloc_pages(self.gfp, order).ok()?;
        let address = PhysAddr::try_new(pages.pfn().start_address(PAGE_SHIFT).get()).ok();
        match address.and_then(|address| PhysFrame::from_start_address(address).ok()) {
            Some(frame) => {
                let _by_number = pages.into_raw();
                Some(frame)
            }
            None => {
                let freed = self.allocator.free_pages(pages);
                debug_assert!(freed.is_ok(), "{freed:?}");
                None
            }
        }
    }

    /// Gives a block back.
    ///
    /// # Safety
    ///
    /// If there is an allocated block of that order, the caller owns a reference to it.
    unsafe fn deallocate<S: PageSize>(&mut self, frame: PhysFrame<S>, order: Order) {
        let pfn = Pfn::new(frame.start_address().as_u64() >> PAGE_SHIFT);
        // SAFETY: the contract of `deallocate` is that of `free_pages_raw`.
        let freed = unsafe { self.allocator.free_pages_raw(pfn, order) };
        self.refusal = freed.err().or(self.refusal);
    }
}

// SAFETY: the frames are those of a token, by the invariant of `Pages` an allocated block, and none
// given out twice (I2); the token goes with them.
unsafe impl<P: Platform, R: Reclaim, T: Trace> FrameAllocator<Size4KiB> for Frames<'_, P, R, T> {
    fn allocate_frame(&mut self) -> Option<PhysFrame<Size4KiB>> {
        self.allocate(Order::O0)
    }
}

// SAFETY: as for the frames of 4 KiB, by the invariant of `Pages`; order 9 has 512 of them.
unsafe impl<P: Platform, R: Reclaim, T: Trace> FrameAllocator<Size2MiB> for Frames<'_, P, R, T> {
    fn allocate_frame(&mut self) -> Option<PhysFrame<Size2MiB>> {
        self.allocate(Order::O9)
    }
}

impl<P: Platform, R: Reclaim, T: Trace> FrameDeallocator<Size4KiB> for Frames<'_, P, R, T> {
    unsafe fn deallocate_frame(&mut self, frame: PhysFrame<Size4KiB>) {
        // SAFETY: the caller has the reference that the contract of `deallocate` asks for (`Frames`).
        unsafe { self.deallocate(frame, Order::O0) }
    }
}

impl<P: Platform, R: Reclaim, T: Trace> FrameDeallocator<Size2MiB> for Frames<'_, P, R, T> {
    unsafe fn deallocate_frame(&mut self, frame: PhysFrame<Size2MiB>) {
        // SAFETY: the caller has the reference that the contract of `deallocate` asks for (`Frames`).
        unsafe { self.deallocate(frame, Order::O9) }
    }
}

impl<P: Platform, R: Reclaim, T: Trace> fmt::Debug for Frames<'_, P, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("gfp", &self.gfp).field("refusal", &self.refusal).finish()
    }
}
