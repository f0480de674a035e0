//! Get-free-pages flags: what a caller says about the memory it wants and what may be done to get it.

use crate::{AllocError, MigrateType, ZoneLayout, ZoneType};
use bitflags::bitflags;
use core::fmt;

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
        /// Never fail: goes on until there is memory, or panics after
        /// [`max_rounds`](crate::Reclaim::max_rounds). Only with [`DIRECT_RECLAIM`](Self::DIRECT_RECLAIM):
        /// where waiting is not allowed, the request may fail like any other, in Linux too. What is refused at
        /// once (illegal flags, waiting in an interrupt, fault injection) is refused all the same.
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
        /// None of the reserves that the context opens, nor the high-atomic one; half of the min watermark
        /// stays open with [`HIGH`](Self::HIGH). Overrides [`MEMALLOC`](Self::MEMALLOC).
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
        /// Can't sleep; keeps the min watermark, but may have of the high-atomic reserve.
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

impl Gfp {
    /// The highest zone type that may serve the request, by the bits of
    /// [`ZONE_MASK`](Self::ZONE_MASK). Where the layout has no DMA, DMA32 or HIGHMEM zones, a
    /// request for them goes to NORMAL.
    ///
    /// # Errors
    ///
    /// [`AllocError::IllegalGfp`] when two of `DMA`, `DMA32` and `HIGHMEM` are given.
    ///
    /// ```
    /// use page_alloc::{AllocError, Gfp, ZoneLayout, ZoneType};
    /// let x86 = ZoneLayout::X86_64;
    /// assert_eq!(Gfp::KERNEL.zone_type(&x86), Ok(ZoneType::Normal));
    /// assert_eq!(Gfp::HIGHUSER.zone_type(&x86), Ok(ZoneType::Normal));
    /// assert_eq!(Gfp::HIGHUSER_MOVABLE.zone_type(&x86), Ok(ZoneType::Movable));
    /// assert_eq!(Gfp::HIGHUSER.zone_type(&ZoneLayout::X86_32), Ok(ZoneType::HighMem));
    /// let both = Gfp::DMA | Gfp::DMA32;
    /// assert_eq!(both.zone_type(&x86), Err(AllocError::IllegalGfp(both)));
    /// ```
    #[doc(alias = "gfp_zone")]
    #[inline]
    pub const fn zone_type(self, layout: &ZoneLayout) -> Result<ZoneType, AllocError> {
        const NONE: u32 = 0;
        const DMA: u32 = Gfp::DMA.bits();
        const DMA32: u32 = Gfp::DMA32.bits();
        const HIGHMEM: u32 = Gfp::HIGHMEM.bits();
        let asked = match self.bits() & (DMA | DMA32 | HIGHMEM) {
            NONE => ZoneType::Normal,
            DMA => ZoneType::Dma,
            DMA32 => ZoneType::Dma32,
            HIGHMEM if self.contains(Self::MOVABLE) => ZoneType::Movable,
            HIGHMEM => ZoneType::HighMem,
            _ => return Err(AllocError::IllegalGfp(self)),
        };
        Ok(if layout.has(asked) { asked } else { ZoneType::Normal })
    }

    /// The migratetype asked for: one of the first three. What the machine makes of it is
    /// [`Mobility::migratetype`](crate::Mobility::migratetype).
    ///
    /// # Errors
    ///
    /// [`AllocError::IllegalGfp`] when both `MOVABLE` and `RECLAIMABLE` are given.
    ///
    /// ```
    /// use page_alloc::{Gfp, MigrateType};
    /// assert_eq!(Gfp::KERNEL.migratetype(), Ok(MigrateType::Unmovable));
    /// assert_eq!(Gfp::HIGHUSER_MOVABLE.migratetype(), Ok(MigrateType::Movable));
    /// assert!((Gfp::MOVABLE | Gfp::RECLAIMABLE).migratetype().is_err());
    /// ```
    #[doc(alias = "gfp_migratetype")]
    #[inline]
    pub const fn migratetype(self) -> Result<MigrateType, AllocError> {
        match (self.contains(Self::MOVABLE), self.contains(Self::RECLAIMABLE)) {
            (false, false) => Ok(MigrateType::Unmovable),
            (true, false) => Ok(MigrateType::Movable),
            (false, true) => Ok(MigrateType::Reclaimable),
            (true, true) => Err(AllocError::IllegalGfp(self)),
        }
    }

    /// Whether [`zone_type`](Self::zone_type) and [`migratetype`](Self::migratetype) have an answer.
    #[inline]
    pub(crate) const fn is_legal(self) -> bool {
        const ILLEGAL: u32 = illegal_combinations();
        ILLEGAL >> (self.bits() & 31) & 1 == 0
    }

    /// The flags that Linux prints as `text`: names with their prefixes, joined by `|`; `none` or
    /// `0` for no flag. `__GFP_ATOMIC` is [`ATOMIC_CONTEXT`](Self::ATOMIC_CONTEXT).
    ///
    /// # Errors
    ///
    /// [`UnknownFlag`] with the first name that is none of ours.
    ///
    /// ```
    /// use page_alloc::{Gfp, UnknownFlag};
    /// assert_eq!(Gfp::parse("GFP_KERNEL|__GFP_ZERO"), Ok(Gfp::KERNEL | Gfp::ZERO));
    /// assert_eq!(Gfp::parse("none"), Ok(Gfp::empty()));
    /// assert_eq!(Gfp::parse("GFP_USER|__GFP_FAST"), Err(UnknownFlag("__GFP_FAST")));
    /// ```
    pub fn parse(text: &str) -> Result<Self, UnknownFlag<'_>> {
        if text == "none" || text == "0" {
            return Ok(Self::empty());
        }
        text.split('|').try_fold(Self::empty(), |flags, name| {
            let known = NAMES.iter().find(|known| known.0 == name);
            known.map(|known| flags | known.1).ok_or(UnknownFlag(name))
        })
    }
}

/// Linux's names, in the order in which it prints them: a compound takes its bits away from those
/// after it. The last two are only read.
const NAMES: [(&str, Gfp); 37] = [
    ("GFP_TRANSHUGE", Gfp::TRANSHUGE),
    ("GFP_TRANSHUGE_LIGHT", Gfp::TRANSHUGE_LIGHT),
    ("GFP_HIGHUSER_MOVABLE", Gfp::HIGHUSER_MOVABLE),
    ("GFP_HIGHUSER", Gfp::HIGHUSER),
    ("GFP_USER", Gfp::USER),
    ("GFP_KERNEL_ACCOUNT", Gfp::KERNEL_ACCOUNT),
    ("GFP_KERNEL", Gfp::KERNEL),
    ("GFP_NOFS", Gfp::NOFS),
    ("GFP_ATOMIC", Gfp::ATOMIC),
    ("GFP_NOIO", Gfp::NOIO),
    ("GFP_NOWAIT", Gfp::NOWAIT),
    ("GFP_DMA", Gfp::DMA),
    ("__GFP_HIGHMEM", Gfp::HIGHMEM),
    ("GFP_DMA32", Gfp::DMA32),
    ("__GFP_HIGH", Gfp::HIGH),
    ("__GFP_ATOMIC", Gfp::ATOMIC_CONTEXT),
    ("__GFP_IO", Gfp::IO),
    ("__GFP_FS", Gfp::FS),
    ("__GFP_NOWARN", Gfp::NOWARN),
    ("__GFP_RETRY_MAYFAIL", Gfp::RETRY_MAYFAIL),
    ("__GFP_NOFAIL", Gfp::NOFAIL),
    ("__GFP_NORETRY", Gfp::NORETRY),
    ("__GFP_COMP", Gfp::COMP),
    ("__GFP_ZERO", Gfp::ZERO),
    ("__GFP_NOMEMALLOC", Gfp::NOMEMALLOC),
    ("__GFP_MEMALLOC", Gfp::MEMALLOC),
    ("__GFP_HARDWALL", Gfp::HARDWALL),
    ("__GFP_THISNODE", Gfp::THISNODE),
    ("__GFP_RECLAIMABLE", Gfp::RECLAIMABLE),
    ("__GFP_MOVABLE", Gfp::MOVABLE),
    ("__GFP_ACCOUNT", Gfp::ACCOUNT),
    ("__GFP_WRITE", Gfp::WRITE),
    ("__GFP_RECLAIM", Gfp::RECLAIM),
    ("__GFP_DIRECT_RECLAIM", Gfp::DIRECT_RECLAIM),
    ("__GFP_KSWAPD_RECLAIM", Gfp::KSWAPD_RECLAIM),
    ("__GFP_DMA", Gfp::DMA),
    ("__GFP_DMA32", Gfp::DMA32),
];

/// The flags in Linux's notation, which [`Gfp::parse`] reads; bits without a name in hexadecimal.
///
/// ```
/// use page_alloc::Gfp;
/// assert_eq!((Gfp::KERNEL | Gfp::ZERO).to_string(), "GFP_KERNEL|__GFP_ZERO");
/// assert_eq!((Gfp::ATOMIC | Gfp::COMP).to_string(), "GFP_ATOMIC|__GFP_COMP");
/// assert_eq!(Gfp::empty().to_string(), "none");
/// ```
impl fmt::Display for Gfp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut rest = *self;
        let mut separator = "";
        for (name, flags) in NAMES {
            if rest.contains(flags) {
                write!(f, "{separator}{name}")?;
                rest.remove(flags);
                separator = "|";
            }
        }
        if rest.is_empty() { Ok(()) } else { write!(f, "{separator}{:#x}", rest.bits()) }
    }
}

/// A name that is no allocation flag of this crate ([`Gfp::parse`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFlag<'a>(pub &'a str);

impl fmt::Display for UnknownFlag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no allocation flag `{}`", self.0)
    }
}

impl core::error::Error for UnknownFlag<'_> {}

/// A bit for each combination of the flags that choose zone and migratetype: set if it is illegal.
const fn illegal_combinations() -> u32 {
    let (mut illegal, mut bits) = (0, 0);
    while bits < 32 {
        let gfp = Gfp::from_bits_retain(bits);
        if gfp.zone_type(&ZoneLayout::X86_64).is_err() || gfp.migratetype().is_err() {
            illegal |= 1 << bits;
        }
        bits += 1;
    }
    illegal
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    /// Every single flag has a name, and what is printed reads back as the same flags.
    #[test]
    fn printed_flags_read_back() {
        for (_, flags) in NAMES {
            for (_, more) in NAMES {
                let both = flags | more;
                assert_eq!(Gfp::parse(&both.to_string()), Ok(both), "{both:?}");
            }
        }
        assert_eq!(Gfp::parse(&Gfp::all().to_string()), Ok(Gfp::all()));
    }

    /// Bits that are no flag are printed as a number, after the names and alone.
    #[test]
    fn stray_bits_are_printed() {
        let stray = Gfp::from_bits_retain(0x8000_0000);
        assert_eq!(stray.to_string(), "0x80000000");
        assert_eq!((stray | Gfp::DMA).to_string(), "GFP_DMA|0x80000000");
    }

    /// Text with an empty name, or with `none` beside a flag, is refused.
    #[test]
    fn bad_text_is_refused() {
        for (text, name) in
            [("", ""), ("GFP_KERNEL|", ""), ("none|GFP_KERNEL", "none"), ("KERNEL", "KERNEL")]
        {
            assert_eq!(Gfp::parse(text), Err(UnknownFlag(name)));
        }
    }

    /// A machine that has NORMAL alone serves every legal request from there, movable ones apart.
    #[test]
    fn missing_zones_become_normal() {
        let layout = ZoneLayout::NORMAL_ONLY;
        for flags in [Gfp::DMA, Gfp::DMA32, Gfp::HIGHMEM, Gfp::MOVABLE, Gfp::empty()] {
            assert_eq!(flags.zone_type(&layout), Ok(ZoneType::Normal));
        }
        assert_eq!((Gfp::HIGHMEM | Gfp::MOVABLE).zone_type(&layout), Ok(ZoneType::Movable));
        let three = Gfp::DMA | Gfp::DMA32 | Gfp::HIGHMEM;
        assert_eq!(three.zone_type(&layout), Err(AllocError::IllegalGfp(three)));
    }
}
