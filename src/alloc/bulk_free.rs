//! Many blocks are given back at once.

use super::PageAllocator;
use super::free::Refused;
use super::quick::{Found, Returning};
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

/// The frames of consecutive places that may go to the running CPU's lists.
struct Cluster {
    blocks: [Option<Returning>; CLUSTER],
    length: usize,
    told: Told,
}

/// Whether the trace was told that the frames of a cluster are freed.
#[derive(Clone, Copy)]
enum Told {
    Yes,
    No,
}

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
        let (mut freed, mut next) = (0, 0);
        while next < pages.len() {
            let cluster = self.prepare(machine, &pages[next..]);
            freed += self.commit(machine, &mut pages[next..], &cluster);
            next += cluster.length;
            // What ended the cluster, if it is not full.
            if cluster.length < CLUSTER && next < pages.len() {
                freed += usize::from(free_with(&mut pages[next], |page| self.free_pages(page)));
                next += 1;
            }
        }
        freed
    }

    /// Finds out which places at the start of a slice have single frames that nobody else holds, and
    /// tells of them.
    #[inline(never)]
    fn prepare(&self, machine: &Machine, pages: &[Option<Pages>]) -> Cluster {
        let told = if self.trace.traces_page_free() { Told::Yes } else { Told::No };
        let (mut blocks, mut length) = ([None; CLUSTER], 0);
        for (block, place) in blocks.iter_mut().zip(pages) {
            let Some(page) = place else { break };
            let name = page.name();
            if name.order() != Order::ZERO {
                break;
            }
            let Some(found) = Found::of(machine, name, Order::ZERO) else { break };
            *block = Some(found.block());
            if let Told::Yes = told {
                self.trace.mm_page_free(name.pfn(), Order::ZERO);
            }
            length += 1;
        }
        Cluster { blocks, length, told }
    }

    /// Frees what was prepared, and empties the places.
    fn commit(&self, machine: &Machine, pages: &mut [Option<Pages>], cluster: &Cluster) -> usize {
        let blocks = &cluster.blocks[..cluster.length];
        let (mut freed, mut next) = (0, 0);
        while next < blocks.len() {
            let pushed = self.push_many(machine, &mut pages[next..], &blocks[next..]);
            (freed, next) = (freed + pushed, next + pushed);
            // What the lists did not take: they are in use, or have too many.
            if next < blocks.len() {
                freed += usize::from(free_with(&mut pages[next], |page| match cluster.told {
                    Told::Yes => self.put_told(page),
                    Told::No => self.put_pages(page),
                }));
                next += 1;
            }
        }
        freed
    }

    /// Puts frames of one zone on the running CPU's lists, as many as these take, and empties their
    /// places.
    #[inline(never)]
    fn push_many(
        &self,
        machine: &Machine,
        pages: &mut [Option<Pages>],
        cluster: &[Option<Returning>],
    ) -> usize {
        let Some(Some(first)) = cluster.first() else { return 0 };
        let zone = first.state.zone();
        let here = CpuGuard::new(&self.platform);
        let Some(pcp) = machine.pcps.get(here.cpu(), zone) else { return 0 };
        let Some(mut lists) = pcp.lists.own(&here) else { return 0 };
        let links = machine.memmap.links();
        let frames = pages.iter_mut().zip(cluster).map_while(|(place, block)| {
            // A slice with two tokens of one block, by an unsafe mistake, shows here.
            let block = block.filter(|block| block.is_as_found(links))?;
            if block.state.zone() != zone {
                return None;
            }
            *place = None;
            Some((PcpIndex::of_small(0, block.kind), block.into_cached(&links)))
        });
        pcp.push_singles(&mut lists, frames, links)
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
fn is_isolated(machine: &Machine, page: &Pages) -> bool {
    let index = machine.memmap.index_of(page.pfn());
    index.is_some_and(|index| machine.memmap.pageblock(index).migratetype() == MigrateType::Isolate)
}
