//! The machine below the allocator: CPUs, interrupts, and how frames are reached.

use crate::{CpuId, PhysAddr};

/// The state of the interrupt flag before [`Platform::irq_save`]; opaque to the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IrqFlags(pub usize);

/// What the allocator needs of the machine. Three methods are enough for one CPU.
///
/// # Safety
///
/// The allocator's memory safety rests on these promises, for as long as the allocator lives:
///
/// - Between [`irq_save`](Self::irq_save) and the matching [`irq_restore`](Self::irq_restore) no
///   interrupt handler that uses the allocator runs on this CPU, and the code is not moved to
///   another CPU. The calls nest. Each is a barrier for the compiler: no access to memory is moved
///   across it (`asm!` without `nomem` is one).
/// - [`cpu_id`](Self::cpu_id) gives CPUs that run at the same time different numbers.
/// - [`phys_to_virt`](Self::phys_to_virt) of an address in memory that was handed to
///   [`init`](crate::PageAllocator::init), HIGHMEM excepted, is a valid pointer to that memory, for
///   reading and writing, the same at every call, contiguous where the memory is, and no two
///   addresses give the same pointer. No reference points to memory that the allocator has.
/// - [`clear_pages`](Self::clear_pages) writes to the frames that it is given and to nothing else. A
///   port with HIGHMEM has one of its own, as `phys_to_virt` does not reach those frames.
///
/// ```
/// use page_alloc::{IrqFlags, PhysAddr, Platform};
///
/// /// One CPU, all memory mapped at a fixed offset, no handler that allocates.
/// struct Board;
///
/// // SAFETY: one CPU, interrupt handlers never call the allocator, and the boot page tables map
/// // all memory at the offset.
/// unsafe impl Platform for Board {
///     fn irq_save(&self) -> IrqFlags {
///         IrqFlags(0)
///     }
///     unsafe fn irq_restore(&self, _flags: IrqFlags) {}
///     fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
///         core::ptr::with_exposed_provenance_mut((0xffff_8000_0000_0000 | address.get()) as usize)
///     }
/// }
/// assert_eq!(Board::PAGE_SHIFT, 12);
/// assert_eq!(Board.phys_to_virt(PhysAddr::new(0x1000)).addr(), 0xffff_8000_0000_1000);
/// ```
pub unsafe trait Platform {
    /// Log2 of the page size: 12, 14 and 16 are usual.
    const PAGE_SHIFT: u32 = 12;

    /// Turns interrupts off on this CPU and tells whether they were on.
    #[doc(alias = "local_irq_save")]
    fn irq_save(&self) -> IrqFlags;

    /// Puts interrupts back as they were.
    ///
    /// # Safety
    ///
    /// `flags` comes from the latest [`irq_save`](Self::irq_save) on this CPU that was not put
    /// back yet.
    #[doc(alias = "local_irq_restore")]
    unsafe fn irq_restore(&self, flags: IrqFlags);

    /// Where the kernel reaches physical memory.
    #[doc(alias = "__va")]
    fn phys_to_virt(&self, address: PhysAddr) -> *mut u8;

    /// The running CPU. Called with interrupts off, or where a stale answer does no harm.
    #[doc(alias = "smp_processor_id")]
    fn cpu_id(&self) -> CpuId {
        CpuId::BOOT
    }

    /// Fills `bytes` bytes at `start` with zeroes. Called without locks held, for whole frames that
    /// nobody else uses. The default writes through [`phys_to_virt`](Self::phys_to_virt); a port may
    /// use an instruction of its own, and one with HIGHMEM maps such frames first.
    ///
    /// # Safety
    ///
    /// The memory is frames of this allocator, and belongs to the caller alone.
    #[doc(alias = "clear_highpage")]
    unsafe fn clear_pages(&self, start: PhysAddr, bytes: usize) {
        let start = self.phys_to_virt(start);
        // SAFETY: the caller owns the frames, and by the contract of the trait the pointer reaches
        // them.
        unsafe { start.write_bytes(0, bytes) }
    }
}
