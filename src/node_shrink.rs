//! What kswapd asks of the kernel in one pass over a node.

use crate::{NodeId, Order, ZoneType};

/// One pass of reclaim over a node ([`Reclaim::shrink_node`](crate::Reclaim::shrink_node)).
#[doc(alias = "scan_control")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeShrink {
    /// The node.
    pub node: NodeId,
    /// The highest zone type whose memory is to be freed.
    #[doc(alias = "reclaim_idx")]
    pub highest: ZoneType,
    /// The order of the blocks that are wanted.
    pub order: Order,
    /// Frames to free, if possible.
    pub nr_to_reclaim: u64,
    /// How much to look at: a part in 2 to the power of this. Starts at
    /// [`DEF_PRIORITY`](Self::DEF_PRIORITY), and falls to 1 while little comes free.
    pub priority: u32,
    /// Whether dirty pages may be written.
    pub may_writepage: bool,
    /// Whether pages may go to swap space.
    pub may_swap: bool,
}

impl NodeShrink {
    /// The priority of the first pass.
    pub const DEF_PRIORITY: u32 = 12;
}
