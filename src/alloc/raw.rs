//! The doors for those who know frames by number: boot, page tables, C. Here the caller's word
//! counts, so here is what is unsafe.

use super::PageAllocator;
use super::hotplug::{HotplugError, OnlineTo, Onlined};
use super::reserved::ReleaseError;
use crate::boot::{self, BootInfo, BootReport, InitError, MemoryKind, Reclaimable};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::find_allocated;
use crate::{FreeError, NodeId, Order, Pages, Pfn, PfnRange};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Gives the allocator its machine: surveys the memory map, carves the tables out of it, and
    /// frees what is free. Tells what was done and what had to be ignored.
    ///
    /// The work is proportional to the number of largest blocks (4 MiB with 4 KiB pages), and to the
    /// square of the number of entries of the map: of the order of 0.1 s for 1000 entries and of 1 s for 4000,
    /// twenty times that when not optimised. Uses up to 10 KiB of stack when optimised. Another CPU's call
    /// waits for this one to end, so it is not to be called in an interrupt.
    ///
    /// ```
    /// use page_alloc::boot::{BootInfo, InitError, MemoryKind, MemoryRegion};
    /// use page_alloc::{Gfp, IrqFlags, PageAllocator, PhysAddr, Platform};
    ///
    /// /// A megabyte of the host's memory stands for the machine's.
    /// struct Host(*mut u8);
    ///
    /// // SAFETY: one thread, no interrupts; addresses from 1 MiB on lie in the buffer.
    /// unsafe impl Platform for Host {
    ///     fn irq_save(&self) -> IrqFlags {
    ///         IrqFlags(0)
    ///     }
    ///     unsafe fn irq_restore(&self, _: IrqFlags) {}
    ///     fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
    ///         self.0.wrapping_add(address.get() as usize - 0x10_0000)
    ///     }
    /// }
    ///
    /// let memory = vec![0xa5_u8; 0x10_0000].leak();
    /// let allocator = PageAllocator::new(Host(memory.as_mut_ptr()));
    /// assert!(allocator.alloc_page(Gfp::KERNEL).is_err()); // not yet
    ///
    /// let map = [MemoryRegion::new(PhysAddr::new(0x10_0000), 0x10_0000, MemoryKind::Usable)];
    /// // SAFETY: the range is the buffer above, which nobody else uses.
    /// let report = unsafe { allocator.init(&BootInfo::new(&map))? };
    /// assert_eq!(report.present_pages, 256);
    /// assert!(allocator.alloc_page(Gfp::KERNEL).is_ok());
    ///
    /// // SAFETY: as above.
    /// let again = unsafe { allocator.init(&BootInfo::new(&map)) };
    /// assert_eq!(again, Err(InitError::AlreadyInitialized));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// - Every byte of the map that is usable and not reserved is memory that works and that nobody
    ///   else uses, now and as long as the allocator lives. Tokens left over from an earlier
    ///   allocator or zone that had this memory, or its tables there, count as use.
    /// - [`Platform::phys_to_virt`] reaches the place of the tables
    ///   ([`Options::metadata`](crate::boot::Options::metadata)).
    ///
    /// # Errors
    ///
    /// What is wrong with the information; [`InitError::AlreadyInitialized`] the second time. No
    /// memory was written to, and a new attempt is possible.
    #[doc(alias = "mm_init")]
    #[doc(alias = "free_area_init")]
    pub unsafe fn init(&self, info: &BootInfo<'_>) -> Result<BootReport, InitError> {
        self.set_machine(|| {
            // SAFETY: the contract of `init` is the same.
            unsafe { boot::build(info, &self.platform) }
        })
    }

    /// As [`init`](Self::init), with the tables in `memory`, whatever it holds now.
    /// [`boot::metadata_bytes`] tells how much is needed.
    ///
    /// # Safety
    ///
    /// As for `init`; `memory` is not part of the map's free memory.
    ///
    /// # Errors
    ///
    /// As for `init`, but `memory` is used up: a new attempt needs other memory.
    pub unsafe fn init_in(
        &self,
        info: &BootInfo<'_>,
        memory: &'static mut [u8],
    ) -> Result<BootReport, InitError> {
        self.set_machine(|| boot::build_in(info, P::PAGE_SHIFT, memory))
    }

    /// Gives reserved frames to the allocator: the kernel's code and data for booting, an initial ramdisk
    /// that was unpacked. They are managed from now on, and free. Gives their number.
    ///
    /// Frame by frame, as Linux does: the running CPU's lists are filled first. The watermarks stay as they
    /// are; [`init_per_zone_wmark_min`](Self::init_per_zone_wmark_min) has them follow from what the zones
    /// have then.
    ///
    /// The work is proportional to the number of frames. Takes a zone's lock for up to 1024 frames at a
    /// time; does not sleep; may be called in an interrupt, and on several CPUs at once: of two calls for
    /// the same frame one has it, and the other has none of its frames.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::alloc::ReleaseError;
    /// use page_alloc::boot::Reservation;
    /// use page_alloc::{Pfn, PfnRange, PhysAddr};
    /// # let mut config = SimConfig::flat(64 << 20);
    /// // The machine was booted with this reserved:
    /// let init = Reservation::new("init", PhysAddr::new(0x10_0000), 0x4_0000);
    /// # config.reservations.push(init);
    /// # let sim = Sim::boot(config)?;
    /// let (free, frames) = (sim.nr_free_pages(), PfnRange::new(Pfn::new(0x100), Pfn::new(0x140)));
    /// // SAFETY: nothing of the init section is used any more.
    /// unsafe {
    ///     assert_eq!(sim.free_reserved_area(frames), Ok(64));
    ///     // A second time, nothing happens.
    ///     assert_eq!(sim.free_reserved_area(frames), Err(ReleaseError::Managed(frames.start)));
    /// }
    /// sim.drain_local_pages(None);
    /// assert_eq!(sim.nr_free_pages(), free + 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// The frames that are reserved now are memory that works and that nobody else uses, from now on and
    /// as long as the allocator lives.
    ///
    /// # Errors
    ///
    /// The first frame that is not reserved memory, and what it is. Nothing was given.
    #[doc(alias = "free_reserved_page")]
    #[doc(alias = "free_initmem")]
    #[doc(alias = "free_initrd_mem")]
    #[doc(alias = "adjust_managed_page_count")]
    #[doc(alias = "memblock_free_late")]
    pub unsafe fn free_reserved_area(&self, frames: PfnRange) -> Result<u64, ReleaseError> {
        self.release_reserved(core::iter::once(frames))
    }

    /// Gives all memory of one kind that could not be free at boot to the allocator:
    /// [`BootloaderReclaimable`](MemoryKind::BootloaderReclaimable) once the kernel has copied what it
    /// wants of it, [`AcpiReclaimable`](MemoryKind::AcpiReclaimable) once the tables are read. Of other
    /// kinds there is nothing to give. Tells how many frames were given.
    ///
    /// `info` is what [`init`](Self::init) was given; if some of the memory is to be kept, with a
    /// reservation more. A frame that has bytes of both kinds stays reserved; it can be given by
    /// [`free_reserved_area`](Self::free_reserved_area), which also says how this works.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::PhysAddr;
    /// use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion};
    /// let map = [
    ///     MemoryRegion::new(PhysAddr::new(0x10_0000), 0x300_0000, MemoryKind::Usable),
    ///     MemoryRegion::new(PhysAddr::new(0x310_0000), 0x8000, MemoryKind::BootloaderReclaimable),
    ///     MemoryRegion::new(PhysAddr::new(0x310_8000), 0x2000, MemoryKind::AcpiReclaimable),
    /// ];
    /// # let sim = Sim::boot(SimConfig::new(map.to_vec()))?;
    /// let info = BootInfo::new(&map);
    /// // SAFETY: what the boot loader and ACPI left there is not used any more; the map lies elsewhere.
    /// unsafe {
    ///     assert_eq!(sim.free_reclaimable(&info, MemoryKind::BootloaderReclaimable)?, 8);
    ///     assert_eq!(sim.free_reclaimable(&info, MemoryKind::AcpiReclaimable)?, 2);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// As for `free_reserved_area`. What `info` borrows must not lie in the memory that is given: a boot
    /// loader's list of memory often does.
    ///
    /// # Errors
    ///
    /// As for `free_reserved_area`; what is wrong with `info`.
    #[doc(alias = "free_reserved_area")]
    #[doc(alias = "adjust_managed_page_count")]
    pub unsafe fn free_reclaimable(
        &self,
        info: &BootInfo<'_>,
        kind: MemoryKind,
    ) -> Result<u64, ReleaseError> {
        let memory = Reclaimable::new(info, P::PAGE_SHIFT, kind).map_err(ReleaseError::BootInfo)?;
        self.release_reserved(memory.ranges())
    }

    /// Memory has come, where [`BootInfo::hotplug`] planned for it: it is free memory of the node from now on,
    /// at the tails of the free lists.
    ///
    /// Spanned, present and managed frames of the zone become more; what follows from these is calculated
    /// anew, as [`init_per_zone_wmark_min`](Self::init_per_zone_wmark_min) does. If the zone had no memory
    /// before, it comes into all zonelists, which are made as at boot, but with all online CPUs known; a
    /// kernel that has a kswapd for each node with memory may have to start one.
    ///
    /// Whether migratetypes are kept apart stays as it was decided at boot: a machine that boots with fewer
    /// than 3072 managed frames (12 MiB with 4 KiB pages; [`mobility`](crate::node::topology::mobility)) stays
    /// ungrouped, however much comes. Linux decides anew when a zone gets its first memory.
    ///
    /// The work is proportional to the number of largest blocks. Takes the zone's lock for up to 256 of
    /// them at a time; does not sleep. One call at a time: another gets [`HotplugError::Busy`] meanwhile.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::alloc::{HotplugError, OnlineTo};
    /// use page_alloc::boot::NodeRange;
    /// use page_alloc::{Gfp, NodeId, Pfn, PfnRange, PhysAddr, ZoneType};
    /// // The machine has 64 MiB, and may get as much again at 4 GiB.
    /// let later = NodeRange::new(NodeId::ZERO, PhysAddr::new(4 << 30), 64 << 20);
    /// # let mut config = SimConfig::flat(64 << 20);
    /// # config.hotplug.push(later);
    /// # let sim = Sim::boot(config)?;
    /// let free = sim.nr_free_pages();
    /// let half = PfnRange::new(Pfn::new(0x10_0000), Pfn::new(0x10_2000));
    /// // SAFETY: the machine has told of this memory, and nobody uses it.
    /// let came = unsafe { sim.add_memory(NodeId::ZERO, half, OnlineTo::Kernel)? };
    /// assert_eq!((came.zone, came.pages, came.populated), (ZoneType::Normal, 0x2000, true));
    /// assert_eq!(sim.nr_free_pages(), free + 0x2000);
    /// let page = sim.alloc_page(Gfp::KERNEL)?; // NORMAL comes first now
    /// assert!(half.contains(page.pfn()));
    /// # sim.free_pages(page)?;
    /// // SAFETY: as above.
    /// let again = unsafe { sim.add_memory(NodeId::ZERO, half, OnlineTo::Movable) };
    /// assert_eq!(again, Err(HotplugError::Present(half.start)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// The frames are memory that works and that nobody else uses, from now on and as long as the allocator
    /// lives; [`Platform::phys_to_virt`] reaches it as it does other memory.
    ///
    /// # Errors
    ///
    /// There is no such node, the range is not of whole largest blocks, or not all of it was planned, or
    /// some of it has memory already, or memory is being added by another call. Nothing was added.
    #[doc(alias = "online_pages")]
    #[doc(alias = "memory_block_online")]
    pub unsafe fn add_memory(
        &self,
        node: NodeId,
        range: PfnRange,
        to: OnlineTo,
    ) -> Result<Onlined, HotplugError> {
        self.online_pages(node, range, to)
    }

    /// The token of an allocated block that is known by number: the reverse of
    /// [`Pages::into_raw`].
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let (pfn, order) = sim.alloc_pages(Gfp::KERNEL, Order::O1)?.into_raw();
    /// // SAFETY: the reference of the token above is ours.
    /// let pages = unsafe { sim.pages_from_raw(pfn, order)? };
    /// sim.free_pages(pages)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// The caller owns a reference to the block, and gives it to the token.
    ///
    /// # Errors
    ///
    /// What is there instead of an allocated block of that order.
    pub unsafe fn pages_from_raw(&self, pfn: Pfn, order: Order) -> Result<Pages, FreeError> {
        let memmap = &self.machine_to_free()?.memmap;
        let index = find_allocated(memmap, pfn, order)?;
        Ok(memmap.token(index, order))
    }

    /// Frees a block that is known by number.
    ///
    /// The call is checked: the frame must head an allocated block of that order. A frame freed
    /// twice is found as long as it has not been allocated again, and nobody frees it at the same time
    /// by its token.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{FreeError, Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let (pfn, order) = sim.alloc_pages(Gfp::KERNEL, Order::O1)?.into_raw();
    /// // SAFETY: the reference of the token above is ours; there is no block of order 2.
    /// unsafe {
    ///     let wrong = sim.free_pages_raw(pfn, Order::O2);
    ///     assert_eq!(wrong, Err(FreeError::WrongOrder { pfn, found: Order::O1 }));
    ///     sim.free_pages_raw(pfn, order)?;
    ///     assert!(sim.free_pages_raw(pfn, order).is_err()); // found out: freed twice
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// If there is an allocated block of that order, the caller owns a reference to it.
    ///
    /// # Errors
    ///
    /// What is there instead. Nothing was changed.
    #[doc(alias = "__free_pages")]
    pub unsafe fn free_pages_raw(&self, pfn: Pfn, order: Order) -> Result<(), FreeError> {
        // SAFETY: the caller owns a reference, if the block is there: the contract of
        // `free_pages_raw`.
        let pages = unsafe { self.pages_from_raw(pfn, order)? };
        self.put_contended(pages).map_err(|refused| refused.reason)
    }

    /// Fills a block with zeroes.
    pub(super) fn clear(&self, pages: &Pages) {
        let start = pages.pfn().start_address(P::PAGE_SHIFT);
        let bytes = (1_usize << P::PAGE_SHIFT) << pages.order().get();
        // SAFETY: by the invariant of `Pages` the block is the caller's, and as it was just taken
        // off a list (I2), nobody else knows of it.
        unsafe { self.platform().clear_pages(start, bytes) }
    }
}
