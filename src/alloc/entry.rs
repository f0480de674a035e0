//! The entry points: the six basic calls, and the two that all of them come to.

use super::PageAllocator;
use super::mapped::MappedPages;
use super::request::{Attempt, Dirty, Request, online_node};
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{AllocError, AllocFlags, Gfp, NodeId, NodeMask, Order, Pages};

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Allocates a block of `1 << order` frames, from the running CPU's node or the nearest that
    /// has memory.
    ///
    /// May sleep if `gfp` has [`Gfp::DIRECT_RECLAIM`]; without it, may be called in an interrupt.
    ///
    /// # Errors
    ///
    /// Why there is no memory for the request.
    ///
    /// # Panics
    ///
    /// When a [`Gfp::NOFAIL`] request can't be served.
    #[inline]
    pub fn alloc_pages(&self, gfp: Gfp, order: Order) -> Result<Pages, AllocError> {
        self.alloc_pages_node(None, gfp, order)
    }

    /// Allocates one frame; as [`alloc_pages`](Self::alloc_pages) with order 0.
    ///
    /// # Errors
    ///
    /// As for `alloc_pages`.
    #[inline]
    pub fn alloc_page(&self, gfp: Gfp) -> Result<Pages, AllocError> {
        self.alloc_pages(gfp, Order::ZERO)
    }

    /// Allocates a block that the kernel has mapped, and tells where; [`Gfp::HIGHMEM`] is ignored.
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages).
    #[doc(alias = "__get_free_pages")]
    pub fn get_free_pages(&self, gfp: Gfp, order: Order) -> Result<MappedPages, AllocError> {
        let pages = self.alloc_pages(gfp - Gfp::HIGHMEM, order)?;
        let address = self.platform.phys_to_virt(pages.pfn().start_address(P::PAGE_SHIFT));
        Ok(MappedPages::new(pages, address))
    }

    /// Allocates one frame that the kernel has mapped.
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages).
    #[doc(alias = "__get_free_page")]
    pub fn get_free_page(&self, gfp: Gfp) -> Result<MappedPages, AllocError> {
        self.get_free_pages(gfp, Order::ZERO)
    }

    /// Allocates one frame that the kernel has mapped, filled with zeroes.
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages).
    pub fn get_zeroed_page(&self, gfp: Gfp) -> Result<MappedPages, AllocError> {
        self.get_free_pages(gfp | Gfp::ZERO, Order::ZERO)
    }

    /// Allocates a block from the DMA zone.
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages).
    #[doc(alias = "__get_dma_pages")]
    pub fn get_dma_pages(&self, gfp: Gfp, order: Order) -> Result<MappedPages, AllocError> {
        self.get_free_pages(gfp | Gfp::DMA, order)
    }

    /// Allocates a block, from that node if it can be; `None` is the running CPU's node.
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages), and [`AllocError::NoSuchNode`].
    #[inline]
    pub fn alloc_pages_node(
        &self,
        node: Option<NodeId>,
        gfp: Gfp,
        order: Order,
    ) -> Result<Pages, AllocError> {
        let machine = self.machine_to_alloc()?;
        let node = node.unwrap_or_else(|| machine.cpu_to_node(self.platform.cpu_id()));
        self.alloc_pages_nodemask(gfp, order, node, None)
    }

    /// Allocates a block from the nodes of the mask, the nearest to `node` first; `None` is all
    /// nodes. The mask is dropped for contexts that free memory, as Linux does.
    ///
    /// # Errors
    ///
    /// As for [`alloc_pages`](Self::alloc_pages), and [`AllocError::NoSuchNode`].
    ///
    /// # Panics
    ///
    /// When a [`Gfp::NOFAIL`] request can't be served.
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
        let node = online_node(machine, node)?;
        let request = self.prepare(machine, gfp, order, node, nodemask)?;
        let result = self.serve(&request);
        let pfn = result.as_ref().ok().map(Pages::pfn);
        self.trace.mm_page_alloc(pfn, order, request.gfp, request.migratetype);
        result
    }

    #[inline]
    fn serve(&self, request: &Request<'_>) -> Result<Pages, AllocError> {
        let attempt = self.first_attempt(request)?;
        match self.attempt(request, attempt) {
            Some(pages) => Ok(pages),
            None => self.slow_path(request),
        }
    }

    /// One attempt with flags of the caller's choice: no slow path, no retry at another watermark.
    /// For kernels with a policy of their own, and for tests of this one's. The context's limits
    /// and the hooks that may refuse a request are not asked.
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
    Request::new(machine, gfp, order, node, nodemask, crate::Context::TASK)
}
