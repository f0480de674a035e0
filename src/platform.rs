//! The machine below the allocator: CPUs, interrupts, and how frames are reached.

use crate::{CpuId, PhysAddr};

/// The state of the interrupt flag before [`Platform::irq_save`]; opaque to the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IrqFlags(pub usize);

/// The state before [`Platform::pin`]; opaque to the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PinFlags(pub usize);

/// How a CPU's lists of free frames are kept from others.
///
/// In each case an interrupt handler that finds the lists of its CPU in use goes to the zone, so
/// that handlers may allocate and free at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PcpExclusion {
    /// By an atomic swap for each operation. Asks nothing of the port.
    #[default]
    Swap,
    /// By plain loads and stores, without a locked instruction. Needs
    /// [`Platform::barrier_on`], for the few times when another CPU drains the lists.
    Busy,
    /// By plain loads and stores: there is only one CPU.
    SingleCpu,
}

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
/// - [`cpu_id`](Self::cpu_id) gives CPUs that run at the same time different numbers, below
///   `u32::MAX`.
/// - Between [`pin`](Self::pin) and the matching [`unpin`](Self::unpin) the code is not moved to
///   another CPU, [`cpu_id`](Self::cpu_id) is that CPU's, and nothing else runs on it but interrupt
///   handlers, which end before the code goes on. The calls nest, and are barriers for the compiler.
/// - [`pcp_exclusion`](Self::pcp_exclusion) is the same at every call. With
///   [`PcpExclusion::Busy`], when [`barrier_on`](Self::barrier_on) returns, the CPU has passed a full
///   memory barrier since the call; the call is one for the caller too, at its beginning and at its
///   end. With [`PcpExclusion::SingleCpu`], only one CPU ever uses the
///   allocator.
/// - [`phys_to_virt`](Self::phys_to_virt) of an address in memory that was handed to
///   [`init`](crate::PageAllocator::init), HIGHMEM excepted, is a valid pointer to that memory, for
///   reading and writing, the same at every call, contiguous where the memory is, and no two
///   addresses give the same pointer. For the place of the tables that is so from `init` on; for other
///   frames it may come later, if until then nobody asks for frames that are cleared
///   ([`Gfp::ZERO`](crate::Gfp::ZERO)), or for the address of some
///   ([`get_free_pages`](crate::PageAllocator::get_free_pages) and its kin, heaps, page tables). No
///   reference points to memory that the allocator has.
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

    /// The running CPU. Called with interrupts off; or between [`pin`](Self::pin) and [`unpin`](Self::unpin),
    /// with interrupts perhaps on; or where a stale answer does no harm; by requests that
    /// come before [`init`](crate::PageAllocator::init), and fail, too.
    ///
    /// A CPU whose number is not below [`BootInfo::nr_cpus`](crate::boot::BootInfo::nr_cpus) is served, but has
    /// no lists: its requests and frees go to the zones, under their locks. Its node is the lowest that had
    /// memory or CPUs at boot.
    #[doc(alias = "smp_processor_id")]
    fn cpu_id(&self) -> CpuId {
        CpuId::BOOT
    }

    /// Keeps the code on its CPU and other tasks off it: turns preemption off. Called on the hot path
    /// of allocation and freeing, before `init` too, unless lists are kept from others by [`PcpExclusion::Swap`]: a
    /// kernel that never takes the CPU from code in the kernel does nothing here. The default turns
    /// interrupts off.
    #[doc(alias = "preempt_disable")]
    #[inline]
    fn pin(&self) -> PinFlags {
        PinFlags(self.irq_save().0)
    }

    /// Ends what [`pin`](Self::pin) began.
    ///
    /// # Safety
    ///
    /// `flags` comes from the latest [`pin`](Self::pin) on this CPU that was not ended yet.
    #[doc(alias = "preempt_enable")]
    #[inline]
    unsafe fn unpin(&self, flags: PinFlags) {
        // SAFETY: the default `pin` is `irq_save`, and the caller keeps the order.
        unsafe { self.irq_restore(IrqFlags(flags.0)) }
    }

    /// How the lists of a CPU are kept from other CPUs.
    #[inline]
    fn pcp_exclusion(&self) -> PcpExclusion {
        PcpExclusion::Swap
    }

    /// Makes a CPU (another one, but for a caller that was moved to it just now) pass a full memory
    /// barrier, whatever it is doing, and returns when it has: an interrupt to that CPU and its answer,
    /// or `membarrier`. An idle or offline CPU need not be woken if it passes a barrier before it goes
    /// on. Called with interrupts as the caller of a drain had them, only with [`PcpExclusion::Busy`].
    ///
    /// # Panics
    ///
    /// The default does: a port that says [`PcpExclusion::Busy`] has one of its own.
    #[doc(alias = "smp_call_function_single")]
    fn barrier_on(&self, cpu: CpuId) {
        panic!("the port has no barrier for CPU {cpu}");
    }

    /// Called while one CPU waits for another's lists: a hint to the processor, or other work, but short. A
    /// drain calls it 2^20 times at most for each CPU's lists of a zone, then gives these up
    /// ([`Drained::skipped`](crate::alloc::Drained::skipped)).
    #[doc(alias = "cpu_relax")]
    fn relax(&self) {
        core::hint::spin_loop();
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
