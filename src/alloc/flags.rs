//! The flags of an attempt, derived from the caller's flags and its context.
//!
//! A request makes a first attempt at the low watermark ([`first_attempt_flags`]). If that fails,
//! the slow path goes down to the min watermark, and into part of the reserves below it where the
//! request is important or can't wait ([`gfp_to_alloc_flags`]); contexts that free memory, and
//! victims of the out-of-memory killer, may go farther ([`gfp_pfmemalloc_flags`],
//! [`reserve_flags`]).
//!
//! The `gfp` of all these functions is what [`current_gfp_context`] made of the caller's, and the
//! migratetype is what the machine makes of that
//! ([`Mobility::migratetype`](crate::Mobility::migratetype)).

use crate::{AllocFlags, Context, Gfp, MigrateType, NodeMask, Order, ZoneType};

/// The caller's flags, less those that its context rules out.
///
/// ```
/// use page_alloc::{Context, Gfp, alloc::flags::current_gfp_context};
/// assert_eq!(current_gfp_context(Gfp::KERNEL, Context::MEMALLOC_NOFS), Gfp::NOFS);
/// assert_eq!(current_gfp_context(Gfp::KERNEL, Context::MEMALLOC_NOIO), Gfp::NOIO);
/// let pinned = current_gfp_context(Gfp::HIGHUSER_MOVABLE, Context::MEMALLOC_PIN);
/// assert_eq!(pinned, Gfp::HIGHUSER);
/// ```
#[inline]
#[must_use]
pub const fn current_gfp_context(gfp: Gfp, context: Context) -> Gfp {
    let mut allowed = gfp;
    if context.contains(Context::MEMALLOC_NOIO) {
        allowed = allowed.difference(Gfp::IO.union(Gfp::FS));
    } else if context.contains(Context::MEMALLOC_NOFS) {
        allowed = allowed.difference(Gfp::FS);
    }
    if context.contains(Context::MEMALLOC_PIN) {
        allowed = allowed.difference(Gfp::MOVABLE);
    }
    allowed
}

/// CMA memory is for movable requests.
///
/// ```
/// use page_alloc::{AllocFlags, MigrateType, alloc::flags::cma_flag};
/// assert_eq!(cma_flag(MigrateType::Movable), AllocFlags::CMA);
/// assert_eq!(cma_flag(MigrateType::Reclaimable), AllocFlags::empty());
/// ```
#[doc(alias = "gfp_to_alloc_flags_cma")]
#[inline]
#[must_use]
pub const fn cma_flag(migratetype: MigrateType) -> AllocFlags {
    match migratetype {
        MigrateType::Movable => AllocFlags::CMA,
        _ => AllocFlags::empty(),
    }
}

/// Whether an attempt that starts at a zone of type `preferred` would rather go to a lower zone of
/// the node than mix migratetypes in a pageblock: from NORMAL only, where there is a DMA32 zone
/// to go to.
///
/// `dma32_present` is the number of frames in the DMA32 zone of the preferred zone's node, `None`
/// if the machine has no DMA32 zones; it matters only when several nodes are online. `preferred`
/// is `None` when no zone may serve the request.
///
/// The answer depends on the machine and the preferred zone alone, so it can be kept with them.
///
/// ```
/// use page_alloc::{AllocFlags, ZoneType, alloc::flags::alloc_flags_nofragment};
/// let normal = Some(ZoneType::Normal);
/// assert_eq!(alloc_flags_nofragment(normal, 1, Some(0)), AllocFlags::NOFRAGMENT);
/// assert_eq!(alloc_flags_nofragment(normal, 2, Some(500_000)), AllocFlags::NOFRAGMENT);
/// assert_eq!(alloc_flags_nofragment(normal, 2, Some(0)), AllocFlags::empty());
/// assert_eq!(alloc_flags_nofragment(normal, 1, None), AllocFlags::empty());
/// assert_eq!(alloc_flags_nofragment(Some(ZoneType::Dma32), 1, Some(9)), AllocFlags::empty());
/// ```
#[inline]
#[must_use]
pub const fn alloc_flags_nofragment(
    preferred: Option<ZoneType>,
    nr_online_nodes: u32,
    dma32_present: Option<u64>,
) -> AllocFlags {
    match (preferred, dma32_present) {
        (Some(ZoneType::Normal), Some(present)) if nr_online_nodes <= 1 || present > 0 => {
            AllocFlags::NOFRAGMENT
        }
        _ => AllocFlags::empty(),
    }
}

/// The check against cpusets in the first attempt, where cpusets are in use: `CPUSET` when each
/// zone is to be asked about. Otherwise, a task without a nodemask of its own, the nodes of its
/// cpuset serve as the nodemask.
///
/// In both cases the first attempt goes with [`Gfp::HARDWALL`] added.
///
/// ```
/// use page_alloc::{AllocFlags, Context, NodeMask, alloc::flags::cpuset_flag};
/// assert_eq!(cpuset_flag(Context::TASK, None), AllocFlags::empty());
/// assert_eq!(cpuset_flag(Context::TASK, Some(NodeMask::ALL)), AllocFlags::CPUSET);
/// assert_eq!(cpuset_flag(Context::HARDIRQ, None), AllocFlags::CPUSET);
/// ```
#[inline]
#[must_use]
pub const fn cpuset_flag(context: Context, nodemask: Option<NodeMask>) -> AllocFlags {
    match nodemask {
        None if context.in_task() => AllocFlags::empty(),
        _ => AllocFlags::CPUSET,
    }
}

/// The flags of the first attempt: the low watermark, and kswapd is woken if the caller allows it.
///
/// `nofragment` comes from [`alloc_flags_nofragment`]. Where cpusets are in use, the caller adds
/// [`cpuset_flag`].
///
/// ```
/// use page_alloc::{AllocFlags, Gfp, MigrateType, alloc::flags::first_attempt_flags};
/// let flags =
///     first_attempt_flags(Gfp::KERNEL, MigrateType::Unmovable, AllocFlags::NOFRAGMENT);
/// assert_eq!(flags, AllocFlags::WMARK_LOW | AllocFlags::KSWAPD | AllocFlags::NOFRAGMENT);
/// ```
#[inline]
#[must_use]
pub const fn first_attempt_flags(
    gfp: Gfp,
    migratetype: MigrateType,
    nofragment: AllocFlags,
) -> AllocFlags {
    AllocFlags::WMARK_LOW.union(kswapd_flag(gfp)).union(cma_flag(migratetype)).union(nofragment)
}

/// The flags of the slow path's attempts: the min watermark, and part of what is below it for
/// requests that are important, can't wait, or come from a real-time task.
///
/// ```
/// use page_alloc::alloc::flags::gfp_to_alloc_flags;
/// use page_alloc::{AllocFlags, Context, Gfp, MigrateType, Order};
/// let flags = |gfp, order| gfp_to_alloc_flags(gfp, order, MigrateType::Unmovable, Context::TASK);
/// assert_eq!(flags(Gfp::KERNEL, Order::O0), AllocFlags::CPUSET | AllocFlags::KSWAPD);
/// let atomic = AllocFlags::MIN_RESERVE | AllocFlags::NON_BLOCK | AllocFlags::KSWAPD;
/// assert_eq!(flags(Gfp::ATOMIC, Order::O0), atomic);
/// assert_eq!(flags(Gfp::ATOMIC, Order::O1), atomic | AllocFlags::HIGHATOMIC);
/// ```
#[must_use]
pub const fn gfp_to_alloc_flags(
    gfp: Gfp,
    order: Order,
    migratetype: MigrateType,
    context: Context,
) -> AllocFlags {
    let mut flags = AllocFlags::WMARK_MIN.union(kswapd_flag(gfp)).union(cma_flag(migratetype));
    if gfp.contains(Gfp::HIGH) {
        flags = flags.union(AllocFlags::MIN_RESERVE);
    }
    if gfp.contains(Gfp::DIRECT_RECLAIM) {
        return flags.union(waiting_flags(context));
    }
    flags.union(non_block_flags(gfp, order))
}

/// What a request that may wait has besides: half of the min watermark for a real-time task.
const fn waiting_flags(context: Context) -> AllocFlags {
    if context.contains(Context::RT_TASK) && context.in_task() {
        AllocFlags::CPUSET.union(AllocFlags::MIN_RESERVE)
    } else {
        AllocFlags::CPUSET
    }
}

/// What a request that can't wait has besides: more of the reserves unless the caller declines
/// them, and, if it is important too, freedom from cpusets.
const fn non_block_flags(gfp: Gfp, order: Order) -> AllocFlags {
    let important = gfp.contains(Gfp::HIGH);
    let mut flags = if important { AllocFlags::empty() } else { AllocFlags::CPUSET };
    if !gfp.contains(Gfp::NOMEMALLOC) {
        flags = flags.union(AllocFlags::NON_BLOCK);
        if important && order.get() > 0 {
            flags = flags.union(AllocFlags::HIGHATOMIC);
        }
    }
    flags
}

/// The reserves that the context opens: `NO_WATERMARKS` to those who free memory, `OOM` to a
/// victim of the out-of-memory killer, else nothing.
///
/// ```
/// use page_alloc::{AllocFlags, Context, Gfp, alloc::flags::gfp_pfmemalloc_flags};
/// let flags = gfp_pfmemalloc_flags;
/// assert_eq!(flags(Gfp::KERNEL, Context::TASK), AllocFlags::empty());
/// assert_eq!(flags(Gfp::KERNEL, Context::MEMALLOC), AllocFlags::NO_WATERMARKS);
/// assert_eq!(flags(Gfp::KERNEL, Context::OOM_VICTIM), AllocFlags::OOM);
/// assert_eq!(flags(Gfp::KERNEL | Gfp::NOMEMALLOC, Context::MEMALLOC), AllocFlags::empty());
/// ```
#[doc(alias = "__gfp_pfmemalloc_flags")]
#[doc(alias = "gfp_pfmemalloc_allowed")]
#[must_use]
pub const fn gfp_pfmemalloc_flags(gfp: Gfp, context: Context) -> AllocFlags {
    if gfp.contains(Gfp::NOMEMALLOC) {
        return AllocFlags::empty();
    }
    let freeing = context.contains(Context::MEMALLOC);
    let task = !context.in_interrupt();
    if gfp.contains(Gfp::MEMALLOC) || freeing && (task || context.contains(Context::SOFTIRQ)) {
        AllocFlags::NO_WATERMARKS
    } else if task && context.contains(Context::OOM_VICTIM) {
        AllocFlags::OOM
    } else {
        AllocFlags::empty()
    }
}

/// The flags with which the slow path goes on when the context opens reserves: `reserves`
/// ([`gfp_pfmemalloc_flags`], not empty) takes the place of `slow` ([`gfp_to_alloc_flags`]), of
/// which only `KSWAPD` is kept.
///
/// ```
/// use page_alloc::{AllocFlags, MigrateType, alloc::flags::reserve_flags};
/// let slow = AllocFlags::MIN_RESERVE | AllocFlags::CPUSET | AllocFlags::KSWAPD;
/// assert_eq!(
///     reserve_flags(AllocFlags::NO_WATERMARKS, slow, MigrateType::Movable),
///     AllocFlags::NO_WATERMARKS | AllocFlags::CMA | AllocFlags::KSWAPD
/// );
/// ```
#[must_use]
pub const fn reserve_flags(
    reserves: AllocFlags,
    slow: AllocFlags,
    migratetype: MigrateType,
) -> AllocFlags {
    reserves.union(cma_flag(migratetype)).union(slow.intersection(AllocFlags::KSWAPD))
}

/// Whether the caller lets kswapd be woken.
#[inline]
const fn kswapd_flag(gfp: Gfp) -> AllocFlags {
    if gfp.contains(Gfp::KSWAPD_RECLAIM) { AllocFlags::KSWAPD } else { AllocFlags::empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With both scopes set, the stricter one, no I/O, holds.
    #[test]
    fn noio_scope_contains_nofs() {
        let both = Context::MEMALLOC_NOIO | Context::MEMALLOC_NOFS;
        assert_eq!(current_gfp_context(Gfp::KERNEL, both), Gfp::NOIO);
    }

    /// Without a zone to start from there is nothing to keep unmixed.
    #[test]
    fn no_preferred_zone_no_nofragment() {
        assert!(alloc_flags_nofragment(None, 1, Some(1)).is_empty());
    }

    /// A task that has soft interrupts disabled keeps its cpuset but not its reserves; its
    /// real-time class still counts.
    #[test]
    fn bh_disabled_is_task_and_interrupt() {
        let context = Context::BH_DISABLED | Context::RT_TASK | Context::MEMALLOC;
        assert!(cpuset_flag(context, None).is_empty());
        assert!(gfp_pfmemalloc_flags(Gfp::KERNEL, context).is_empty());
        let slow = gfp_to_alloc_flags(Gfp::KERNEL, Order::O0, MigrateType::Unmovable, context);
        assert_eq!(slow, AllocFlags::CPUSET | AllocFlags::MIN_RESERVE | AllocFlags::KSWAPD);
    }

    /// Declining the reserves leaves an important request half of the min watermark, no more.
    #[test]
    fn nomemalloc_keeps_min_reserve() {
        let gfp = Gfp::ATOMIC | Gfp::NOMEMALLOC;
        let slow = gfp_to_alloc_flags(gfp, Order::O3, MigrateType::Unmovable, Context::HARDIRQ);
        assert_eq!(slow, AllocFlags::MIN_RESERVE | AllocFlags::KSWAPD);
    }
}
