//! A heap of whole blocks, in the memory that the kernel has mapped.

use crate::alloc::PageAllocator;
use crate::platform::Platform;
use crate::reclaim::{NoReclaim, Reclaim};
use crate::trace::{NoTrace, Trace};
use crate::{AllocError, Gfp, Order, Pages, Pfn, PhysAddr};
use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};

/// The way back from an address to the memory that is mapped there.
///
/// ```
/// use page_alloc::integrations::DirectMap;
/// use page_alloc::sim::{Sim, SimConfig};
/// use page_alloc::{PhysAddr, Platform};
/// let sim = Sim::boot(SimConfig::flat(64 << 20))?;
/// let address = sim.platform().phys_to_virt(PhysAddr::new(0x1234));
/// assert_eq!(sim.platform().virt_to_phys(address), PhysAddr::new(0x1234));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait DirectMap: Platform {
    /// The physical address that [`phys_to_virt`](Platform::phys_to_virt) makes this pointer of; of
    /// others, anything. The answer is checked, by asking back: a wrong one loses the memory that it
    /// is given for, and does no other harm.
    #[doc(alias = "__pa")]
    fn virt_to_phys(&self, address: *mut u8) -> PhysAddr;
}

#[cfg(feature = "std")]
impl DirectMap for crate::sim::SimPlatform {
    fn virt_to_phys(&self, address: *mut u8) -> PhysAddr {
        let start = self.phys_to_virt(PhysAddr::new(0)).addr();
        PhysAddr::new(address.addr().wrapping_sub(start) as u64)
    }
}

/// A heap whose every allocation is a block of frames: for what needs pages, and for a kernel that has
/// no finer heap yet. A value of one byte takes a page, so finer heaps are best built on this one.
///
/// It is a [`GlobalAlloc`], and with a feature an `Allocator` of the crate `allocator-api2`:
///
/// | feature | `Allocator` of |
/// |---|---|
/// | `allocator-api2-02` | `allocator-api2` 0.2, which `hashbrown` and `bumpalo` use |
/// | `allocator-api2-04` | `allocator-api2` 0.4 |
///
/// An allocation grows and shrinks in place as long as its block has the right order, and shrinks in
/// place to a smaller one. Alignments up to that of the largest block can be had where the kernel's
/// mapping of memory keeps them ([`Platform::phys_to_virt`]); larger ones and larger sizes are refused,
/// as is everything before [`init`](PageAllocator::init). [`Gfp::HIGHMEM`] and [`Gfp::NOFAIL`] are
/// ignored.
///
/// Where interrupt handlers use the heap, its flags must not let a request sleep
/// ([`Gfp::DIRECT_RECLAIM`]).
///
/// ```
/// use core::alloc::{GlobalAlloc, Layout};
/// use page_alloc::Gfp;
/// use page_alloc::integrations::PageHeap;
/// use page_alloc::sim::{Sim, SimConfig};
///
/// let sim = Sim::boot(SimConfig::flat(64 << 20))?;
/// let free = sim.nr_free_pages();
/// let heap = PageHeap::new(&sim, Gfp::KERNEL);
/// let layout = Layout::array::<u64>(6000)?; // 12 pages, so a block of 16
/// // SAFETY: the layout has a size, and the block is used and freed by its layouts.
/// unsafe {
///     let array = heap.alloc_zeroed(layout).cast::<u64>();
///     assert_eq!(array.add(5999).read(), 0);
///     assert_eq!(sim.nr_free_pages(), free - 16);
///     assert_eq!(heap.realloc(array.cast(), layout, 65536).cast(), array); // there was room
///     heap.dealloc(array.cast(), Layout::array::<u64>(8192)?);
/// }
/// assert_eq!(sim.nr_free_pages(), free);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// As a kernel's global allocator:
///
/// ```no_run
/// use page_alloc::integrations::{DirectMap, PageHeap};
/// use page_alloc::{Gfp, IrqFlags, PageAllocator, PhysAddr, Platform};
///
/// const OFFSET: usize = 0xffff_8000_0000_0000;
///
/// struct Board;
///
/// // SAFETY: one CPU, no interrupt handler allocates, all memory is mapped at this offset.
/// unsafe impl Platform for Board {
///     fn irq_save(&self) -> IrqFlags { IrqFlags(0) }
///     unsafe fn irq_restore(&self, _: IrqFlags) {}
///     fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
///         core::ptr::with_exposed_provenance_mut(OFFSET + address.get() as usize)
///     }
/// }
///
/// impl DirectMap for Board {
///     fn virt_to_phys(&self, address: *mut u8) -> PhysAddr {
///         PhysAddr::new(address.addr().wrapping_sub(OFFSET) as u64)
///     }
/// }
///
/// static FRAMES: PageAllocator<Board> = PageAllocator::new(Board);
///
/// #[global_allocator]
/// static HEAP: PageHeap<'static, Board> = PageHeap::new(&FRAMES, Gfp::KERNEL);
/// # fn main() {}
/// ```
pub struct PageHeap<'a, P, R = NoReclaim, T = NoTrace> {
    allocator: &'a PageAllocator<P, R, T>,
    gfp: Gfp,
}

/// What the bytes hold that an allocation gains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gained {
    Anything,
    Zeroes,
}

impl<'a, P, R, T> PageHeap<'a, P, R, T> {
    /// A heap of blocks of this allocator, asked for with these flags.
    #[must_use]
    pub const fn new(allocator: &'a PageAllocator<P, R, T>, gfp: Gfp) -> Self {
        Self { allocator, gfp: gfp.difference(Gfp::NOFAIL) }
    }
}

impl<P: DirectMap, R: Reclaim, T: Trace> PageHeap<'_, P, R, T> {
    /// A block for the layout, all of it; for a layout without a size, no memory.
    pub(super) fn take(&self, layout: Layout, gained: Gained) -> Result<NonNull<[u8]>, AllocError> {
        let Some(order) = order_of::<P>(layout)? else { return Ok(nothing(layout)) };
        let gfp = match gained {
            Gained::Anything => self.gfp,
            Gained::Zeroes => self.gfp | Gfp::ZERO,
        };
        let block = self.allocator.get_free_pages(gfp, order)?;
        match NonNull::new(block.as_ptr()).filter(|start| is_aligned(*start, layout)) {
            Some(start) => {
                let _by_address = block.into_pages().into_raw();
                Ok(NonNull::slice_from_raw_parts(start, bytes_of::<P>(order)))
            }
            None => {
                self.free(block.into_pages());
                Err(AllocError::OutOfMemory { order, gfp })
            }
        }
    }

    /// Frees what was taken for the layout.
    ///
    /// # Safety
    ///
    /// It was taken from this heap for a layout of the same order, and nobody uses it.
    pub(super) unsafe fn give_back(&self, start: NonNull<u8>, layout: Layout) {
        let Ok(Some(order)) = order_of::<P>(layout) else { return };
        // SAFETY: a block that was taken from this heap is the caller's, with its only reference: the
        // contract of `give_back`.
        let block = unsafe { self.block(start, order) };
        if let Some(pages) = block {
            self.free(pages);
        }
    }

    /// Makes what was taken for one layout fit another, in place if it can be. The bytes that fit both
    /// are kept. On an error all is as it was.
    ///
    /// # Safety
    ///
    /// It was taken from this heap for a layout of the order of `old`, has `old.size()` bytes, and nobody
    /// else uses it.
    pub(super) unsafe fn fit(
        &self,
        start: NonNull<u8>,
        (old, new): (Layout, Layout),
        gained: Gained,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let (had, wants) = (order_of::<P>(old), order_of::<P>(new)?);
        let (Ok(Some(had)), Some(wants)) = (had, wants) else {
            // SAFETY: passed on: the contract of `fit`.
            return unsafe { self.carry_over(start, (old, new), gained) };
        };
        // SAFETY: passed on: the contract of `fit`.
        let stays = is_aligned(start, new) && unsafe { self.trim(start, had, wants) };
        if !stays {
            // SAFETY: passed on: the contract of `fit`; nothing was trimmed.
            return unsafe { self.carry_over(start, (old, new), gained) };
        }
        let block = NonNull::slice_from_raw_parts(start, bytes_of::<P>(wants));
        if gained == Gained::Zeroes {
            let more = block.len().saturating_sub(old.size());
            let end = start.as_ptr().wrapping_add(old.size());
            // SAFETY: what follows the old bytes lies in the block, which is the caller's: the contract
            // of `fit`.
            unsafe { end.write_bytes(0, more) };
        }
        Ok(block)
    }

    /// Takes anew, copies, and gives back.
    ///
    /// # Safety
    ///
    /// As for `fit`.
    unsafe fn carry_over(
        &self,
        start: NonNull<u8>,
        (old, new): (Layout, Layout),
        gained: Gained,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.take(new, gained)?;
        let kept = old.size().min(new.size());
        // SAFETY: the old block is the caller's, and has so many bytes (the contract of `carry_over`); so
        // has the new one, which was just taken.
        unsafe { ptr::copy_nonoverlapping(start.as_ptr(), block.cast().as_ptr(), kept) };
        // SAFETY: passed on: the contract of `carry_over`.
        unsafe { self.give_back(start, old) };
        Ok(block)
    }

    /// Frees what is too much of a block; whether the block has the order now.
    ///
    /// # Safety
    ///
    /// As for `fit`; the block has the order `had`.
    unsafe fn trim(&self, start: NonNull<u8>, had: Order, wants: Order) -> bool {
        if had <= wants {
            return had == wants;
        }
        // SAFETY: passed on: the contract of `trim`.
        let Some(mut pages) = (unsafe { self.block(start, had) }) else { return false };
        while pages.order() > wants {
            match self.allocator.split_in_halves(pages) {
                Ok((lower, upper)) => {
                    self.free(upper);
                    pages = lower;
                }
                Err(refused) => {
                    pages = refused.pages;
                    break;
                }
            }
        }
        pages.into_raw().1 == wants
    }

    /// The token of a block by its address.
    ///
    /// # Safety
    ///
    /// If it is a block of that order, the caller owns a reference, and gives it to the token.
    unsafe fn block(&self, start: NonNull<u8>, order: Order) -> Option<Pages> {
        let pfn = self.frame_at(start.as_ptr())?;
        // SAFETY: no other frame is mapped there, by the contract of `Platform`, and the reference is the
        // caller's, by the contract of `block`.
        unsafe { self.allocator.pages_from_raw(pfn, order).ok() }
    }

    /// The frame that is mapped at an address.
    fn frame_at(&self, address: *mut u8) -> Option<Pfn> {
        let platform = self.allocator.platform();
        let physical = platform.virt_to_phys(address);
        (platform.phys_to_virt(physical) == address).then(|| physical.frame(P::PAGE_SHIFT))
    }

    fn free(&self, pages: Pages) {
        // Never refused: the token was made of a block that is the caller's. Heaps must not unwind, so nothing
        // is asserted.
        let _freed = self.allocator.free_pages(pages);
    }
}

/// The order of the blocks that serve a layout; `None` for one without a size.
fn order_of<P: Platform>(layout: Layout) -> Result<Option<Order>, AllocError> {
    if layout.size() == 0 {
        return Ok(None);
    }
    let frames = layout.size().max(layout.align()).div_ceil(bytes_of::<P>(Order::ZERO)) as u64;
    let too_large = AllocError::OrderTooLarge(u64::BITS - (frames - 1).leading_zeros());
    Order::fitting(frames).map(Some).ok_or(too_large)
}

const fn bytes_of<P: Platform>(order: Order) -> usize {
    1 << (P::PAGE_SHIFT + order.get())
}

fn is_aligned(start: NonNull<u8>, layout: Layout) -> bool {
    start.addr().get().is_multiple_of(layout.align())
}

/// No memory, as aligned as the layout asks.
fn nothing(layout: Layout) -> NonNull<[u8]> {
    let address = NonZeroUsize::new(layout.align()).unwrap_or(NonZeroUsize::MIN);
    NonNull::slice_from_raw_parts(NonNull::without_provenance(address), 0)
}

/// The pointer of an answer, null for an error.
fn or_null(block: Result<NonNull<[u8]>, AllocError>) -> *mut u8 {
    block.map_or(ptr::null_mut(), |block| block.cast().as_ptr())
}

// SAFETY: blocks are given out once (I2), have the layout's size and alignment, and are mapped for good,
// by the contract of `Platform`. Nothing here unwinds: a request that must not fail is not made, and a hook
// that panics ends a kernel.
unsafe impl<P: DirectMap, R: Reclaim, T: Trace> GlobalAlloc for PageHeap<'_, P, R, T> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        or_null(self.take(layout, Gained::Anything))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        or_null(self.take(layout, Gained::Zeroes))
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        if let Some(start) = NonNull::new(start) {
            // SAFETY: the caller of `GlobalAlloc` promises what the contract of `give_back` asks for.
            unsafe { self.give_back(start, layout) }
        }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new = Layout::from_size_align(size, layout.align());
        let (Some(start), Ok(new)) = (NonNull::new(start), new) else { return ptr::null_mut() };
        // SAFETY: the caller of `GlobalAlloc` promises what the contract of `fit` asks for.
        or_null(unsafe { self.fit(start, (layout, new), Gained::Anything) })
    }
}

impl<P, R, T> Clone for PageHeap<'_, P, R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R, T> Copy for PageHeap<'_, P, R, T> {}

impl<P, R, T> fmt::Debug for PageHeap<'_, P, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageHeap").field("gfp", &self.gfp).finish_non_exhaustive()
    }
}
