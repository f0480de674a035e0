//! Many single frames at once.

use super::PageAllocator;
use super::fast::mark;
use super::pcp::may_use_lists;
use super::request::{Attempt, Request, online_node};
use crate::memmap::FreeBlock;
use crate::node::Machine;
use crate::node::pcp::{Pcp, PcpIndex};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::CpuGuard;
use crate::trace::Trace;
use crate::zone::Zone;
use crate::zone::watermark::zone_watermark_fast;
use crate::{AllocError, Gfp, MigrateType, NodeId, NodeMask, Order, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Allocates a single frame for each empty place of a slice, from that node if it can be; `None`
    /// is the running CPU's node. Gives the number of places that are filled at the end, those that
    /// were filled before included: fewer than all is no error.
    ///
    /// All frames come from one zone, without waiting or reclaim. If there is no zone on the preferred
    /// node that has as many above its low watermark as the slice has places, filled ones counted too as
    /// Linux has it, one frame is allocated as by [`alloc_pages_nodemask`](Self::alloc_pages_nodemask).
    ///
    /// May sleep if `gfp` has [`Gfp::DIRECT_RECLAIM`]; without it, may be called in an interrupt.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(1 << 30))?;
    /// let free = sim.nr_free_pages();
    /// let mut pages = [const { None }; 100];
    /// assert_eq!(sim.alloc_pages_bulk(Gfp::KERNEL, None, None, &mut pages)?, 100);
    /// assert_eq!(sim.free_pages_bulk(&mut pages), 100);
    /// assert!(pages.iter().all(Option::is_none));
    /// sim.drain_local_pages(None);
    /// assert_eq!(sim.nr_free_pages(), free);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Why not even one frame could be allocated.
    ///
    /// # Panics
    ///
    /// As [`alloc_pages`](Self::alloc_pages).
    #[doc(alias = "__alloc_pages_bulk")]
    #[doc(alias = "alloc_pages_bulk_array")]
    pub fn alloc_pages_bulk(
        &self,
        gfp: Gfp,
        node: Option<NodeId>,
        nodemask: Option<NodeMask>,
        pages: &mut [Option<Pages>],
    ) -> Result<usize, AllocError> {
        let machine = self.machine_to_alloc()?;
        let filled = pages.iter().filter(|page| page.is_some()).count();
        let wanted = pages.len() - filled;
        if wanted == 0 {
            return Ok(filled);
        }
        let node = node.unwrap_or_else(|| machine.cpu_to_node(self.platform.cpu_id()));
        let many = match wanted {
            1 => 0,
            _ => {
                let (gfp, context) = self.admit(gfp, Order::ZERO)?;
                let node = online_node(machine, node)?;
                let request = Request::new(machine, gfp, Order::ZERO, node, nodemask, context)?;
                self.bulk_from_lists(&request, pages)
            }
        };
        if many > 0 {
            return Ok(filled + many);
        }
        let page = self.alloc_pages_nodemask(gfp, Order::ZERO, node, nodemask)?;
        if let Some(place) = pages.iter_mut().find(|place| place.is_none()) {
            *place = Some(page);
        }
        Ok(filled + 1)
    }

    /// Fills the empty places from the running CPU's list of the first zone that has enough.
    fn bulk_from_lists(&self, request: &Request<'_>, pages: &mut [Option<Pages>]) -> usize {
        let Some(attempt) = self.first_attempt(request) else { return 0 };
        let Some(zone) = self.zone_with_room(request, &attempt, pages.len() as u64) else {
            return 0;
        };
        let pcps = &request.machine.pcps;
        if !may_use_lists(request, &attempt) {
            return 0;
        }
        let list = PcpIndex::new(Order::ZERO, request.migratetype);
        // Frames are cleared with nothing held, so one after the other.
        let most = if request.gfp.contains(Gfp::ZERO) { 1 } else { usize::MAX };
        let (mut taken, mut next) = (0, 0);
        while next < pages.len() {
            let here = CpuGuard::new(&self.platform);
            let Some(pcp) = pcps.get(here.cpu(), zone.shared.id) else { break };
            let lists = (pcp, &here, request.migratetype);
            let (filled, passed) = fill(request.machine, lists, &mut pages[next..], most);
            (taken, next) = (taken + filled, next + passed);
            if filled == 0 && next < pages.len() {
                if !self.refill_list(request, &attempt, zone, (pcp, here, list)) {
                    break;
                }
                continue;
            }
            drop(here);
            if filled == 1 && most == 1 {
                pages[next - 1].iter().for_each(|page| self.clear(page));
            }
        }
        taken
    }

    /// The first zone of the preferred node that keeps its watermark without so many frames.
    fn zone_with_room<'m>(
        &self,
        request: &Request<'m>,
        attempt: &Attempt,
        wanted: u64,
    ) -> Option<&'m Zone> {
        let highest = attempt.preferred.zone_type();
        for id in request.zones(attempt).filter(|id| self.cpuset_allows(attempt, *id)) {
            if request.machine.nr_online() > 1 && id.node() != attempt.preferred.node() {
                return None;
            }
            let Some(zone) = request.machine.zone(id) else { continue };
            let mark = mark(attempt, zone).saturating_add(wanted);
            let (flags, gfp) = (attempt.flags, attempt.gfp);
            if zone_watermark_fast(&zone.shared, Order::ZERO, mark, highest, flags, gfp) {
                return Some(zone);
            }
        }
        None
    }
}

/// Puts frames from a list into the empty places, at most so many. Gives their number, and how many
/// places were passed.
#[inline(never)]
fn fill<P: Platform>(
    machine: &Machine,
    (pcp, here, migratetype): (&Pcp, &CpuGuard<'_, P>, MigrateType),
    pages: &mut [Option<Pages>],
    most: usize,
) -> (usize, usize) {
    let memmap = &machine.memmap;
    let Some(mut lists) = pcp.lists.own(here) else { return (0, 0) };
    let state = pcp.handed_out(Order::ZERO).asked_for(migratetype);
    let list = PcpIndex::new(Order::ZERO, migratetype);
    let links = memmap.links();
    let mut frames = pcp.taker(&mut lists, list, links);
    let (mut filled, mut passed) = (0, 0);
    for place in pages {
        if filled == most {
            break;
        }
        if place.is_none() {
            let Some(index) = frames.next().map(FreeBlock::into_index) else { break };
            let frame = links.frame(index);
            frame.hand_out(state);
            *place = Some(memmap.token_of((index, frame), Order::ZERO));
            filled += 1;
        }
        passed += 1;
    }
    (filled, passed)
}
