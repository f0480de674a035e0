//! Orders: the sizes of blocks, as powers of two.

use core::fmt;
use static_assertions::const_assert;

/// Number of orders: blocks have `1 << 0` to `1 << (MAX_ORDER - 1)` frames.
pub const MAX_ORDER: usize = 11;

/// Order of a pageblock, the unit that has one migratetype: 512 frames.
#[doc(alias = "pageblock_order")]
pub const PAGEBLOCK_ORDER: Order = Order::O9;

/// Frames of a pageblock.
#[doc(alias = "pageblock_nr_pages")]
pub const PAGEBLOCK_NR_PAGES: u64 = 1 << PAGEBLOCK_ORDER as u32;

/// The highest order that the slow path tries hard for; above it, callers are expected to cope
/// with failure.
pub const PAGE_ALLOC_COSTLY_ORDER: Order = Order::O3;

const_assert!(Order::MAX as usize == MAX_ORDER - 1);
const_assert!((PAGEBLOCK_ORDER as usize) < MAX_ORDER - 1);
const_assert!((PAGE_ALLOC_COSTLY_ORDER as u32) < PAGEBLOCK_ORDER as u32);

/// The order of a block: it has `1 << order` frames and starts at a multiple of that.
///
/// A value proves that the order is legal (0 to [`MAX_ORDER`]` - 1`).
///
/// ```
/// use page_alloc::Order;
/// assert_eq!(Order::new(3), Some(Order::O3));
/// assert_eq!(Order::new(11), None);
/// assert_eq!(Order::O3.nr_pages(), 8);
/// assert_eq!(Order::fitting(5), Some(Order::O3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Order {
    /// One frame.
    #[default]
    O0,
    /// 2 frames.
    O1,
    /// 4 frames.
    O2,
    /// 8 frames.
    O3,
    /// 16 frames.
    O4,
    /// 32 frames.
    O5,
    /// 64 frames.
    O6,
    /// 128 frames.
    O7,
    /// 256 frames.
    O8,
    /// 512 frames, a pageblock.
    O9,
    /// 1024 frames, the largest block.
    O10,
}

impl Order {
    /// The order of a single frame.
    pub const ZERO: Self = Self::O0;
    /// The order of the largest block.
    pub const MAX: Self = Self::O10;

    /// All orders, ascending.
    pub const ALL: [Self; MAX_ORDER] = [
        Self::O0,
        Self::O1,
        Self::O2,
        Self::O3,
        Self::O4,
        Self::O5,
        Self::O6,
        Self::O7,
        Self::O8,
        Self::O9,
        Self::O10,
    ];

    /// The order `n`, or `None` if there is no such order.
    #[must_use]
    pub const fn new(n: u32) -> Option<Self> {
        // Not a look-up in `ALL`: this compiles to one compare.
        Some(match n {
            0 => Self::O0,
            1 => Self::O1,
            2 => Self::O2,
            3 => Self::O3,
            4 => Self::O4,
            5 => Self::O5,
            6 => Self::O6,
            7 => Self::O7,
            8 => Self::O8,
            9 => Self::O9,
            10 => Self::O10,
            _ => return None,
        })
    }

    /// The order in the low four bits of a word that was made of one.
    #[inline]
    pub(crate) const fn from_low_bits(word: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "four bits")]
        let number = (word & 15) as u32;
        match Self::new(number) {
            Some(order) => order,
            None => Self::MAX,
        }
    }

    /// The order as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self as u32
    }

    /// The order as an index of a table of [`MAX_ORDER`] entries.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The number of frames of a block of this order.
    #[must_use]
    pub const fn nr_pages(self) -> u64 {
        1 << self as u32
    }

    /// The smallest order whose blocks have at least `frames` frames; `None` if none has.
    #[doc(alias = "get_order")]
    #[must_use]
    pub const fn fitting(frames: u64) -> Option<Self> {
        if frames <= 1 {
            return Some(Self::O0);
        }
        Self::new(u64::BITS - (frames - 1).leading_zeros())
    }

    /// The next larger order, `None` for the largest.
    #[must_use]
    pub const fn above(self) -> Option<Self> {
        Self::new(self as u32 + 1)
    }

    /// The next smaller order, `None` for [`Order::ZERO`].
    #[must_use]
    pub const fn below(self) -> Option<Self> {
        match (self as u32).checked_sub(1) {
            Some(n) => Self::new(n),
            None => None,
        }
    }

    /// This order and all larger ones, ascending.
    #[must_use]
    pub fn and_above(self) -> impl DoubleEndedIterator<Item = Self> + Clone {
        Self::ALL[self.index()..].iter().copied()
    }
}

/// A number that is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTooLarge(pub u32);

impl fmt::Display for OrderTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no order {}", self.0)
    }
}

impl core::error::Error for OrderTooLarge {}

/// For orders that come as numbers, from C or from a size.
///
/// ```
/// use page_alloc::{AllocError, Order, OrderTooLarge};
/// assert_eq!(Order::try_from(3), Ok(Order::O3));
/// assert_eq!(Order::try_from(11), Err(OrderTooLarge(11)));
/// fn pages(order: u32) -> Result<u64, AllocError> {
///     Ok(Order::try_from(order)?.nr_pages())
/// }
/// assert_eq!(pages(99), Err(AllocError::OrderTooLarge(99)));
/// ```
impl TryFrom<u32> for Order {
    type Error = OrderTooLarge;

    fn try_from(number: u32) -> Result<Self, OrderTooLarge> {
        Self::new(number).ok_or(OrderTooLarge(number))
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}
