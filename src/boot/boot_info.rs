//! What a kernel knows of its machine when it boots.

use crate::ZoneLayout;
use crate::boot::{MemoryRegion, NodeRange, Numa, Options, Reservation};

/// All that firmware and boot loader have told the kernel, and what the kernel wants.
///
/// Only the memory map must be given. The rest defaults to one CPU, no NUMA, nothing reserved, and
/// the zones and options of Linux on x86-64.
///
/// ```
/// use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Reservation};
/// use page_alloc::{PhysAddr, ZoneLayout};
///
/// const MAP: &[MemoryRegion] =
///     &[MemoryRegion::new(PhysAddr::new(0x4000_0000), 0x800_0000, MemoryKind::Usable)];
/// const INFO: BootInfo = BootInfo::new(MAP)
///     .reservations(&[Reservation::new("kernel", PhysAddr::new(0x4020_0000), 0x10_0000)])
///     .nr_cpus(4)
///     .zones(ZoneLayout::NORMAL_ONLY);
/// assert_eq!(INFO.nr_cpus, 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootInfo<'a> {
    /// The firmware's memory map, as it is, but without what the kernel can't reach
    /// ([`Platform::phys_to_virt`](crate::Platform::phys_to_virt)).
    pub memory_map: &'a [MemoryRegion],
    /// What must not be given out.
    pub reservations: &'a [Reservation],
    /// CMA areas: whole pageblocks of free memory, each in one zone. Only movable requests are
    /// served from them. Pageblock by pageblock they can be isolated
    /// ([`isolate_pageblock`](crate::PageAllocator::isolate_pageblock)), but an area can't be claimed as a
    /// whole yet: there is no `cma_alloc`.
    pub cma: &'a [Reservation],
    /// Where memory may come after boot, and on which node: what can be given to
    /// [`add_memory`](crate::PageAllocator::add_memory). The tables have 16 bytes for each frame of it
    /// from the beginning, whether it ever comes or not. A node that is named here is there from the
    /// beginning, without memory.
    ///
    /// Whole blocks of the largest order count, from [`Options::first_frame`] on; what holds memory at boot is
    /// not affected. The SRAT says such ranges: [`Numa::hot_pluggable`].
    #[doc(alias = "max_possible_pfn")]
    pub hotplug: &'a [NodeRange],
    /// Which memory and which CPU belongs to which node.
    pub numa: Numa<'a>,
    /// The number of CPUs that can ever run: their [`CpuId`](crate::CpuId)s are below it. A CPU
    /// beyond has no lists ([`Platform::cpu_id`](crate::Platform::cpu_id)).
    pub nr_cpus: u32,
    /// Which zones there are.
    pub zones: ZoneLayout,
    /// What the kernel chose.
    pub options: Options<'a>,
}

impl<'a> BootInfo<'a> {
    /// A machine of which only the memory map is known.
    #[must_use]
    pub const fn new(memory_map: &'a [MemoryRegion]) -> Self {
        Self {
            memory_map,
            reservations: &[],
            cma: &[],
            hotplug: &[],
            numa: Numa::None,
            nr_cpus: 1,
            zones: ZoneLayout::X86_64,
            options: Options::DEFAULT,
        }
    }

    /// Sets what must not be given out.
    #[must_use]
    pub const fn reservations(mut self, reservations: &'a [Reservation]) -> Self {
        self.reservations = reservations;
        self
    }

    /// Sets the CMA areas.
    #[must_use]
    pub const fn cma(mut self, areas: &'a [Reservation]) -> Self {
        self.cma = areas;
        self
    }

    /// Sets where memory may come later.
    #[must_use]
    pub const fn hotplug(mut self, ranges: &'a [NodeRange]) -> Self {
        self.hotplug = ranges;
        self
    }

    /// Sets what is known of NUMA nodes.
    #[must_use]
    pub const fn numa(mut self, numa: Numa<'a>) -> Self {
        self.numa = numa;
        self
    }

    /// Sets the number of CPUs.
    #[must_use]
    pub const fn nr_cpus(mut self, nr_cpus: u32) -> Self {
        self.nr_cpus = nr_cpus;
        self
    }

    /// Sets the zones of the machine.
    #[must_use]
    pub const fn zones(mut self, zones: ZoneLayout) -> Self {
        self.zones = zones;
        self
    }

    /// Sets what the kernel chose.
    #[must_use]
    pub const fn options(mut self, options: Options<'a>) -> Self {
        self.options = options;
        self
    }
}
