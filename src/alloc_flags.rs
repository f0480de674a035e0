//! How hard one attempt of an allocation tries: the allocator's own flags.

use bitflags::bitflags;

/// The watermark that an attempt has to keep.
///
/// ```
/// use page_alloc::{AllocFlags, WatermarkLevel};
/// let flags = AllocFlags::WMARK_LOW | AllocFlags::KSWAPD;
/// assert_eq!(flags.watermark_level(), WatermarkLevel::Low);
/// ```
#[doc(alias = "zone_watermarks")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum WatermarkLevel {
    /// Below it only privileged requests are served.
    #[doc(alias = "WMARK_MIN")]
    Min,
    /// Below it kswapd is woken.
    #[doc(alias = "WMARK_LOW")]
    Low,
    /// Above it kswapd sleeps.
    #[doc(alias = "WMARK_HIGH")]
    High,
}

impl WatermarkLevel {
    /// All levels, ascending.
    pub const ALL: [Self; 3] = [Self::Min, Self::Low, Self::High];
}

bitflags! {
    /// What one attempt to allocate may do; derived from the caller's
    /// [`Gfp`](crate::Gfp) flags and its context.
    ///
    /// The names are those of Linux 6.1.y. Documents about older kernels know `ALLOC_HARDER`, which
    /// stood for [`NON_BLOCK`](Self::NON_BLOCK), [`MIN_RESERVE`](Self::MIN_RESERVE) and
    /// [`HIGHATOMIC`](Self::HIGHATOMIC) together, and `ALLOC_HIGH`, now `MIN_RESERVE`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AllocFlags: u32 {
        /// Keep the low watermark.
        #[doc(alias = "ALLOC_WMARK_LOW")]
        const WMARK_LOW = 1;
        /// Keep the high watermark.
        #[doc(alias = "ALLOC_WMARK_HIGH")]
        const WMARK_HIGH = 2;
        /// Keep no watermark at all.
        #[doc(alias = "ALLOC_NO_WATERMARKS")]
        const NO_WATERMARKS = 4;
        /// The task is a victim of the out-of-memory killer: half of the min watermark is open.
        #[doc(alias = "ALLOC_OOM")]
        const OOM = 8;
        /// The caller can't wait: with `MIN_RESERVE`, a further eighth of the min watermark is
        /// open (a quarter of what is left); the high-atomic reserve too.
        #[doc(alias = "ALLOC_NON_BLOCK")]
        const NON_BLOCK = 0x10;
        /// `__GFP_HIGH`: half of the min watermark is open.
        #[doc(alias = "ALLOC_MIN_RESERVE")]
        #[doc(alias = "ALLOC_HIGH")]
        const MIN_RESERVE = 0x20;
        /// Ask the kernel's cpusets for each zone.
        #[doc(alias = "ALLOC_CPUSET")]
        const CPUSET = 0x40;
        /// CMA memory may be used.
        #[doc(alias = "ALLOC_CMA")]
        const CMA = 0x80;
        /// Rather go to another zone than mix migratetypes in a pageblock.
        #[doc(alias = "ALLOC_NOFRAGMENT")]
        const NOFRAGMENT = 0x100;
        /// The high-atomic reserve may be used and enlarged.
        #[doc(alias = "ALLOC_HIGHATOMIC")]
        const HIGHATOMIC = 0x200;
        /// kswapd may be woken.
        #[doc(alias = "ALLOC_KSWAPD")]
        const KSWAPD = 0x800;
    }
}

impl AllocFlags {
    /// Keep the min watermark: neither of the other two.
    #[doc(alias = "ALLOC_WMARK_MIN")]
    pub const WMARK_MIN: Self = Self::empty();

    /// Those that open reserves: the high-atomic reserve counts as free for them.
    #[doc(alias = "ALLOC_RESERVES")]
    pub const RESERVES: Self =
        Self::MIN_RESERVE.union(Self::NON_BLOCK).union(Self::HIGHATOMIC).union(Self::OOM);

    /// The watermark to keep.
    #[must_use]
    pub const fn watermark_level(self) -> WatermarkLevel {
        if self.contains(Self::WMARK_HIGH) {
            WatermarkLevel::High
        } else if self.contains(Self::WMARK_LOW) {
            WatermarkLevel::Low
        } else {
            WatermarkLevel::Min
        }
    }
}
