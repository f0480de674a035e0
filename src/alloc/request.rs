//! A request as the paths see it: where it may be served from, and by which list.

use super::PageAllocator;
use super::flags::{alloc_flags_nofragment, cpuset_flag, current_gfp_context, first_attempt_flags};
use crate::node::{Machine, Node, Zonelist, ZonelistKind, Zoneref, allowed, first_zones_zonelist};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone::Zone;
use crate::zone_id::ZoneId;
use crate::{AllocError, AllocFlags, Context, Gfp, MigrateType, NodeId, NodeMask, Order, ZoneType};
use core::cell::Cell;

/// What is fixed for one request, from entry to end.
#[derive(Debug)]
pub(super) struct Request<'m> {
    pub(super) machine: &'m Machine,
    /// The flags after the limits of boot and context.
    pub(super) gfp: Gfp,
    pub(super) order: Order,
    pub(super) migratetype: MigrateType,
    pub(super) context: Context,
    /// The node whose zonelist it is.
    pub(super) node: NodeId,
    /// `None`: just one zone will do.
    zonelist: Option<&'m Zonelist>,
    /// The zones of it, as they were when the request began, or began anew.
    zonerefs: Cell<&'m [Zoneref]>,
    /// How often it was made anew until then.
    generation: Cell<u32>,
    /// The highest zone type that will do.
    pub(super) highest: ZoneType,
    /// The nodes that the caller wants.
    pub(super) nodemask: Option<NodeMask>,
}

/// What may differ from one attempt of a request to the next.
#[doc(alias = "alloc_context")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) gfp: Gfp,
    pub(super) flags: AllocFlags,
    pub(super) nodemask: Option<NodeMask>,
    /// Where the walk starts; what counts as local.
    pub(super) preferred: ZoneId,
    /// Whether nodes over their dirty limits are passed over.
    pub(super) dirty: Dirty,
}

/// Whether an attempt minds the nodes' dirty limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dirty {
    /// Whatever they are.
    Ignore,
    /// Pages for writing are spread over the nodes under their limits.
    #[doc(alias = "spread_dirty_pages")]
    Spread,
}

impl<'m> Request<'m> {
    /// The request of a caller in `context`, with flags that the context's limits have been
    /// applied to.
    #[inline]
    pub(super) fn new(
        machine: &'m Machine,
        gfp: Gfp,
        order: Order,
        node: &'m Node,
        nodemask: Option<NodeMask>,
        context: Context,
    ) -> Result<Self, AllocError> {
        let highest = gfp.zone_type(&machine.layout)?;
        let migratetype = machine.mobility.migratetype(gfp.migratetype()?);
        let kind = match gfp.contains(Gfp::THISNODE) {
            true => ZonelistKind::NoFallback,
            false => ZonelistKind::Fallback,
        };
        let (zonelist, node) = (node.zonelist(kind), node.id);
        let (generation, zonerefs) = zonelist.look();
        Ok(Self {
            machine,
            gfp,
            order,
            migratetype,
            context,
            node,
            zonelist: Some(zonelist),
            zonerefs: Cell::new(zonerefs),
            generation: Cell::new(generation),
            highest,
            nodemask,
        })
    }

    /// Whether there are other zones since it began.
    #[doc(alias = "check_retry_zonelist")]
    pub(super) fn is_outdated(&self) -> bool {
        self.zonelist.is_some_and(|list| list.generation() != self.generation.get())
    }

    /// Begins anew, with the zones that there are now.
    #[doc(alias = "zonelist_iter_begin")]
    #[cold]
    #[inline(never)]
    pub(super) fn renew(&self) {
        if let Some(list) = self.zonelist {
            let (generation, zonerefs) = list.look();
            self.generation.set(generation);
            self.zonerefs.set(zonerefs);
        }
    }

    /// The first zone that may serve it on nodes of the mask.
    pub(super) fn preferred(&self, nodemask: Option<NodeMask>) -> Option<ZoneId> {
        first_zones_zonelist(self.zonerefs.get(), self.highest, nodemask)
    }

    /// The zones that may serve an attempt, in the order in which they are tried.
    pub(super) fn zones(
        &self,
        attempt: &Attempt,
    ) -> impl Iterator<Item = ZoneId> + Clone + use<'m> {
        self.zones_on(attempt.nodemask)
    }

    /// The zones that may serve it on nodes of the mask, in the order in which they are tried.
    pub(super) fn zones_on(
        &self,
        nodemask: Option<NodeMask>,
    ) -> impl Iterator<Item = ZoneId> + Clone + use<'m> {
        allowed(self.zonerefs.get(), self.highest, nodemask)
    }

    /// A request for a block of just this zone, whatever else.
    pub(super) fn of_zone(
        machine: &'m Machine,
        zone: &'m Zone,
        order: Order,
        migratetype: MigrateType,
    ) -> Self {
        Self {
            machine,
            gfp: Gfp::empty(),
            order,
            migratetype,
            context: Context::TASK,
            node: zone.shared.id.node(),
            zonelist: None,
            zonerefs: Cell::new(&[]),
            generation: Cell::new(0),
            highest: zone.shared.zone_type(),
            nodemask: None,
        }
    }

    /// Whether just one zone will do, whatever else.
    pub(super) fn is_of_zone(&self) -> bool {
        self.zonelist.is_none()
    }

    pub(super) fn is_movable(&self) -> bool {
        self.migratetype == MigrateType::Movable
    }

    pub(super) fn out_of_memory(&self) -> AllocError {
        AllocError::OutOfMemory { order: self.order, gfp: self.gfp }
    }
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Whether a request is let in at all: its flags, less those that its context rules out. The
    /// hooks that may refuse it are asked here, once.
    #[doc(alias = "prepare_alloc_pages")]
    #[inline]
    pub(super) fn admit(&self, gfp: Gfp, order: Order) -> Result<(Gfp, Context), AllocError> {
        let context = self.reclaim.context();
        let asked = gfp;
        let gfp = current_gfp_context(gfp & self.gfp_allowed(), context);
        // Flags that are legal stay so when some are taken away: those that a caller wrote down are
        // looked at when the caller is compiled.
        if !asked.is_legal() && !gfp.is_legal() {
            return Err(AllocError::IllegalGfp(gfp));
        }
        if gfp.contains(Gfp::DIRECT_RECLAIM) && !self.reclaim.may_sleep() {
            return Err(AllocError::WouldSleep(gfp));
        }
        if self.reclaim.should_fail_alloc_page(gfp, order) {
            return Err(AllocError::Injected);
        }
        Ok((gfp, context))
    }

    /// The first attempt: at the low watermark, within the task's cpuset. `None` if no zone there
    /// may serve the request; the slow path may still find one, as not every request has to stay
    /// in its cpuset.
    #[inline]
    pub(super) fn first_attempt(&self, request: &Request<'_>) -> Option<Attempt> {
        let mut gfp = request.gfp;
        let mut nodemask = request.nodemask;
        let mut cpuset = AllocFlags::empty();
        if self.reclaim.cpusets_enabled() {
            gfp |= Gfp::HARDWALL;
            cpuset = cpuset_flag(request.context, nodemask);
            if cpuset.is_empty() {
                nodemask = Some(self.reclaim.cpuset_mems_allowed());
            }
        }
        let preferred = request.preferred(nodemask)?;
        let nofragment = nofragment_flag(request.machine, preferred);
        let flags = first_attempt_flags(request.gfp, request.migratetype, nofragment) | cpuset;
        let dirty = if gfp.contains(Gfp::WRITE) { Dirty::Spread } else { Dirty::Ignore };
        Some(Attempt { gfp, flags, nodemask, preferred, dirty })
    }
}

/// NOFRAGMENT, if the zone below the preferred one can take what would fragment it.
#[inline]
fn nofragment_flag(machine: &Machine, preferred: ZoneId) -> AllocFlags {
    let dma32 = || {
        let zone = machine.sibling(preferred, ZoneType::Dma32)?;
        machine.layout.has(ZoneType::Dma32).then(|| zone.shared.present.get())
    };
    alloc_flags_nofragment(Some(preferred.zone_type()), machine.nr_online(), dma32())
}

/// The online node of that number.
pub(super) fn online_node(machine: &Machine, node: NodeId) -> Result<&Node, AllocError> {
    let number = u32::try_from(node.index()).unwrap_or(u32::MAX);
    machine.node(node).ok_or(AllocError::NoSuchNode(number))
}
