//! All that can be seen of an allocator, as text: what must not change when a call is refused.

use page_alloc::sim::Sim;
use page_alloc::{PAGEBLOCK_ORDER, Pfn, PfnRange, Reclaim, Trace};
use std::fmt::Write;

/// Counters, types and lists of every zone. The allocator must be sound, too.
pub fn dump<R: Reclaim, T: Trace>(sim: &Sim<R, T>) -> String {
    assert_eq!(sim.verify(), Ok(()));
    let mut text = String::new();
    for zone in sim.zones() {
        let PfnRange { start, end } = zone.span();
        writeln!(text, "{zone:?} {} {:?}", zone.managed_pages(), zone.snapshot()).unwrap();
        let blocks = (start.get()..end.get()).step_by(1 << PAGEBLOCK_ORDER.get());
        let types: Vec<_> = blocks.map(|pfn| zone.pageblock_migratetype(Pfn::new(pfn))).collect();
        writeln!(text, "{types:?} {} fallbacks", zone.nr_fallbacks()).unwrap();
        zone.for_each_free(|order, list, pfn| write!(text, "{order} {list} {pfn};").unwrap());
    }
    text
}
