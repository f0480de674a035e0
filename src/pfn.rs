//! Page frame numbers, ranges of them, and physical addresses.
//!
//! A frame is named by its number: physical address divided by the page size. The page size is the
//! kernel's ([`Platform::PAGE_SHIFT`](crate::Platform::PAGE_SHIFT)), so the conversions take the
//! shift; nothing else in the crate depends on it.

use core::fmt;

/// A page frame number: a physical address divided by the page size.
///
/// A `Pfn` is a name, not a proof: the frame need not exist.
///
/// ```
/// use page_alloc::{Pfn, PhysAddr};
/// let pfn = Pfn::new(0x100);
/// assert_eq!(pfn.start_address(12), PhysAddr::new(0x10_0000));
/// assert_eq!(pfn + 2, Pfn::new(0x102));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Pfn(u64);

impl Pfn {
    /// The frame with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The address of the frame's first byte, for pages of `1 << page_shift` bytes.
    ///
    /// Bits that do not fit into 64 are lost, whatever the shift; no frame of an allocator has any.
    ///
    /// ```
    /// use page_alloc::{Pfn, PhysAddr};
    /// assert_eq!(Pfn::new(3).start_address(12), PhysAddr::new(0x3000));
    /// assert_eq!(Pfn::new(3).start_address(64), PhysAddr::new(0));
    /// ```
    #[must_use]
    pub const fn start_address(self, page_shift: u32) -> PhysAddr {
        PhysAddr(self.0.unbounded_shl(page_shift))
    }
}

impl core::ops::Add<u64> for Pfn {
    type Output = Self;

    fn add(self, frames: u64) -> Self {
        Self(self.0 + frames)
    }
}

impl fmt::Display for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A range of frames: `start` belongs to it, `end` does not.
///
/// A range whose end is not above its start is empty.
///
/// ```
/// use page_alloc::{Pfn, PfnRange};
/// let range = PfnRange::new(Pfn::new(16), Pfn::new(20));
/// assert_eq!(range.len(), 4);
/// assert!(range.contains(Pfn::new(19)) && !range.contains(Pfn::new(20)));
/// assert_eq!(range.intersection(PfnRange::new(Pfn::new(18), Pfn::new(99))).len(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PfnRange {
    /// The first frame.
    pub start: Pfn,
    /// One past the last frame.
    pub end: Pfn,
}

impl PfnRange {
    /// The frames from `start` up to, not including, `end`.
    #[must_use]
    pub const fn new(start: Pfn, end: Pfn) -> Self {
        Self { start, end }
    }

    /// The number of frames.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether there is no frame in the range.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end.0 <= self.start.0
    }

    /// Whether `pfn` is in the range.
    #[must_use]
    pub const fn contains(self, pfn: Pfn) -> bool {
        self.start.0 <= pfn.0 && pfn.0 < self.end.0
    }

    /// The frames in both ranges; empty if there are none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }
}

impl fmt::Display for PfnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frames {}..{}", self.start, self.end)
    }
}

/// A physical address, in bytes.
///
/// ```
/// use page_alloc::{Pfn, PhysAddr};
/// assert_eq!(PhysAddr::new(0x1fff).frame(12), Pfn::new(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// The byte at this address.
    #[must_use]
    pub const fn new(address: u64) -> Self {
        Self(address)
    }

    /// The address.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The frame that holds this byte, for pages of `1 << page_shift` bytes.
    ///
    /// ```
    /// use page_alloc::{Pfn, PhysAddr};
    /// assert_eq!(PhysAddr::new(0x3fff).frame(12), Pfn::new(3));
    /// assert_eq!(PhysAddr::new(0x3fff).frame(64), Pfn::new(0));
    /// ```
    #[must_use]
    pub const fn frame(self, page_shift: u32) -> Pfn {
        Pfn(self.0.unbounded_shr(page_shift))
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
