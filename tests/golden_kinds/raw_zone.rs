//! The crate's zone behind the port of the tests.

use crate::port::{Boot, Counters, LETTERS, Setup, Span, ZoneUnderTest, ZoneView};
use page_alloc::zone::Force;
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{
    AllocFlags, MigrateType, Mobility, Movability, Order, Pages, Pfn, PfnRange, RawZone,
    RawZoneConfig,
};
use std::cell::RefCell;
use std::collections::HashMap;

/// What the memory for tables holds before: the zone may not rely on zeros.
const DIRT: u8 = 0xa5;

/// Boots zones of the crate.
#[derive(Debug)]
pub struct RawZones;

impl Boot for RawZones {
    fn boot<R>(setup: &Setup, work: impl FnOnce(&mut dyn ZoneUnderTest) -> R) -> R {
        let ranges = |spans: &[Span]| spans.iter().copied().map(range).collect::<Vec<_>>();
        let (present, reserved) = (ranges(&setup.present), ranges(&setup.reserved));
        let cma = ranges(&setup.cma);
        let [min, low, high] = setup.marks;
        let config = RawZoneConfig {
            reserved: &reserved,
            cma: &cma,
            watermarks: Watermarks { min, low, high, promo: high },
            watermark_boost_factor: u32::try_from(setup.boost_factor).expect("a small factor"),
            mobility: if setup.mobility_disabled { Mobility::Disabled } else { Mobility::Grouped },
            ..RawZoneConfig::new(range(setup.span), &present)
        };
        let bytes = RawZone::metadata_bytes(&config).expect("a legal zone");
        let mut memory = vec![DIRT; bytes];
        let zone = RawZone::new(&mut memory, &config).expect("room for its tables");
        work(&mut Tested { zone: RefCell::new(zone), held: HashMap::new() })
    }
}

fn range((start, end): Span) -> PfnRange {
    PfnRange::new(Pfn::new(start), Pfn::new(end))
}

fn order_of(number: u32) -> Order {
    Order::new(number).expect("a legal order")
}

/// The migratetype of a number of the recordings.
pub fn type_of(number: u8) -> MigrateType {
    MigrateType::from_index(number.into()).expect("a migratetype")
}

/// The number that a migratetype has in the recordings.
pub fn number_of(migratetype: MigrateType) -> u8 {
    let number = LETTERS.find(migratetype.letter()).expect("it has a letter");
    u8::try_from(number).expect("there are few types")
}

/// The flags that letters stand for.
pub fn flags_of(letters: &str) -> AllocFlags {
    letters.chars().fold(AllocFlags::empty(), |flags, letter| {
        flags
            | match letter {
                '-' | 'm' => AllocFlags::empty(),
                'l' => AllocFlags::WMARK_LOW,
                'h' => AllocFlags::WMARK_HIGH,
                'C' => AllocFlags::CMA,
                'K' => AllocFlags::KSWAPD,
                'N' => AllocFlags::NOFRAGMENT,
                'H' => AllocFlags::HIGHATOMIC,
                'B' => AllocFlags::NON_BLOCK,
                'G' => AllocFlags::MIN_RESERVE,
                'O' => AllocFlags::OOM,
                'S' => AllocFlags::CPUSET,
                'X' => AllocFlags::NO_WATERMARKS,
                _ => panic!("no flag has the letter {letter}"),
            }
    })
}

/// A zone of the crate, and the tokens of what it gave.
struct Tested<'m> {
    zone: RefCell<RawZone<'m>>,
    held: HashMap<u64, Pages>,
}

impl Tested<'_> {
    /// The token of an allocated block.
    fn token(&mut self, pfn: u64, order: u32) -> Pages {
        let pages = self.held.remove(&pfn).expect("the block is allocated");
        assert_eq!(pages.order(), order_of(order), "the block at {pfn}");
        pages
    }

    fn keep(&mut self, pages: Pages) {
        let before = self.held.insert(pages.pfn().get(), pages);
        assert_eq!(before, None, "a block was given twice");
    }

    fn mark(&mut self, pages: &Pages, movable: bool) {
        let movability = if movable { Movability::Movable } else { Movability::Pinned };
        self.zone.get_mut().set_movable(pages, movability).expect("a token of this zone");
    }
}

impl ZoneView for Tested<'_> {
    fn counters(&self) -> Counters {
        let found = self.zone.borrow().snapshot();
        Counters {
            free: found.free_pages,
            cma: found.free_cma_pages,
            boost: found.watermark_boost,
            hatomic: found.nr_reserved_highatomic,
        }
    }

    fn for_each_free(&self, visit: &mut dyn FnMut(u32, u8, u64)) {
        let mut zone = self.zone.borrow_mut();
        zone.for_each_free(|order, list, pfn| visit(order.get(), number_of(list), pfn.get()));
    }

    /// Where no memory is mapped, the recordings have the type that nobody set: unmovable.
    fn pageblock_type(&self, pfn: u64) -> u8 {
        let found = self.zone.borrow().pageblock_migratetype(Pfn::new(pfn));
        number_of(found.unwrap_or(MigrateType::Unmovable))
    }

    fn verify(&self) -> Result<(), String> {
        self.zone.borrow_mut().verify().map_err(|violation| format!("{violation:?}"))
    }
}

impl ZoneUnderTest for Tested<'_> {
    fn rmqueue(&mut self, order: u32, migratetype: u8, flags: &str) -> Option<u64> {
        let zone = self.zone.get_mut();
        let pages = zone.rmqueue(order_of(order), type_of(migratetype), flags_of(flags))?;
        assert_eq!(pages.order(), order_of(order));
        let pfn = pages.pfn().get();
        self.keep(pages);
        Some(pfn)
    }

    fn take_boosted(&mut self) -> bool {
        self.zone.get_mut().take_boosted()
    }

    fn reserve_highatomic(&mut self, pfn: u64, order: u32) {
        let pages = self.token(pfn, order);
        self.zone.get_mut().reserve_highatomic(&pages).expect("a token of this zone");
        self.keep(pages);
    }

    fn set_movable(&mut self, pfn: u64, order: u32) {
        let pages = self.token(pfn, order);
        self.mark(&pages, true);
        self.keep(pages);
    }

    fn free(&mut self, pfn: u64, order: u32) {
        let pages = self.token(pfn, order);
        self.zone.get_mut().free_pages(pages).expect("an allocated block");
    }

    fn split(&mut self, pfn: u64, order: u32, movable: bool) {
        let pages = self.token(pfn, order);
        let frames = self.zone.get_mut().split_page(pages).expect("a token of this zone");
        for frame in frames {
            self.mark(&frame, movable);
            self.keep(frame);
        }
    }

    fn unreserve_highatomic(&mut self, migratetype: u8, force: bool) -> bool {
        let force = if force { Force::Yes } else { Force::No };
        self.zone.get_mut().unreserve_highatomic(type_of(migratetype), force)
    }

    fn reset_boost(&mut self) {
        self.zone.get_mut().reset_watermark_boost();
    }

    fn isolate(&mut self, pfn: u64, migratetype: u8) -> bool {
        self.zone.get_mut().isolate_pageblock(Pfn::new(pfn), type_of(migratetype)).is_ok()
    }

    fn unisolate(&mut self, pfn: u64, migratetype: u8) {
        let zone = self.zone.get_mut();
        zone.unisolate_pageblock(Pfn::new(pfn), type_of(migratetype)).expect("a frame of the zone");
    }
}
