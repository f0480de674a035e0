//! Get-free-pages flags: what a caller says about the memory it wants and what may be done to get it.

use bitflags::bitflags;

bitflags! {
    /// The flags of a request, under Linux's names without the prefix (`__GFP_`, `GFP_`).
    ///
    /// The four lowest bits ([`ZONE_MASK`](Self::ZONE_MASK)) choose the zone. The values are the
    /// crate's own, not Linux's.
    ///
    /// ```
    /// use page_alloc::Gfp;
    /// assert!(Gfp::KERNEL.contains(Gfp::DIRECT_RECLAIM | Gfp::IO | Gfp::FS));
    /// assert!(!Gfp::ATOMIC.contains(Gfp::DIRECT_RECLAIM));
    /// assert_eq!(Gfp::USER, Gfp::KERNEL | Gfp::HARDWALL);
    /// ```
    #[doc(alias = "gfp_t")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Gfp: u32 {
        /// From the DMA zone.
        #[doc(alias = "__GFP_DMA")]
        const DMA = 1;
        /// High memory will do.
        #[doc(alias = "__GFP_HIGHMEM")]
        const HIGHMEM = 2;
        /// From the DMA32 zone or below.
        #[doc(alias = "__GFP_DMA32")]
        const DMA32 = 4;
        /// The memory can be moved; with [`HIGHMEM`](Self::HIGHMEM), also from the MOVABLE zone.
        #[doc(alias = "__GFP_MOVABLE")]
        const MOVABLE = 8;
        /// The memory can be given up (slab caches with a shrinker).
        #[doc(alias = "__GFP_RECLAIMABLE")]
        const RECLAIMABLE = 0x10;
        /// An important request: may use half of the min watermark.
        #[doc(alias = "__GFP_HIGH")]
        const HIGH = 0x20;
        /// Reclaim may start I/O.
        #[doc(alias = "__GFP_IO")]
        const IO = 0x40;
        /// Reclaim may call into file systems.
        #[doc(alias = "__GFP_FS")]
        const FS = 0x80;
        /// The memory is zeroed.
        #[doc(alias = "__GFP_ZERO")]
        const ZERO = 0x100;
        /// The caller can't sleep and has no other way out. Linux up to 6.2 has this single flag
        /// beside the compound [`ATOMIC`](Self::ATOMIC) that contains it.
        #[doc(alias = "__GFP_ATOMIC")]
        const ATOMIC_CONTEXT = 0x200;
        /// The caller may sleep in reclaim.
        #[doc(alias = "__GFP_DIRECT_RECLAIM")]
        const DIRECT_RECLAIM = 0x400;
        /// kswapd may be woken.
        #[doc(alias = "__GFP_KSWAPD_RECLAIM")]
        const KSWAPD_RECLAIM = 0x800;
        /// The memory is about to be written to: keep nodes under their dirty limits.
        #[doc(alias = "__GFP_WRITE")]
        const WRITE = 0x1000;
        /// No report when the request fails.
        #[doc(alias = "__GFP_NOWARN")]
        const NOWARN = 0x2000;
        /// Try hard, but fail rather than kill.
        #[doc(alias = "__GFP_RETRY_MAYFAIL")]
        const RETRY_MAYFAIL = 0x4000;
        /// Never fail.
        #[doc(alias = "__GFP_NOFAIL")]
        const NOFAIL = 0x8000;
        /// Fail soon.
        #[doc(alias = "__GFP_NORETRY")]
        const NORETRY = 0x1_0000;
        /// The request frees more than it takes: all reserves are open.
        #[doc(alias = "__GFP_MEMALLOC")]
        const MEMALLOC = 0x2_0000;
        /// The block will be treated as one.
        #[doc(alias = "__GFP_COMP")]
        const COMP = 0x4_0000;
        /// No reserves, whatever the context; overrides [`MEMALLOC`](Self::MEMALLOC).
        #[doc(alias = "__GFP_NOMEMALLOC")]
        const NOMEMALLOC = 0x8_0000;
        /// Keep within the task's cpuset.
        #[doc(alias = "__GFP_HARDWALL")]
        const HARDWALL = 0x10_0000;
        /// From the given node or not at all.
        #[doc(alias = "__GFP_THISNODE")]
        const THISNODE = 0x20_0000;
        /// Charge the memory to the task's control group; the allocator only passes it on.
        #[doc(alias = "__GFP_ACCOUNT")]
        const ACCOUNT = 0x40_0000;

        /// The bits that choose the zone.
        #[doc(alias = "GFP_ZONEMASK")]
        const ZONE_MASK = Self::DMA.bits() | Self::HIGHMEM.bits() | Self::DMA32.bits() | Self::MOVABLE.bits();
        /// Both ways of reclaim.
        #[doc(alias = "__GFP_RECLAIM")]
        const RECLAIM = Self::DIRECT_RECLAIM.bits() | Self::KSWAPD_RECLAIM.bits();

        /// Can't sleep, may use reserves: interrupt handlers.
        #[doc(alias = "GFP_ATOMIC")]
        const ATOMIC = Self::HIGH.bits() | Self::ATOMIC_CONTEXT.bits() | Self::KSWAPD_RECLAIM.bits();
        /// Ordinary kernel memory; may sleep.
        #[doc(alias = "GFP_KERNEL")]
        const KERNEL = Self::RECLAIM.bits() | Self::IO.bits() | Self::FS.bits();
        /// Kernel memory charged to the task's control group.
        #[doc(alias = "GFP_KERNEL_ACCOUNT")]
        const KERNEL_ACCOUNT = Self::KERNEL.bits() | Self::ACCOUNT.bits();
        /// Can't sleep, no reserves.
        #[doc(alias = "GFP_NOWAIT")]
        const NOWAIT = Self::KSWAPD_RECLAIM.bits();
        /// May sleep, but start no I/O.
        #[doc(alias = "GFP_NOIO")]
        const NOIO = Self::RECLAIM.bits();
        /// May sleep and do I/O, but not call into file systems.
        #[doc(alias = "GFP_NOFS")]
        const NOFS = Self::RECLAIM.bits() | Self::IO.bits();
        /// Memory of a user process that the kernel has mapped too.
        #[doc(alias = "GFP_USER")]
        const USER = Self::KERNEL.bits() | Self::HARDWALL.bits();
        /// Memory of a user process, perhaps from high memory.
        #[doc(alias = "GFP_HIGHUSER")]
        const HIGHUSER = Self::USER.bits() | Self::HIGHMEM.bits();
        /// Memory of a user process that can be moved.
        #[doc(alias = "GFP_HIGHUSER_MOVABLE")]
        const HIGHUSER_MOVABLE = Self::HIGHUSER.bits() | Self::MOVABLE.bits();
        /// A huge page for a user process, without reclaim.
        #[doc(alias = "GFP_TRANSHUGE_LIGHT")]
        const TRANSHUGE_LIGHT = (Self::HIGHUSER_MOVABLE.bits() | Self::COMP.bits()
            | Self::NOMEMALLOC.bits() | Self::NOWARN.bits()) & !Self::RECLAIM.bits();
        /// A huge page for a user process.
        #[doc(alias = "GFP_TRANSHUGE")]
        const TRANSHUGE = Self::TRANSHUGE_LIGHT.bits() | Self::DIRECT_RECLAIM.bits();
    }
}
