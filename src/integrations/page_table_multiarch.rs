//! Frames for the page tables of the crate `page_table_multiarch` (0.6): x86-64, `AArch64`, ARM, RISC-V,
//! `LoongArch`.

use crate::alloc::PageAllocator;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{FreeError, Gfp, Order, PhysAddr};
use ::page_table_multiarch::PagingHandler;
use core::marker::PhantomData;
use memory_addr::{PAGE_SIZE_4K, PhysAddr as Physical, VirtAddr};

const PAGE_SHIFT: u32 = PAGE_SIZE_4K.trailing_zeros();

/// Which allocator a kernel's page tables have their frames of. The functions of a [`PagingHandler`]
/// take no `self`, so the allocator is a `static`, and this names it.
///
/// # Safety
///
/// Whoever calls `dealloc_frame` and `dealloc_frames` of [`TableHandler`] owns a reference to the block
/// that starts at that address, if there is one: it came from the same handler, or from
/// [`Pages::into_raw`](crate::Pages::into_raw). The page tables themselves keep to that. These functions
/// are safe to call, so no other code may be let near them that does not.
pub unsafe trait TableFrames: 'static {
    /// The port of the machine, with pages of 4 KiB.
    type Platform: Platform;
    /// The kernel's hooks.
    type Reclaim: Reclaim;
    /// The trace points.
    type Trace: Trace;

    /// The flags of requests; [`Gfp::HIGHMEM`] is ignored. Tables are cleared by the crate itself.
    const GFP: Gfp = Gfp::KERNEL;

    /// The allocator.
    fn allocator() -> &'static PageAllocator<Self::Platform, Self::Reclaim, Self::Trace>;

    /// Called when a free was refused, with what was found. Nothing was changed.
    fn refused(reason: FreeError) {
        debug_assert!(false, "{reason}");
    }
}

/// A [`PagingHandler`] on the allocator that `F` names.
///
/// Several frames at once are one block, of the smallest order that has them all and is as aligned as
/// asked; more than the largest block has are refused.
///
/// ```
/// use page_alloc::integrations::page_table_multiarch::{TableFrames, TableHandler};
/// use page_alloc::sim::{Sim, SimConfig, SimKernel, SimPlatform, SimTrace};
/// use page_alloc::{Gfp, PageAllocator};
/// use page_table_multiarch::PagingHandler;
/// use std::sync::LazyLock;
///
/// static MACHINE: LazyLock<Sim> = LazyLock::new(|| Sim::boot(SimConfig::flat(64 << 20)).unwrap());
///
/// struct Kernel;
///
/// // SAFETY: nobody else calls the handler's functions.
/// unsafe impl TableFrames for Kernel {
///     type Platform = SimPlatform;
///     type Reclaim = SimKernel;
///     type Trace = SimTrace;
///     fn allocator() -> &'static PageAllocator<SimPlatform, SimKernel, SimTrace> {
///         &MACHINE
///     }
/// }
///
/// type Handler = TableHandler<Kernel>; // for `X64PageTable<Handler>` and its like
/// let free = MACHINE.nr_free_pages();
/// let frames = Handler::alloc_frames(16, 0x4_0000).ok_or("no memory")?; // 64 KiB, aligned to 256
/// assert_eq!(frames.as_usize() % 0x4_0000, 0);
/// Handler::dealloc_frames(frames, 16);
/// assert_eq!(MACHINE.nr_free_pages(), free);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TableHandler<F>(PhantomData<F>);

impl<F: TableFrames> PagingHandler for TableHandler<F> {
    fn alloc_frames(num: usize, align: usize) -> Option<Physical> {
        const { assert!(F::Platform::PAGE_SHIFT == PAGE_SHIFT, "frames of page tables have 4 KiB") };
        let order = order_of(num.max(align.div_ceil(PAGE_SIZE_4K)))?;
        let pages = F::allocator().alloc_pages(F::GFP - Gfp::HIGHMEM, order).ok()?;
        let (first, _) = pages.into_raw();
        usize::try_from(first.start_address(PAGE_SHIFT).get()).ok().map(Physical::from_usize)
    }

    fn dealloc_frames(address: Physical, num: usize) {
        let Some(order) = order_of(num) else { return };
        let freed = free::<F>(address, order);
        // The alignment that was asked for is not told here: the block may be larger.
        let freed = match freed {
            Err(FreeError::WrongOrder { found, .. }) if found > order => free::<F>(address, found),
            other => other,
        };
        if let Err(reason) = freed {
            F::refused(reason);
        }
    }

    fn phys_to_virt(address: Physical) -> VirtAddr {
        let address = PhysAddr::new(address.as_usize() as u64);
        VirtAddr::from_mut_ptr_of(F::allocator().platform().phys_to_virt(address))
    }
}

fn order_of(frames: usize) -> Option<Order> {
    Order::fitting(frames as u64)
}

fn free<F: TableFrames>(address: Physical, order: Order) -> Result<(), FreeError> {
    let first = PhysAddr::new(address.as_usize() as u64).frame(PAGE_SHIFT);
    // SAFETY: whoever frees a table owns a reference to it: the contract of `TableFrames`.
    unsafe { F::allocator().free_pages_raw(first, order) }
}
