//! How many frames a CPU keeps of a zone, and how many it moves at once.

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
