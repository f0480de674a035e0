//! What can go wrong in an allocation or a free, told by the state that was found.

use crate::order::OrderTooLarge;
use crate::{Gfp, Order, Pfn};
use core::fmt;

/// Why no frames were given. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocError {
    /// The allocator has not been initialised.
    Uninitialized,
    /// There is no such order; the number asked for.
    OrderTooLarge(u32),
    /// The flags contradict each other: two zones, or two mobilities.
    IllegalGfp(Gfp),
    /// The request may sleep, but its context may not.
    WouldSleep(Gfp),
    /// There is no such node, or it is not online.
    NoSuchNode(u32),
    /// No zone of the zonelist may serve the request (zone limit, nodemask).
    NoZone,
    /// The fault-injection hook refused.
    Injected,
    /// Not enough free memory that this request may use.
    OutOfMemory {
        /// The order asked for.
        order: Order,
        /// The flags asked with.
        gfp: Gfp,
    },
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uninitialized => f.write_str("the allocator has not been initialised"),
            Self::OrderTooLarge(order) => write!(f, "there is no order {order}"),
            Self::IllegalGfp(gfp) => write!(f, "flags that exclude each other: {gfp}"),
            Self::WouldSleep(gfp) => write!(f, "{gfp} may sleep, this context may not"),
            Self::NoSuchNode(node) => write!(f, "there is no node {node}"),
            Self::NoZone => f.write_str("no zone may serve the request"),
            Self::Injected => f.write_str("failed by fault injection"),
            Self::OutOfMemory { order, gfp } => {
                write!(f, "out of memory: order {order}, {gfp}")
            }
        }
    }
}

impl core::error::Error for AllocError {}

impl From<OrderTooLarge> for AllocError {
    fn from(OrderTooLarge(number): OrderTooLarge) -> Self {
        Self::OrderTooLarge(number)
    }
}

/// What was found where a block was to be freed. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreeError {
    /// The allocator has not been initialised.
    Uninitialized,
    /// There is no such order; the number given.
    OrderTooLarge(u32),
    /// No frame of this allocator.
    Foreign(Pfn),
    /// The frame is there, but was never given to the allocator.
    Reserved(Pfn),
    /// The frame is free already: freed twice, perhaps.
    NotAllocated(Pfn),
    /// The frame is inside an allocated block, or inside a free one; it is not the first of a block.
    NotHead(Pfn),
    /// The block has another order.
    WrongOrder {
        /// The first frame.
        pfn: Pfn,
        /// The order that the block has.
        found: Order,
    },
    /// Others hold references to the block, and this call may not drop one.
    Shared(Pfn),
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uninitialized => f.write_str("the allocator has not been initialised"),
            Self::OrderTooLarge(order) => write!(f, "there is no order {order}"),
            Self::Foreign(pfn) => write!(f, "frame {pfn} is not of this allocator"),
            Self::Reserved(pfn) => write!(f, "frame {pfn} was never given to the allocator"),
            Self::NotAllocated(pfn) => write!(f, "frame {pfn} is not allocated"),
            Self::NotHead(pfn) => write!(f, "frame {pfn} is inside a block"),
            Self::WrongOrder { pfn, found } => {
                write!(f, "the block at frame {pfn} has order {found}")
            }
            Self::Shared(pfn) => write!(f, "others hold references to frame {pfn}"),
        }
    }
}

impl core::error::Error for FreeError {}

impl From<OrderTooLarge> for FreeError {
    fn from(OrderTooLarge(number): OrderTooLarge) -> Self {
        Self::OrderTooLarge(number)
    }
}
