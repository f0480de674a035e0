//! Watermarks as large as numbers go, with a boost on top: sums stay at the largest number.

use page_alloc::boot::Options;
use page_alloc::node::pcp::{PcpHigh, PcpOrders};
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{AllocError, AllocFlags, CpuId, Gfp, MigrateType, NodeId, Order, Pages, ZoneType};

const DMA: (NodeId, ZoneType) = (NodeId::ZERO, ZoneType::Dma);

const MOST: Watermarks =
    Watermarks { min: u64::MAX, low: u64::MAX, high: u64::MAX, promo: u64::MAX };

fn machine(high: PcpHigh) -> Sim {
    let mut config = SimConfig::flat(16 << 20);
    config.options = Options::DEFAULT.pcp(PcpOrders::Low).pcp_high(high);
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

/// Takes blocks until an UNMOVABLE request had to take a part of a movable pageblock, which boosts
/// the watermarks. Gives the blocks.
fn boost(sim: &Sim) -> Vec<Pages> {
    let take = |order, kind| sim.rmqueue(DMA.0, DMA.1, order, kind, AllocFlags::empty());
    let boost = || sim.zone(DMA.0, DMA.1).expect("a zone").snapshot().watermark_boost;
    let mut held = Vec::from_iter(take(Order::O8, MigrateType::Movable));
    held.extend(std::iter::from_fn(|| take(Order::O9, MigrateType::Movable)));
    while boost() == 0 {
        held.push(take(Order::O4, MigrateType::Unmovable).expect("the boost comes first"));
    }
    held
}

/// With marks of the largest number and a boost, every request is refused, the reports show the
/// largest number, and CPUs share out what they can; nothing overflows.
#[test]
fn marks_add_up_to_the_largest_number() {
    for high in [PcpHigh::Fixed, PcpHigh::Adaptive] {
        let sim = machine(high);
        sim.set_watermarks(DMA.0, DMA.1, MOST).expect("marks that do not descend");
        let held = boost(&sim);
        let zone = sim.zone(DMA.0, DMA.1).expect("a zone");
        assert!(zone.snapshot().watermark_boost > 0 && zone.snapshot().free_pages > 0);
        let refused = |gfp| Err(AllocError::OutOfMemory { order: Order::ZERO, gfp });
        for gfp in [Gfp::KERNEL, Gfp::ATOMIC, Gfp::HIGHUSER_MOVABLE] {
            assert_eq!(sim.alloc_page(gfp), refused(gfp));
            let mut pages = [const { None }; 9];
            assert_eq!(
                sim.alloc_pages_bulk(gfp, None, None, &mut pages),
                refused(gfp).map(|_: Pages| 0)
            );
        }
        let row = sim.zoneinfo().rows().next().expect("DMA");
        assert_eq!([row.pages.min, row.pages.low, row.pages.high], [u64::MAX; 3]);
        assert_eq!(sim.cpu_online(CpuId::BOOT), Ok(()));
        let lists = zone.pageset(CpuId::BOOT).expect("a CPU");
        assert_eq!(lists.limits().high, u32::MAX);
        for page in held {
            sim.free_pages(page).expect("an allocated block");
        }
        assert_eq!(sim.verify(), Ok(()));
        sim.set_min_free_kbytes(100).expect("a machine");
        assert!(lists.limits().high < 1000);
        assert!(sim.alloc_page(Gfp::KERNEL).is_ok(), "ordinary marks");
    }
}
