//! The entry points: the six basic calls, and the two that all of them come to.

use super::PageAllocator;
use super::mapped::MappedPages;
use super::request::{Attempt, Dirty, Request, online_node};
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::zone_id::ZoneId;
use crate::{AllocError, AllocFlags, Context, Gfp, NodeId, NodeMask, Order, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Allocates a block of `1 << order` frames, from the running CPU's node or the nearest that
    /// has memory.
    ///
    /// May sleep if `gfp` has [`Gfp::DIRECT_RECLAIM`]; without it, may be called in an interrupt.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let block = sim.alloc_pages(Gfp::KERNEL, Order::O4)?;
    /// assert_eq!(block.order().nr_pages(), 16);
    /// assert!(block.pfn().get().is_multiple_of(16)); // aligned to its size
    /// sim.free_pages(block)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Why there is no memory for the request.
    ///
    /// # Panics
    ///
    /// When a [`Gfp::NOFAIL`] request can't be served, whatever the kernel does
    /// ([`Reclaim::max_rounds`]).
    #[inline]
    pub fn alloc_pages(&self, gfp: Gfp, order: Order) -> Result<Pages, AllocError> {
        let (gfp, context) = self.admit(gfp, order)?;
        match self.quick_alloc(gfp, order) {
            Some(pages) => Ok(pages),
            None => self.alloc_missed((gfp, context), order),
        }
    }

    /// Allocates one frame; as [`alloc_pages`](Self::alloc_pages) with order 0.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let frame = sim.alloc_page(Gfp::HIGHUSER_MOVABLE)?;
    /// assert_eq!(frame.range().len(), 1);
    /// sim.free_pages(frame)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for `alloc_pages`.
    ///
    /// # Panics
    ///
    /// As `alloc_pages`.
    #[inline]
    pub fn alloc_page(&self, gfp: Gfp) -> Result<Pages, AllocError> {
        self.alloc_pages(gfp, Order::ZERO)
    }

    /// Allocates a block that the kernel has mapped, and tells where; [`Gfp::HIGHMEM`] is ignored.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let stack = sim.get_free_pages(Gfp::KERNEL, Order::O2)?;
    /// assert!(stack.as_ptr().addr().is_multiple_of(4096));
    /// sim.free_pages(stack.into_pages())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages).
    ///
    /// # Panics
    ///
    /// As [`alloc_pages`](Self::alloc_pages).
    #[doc(alias = "__get_free_pages")]
    pub fn get_free_pages(&self, gfp: Gfp, order: Order) -> Result<MappedPages, AllocError> {
        let pages = self.alloc_pages(gfp - Gfp::HIGHMEM, order)?;
        let address = self.platform.phys_to_virt(pages.pfn().start_address(P::PAGE_SHIFT));
        Ok(MappedPages::new(pages, address))
    }

    /// Allocates one frame that the kernel has mapped.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let page = sim.get_free_page(Gfp::KERNEL)?;
    /// assert_eq!(page.pages().range().len(), 1);
    /// sim.free_pages(page.into_pages())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages).
    ///
    /// # Panics
    ///
    /// As [`alloc_pages`](Self::alloc_pages).
    #[doc(alias = "__get_free_page")]
    pub fn get_free_page(&self, gfp: Gfp) -> Result<MappedPages, AllocError> {
        self.get_free_pages(gfp, Order::ZERO)
    }

    /// Allocates one frame that the kernel has mapped, filled with zeroes.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let table = sim.get_zeroed_page(Gfp::KERNEL)?;
    /// // SAFETY: the page was just allocated, and nobody else uses it.
    /// assert_eq!(unsafe { table.as_ptr().add(4095).read() }, 0);
    /// sim.free_pages(table.into_pages())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages).
    ///
    /// # Panics
    ///
    /// As [`alloc_pages`](Self::alloc_pages).
    pub fn get_zeroed_page(&self, gfp: Gfp) -> Result<MappedPages, AllocError> {
        self.get_free_pages(gfp | Gfp::ZERO, Order::ZERO)
    }

    /// Allocates a block from the DMA zone; from NORMAL, where the layout has no DMA zone.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let buffer = sim.get_dma_pages(Gfp::KERNEL, Order::O1)?;
    /// assert!(buffer.pages().range().end.get() <= 0x1000); // below 16 MiB
    /// sim.free_pages(buffer.into_pages())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages).
    ///
    /// # Panics
    ///
    /// As [`alloc_pages`](Self::alloc_pages).
    #[doc(alias = "__get_dma_pages")]
    pub fn get_dma_pages(&self, gfp: Gfp, order: Order) -> Result<MappedPages, AllocError> {
        self.get_free_pages(gfp | Gfp::DMA, order)
    }

    /// Allocates a block, from that node if it can be; `None` is the running CPU's node.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{AllocError, Gfp, NodeId, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// assert!(sim.alloc_pages_node(Some(NodeId::ZERO), Gfp::KERNEL, Order::O0).is_ok());
    /// let nowhere = sim.alloc_pages_node(NodeId::new(7), Gfp::KERNEL, Order::O0);
    /// assert_eq!(nowhere.unwrap_err(), AllocError::NoSuchNode(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages), and [`AllocError::NoSuchNode`].
    ///
    /// # Panics
    ///
    /// As [`alloc_pages`](Self::alloc_pages).
    #[inline]
    pub fn alloc_pages_node(
        &self,
        node: Option<NodeId>,
        gfp: Gfp,
        order: Order,
    ) -> Result<Pages, AllocError> {
        match node {
            None => self.alloc_pages(gfp, order),
            Some(node) => self.alloc_pages_nodemask(gfp, order, node, None),
        }
    }

    /// Allocates a block from the nodes of the mask, the nearest to `node` first; `None` is all
    /// nodes. As in Linux, the mask no longer counts once the first attempts have failed, for contexts
    /// that free memory, for requests that keep to no cpuset (atomic ones), and where it has no node in
    /// common with the task's cpuset.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{AllocError, Gfp, NodeId, NodeMask, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let (node, order) = (NodeId::ZERO, Order::O0);
    /// let none = sim.alloc_pages_nodemask(Gfp::KERNEL, order, node, Some(NodeMask::EMPTY));
    /// assert_eq!(none.unwrap_err(), AllocError::NoZone);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages), and [`AllocError::NoSuchNode`].
    ///
    /// # Panics
    ///
    /// When a [`Gfp::NOFAIL`] request can't be served, whatever the kernel does
    /// ([`Reclaim::max_rounds`]).
    #[doc(alias = "__alloc_pages")]
    #[doc(alias = "__alloc_pages_nodemask")]
    #[inline]
    pub fn alloc_pages_nodemask(
        &self,
        gfp: Gfp,
        order: Order,
        node: NodeId,
        nodemask: Option<NodeMask>,
    ) -> Result<Pages, AllocError> {
        let machine = self.machine_to_alloc()?;
        online_node(machine, node)?;
        self.alloc_admitted(self.admit(gfp, order)?, order, Some(node), nodemask)
    }

    /// Serves a request that was let in, by a walk over the zonelist of that node; `None` is the running
    /// CPU's.
    #[inline(never)]
    pub(super) fn alloc_admitted(
        &self,
        (gfp, context): (Gfp, Context),
        order: Order,
        node: Option<NodeId>,
        nodemask: Option<NodeMask>,
    ) -> Result<Pages, AllocError> {
        let machine = self.machine_to_alloc()?;
        let node = node.unwrap_or_else(|| machine.cpu_to_node(self.platform.cpu_id()));
        let node = online_node(machine, node)?;
        let request = Request::new(machine, gfp, order, node, nodemask, context)?;
        let result = self.serve(&request);
        let pfn = result.as_ref().ok().map(Pages::pfn);
        self.trace.mm_page_alloc(pfn, order, request.gfp, request.migratetype);
        result
    }

    fn serve(&self, request: &Request<'_>) -> Result<Pages, AllocError> {
        let attempt = self.first_attempt(request);
        let Some(first) = &attempt else { return self.serve_elsewhere(request, None, None) };
        match self.take_preferred(request, first) {
            Ok(pages) => {
                self.trace_attempt(request, first, Some(&pages));
                Ok(pages)
            }
            Err(asked) => self.serve_elsewhere(request, attempt, asked),
        }
    }

    #[cold]
    fn serve_elsewhere(
        &self,
        request: &Request<'_>,
        attempt: Option<Attempt>,
        asked: Option<ZoneId>,
    ) -> Result<Pages, AllocError> {
        match attempt.and_then(|attempt| self.attempt_beyond(request, attempt, asked)) {
            Some(pages) => Ok(pages),
            None => self.slow_path(request),
        }
    }

    /// One attempt with flags of the caller's choice: no slow path, no retry at another watermark.
    /// For kernels with a policy of their own, and for tests of this one's. The context's limits
    /// and the hooks that may refuse a request are not asked.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{AllocFlags, Gfp, NodeId, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// // Whatever the watermarks say:
    /// let flags = AllocFlags::NO_WATERMARKS;
    /// let block = sim.get_page_from_freelist(Gfp::KERNEL, Order::O9, NodeId::ZERO, None, flags)?;
    /// assert!(sim.page_is_pfmemalloc(&block)?);
    /// sim.free_pages(block)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Why the request is illegal, or [`AllocError::OutOfMemory`].
    pub fn get_page_from_freelist(
        &self,
        gfp: Gfp,
        order: Order,
        node: NodeId,
        nodemask: Option<NodeMask>,
        flags: AllocFlags,
    ) -> Result<Pages, AllocError> {
        let machine = self.machine_to_alloc()?;
        let request = bare_request(machine, gfp, order, node, nodemask)?;
        let preferred = request.preferred(nodemask).ok_or(AllocError::NoZone)?;
        let attempt = Attempt { gfp, flags, nodemask, preferred, dirty: Dirty::Ignore };
        self.attempt(&request, attempt).ok_or_else(|| request.out_of_memory())
    }
}

/// A request that nothing but its arguments decides on.
fn bare_request(
    machine: &Machine,
    gfp: Gfp,
    order: Order,
    node: NodeId,
    nodemask: Option<NodeMask>,
) -> Result<Request<'_>, AllocError> {
    let node = online_node(machine, node)?;
    Request::new(machine, gfp, order, node, nodemask, Context::TASK)
}
