//! Names of nodes and CPUs, and sets of nodes.

use core::fmt;

/// The most nodes that an allocator can have.
pub const MAX_NUMNODES: usize = 64;

/// The name of a NUMA node.
///
/// A value proves that the number is below [`MAX_NUMNODES`], not that the node exists.
///
/// ```
/// use page_alloc::NodeId;
/// assert_eq!(NodeId::new(3).map(NodeId::index), Some(3));
/// assert_eq!(NodeId::new(64), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct NodeId(u8);

impl NodeId {
    /// Node 0.
    pub const ZERO: Self = Self(0);

    /// The node with this number; `None` from [`MAX_NUMNODES`] on.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "checked on the line: below 64")]
    pub const fn new(number: u32) -> Option<Self> {
        if (number as usize) < MAX_NUMNODES { Some(Self(number as u8)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The name of a CPU: a small number, dense from 0, given by the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct CpuId(u32);

impl CpuId {
    /// The first CPU.
    pub const BOOT: Self = Self(0);

    /// The CPU with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number, as an index of a table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A set of nodes.
///
/// ```
/// use page_alloc::{NodeId, NodeMask};
/// let one = NodeId::new(1).unwrap();
/// let mask = NodeMask::EMPTY.with(one);
/// assert!(mask.contains(one) && !mask.contains(NodeId::ZERO));
/// assert_eq!(mask.iter().collect::<Vec<_>>(), [one]);
/// ```
#[doc(alias = "nodemask_t")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct NodeMask(u64);

impl NodeMask {
    /// No node.
    pub const EMPTY: Self = Self(0);
    /// Every node that there can be.
    pub const ALL: Self = Self(u64::MAX);

    /// The set of the nodes whose bits are set.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One bit for each node.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// This set and `node`.
    #[must_use]
    pub const fn with(self, node: NodeId) -> Self {
        Self(self.0 | 1 << node.0)
    }

    /// Whether `node` is in the set.
    #[must_use]
    pub const fn contains(self, node: NodeId) -> bool {
        self.0 >> node.0 & 1 != 0
    }

    /// Whether the set has no node.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The number of nodes in the set.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The nodes in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The nodes of the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = NodeId> {
        (0..64).map(NodeId).filter(move |node| self.contains(*node))
    }
}

impl FromIterator<NodeId> for NodeMask {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        nodes.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for NodeMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
