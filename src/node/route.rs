//! Where the requests of a CPU go that ask for nothing special.

use super::pcp::Pcp;
use crate::memmap::{Fixed, FrameState};
use crate::zone_id::ZoneId;
use crate::{Gfp, MIGRATE_PCPTYPES, MigrateType, Order};

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
    /// [`Pcps::nowhere`](super::pcp::Pcps::nowhere): there are no lists, or no such zone.
    pub(crate) pcp: Fixed<Pcp>,
    /// The state of a frame that is handed out to such a request.
    handed_out: FrameState,
    /// [`ZoneId::NONE`]: the flags are illegal, or no zone serves them.
    pub(crate) zone: ZoneId,
    pub(crate) migratetype: MigrateType,
}

impl Route {
    /// To no zone, and to these lists of none.
    fn to_none(pcp: Fixed<Pcp>) -> Self {
        let migratetype = MigrateType::Unmovable;
        Self { pcp, handed_out: FrameState::ABSENT, zone: ZoneId::NONE, migratetype }
    }

    /// To a zone and its lists, for one of the types that requests have.
    pub(crate) fn new(zone: ZoneId, pcp: Fixed<Pcp>, migratetype: MigrateType) -> Option<Self> {
        let handed_out = FrameState::allocated(Order::ZERO, zone).asked_for(migratetype);
        let routed = migratetype.index() < MIGRATE_PCPTYPES;
        routed.then_some(Self { pcp, handed_out, zone, migratetype })
    }

    /// The state of a frame that heads a block of that order, when it is handed out.
    #[inline]
    pub(crate) fn handed_out(&self, order: Order) -> FrameState {
        self.handed_out.with_order(order)
    }
}

/// The routes of one CPU, by flags. Part by part: each is found by its own index, without a look at the
/// place of the whole.
#[derive(Debug)]
pub(crate) struct Routes {
    pcps: [Fixed<Pcp>; NR_ROUTES],
    handed_out: [FrameState; NR_ROUTES],
    zones: [ZoneId; NR_ROUTES],
    migratetypes: [MigrateType; NR_ROUTES],
}

impl Routes {
    /// The route of each combination of flags; where there is none, to `nowhere`.
    pub(crate) fn new(route: impl Fn(Gfp) -> Option<Route>, nowhere: Fixed<Pcp>) -> Self {
        let flags = |i: usize| Gfp::from_bits_retain(u32::try_from(i).unwrap_or(0));
        let routes: [Route; NR_ROUTES] =
            core::array::from_fn(|i| route(flags(i)).unwrap_or_else(|| Route::to_none(nowhere)));
        Self {
            pcps: routes.map(|route| route.pcp),
            handed_out: routes.map(|route| route.handed_out),
            zones: routes.map(|route| route.zone),
            migratetypes: routes.map(|route| route.migratetype),
        }
    }

    /// The route of a request with such flags.
    #[inline(always)]
    pub(crate) fn of(&self, gfp: Gfp) -> Route {
        let i = (gfp.bits() & ROUTED) as usize;
        Route {
            pcp: self.pcps[i],
            handed_out: self.handed_out[i],
            zone: self.zones[i],
            migratetype: self.migratetypes[i],
        }
    }
}
