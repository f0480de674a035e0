//! Fragmentation indices: whether an allocation fails for lack of memory, or because what is free
//! lies in pieces.
//!
//! All take the number of free blocks of each order, all migratetypes together
//! (`nr_free` of the zone's free areas).

use crate::{MAX_ORDER, Order};

/// What the indices are calculated from.
struct ContigPageInfo {
    free_pages: u128,
    free_blocks_total: u128,
    /// Blocks of the order asked for that could be had, larger ones counted as what they would
    /// split into.
    free_blocks_suitable: u128,
}

impl ContigPageInfo {
    fn new(nr_free: &[u64; MAX_ORDER], suitable: Order) -> Self {
        let mut info = Self { free_pages: 0, free_blocks_total: 0, free_blocks_suitable: 0 };
        for (order, &blocks) in Order::ALL.into_iter().zip(nr_free) {
            let blocks = u128::from(blocks);
            info.free_blocks_total += blocks;
            info.free_pages += blocks << order.get();
            if let Some(halvings) = order.get().checked_sub(suitable.get()) {
                info.free_blocks_suitable += blocks << halvings;
            }
        }
        info
    }

    /// The free frames that are in smaller blocks, in units of 1/`scale` of all free frames;
    /// `None` when none is free.
    fn unusable(&self, order: Order, scale: u128) -> Option<u32> {
        let unusable = self.free_pages - (self.free_blocks_suitable << order.get());
        let share = (unusable * scale).checked_div(self.free_pages)?;
        u32::try_from(share).ok()
    }
}

/// The share of free memory that is of no use to requests of this order, in thousandths: 0 when
/// all of it is in blocks that are large enough, 1000 when none is, or when nothing is free.
///
/// ```
/// use page_alloc::{Order, zone::fragmentation::unusable_free_index};
/// // 100 single frames, and one block of order 3.
/// let nr_free = [100, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
/// assert_eq!(unusable_free_index(&nr_free, Order::O0), 0);
/// assert_eq!(unusable_free_index(&nr_free, Order::O3), 925);
/// assert_eq!(unusable_free_index(&nr_free, Order::O4), 1000);
/// ```
#[must_use]
pub fn unusable_free_index(nr_free: &[u64; MAX_ORDER], order: Order) -> u32 {
    ContigPageInfo::new(nr_free, order).unusable(order, 1000).unwrap_or(1000)
}

/// Why a request of this order fails, in thousandths: towards 0 for lack of memory, so that
/// reclaim helps; towards 1000 for fragmentation, so that compaction helps.
///
/// -1000 when the request would not fail. 0 when nothing is free. Few, large blocks can bring it
/// below 0. The formula, with all divisions rounding down:
/// `1000 - (1000 + 1000 * free_pages / 2^order) / free_blocks`.
///
/// ```
/// use page_alloc::{Order, zone::fragmentation::fragmentation_index};
/// let nr_free = [1000, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
/// assert_eq!(fragmentation_index(&nr_free, Order::O3), -1000);
/// assert_eq!(fragmentation_index(&nr_free, Order::O4), 937);
/// assert_eq!(fragmentation_index(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Order::O10), 0);
/// ```
#[must_use]
pub fn fragmentation_index(nr_free: &[u64; MAX_ORDER], order: Order) -> i32 {
    let info = ContigPageInfo::new(nr_free, order);
    if info.free_blocks_suitable > 0 {
        return -1000;
    }
    let requests = (info.free_pages * 1000) >> order.get();
    let lack = (1000 + requests).checked_div(info.free_blocks_total).unwrap_or(1000);
    // All blocks are smaller than the one asked for, so `lack` is at most 1500.
    1000 - i32::try_from(lack).unwrap_or(1500)
}

/// [`unusable_free_index`] in hundredths; 0 when nothing is free. Proactive compaction sums it
/// over zones.
///
/// ```
/// use page_alloc::{Order, zone::fragmentation::extfrag_for_order};
/// let nr_free = [100, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
/// assert_eq!(extfrag_for_order(&nr_free, Order::O3), 92);
/// assert_eq!(extfrag_for_order(&[0; 11], Order::O3), 0);
/// ```
#[must_use]
pub fn extfrag_for_order(nr_free: &[u64; MAX_ORDER], order: Order) -> u32 {
    ContigPageInfo::new(nr_free, order).unusable(order, 100).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With nothing free, all is unusable, but not for fragmentation.
    #[test]
    fn nothing_free() {
        for order in Order::ALL {
            assert_eq!(unusable_free_index(&[0; MAX_ORDER], order), 1000);
            assert_eq!(fragmentation_index(&[0; MAX_ORDER], order), 0);
            assert_eq!(extfrag_for_order(&[0; MAX_ORDER], order), 0);
        }
    }

    /// Counts beyond any memory give the same shares as small ones, and no overflow.
    #[test]
    fn absurd_counts() {
        let full = [u64::MAX; MAX_ORDER];
        let ones = [1; MAX_ORDER];
        for order in Order::ALL {
            assert_eq!(unusable_free_index(&full, order), unusable_free_index(&ones, order));
            assert_eq!(extfrag_for_order(&full, order), extfrag_for_order(&ones, order));
            assert_eq!(fragmentation_index(&full, order), -1000);
        }
        let mut low = [0; MAX_ORDER];
        low[0] = u64::MAX;
        assert_eq!(fragmentation_index(&low, Order::O1), 500);
    }
}
