//! A request that found no memory, as the kernel's hooks are told of it, and their answers.

use crate::{Gfp, NodeId, NodeMask, Order, ZoneType};

/// A request that found no memory: what the kernel is told when it is to do something about it.
#[doc(alias = "oom_control")]
#[doc(alias = "scan_control")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The order asked for.
    pub order: Order,
    /// The flags: the caller's, less those that its context rules out.
    pub gfp: Gfp,
    /// The node whose zonelist is meant.
    pub node: NodeId,
    /// The highest zone type that will do: memory freed above it does not help.
    #[doc(alias = "highest_zoneidx")]
    pub highest: ZoneType,
    /// The nodes that will do; `None`: all.
    pub nodemask: Option<NodeMask>,
}

impl Shortage {
    /// Reclaim frees at least so many frames at a time, lest the next request comes at once.
    #[doc(alias = "SWAP_CLUSTER_MAX")]
    pub const CLUSTER: u64 = 32;

    /// The frames to free for it, where that is done at one go
    /// ([`Reclaim::direct_reclaim`](crate::Reclaim::direct_reclaim)).
    ///
    /// ```
    /// use page_alloc::{Gfp, NodeId, Order, Shortage, ZoneType};
    /// let (node, highest) = (NodeId::ZERO, ZoneType::Normal);
    /// let of = |order| Shortage { order, gfp: Gfp::KERNEL, node, highest, nodemask: None };
    /// assert_eq!(of(Order::O0).nr_to_reclaim(), 32);
    /// assert_eq!(of(Order::O9).nr_to_reclaim(), 512);
    /// ```
    #[must_use]
    pub fn nr_to_reclaim(&self) -> u64 {
        self.order.nr_pages().max(Self::CLUSTER)
    }
}

/// What reclaim did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Frames that were freed; more than 0 counts as progress.
    #[doc(alias = "nr_reclaimed")]
    pub reclaimed: u64,
    /// Frames that were looked at.
    #[doc(alias = "nr_scanned")]
    pub scanned: u64,
}

impl Reclaimed {
    /// Nothing was tried.
    pub const NOTHING: Self = Self { reclaimed: 0, scanned: 0 };
}

/// What the out-of-memory killer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomVerdict {
    /// Somebody was killed, or is dying, or somebody else takes care: it is worth trying again.
    Killed,
    /// There is nobody to kill.
    NothingToKill,
}
