//! The calculation of watermarks and lowmem reserves from the sizes of all zones.
//!
//! At boot, and after every change of a setting or of the memory:
//!
//! 1. [`nr_free_zone_pages`] of the zones up to NORMAL gives [`min_free_kbytes`].
//! 2. [`WatermarkSetup`] splits that among the zones and adds the distances between the marks.
//! 3. [`lowmem_reserve`] gives what each zone keeps back from requests for higher zones.
//! 4. [`totalreserve_pages`] of each zone, summed, is what a node has that nobody may count on.
//!
//! All functions are on plain values, so that they can be called before there are zones. Where
//! an input is beyond any memory, the results saturate.

use crate::{MAX_NR_ZONES, NodeId, ZoneType};

/// The distance between watermarks, in units of 1/10000 of the zone's memory, by default.
pub const WATERMARK_SCALE_FACTOR: u32 = 10;

/// `lowmem_reserve_ratio` by default, by zone type: see [`lowmem_reserve`].
#[doc(alias = "sysctl_lowmem_reserve_ratio")]
pub const LOWMEM_RESERVE_RATIO: [u32; MAX_NR_ZONES] = [256, 256, 32, 0, 0];

/// The least and the greatest min watermark of a zone of high memory, in frames.
const HIGHMEM_MIN_PAGES: (u64, u64) = (32, 128);

/// The size of a zone, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneSize {
    /// The zone's node.
    pub node: NodeId,
    /// The zone's type.
    pub zone: ZoneType,
    /// Frames that exist.
    #[doc(alias = "present_pages")]
    pub present: u64,
    /// Those of them that the allocator was given.
    #[doc(alias = "managed_pages")]
    pub managed: u64,
}

/// Whether the kernel has a zone's memory mapped at all times; it says how the zone's min
/// watermark comes about.
#[doc(alias = "is_highmem")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryClass {
    /// Mapped: the zone has a share of `min_free_kbytes`.
    Lowmem,
    /// Not mapped, of little use to the kernel: the zone keeps a little beside that.
    HighMem,
}

impl ZoneSize {
    /// The class of the zone's memory. `movable_zone` is the zone type that MOVABLE zones are cut
    /// out of, the highest that has memory; where that is HIGHMEM, they are high memory too.
    ///
    /// ```
    /// use page_alloc::zone::watermark::setup::{MemoryClass, ZoneSize};
    /// use page_alloc::{NodeId, ZoneType};
    /// let zone = ZoneType::Movable;
    /// let movable = ZoneSize { node: NodeId::ZERO, zone, present: 1000, managed: 1000 };
    /// assert_eq!(movable.class(ZoneType::Normal), MemoryClass::Lowmem);
    /// assert_eq!(movable.class(ZoneType::HighMem), MemoryClass::HighMem);
    /// ```
    #[must_use]
    pub const fn class(&self, movable_zone: ZoneType) -> MemoryClass {
        match (self.zone, movable_zone) {
            (ZoneType::HighMem, _) => MemoryClass::HighMem,
            (ZoneType::Movable, ZoneType::HighMem) if self.managed > 0 => MemoryClass::HighMem,
            _ => MemoryClass::Lowmem,
        }
    }
}

/// The managed frames of all lowmem zones, among which `min_free_kbytes` is shared out.
///
/// ```
/// use page_alloc::zone::watermark::setup::{ZoneSize, lowmem_pages};
/// use page_alloc::{NodeId, ZoneType};
/// let size = |zone, managed| ZoneSize { node: NodeId::ZERO, zone, present: managed, managed };
/// let zones = [size(ZoneType::Normal, 200_000), size(ZoneType::HighMem, 300_000)];
/// assert_eq!(lowmem_pages(zones, ZoneType::HighMem), 200_000);
/// ```
#[must_use]
pub fn lowmem_pages(zones: impl IntoIterator<Item = ZoneSize>, movable_zone: ZoneType) -> u64 {
    zones
        .into_iter()
        .filter(|zone| zone.class(movable_zone) == MemoryClass::Lowmem)
        .fold(0, |pages, zone| pages.saturating_add(zone.managed))
}

/// The frames above the high watermark, summed over zones given as (managed frames, high
/// watermark with its boost). Before the watermarks are set up, they are 0.
///
/// Over the zones up to NORMAL this is the memory that the kernel can use for buffers, from which
/// [`min_free_kbytes`] follows; over all zones, `vm_total_pages`.
///
/// ```
/// use page_alloc::zone::watermark::setup::nr_free_zone_pages;
/// assert_eq!(nr_free_zone_pages([(1000, 40), (500, 0), (10, 32)]), 1460);
/// ```
#[doc(alias = "nr_free_buffer_pages")]
#[must_use]
pub fn nr_free_zone_pages(zones: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    zones
        .into_iter()
        .fold(0, |sum: u64, (managed, high)| sum.saturating_add(managed.saturating_sub(high)))
}

/// `min_free_kbytes`, what all lowmem zones together are to keep free, in KiB: `4 * sqrt(lowmem)`,
/// lowmem in KiB, between 128 and 262144 (256 MiB).
///
/// `buffer_pages` is [`nr_free_zone_pages`] of the zones up to NORMAL, in pages of
/// `1 << page_shift` bytes. A value that the user has set stays in force unless the calculated one
/// is greater.
///
/// ```
/// use page_alloc::zone::watermark::setup::min_free_kbytes;
/// // 1 GiB in pages of 4 KiB.
/// assert_eq!(min_free_kbytes(262_144, 12, None), 4096);
/// assert_eq!(min_free_kbytes(262_144, 12, Some(5000)), 5000);
/// assert_eq!(min_free_kbytes(262_144, 12, Some(3000)), 4096);
/// assert_eq!(min_free_kbytes(0, 12, None), 128);
/// ```
#[doc(alias = "calculate_min_free_kbytes")]
#[must_use]
pub fn min_free_kbytes(buffer_pages: u64, page_shift: u32, user: Option<u64>) -> u64 {
    let calculated = pages_to_kbytes(buffer_pages, page_shift).saturating_mul(16).isqrt();
    match user {
        Some(set) if set >= calculated => set,
        _ => calculated.clamp(128, 262_144),
    }
}

/// KiB in pages of `1 << page_shift` bytes, at most `u64::MAX`.
fn pages_to_kbytes(pages: u64, page_shift: u32) -> u64 {
    let bytes = u128::from(pages).checked_mul(1_u128.checked_shl(page_shift).unwrap_or(u128::MAX));
    bytes.and_then(|bytes| u64::try_from(bytes >> 10).ok()).unwrap_or(u64::MAX)
}

/// Whole pages of `1 << page_shift` bytes in so many KiB.
fn kbytes_to_pages(kbytes: u64, page_shift: u32) -> u64 {
    let pages = (u128::from(kbytes) << 10).checked_shr(page_shift).unwrap_or(0);
    u64::try_from(pages).unwrap_or(u64::MAX)
}

/// The watermarks of a zone, in frames, without the boost.
#[doc(alias = "_watermark")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// Below it only privileged requests are served.
    #[doc(alias = "WMARK_MIN")]
    pub min: u64,
    /// Below it kswapd is woken.
    #[doc(alias = "WMARK_LOW")]
    pub low: u64,
    /// Above it kswapd sleeps.
    #[doc(alias = "WMARK_HIGH")]
    pub high: u64,
    /// Above it there is room for pages moved here from slower memory. Calculated for the kernel; the
    /// allocator neither keeps nor uses it.
    #[doc(alias = "WMARK_PROMO")]
    pub promo: u64,
}

/// What the watermarks of all zones are calculated from.
///
/// ```
/// use page_alloc::zone::watermark::setup::{MemoryClass, WatermarkSetup, Watermarks};
/// // 4 MiB to keep free, in two zones of 250 MiB and 750 MiB.
/// let setup = WatermarkSetup::new(4096, 12, 10, 256_000);
/// assert_eq!(
///     setup.watermarks(64_000, MemoryClass::Lowmem),
///     Watermarks { min: 256, low: 320, high: 384, promo: 448 }
/// );
/// assert_eq!(
///     setup.watermarks(192_000, MemoryClass::Lowmem),
///     Watermarks { min: 768, low: 960, high: 1152, promo: 1344 }
/// );
/// ```
#[doc(alias = "setup_per_zone_wmarks")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkSetup {
    pages_min: u64,
    scale_factor: u32,
    /// Divides `pages_min * managed`.
    divisor: u64,
}

impl WatermarkSetup {
    /// `min_free_kbytes` in pages of `1 << page_shift` bytes, the distance between the marks in
    /// units of 1/10000 of a zone ([`WATERMARK_SCALE_FACTOR`] by default), and the
    /// [`lowmem_pages`] of the machine.
    ///
    /// Linux divides by the low 32 bits of `lowmem_pages` alone, and so does this, so that the
    /// watermarks are the same: from 2^32 frames on (16 TiB in pages of 4 KiB), the shares are
    /// greater than `min_free_kbytes` says. Only where these bits are all 0, which stops Linux,
    /// the whole number divides.
    #[must_use]
    pub fn new(
        min_free_kbytes: u64,
        page_shift: u32,
        scale_factor: u32,
        lowmem_pages: u64,
    ) -> Self {
        let pages_min = kbytes_to_pages(min_free_kbytes, page_shift);
        let low_bits = lowmem_pages & u64::from(u32::MAX);
        let divisor = if low_bits == 0 { lowmem_pages } else { low_bits };
        Self { pages_min, scale_factor, divisor }
    }

    /// The watermarks of a zone that has so many managed frames. Its share is
    /// `min_free_kbytes * managed / lowmem`; *min* is that share, or, in high memory,
    /// `managed / 1024` between 32 and 128; the others follow at a distance of a quarter of the
    /// share or of `managed * scale_factor / 10000`, whichever is greater.
    #[must_use]
    pub fn watermarks(&self, managed: u64, class: MemoryClass) -> Watermarks {
        let share = mul_div(self.pages_min, managed, self.divisor);
        let min = match class {
            MemoryClass::Lowmem => share,
            MemoryClass::HighMem => {
                (managed / 1024).clamp(HIGHMEM_MIN_PAGES.0, HIGHMEM_MIN_PAGES.1)
            }
        };
        // INVARIANT: a distance is only ever added (I8).
        let distance = (share / 4).max(mul_div(managed, self.scale_factor.into(), 10_000));
        let low = min.saturating_add(distance);
        let high = low.saturating_add(distance);
        Watermarks { min, low, high, promo: high.saturating_add(distance) }
    }
}

/// `a * b / c`, at most `u64::MAX`; 0 when c is 0.
fn mul_div(a: u64, b: u64, c: u64) -> u64 {
    let quotient = (u128::from(a) * u128::from(b)).checked_div(c.into()).unwrap_or(0);
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

/// What a zone of type `zone` keeps back from requests for higher zones, by the highest zone type
/// of the request: the managed frames of the node's zones from the next above it up to that one,
/// divided by `ratio`.
///
/// `managed` gives the managed frames of the node's zone of a type, 0 where there is none. No
/// reserve where `ratio` is 0 or the zone itself is empty.
///
/// ```
/// use page_alloc::ZoneType;
/// use page_alloc::zone::watermark::setup::lowmem_reserve;
/// let managed = |zone| match zone {
///     ZoneType::Dma => 4_000,
///     ZoneType::Dma32 => 512_000,
///     ZoneType::Normal => 1_024_000,
///     _ => 0,
/// };
/// assert_eq!(lowmem_reserve(ZoneType::Dma, 256, managed), [0, 2_000, 6_000, 6_000, 6_000]);
/// assert_eq!(lowmem_reserve(ZoneType::Dma32, 256, managed), [0, 0, 4_000, 4_000, 4_000]);
/// assert_eq!(lowmem_reserve(ZoneType::Normal, 32, managed), [0; 5]);
/// ```
#[doc(alias = "setup_per_zone_lowmem_reserve")]
#[must_use]
pub fn lowmem_reserve(
    zone: ZoneType,
    ratio: u32,
    managed: impl Fn(ZoneType) -> u64,
) -> [u64; MAX_NR_ZONES] {
    let mut reserve = [0; MAX_NR_ZONES];
    if managed(zone) == 0 {
        return reserve;
    }
    let mut above: u64 = 0;
    for higher in ZoneType::ALL.into_iter().filter(|other| *other > zone) {
        above = above.saturating_add(managed(higher));
        reserve[higher.index()] = above.checked_div(ratio.into()).unwrap_or(0);
    }
    reserve
}

/// The frames of a zone that nobody may count on: its greatest lowmem reserve and its high
/// watermark, at most all. Summed over a node's zones, or all zones, this is the
/// `totalreserve_pages` of the node or the machine.
///
/// ```
/// use page_alloc::zone::watermark::setup::totalreserve_pages;
/// assert_eq!(totalreserve_pages(4_000, 24, &[0, 2_000, 3_000, 3_000, 3_000]), 3_024);
/// assert_eq!(totalreserve_pages(1_000, 24, &[0, 2_000, 3_000, 3_000, 3_000]), 1_000);
/// ```
#[doc(alias = "calculate_totalreserve_pages")]
#[must_use]
pub fn totalreserve_pages(managed: u64, high: u64, lowmem_reserve: &[u64; MAX_NR_ZONES]) -> u64 {
    let reserve = lowmem_reserve.iter().copied().max().unwrap_or(0);
    reserve.saturating_add(high).min(managed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No zones, or zones without memory: nothing to keep free, and no division by zero.
    #[test]
    fn no_memory() {
        assert_eq!(lowmem_pages([], ZoneType::Normal), 0);
        assert_eq!(nr_free_zone_pages([]), 0);
        let setup = WatermarkSetup::new(128, 12, 10, 0);
        assert_eq!(setup.watermarks(0, MemoryClass::Lowmem), Watermarks::default());
        let high = Watermarks { min: 32, low: 32, high: 32, promo: 32 };
        assert_eq!(setup.watermarks(0, MemoryClass::HighMem), high);
        assert_eq!(lowmem_reserve(ZoneType::Dma, 256, |_| 0), [0; MAX_NR_ZONES]);
        assert_eq!(totalreserve_pages(0, 32, &[0; MAX_NR_ZONES]), 0);
    }

    /// Sizes beyond any memory saturate.
    #[test]
    fn absurd_sizes() {
        const MAX: u64 = u64::MAX;
        assert_eq!(nr_free_zone_pages([(MAX, 0), (MAX, 1)]), MAX);
        assert_eq!(min_free_kbytes(MAX, 16, None), 262_144);
        assert_eq!(min_free_kbytes(MAX, u32::MAX, Some(MAX)), MAX);
        let setup = WatermarkSetup::new(MAX, 0, u32::MAX, 1);
        let marks = setup.watermarks(MAX, MemoryClass::Lowmem);
        assert_eq!(marks, Watermarks { min: MAX, low: MAX, high: MAX, promo: MAX });
        let reserve = lowmem_reserve(ZoneType::Dma, 1, |_| MAX);
        assert_eq!(reserve, [0, MAX, MAX, MAX, MAX]);
        assert_eq!(totalreserve_pages(MAX, MAX, &reserve), MAX);
    }

    /// A page size of 64 KiB gives the same bytes as one of 4 KiB; an impossible one no pages.
    #[test]
    fn page_sizes() {
        assert_eq!(min_free_kbytes(16_384, 16, None), min_free_kbytes(262_144, 12, None));
        assert_eq!(kbytes_to_pages(4096, 12), 1024);
        assert_eq!(kbytes_to_pages(4096, 16), 64);
        assert_eq!(kbytes_to_pages(4096, 200), 0);
        assert_eq!(pages_to_kbytes(7, 8), 1);
    }

    /// Beyond 2^32 lowmem frames the divisor is what Linux divides by, and never 0.
    #[test]
    fn divisor_has_32_bits() {
        let min = |lowmem| {
            WatermarkSetup::new(4 << 20, 12, 10, lowmem)
                .watermarks(1 << 30, MemoryClass::Lowmem)
                .min
        };
        assert_eq!(min(1 << 31), 1 << 19);
        assert_eq!(min(1 << 32), 1 << 18, "not divided by 0");
        assert_eq!(min((1 << 32) + (1 << 31)), 1 << 19, "by the low half");
    }

    /// A zone type keeps nothing back from its own requests or lower ones, and ratio 0 nothing at
    /// all.
    #[test]
    fn reserve_is_for_higher_zones() {
        assert_eq!(lowmem_reserve(ZoneType::Normal, 0, |_| 1000), [0; MAX_NR_ZONES]);
        assert_eq!(lowmem_reserve(ZoneType::Normal, 10, |_| 1000), [0, 0, 0, 100, 200]);
        assert_eq!(lowmem_reserve(ZoneType::Movable, 10, |_| 1000), [0; MAX_NR_ZONES]);
    }
}
