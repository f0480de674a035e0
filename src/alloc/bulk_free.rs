//! Many blocks are given back at once.

use super::PageAllocator;
use super::free::Refused;
use super::quick::Found;
use crate::node::Machine;
use crate::node::pcp::PcpIndex;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::CpuGuard;
use crate::trace::Trace;
use crate::{MigrateType, Order, Pages};

/// So many frames go to the running CPU's lists in one hold of these.
#[doc(alias = "SWAP_CLUSTER_MAX")]
const CLUSTER: usize = 32;

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Frees the blocks of a slice and empties it. What can't be freed stays in its place. Gives the
    /// number of blocks that are gone.
    ///
    /// Does not sleep; may be called in an interrupt.
    #[doc(alias = "free_unref_page_list")]
    pub fn free_pages_bulk(&self, pages: &mut [Option<Pages>]) -> usize {
        let Some(machine) = self.machine() else { return 0 };
        // As Linux does: those that go straight to their zones before any that may drain a list.
        let isolated = if machine.has_isolated() { self.free_isolated(machine, pages) } else { 0 };
        isolated + self.free_in_clusters(machine, pages)
    }

    #[cold]
    fn free_isolated(&self, machine: &Machine, pages: &mut [Option<Pages>]) -> usize {
        pages
            .iter_mut()
            .filter(|place| place.as_ref().is_some_and(|page| is_isolated(machine, page)))
            .map(|place| usize::from(free_with(place, |page| self.free_pages(page))))
            .sum()
    }

    fn free_in_clusters(&self, machine: &Machine, pages: &mut [Option<Pages>]) -> usize {
        pages.chunks_mut(CLUSTER).map(|cluster| self.free_cluster(machine, cluster)).sum()
    }

    fn free_cluster(&self, machine: &Machine, pages: &mut [Option<Pages>]) -> usize {
        let traces = self.trace.traces_page_free();
        // Of the places before `told` the trace knows, if it is to.
        let (mut freed, mut next, mut told) = (0, 0, 0);
        while next < pages.len() {
            if traces && told == next {
                told += self.tell(machine, &pages[next..]);
            }
            let end = if traces { told } else { pages.len() };
            let pushed = self.push_many(machine, &mut pages[next..end]);
            (freed, next) = (freed + pushed, next + pushed);
            // What the lists did not take: nothing, or no single frame, or none of this zone, in a
            // pageblock of their types, that nobody else has; or they are in use, or have too many.
            if let Some(place) = pages.get_mut(next) {
                freed += usize::from(free_with(place, |page| match page.name().single() {
                    _ if next < told => self.put_told(page),
                    Some(_) => self.put_pages(page),
                    None => self.free_pages(page),
                }));
                next += 1;
                told = told.max(next);
            }
        }
        freed
    }

    /// Tells of the single frames at the start of a slice that nobody else holds, before any of them is
    /// freed. Gives their number.
    #[cold]
    #[inline(never)]
    fn tell(&self, machine: &Machine, pages: &[Option<Pages>]) -> usize {
        let frames = pages.iter().map_while(|place| {
            let page = place.as_ref()?;
            Found::of(machine, page.name().single()?, Order::ZERO).map(|_| page.pfn())
        });
        frames.inspect(|pfn| self.trace.mm_page_free(*pfn, Order::ZERO)).count()
    }

    /// Puts single frames of one zone that nobody else holds on the running CPU's lists, as many from the
    /// start of a slice as there are and these take, and empties their places.
    #[inline(never)]
    fn push_many(&self, machine: &Machine, pages: &mut [Option<Pages>]) -> usize {
        let find = |place: &Option<Pages>| {
            let frame = place.as_ref()?.name().single()?;
            Found::of(machine, frame, Order::ZERO)
        };
        let Some(zone) = pages.first().and_then(find).map(|found| found.state.zone_bits()) else {
            return 0;
        };
        let here = CpuGuard::new(&self.platform);
        let Some(pcp) = machine.pcps.get(here.cpu(), zone) else { return 0 };
        let Some(mut lists) = pcp.lists.own(&here) else { return 0 };
        let frames = pages.iter_mut().map_while(|place| {
            let found = find(place).filter(|found| found.state.zone_bits() == zone)?;
            *place = None;
            Some((PcpIndex::of_small(0, found.kind as u32), found.into_cached(pcp)))
        });
        pcp.push_singles(&mut lists, frames, machine.memmap.links())
    }
}

/// Frees what is in a place. False: there is nothing, or it can't be freed.
fn free_with(place: &mut Option<Pages>, free: impl FnOnce(Pages) -> Result<(), Refused>) -> bool {
    let Some(page) = place.take() else { return false };
    match free(page) {
        Ok(()) => true,
        Err(refused) => {
            *place = Some(refused.pages);
            false
        }
    }
}

/// Whether the pageblock of a block is isolated.
#[inline]
fn is_isolated(machine: &Machine, page: &Pages) -> bool {
    let index = machine.memmap.index_of(page.pfn());
    index.is_some_and(|index| machine.memmap.pageblock(index).migratetype() == MigrateType::Isolate)
}
