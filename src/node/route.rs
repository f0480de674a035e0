//! Where the requests of a CPU go that ask for nothing special.

use super::pcp::Pcp;
use crate::Gfp;
use crate::memmap::{Fixed, FixedCell};
use crate::migratetype::AskedType;
use crate::zone::Zone;

/// The flags that choose zone and migratetype are the lowest ones.
const ROUTED: u32 = Gfp::DMA.bits()
    | Gfp::HIGHMEM.bits()
    | Gfp::DMA32.bits()
    | Gfp::MOVABLE.bits()
    | Gfp::RECLAIMABLE.bits();

/// Routes of a CPU: one for each combination of those flags.
const NR_ROUTES: usize = ROUTED as usize + 1;

static_assertions::const_assert!(NR_ROUTES.is_power_of_two());

/// Where requests go that ask for nothing special: to the zone that they prefer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// That at the place of [`ZoneId::NONE`](crate::zone_id::ZoneId::NONE), which never has memory: the
    /// flags are illegal, or no zone serves them.
    pub(crate) zone: Fixed<Zone>,
    /// The CPU's lists of it; `Machine::nowhere`: there are none, or no zone.
    pub(crate) pcp: Fixed<Pcp>,
}

/// The routes of one CPU, by flags. Part by part: each is found by its own index, without a look at the
/// place of the whole.
///
/// When memory comes to a zone that had none, routes lead elsewhere, while their CPU uses them. So no
/// two of these words are relied upon to fit together, but for the migratetype, which stays: a request
/// takes all that it needs to know of its zone from the lists, which it finds by one look at one word,
/// or from the zone that it finds by another. Who finds what was right a moment ago is served from
/// there; that is as if it had come a moment earlier.
#[derive(Debug)]
pub(crate) struct Routes {
    pcps: [FixedCell<Pcp>; NR_ROUTES],
    zones: [FixedCell<Zone>; NR_ROUTES],
    asked: [AskedType; NR_ROUTES],
}

impl Routes {
    /// The route of each combination of flags: the migratetype that they ask for, and the way.
    pub(crate) fn new(asked: impl Fn(Gfp) -> AskedType, way: impl Fn(Gfp) -> Way) -> Self {
        let ways: [Way; NR_ROUTES] = core::array::from_fn(|i| way(flags(i)));
        Self {
            pcps: ways.map(|way| FixedCell::new(way.pcp)),
            zones: ways.map(|way| FixedCell::new(way.zone)),
            asked: core::array::from_fn(|i| asked(flags(i))),
        }
    }

    /// Has all of them lead that way from now on.
    pub(crate) fn lead(&self, way: impl Fn(Gfp) -> Way) {
        for (i, (pcp, zone)) in self.pcps.iter().zip(&self.zones).enumerate() {
            let way = way(flags(i));
            pcp.set(way.pcp);
            zone.set(way.zone);
        }
    }

    /// The lists for requests with such flags. Where the zone has had no memory until now, who gets them
    /// for the first time finds them empty, and the zone, under its lock, with what came; whether it is
    /// ample is said when that lock is given back.
    #[inline(always)]
    pub(crate) fn lists(&self, gfp: Gfp) -> &Pcp {
        self.pcps[place(gfp)].get()
    }

    /// The zone for requests with such flags.
    #[inline(always)]
    pub(crate) fn zone(&self, gfp: Gfp) -> &Zone {
        self.zones[place(gfp)].get()
    }

    /// The migratetype of requests with such flags; any, where there is no way.
    #[inline(always)]
    pub(crate) fn asked(&self, gfp: Gfp) -> AskedType {
        self.asked[place(gfp)]
    }
}

#[inline(always)]
fn place(gfp: Gfp) -> usize {
    (gfp.bits() & ROUTED) as usize
}

/// The flags of the route at a place.
fn flags(place: usize) -> Gfp {
    Gfp::from_bits_retain(u32::try_from(place).unwrap_or(0))
}
