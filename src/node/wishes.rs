//! What is wanted of a node's threads: the order of a block and the zones that it may be of.

use crate::{Order, ZoneType};
use core::sync::atomic::{AtomicU32, Ordering};

/// Blocks that somebody wanted and did not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) order: Order,
    /// The highest zone type that would have done.
    pub(crate) highest: ZoneType,
}

/// Zone types from here on are named in the lowest bits of a word, by one more than their number; 0
/// names none. Above stands an order.
const ORDER_SHIFT: u32 = 8;

/// An order and perhaps a zone type, in one word, so that they are read and changed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed {
    order: Order,
    highest: Option<ZoneType>,
}

impl Packed {
    const NOTHING: Self = Self { order: Order::ZERO, highest: None };

    fn read(word: u32) -> Self {
        let number = (word % (1 << ORDER_SHIFT)).checked_sub(1);
        let highest = number.and_then(|number| ZoneType::from_index(number as usize));
        Self { order: Order::new(word >> ORDER_SHIFT).unwrap_or(Order::ZERO), highest }
    }

    fn word(self) -> u32 {
        let number = self.highest.map_or(0, |highest| highest as u32 + 1);
        self.order.get() << ORDER_SHIFT | number
    }
}

/// Changes a word; gives what it is then.
fn update(word: &AtomicU32, change: impl Fn(Packed) -> Packed) -> Packed {
    let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
    let changed = |word| Some(change(Packed::read(word)).word());
    let before = word.fetch_update(set, fetch, changed).unwrap_or_else(|word| word);
    change(Packed::read(before))
}

/// What kswapd is to do: the largest order and the highest zone wanted since it last asked.
#[doc(alias = "kswapd_order")]
#[doc(alias = "kswapd_highest_zoneidx")]
#[derive(Debug, Default)]
pub(crate) struct Wishes(AtomicU32);

impl Wishes {
    pub(crate) fn add(&self, wanted: Wanted) {
        update(&self.0, |known| Packed {
            order: known.order.max(wanted.order),
            highest: known.highest.max(Some(wanted.highest)),
        });
    }

    /// What is wanted, if anything is.
    pub(crate) fn get(&self) -> Option<Wanted> {
        Self::wanted(self.0.load(Ordering::Relaxed))
    }

    /// What is wanted, and from now on nothing is.
    pub(crate) fn take(&self) -> Option<Wanted> {
        Self::wanted(self.0.swap(Packed::NOTHING.word(), Ordering::Relaxed))
    }

    /// Forgets what was wanted: this is.
    pub(crate) fn set(&self, wanted: Wanted) {
        let Wanted { order, highest } = wanted;
        self.0.store(Packed { order, highest: Some(highest) }.word(), Ordering::Relaxed);
    }

    fn wanted(word: u32) -> Option<Wanted> {
        let Packed { order, highest } = Packed::read(word);
        Some(Wanted { order, highest: highest? })
    }
}

/// What kcompactd is to do: the largest order wanted, in zones that do for all who want something.
#[doc(alias = "kcompactd_max_order")]
#[doc(alias = "kcompactd_highest_zoneidx")]
#[derive(Debug, Default)]
pub(crate) struct CompactWishes(AtomicU32);

impl CompactWishes {
    /// Adds a wish; gives what is wanted now.
    pub(crate) fn add(&self, wanted: Wanted) -> Wanted {
        let Packed { order, highest } = update(&self.0, |known| Packed {
            order: known.order.max(wanted.order),
            highest: known.highest.min(Some(wanted.highest)).or(Some(wanted.highest)),
        });
        Wanted { order, highest: highest.unwrap_or(wanted.highest) }
    }

    /// What is wanted, if anything is.
    #[doc(alias = "kcompactd_work_requested")]
    pub(crate) fn get(&self) -> Option<Wanted> {
        let Packed { order, highest } = Packed::read(self.0.load(Ordering::Relaxed));
        // A limit that nobody has set: the node's last zone, as far as it matters.
        let highest = highest.unwrap_or(ZoneType::Movable);
        (order > Order::ZERO).then_some(Wanted { order, highest })
    }

    /// That was done. A larger order, or a lower zone, that was wanted meanwhile is not forgotten.
    pub(crate) fn done(&self, done: Wanted) {
        update(&self.0, |known| Packed {
            order: if known.order <= done.order { Order::ZERO } else { known.order },
            highest: known.highest.filter(|highest| *highest < done.highest),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn wanted(order: Order, highest: ZoneType) -> Wanted {
        Wanted { order, highest }
    }

    /// Every order and zone, or none, is what was put into the word; a new word wants nothing.
    #[test]
    fn words_hold_both() {
        assert_eq!(Packed::read(0), Packed::NOTHING);
        for order in Order::ALL {
            for highest in ZoneType::ALL.map(Some).into_iter().chain([None]) {
                let packed = Packed { order, highest };
                assert_eq!(Packed::read(packed.word()), packed);
            }
        }
    }

    /// For kswapd the largest order and the highest zone stay until they are taken.
    #[test]
    fn wishes_add_up() {
        let wishes = Wishes::default();
        assert_eq!(wishes.take(), None);
        wishes.add(wanted(Order::O4, ZoneType::Dma));
        wishes.add(wanted(Order::ZERO, ZoneType::Normal));
        let both = Some(wanted(Order::O4, ZoneType::Normal));
        assert_eq!((wishes.get(), wishes.take(), wishes.take()), (both, both, None));
        wishes.add(wanted(Order::O4, ZoneType::Normal));
        wishes.set(wanted(Order::ZERO, ZoneType::Dma));
        assert_eq!(wishes.get(), Some(wanted(Order::ZERO, ZoneType::Dma)));
    }

    /// For kcompactd the largest order and the lowest zone stay until that is done, and what is wanted
    /// meanwhile if it is more; but for that, it is free to go everywhere again.
    #[test]
    fn the_tightest_limit_stays() {
        let wishes = CompactWishes::default();
        assert_eq!(wishes.get(), None);
        assert_eq!(wishes.add(wanted(Order::O4, ZoneType::Normal)).highest, ZoneType::Normal);
        let tight = wanted(Order::O9, ZoneType::Dma32);
        wishes.add(wanted(Order::O3, ZoneType::Dma32));
        assert_eq!(wishes.add(wanted(Order::O9, ZoneType::Movable)), tight);
        assert_eq!(wishes.get(), Some(tight));
        wishes.add(wanted(Order::O10, ZoneType::Movable));
        wishes.done(tight);
        assert_eq!(wishes.get(), Some(wanted(Order::O10, ZoneType::Movable)));
        wishes.done(wanted(Order::O10, ZoneType::Movable));
        assert_eq!(wishes.get(), None);
        wishes.add(wanted(Order::O2, ZoneType::Dma));
        wishes.done(wanted(Order::O5, ZoneType::Dma32));
        assert_eq!(wishes.get(), None, "the order is done, the limit stays");
        wishes.add(wanted(Order::O1, ZoneType::Normal));
        assert_eq!(wishes.get(), Some(wanted(Order::O1, ZoneType::Dma)));
    }
}
