//! How many frames a CPU keeps of a zone, and how many it moves at once.

/// Where `high` adapts, the CPUs of a zone's node come to keep one part in so many of it together, or
/// what a fixed `high` would let them keep, if that is more.
#[doc(alias = "percpu_pagelist_high_fraction")]
pub const MIN_PERCPU_PAGELIST_HIGH_FRACTION: u64 = 8;

/// Whether a CPU's `high` follows what it does with its lists.
///
/// ```
/// # use page_alloc::sim::{Sim, SimConfig};
/// use page_alloc::boot::Options;
/// use page_alloc::node::pcp::PcpHigh;
/// use page_alloc::{CpuId, Gfp, NodeId, ZoneType};
/// let mut config = SimConfig::flat(1 << 30);
/// config.options = Options::DEFAULT.pcp_high(PcpHigh::Adaptive);
/// # let sim = Sim::boot(config)?;
/// let lists = || sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap().pageset(CpuId::BOOT).unwrap();
/// let min = lists().limits().high;
/// let pages: Vec<_> = (0..3000).map(|_| sim.alloc_page(Gfp::KERNEL).unwrap()).collect();
/// assert!(lists().limits().high > min); // the lists ran empty again and again
/// assert!(lists().high_range().contains(&lists().limits().high));
/// # pages.into_iter().try_for_each(|page| sim.free_pages(page))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PcpHigh {
    /// It stays as the zone's watermark sets it: Linux 6.1.
    #[default]
    Fixed,
    /// It grows while lists run empty or overflow and the zone has ample memory, up to an eighth of
    /// the zone, shared by the CPUs of its node; it shrinks back while the zone is below its high
    /// watermark or is reclaimed, and as time goes by ([`age_local_pages`]). Lists that are refilled
    /// while nothing is freed take twice as much each time. As Linux does from 6.7 on.
    ///
    /// Requests and frees that the lists serve cost nothing more: all this is decided where frames
    /// move between the lists and their zone. So, otherwise than in Linux, a CPU notices only there
    /// that its zone is low, and frames that were freed in a row are reckoned from what its lists
    /// gained. Reclaim bounds the lists of all CPUs at once.
    ///
    /// [`age_local_pages`]: crate::PageAllocator::age_local_pages
    #[doc(alias = "high_max")]
    Adaptive,
}

/// The batch of a zone, and from how many frames on a CPU gives a batch back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PcpLimits {
    /// Frames that are taken or given back at once.
    pub batch: u32,
    /// Frames from which on a batch is given back; 0: none are kept.
    pub high: u32,
}

/// The batch of a zone of so many managed frames of `1 << page_shift` bytes: about a thousandth of
/// the zone, at most 1 MiB, a quarter of that, and one less than a power of two. At least 1.
///
/// Linux prints it at boot, as `LIFO batch`.
///
/// ```
/// use page_alloc::node::pcp::limits::zone_batchsize;
/// assert_eq!(zone_batchsize(3_840, 12), 1); // 15 MiB; Linux prints 0
/// assert_eq!(zone_batchsize(65_536, 12), 15);
/// assert_eq!(zone_batchsize(1_000_000, 12), 63);
/// ```
#[must_use]
pub fn zone_batchsize(managed: u64, page_shift: u32) -> u32 {
    let most = (1 << 20 >> page_shift.min(20)) as u64;
    let quarter = ((managed >> 10).min(most) / 4).max(1);
    let batch = quarter + quarter / 2;
    let power = 1 << batch.ilog2();
    (power - 1).max(1)
}

/// How many frames each of `cpus` CPUs keeps of a zone: together they keep no more than `total`, its
/// low watermark, so that kswapd is not woken for want of what they have; but at least 4 batches
/// each.
///
/// `cpus` are those of the zone's node; if it has none, all.
///
/// ```
/// use page_alloc::node::pcp::limits::zone_highsize;
/// assert_eq!(zone_highsize(14_000, 4, 63), 3_500);
/// assert_eq!(zone_highsize(100, 4, 63), 252);
/// ```
#[must_use]
pub fn zone_highsize(total: u64, cpus: u32, batch: u32) -> u32 {
    let share = total / u64::from(cpus.max(1));
    u32::try_from(share).unwrap_or(u32::MAX).max(batch.saturating_mul(4))
}
