//! How fragmented a node is said to be.

use crate::kernel::boot_with;
use page_alloc::sim::SimConfig;
use page_alloc::{NodeId, ZoneLayout};

/// What is free in blocks smaller than a pageblock is fragmented, half pageblocks included. A node of one
/// zone of which all is has 99, not 100, as Linux divides by one frame more than there are.
#[test]
fn all_below_a_pageblock_is_fragmented() {
    let mut config = SimConfig::flat(32 << 20);
    config.zones = ZoneLayout::NORMAL_ONLY;
    let machine = boot_with(config, 32 << 20, 600);
    let kernel = machine.reclaim();
    let score = || machine.fragmentation_score_node(NodeId::ZERO).unwrap().0;
    kernel.fill(true);
    kernel.free_where(|owner| owner.pages.pfn().get().is_multiple_of(2));
    machine.drain_all_pages(None);
    assert_eq!(score(), 99);
    kernel.free_where(|owner| owner.pages.pfn().get() & 256 != 0);
    machine.drain_all_pages(None);
    assert!(machine.zones().any(|zone| zone.nr_free()[8] > 10 && zone.nr_free()[9] == 0));
    assert_eq!(score(), 99);
    kernel.free_where(|owner| owner.pages.pfn().get() < 4096);
    machine.drain_all_pages(None);
    assert!((25..60).contains(&score()), "{}", score());
    kernel.finish();
}
