//! Where the requests of a CPU go that ask for nothing special.

use super::pcp::Pcp;
use crate::memmap::Fixed;
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

/// Where requests find their block at hand: the running CPU's lists of the zone that they prefer, and
/// the migratetype, one of the first three, that chooses one of the lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// `None`: the flags are illegal, or no zone serves them, or there are no lists.
    pub(crate) pcp: Option<Fixed<Pcp>>,
    pub(crate) migratetype: MigrateType,
}

impl Route {
    /// Nowhere.
    pub(crate) const NONE: Self = Self { pcp: None, migratetype: MigrateType::Unmovable };

    /// To these lists, for one of the types that requests have.
    pub(crate) fn new(pcp: Fixed<Pcp>, migratetype: MigrateType) -> Self {
        if migratetype.index() >= MIGRATE_PCPTYPES {
            return Self::NONE;
        }
        Self { pcp: Some(pcp), migratetype }
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
