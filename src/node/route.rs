//! Where the requests of a CPU go that ask for nothing special.

use crate::zone_id::ZoneId;
use crate::{Gfp, MIGRATE_PCPTYPES, MigrateType};

/// The flags that choose zone and migratetype are the lowest ones.
const ROUTED: u32 = Gfp::DMA.bits()
    | Gfp::HIGHMEM.bits()
    | Gfp::DMA32.bits()
    | Gfp::MOVABLE.bits()
    | Gfp::RECLAIMABLE.bits();

/// Routes of a CPU: one for each combination of those flags.
const NR_ROUTES: usize = ROUTED as usize + 1;

static_assertions::const_assert!(NR_ROUTES.is_power_of_two());

/// The zone that a request prefers, and the migratetype of the lists that serve it.
///
/// | bits | meaning |
/// |---|---|
/// | 0..2 | the migratetype, below 3; 3: no route |
/// | 2..11 | the zone |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route(u16);

impl Route {
    /// The flags are illegal, or no zone serves them.
    pub(crate) const NONE: Self = Self(3);

    /// To a zone, for one of the types that requests have.
    pub(crate) fn new(zone: ZoneId, migratetype: MigrateType) -> Self {
        if migratetype.index() >= MIGRATE_PCPTYPES {
            return Self::NONE;
        }
        Self(zone.get() << 2 | migratetype as u16)
    }

    /// The number of the migratetype; `None` if there is no route.
    #[inline]
    pub(crate) fn kind(self) -> Option<u8> {
        let kind = (self.0 & 3) as u8;
        (kind != 3).then_some(kind)
    }

    #[inline]
    pub(crate) fn zone(self) -> ZoneId {
        ZoneId::from_bits(self.0 >> 2)
    }
}

/// The routes of one CPU, by flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routes([Route; NR_ROUTES]);

impl Routes {
    /// The route of each combination of flags.
    pub(crate) fn new(route: impl Fn(Gfp) -> Option<Route>) -> Self {
        let flags = |i: usize| Gfp::from_bits_retain(u32::try_from(i).unwrap_or(0));
        Self(core::array::from_fn(|i| route(flags(i)).unwrap_or(Route::NONE)))
    }

    #[inline]
    pub(crate) fn of(&self, gfp: Gfp) -> Route {
        self.0[(gfp.bits() & ROUTED) as usize]
    }
}
