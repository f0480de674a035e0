//! Where the requests of a CPU go that ask for nothing special.

use super::pcp::Pcp;
use crate::memmap::Fixed;
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

/// Where requests go that ask for nothing special: the zone that they prefer, the running CPU's lists
/// of it, and the migratetype, one of the first three, that chooses the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// `None`: there are no lists, or no such zone.
    pub(crate) pcp: Option<Fixed<Pcp>>,
    /// `None`: the flags are illegal, or no zone serves them.
    pub(crate) zone: Option<ZoneId>,
    pub(crate) migratetype: MigrateType,
}

impl Route {
    /// Nowhere.
    pub(crate) const NONE: Self =
        Self { pcp: None, zone: None, migratetype: MigrateType::Unmovable };

    /// To a zone and its lists, for one of the types that requests have.
    pub(crate) fn new(zone: ZoneId, pcp: Option<Fixed<Pcp>>, migratetype: MigrateType) -> Self {
        if migratetype.index() >= MIGRATE_PCPTYPES {
            return Self::NONE;
        }
        Self { pcp, zone: Some(zone), migratetype }
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
    pub(crate) fn of(&self, gfp: Gfp) -> &Route {
        &self.0[(gfp.bits() & ROUTED) as usize]
    }
}
