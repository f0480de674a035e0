//! Which zone a frame is in.

use crate::frames::FRAMES;
use arrayvec::ArrayVec;
use page_alloc::{NodeId, Pfn, PfnRange, ZoneType};
use spin::Once;

/// Zones with memory that the kernel has room for.
const MOST: usize = 32;

/// A zone with memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zone {
    pub(crate) node: NodeId,
    pub(crate) kind: ZoneType,
    pub(crate) span: PfnRange,
}

static ZONES: Once<ArrayVec<Zone, MOST>> = Once::new();

/// All zones with memory, with the places by which [`place_of`] names them.
pub(crate) fn all() -> &'static [Zone] {
    ZONES.call_once(|| {
        let zones = FRAMES.zones().filter(|zone| zone.present_pages() > 0);
        let zone = |zone: page_alloc::report::ZoneRef<'_, _>| Zone {
            node: zone.node(),
            kind: zone.zone_type(),
            span: zone.span(),
        };
        zones.map(zone).collect()
    })
}

/// The place of the zone of a frame that was allocated. Zones do not overlap on this machine.
pub(crate) fn place_of(frame: Pfn) -> usize {
    let place = all().iter().position(|zone| zone.span.contains(frame));
    place.expect("an allocated frame is in a zone")
}
