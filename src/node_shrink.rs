//! What is asked of the kernel in one pass of reclaim over a node.

use crate::{Gfp, NodeId, Order, ZoneType};

/// Who has a node's memory freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaimer {
    /// kswapd of the node, ahead of need.
    #[doc(alias = "current_is_kswapd")]
    Kswapd,
    /// A request that found no memory, and waits.
    #[doc(alias = "direct_reclaim")]
    Request,
}

/// One pass of reclaim over a node ([`Reclaim::shrink_node`](crate::Reclaim::shrink_node)).
#[doc(alias = "scan_control")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeShrink {
    /// The node.
    pub node: NodeId,
    /// Who asks.
    pub reclaimer: Reclaimer,
    /// What may be done for it: without [`Gfp::IO`] nothing is written, without [`Gfp::FS`] no file
    /// system is entered. A request's own flags; kswapd may do all ([`Gfp::KERNEL`]).
    #[doc(alias = "gfp_mask")]
    pub gfp: Gfp,
    /// The highest zone type whose memory is to be freed.
    #[doc(alias = "reclaim_idx")]
    pub highest: ZoneType,
    /// The order of the blocks that are wanted.
    pub order: Order,
    /// Frames to free, if possible: for a request 32 whatever the order, as it is asked again if there
    /// is need; for kswapd as many as the high watermarks of the zones come to.
    pub nr_to_reclaim: u64,
    /// How much to look at: a part in 2 to the power of this. Starts at
    /// [`DEF_PRIORITY`](Self::DEF_PRIORITY), and falls while little comes free: for kswapd to 1, for a
    /// request to 0.
    pub priority: u32,
    /// Whether dirty pages may be written, as far as the flags allow it: not while only a boosted
    /// watermark is worked off.
    pub may_writepage: bool,
    /// Whether pages may go to swap space: likewise.
    pub may_swap: bool,
}

impl NodeShrink {
    /// The priority of the first pass.
    pub const DEF_PRIORITY: u32 = 12;
}
