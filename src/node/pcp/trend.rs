//! A `high` that follows what its CPU does with the lists ([`PcpHigh::Adaptive`](super::PcpHigh)).
//!
//! All is decided where frames move between the lists and their zone: what happened in between is
//! read off the counts of frames taken and freed. So the lists' users pay nothing.

use super::usage::Usage;
use super::{Pcp, PcpIndex};
use crate::zone::watermark::{ZoneView, zone_watermark_ok};
use crate::zone::{ReclaimActive, ZoneShared};
use crate::{AllocFlags, Order, WatermarkLevel, ZoneType};
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU32, Ordering, fence};

/// How often the batch of a refill doubles; as many frames may go back at once.
#[doc(alias = "CONFIG_PCP_BATCH_SCALE_MAX")]
const MAX_DOUBLINGS: u32 = 5;

/// Where `high` may move, and what it follows.
///
/// `min` and `max` are set by anybody; what else is here changes with the lists, under their lock.
#[derive(Debug, Default)]
pub(super) struct Trend {
    min: AtomicU32,
    /// Where it is `min`, nothing adapts.
    max: AtomicU32,
    /// How often the batch of a refill was doubled; halved by each frame freed (in Linux, by each block).
    alloc_factor: AtomicU32,
    /// Frames that were freed in a row; halved by each frame taken (in Linux, by each block).
    free_count: AtomicU32,
    taken: AtomicU32,
    freed: AtomicU32,
    gained: AtomicU32,
}

/// What the zone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    Ample,
    /// Less than its high watermark.
    #[doc(alias = "ZONE_BELOW_HIGH")]
    Low,
    /// Its memory is being reclaimed.
    Reclaimed,
}

impl Supply {
    fn of(zone: &ZoneShared) -> Self {
        let high = zone.watermark(WatermarkLevel::High).saturating_add(zone.watermark_boost());
        let (order, flags) = (Order::ZERO, AllocFlags::empty());
        match zone.reclaim_active() {
            ReclaimActive::Yes => Self::Reclaimed,
            ReclaimActive::No if zone_watermark_ok(zone, order, high, ZoneType::Movable, flags) => {
                Self::Ample
            }
            ReclaimActive::No => Self::Low,
        }
    }
}

impl Trend {
    fn alloc_factor(&self) -> u32 {
        self.alloc_factor.load(Ordering::Relaxed)
    }

    fn free_count(&self) -> u32 {
        self.free_count.load(Ordering::Relaxed)
    }

    fn range(&self) -> (u32, u32) {
        (self.min.load(Ordering::Relaxed), self.max.load(Ordering::Relaxed))
    }

    /// Takes in what the lists were used for. What the lists gained counts as freed in a row: of
    /// frames that were freed and taken again in turn, nothing stays.
    fn catch_up(&self, now: Usage, batch: u32) {
        let [taken, freed, gained] =
            [&self.taken, &self.freed, &self.gained].map(|number| number.load(Ordering::Relaxed));
        let since = now.since(Usage { taken, freed, gained });
        self.taken.store(now.taken, Ordering::Relaxed);
        self.freed.store(now.freed, Ordering::Relaxed);
        self.gained.store(now.gained, Ordering::Relaxed);
        let factor = self.alloc_factor().checked_shr(since.freed).unwrap_or(0);
        self.alloc_factor.store(factor, Ordering::Relaxed);
        let before = self.free_count().checked_shr(since.taken).unwrap_or(0);
        let gained = since.gained.cast_signed().max(0).cast_unsigned();
        let most = doubled(batch, MAX_DOUBLINGS);
        self.free_count.store(before.saturating_add(gained).min(most), Ordering::Relaxed);
    }
}

impl Pcp {
    /// Where `high` may move.
    pub(crate) fn high_range(&self) -> RangeInclusive<u32> {
        let (min, max) = self.trend.range();
        min..=max
    }

    /// Sets the batch and where `high` may move; it stays where it is, if it may.
    pub(crate) fn set_range(&self, batch: u32, range: RangeInclusive<u32>, zone: &ZoneShared) {
        let (min, max) = range.into_inner();
        self.trend.min.store(min, Ordering::Relaxed);
        self.trend.max.store(max, Ordering::Relaxed);
        self.set_batch(batch);
        fence(Ordering::SeqCst);
        self.settle(self.high(), Supply::Ample, zone);
    }

    /// Memory of the zone is being reclaimed from now on, or no more: the zone has it noted.
    pub(super) fn follow_reclaim(&self, zone: &ZoneShared) {
        loop {
            let reclaim = zone.reclaim_active();
            self.set_reclaim(reclaim);
            fence(Ordering::SeqCst);
            if zone.reclaim_active() == reclaim {
                return;
            }
        }
    }

    /// Whether `high` moves.
    #[inline]
    pub(crate) fn adapts(&self) -> bool {
        let (min, max) = self.trend.range();
        min < max
    }

    /// Blocks of a refill: twice as many frames each time, as long as nothing is freed and there is
    /// room for them. `high` rises by as much while the zone has ample memory: with longer lists the
    /// zone would not have been asked.
    #[doc(alias = "nr_pcp_alloc")]
    #[inline(never)]
    pub(super) fn take_adapting(&self, order: Order, zone: &ZoneShared) -> u32 {
        let (batch, trend) = (self.batch(), &self.trend);
        trend.catch_up(self.usage(), batch);
        let factor = trend.alloc_factor();
        let single = order == Order::ZERO;
        let mut frames = if single { doubled(batch, factor) } else { batch };
        let supply = Supply::of(zone);
        let rise = if supply == Supply::Ample { frames } else { 0 };
        let high = self.settle(self.high().saturating_add(rise), supply, zone);
        if single {
            let room = high.saturating_sub(self.count()).saturating_sub(batch).max(batch);
            if frames <= room && factor < MAX_DOUBLINGS {
                trend.alloc_factor.store(factor + 1, Ordering::Relaxed);
            }
            frames = frames.min(room);
        }
        if frames > 1 { (frames >> order.get()).max(2) } else { 1 }
    }

    /// How many frames to give back, now that a block was freed to the list `index`: as many as were
    /// freed in a row, at least a batch, but a batch stays. `high` rises to hold as many, or falls
    /// by as many if the zone has less than it should.
    #[doc(alias = "nr_pcp_free")]
    #[inline(never)]
    pub(super) fn free_adapting(&self, index: PcpIndex, zone: &ZoneShared) -> u32 {
        let (batch, high, count) = (self.batch(), self.high(), self.count());
        self.trend.catch_up(self.usage(), batch);
        let streak = self.trend.free_count().max(batch);
        let supply = Supply::of(zone);
        if self.frees_all(index.order().get()) {
            let most = doubled(batch, MAX_DOUBLINGS);
            self.settle(high.saturating_sub(most), supply, zone);
            return count.min(most);
        }
        let next = match supply {
            Supply::Ample if count < high => high,
            Supply::Ample => high.max(self.trend.free_count().saturating_add(batch)),
            Supply::Low | Supply::Reclaimed => high.saturating_sub(streak),
        };
        self.settle(next, supply, zone);
        let kept = match supply {
            Supply::Ample => high,
            Supply::Low => count.max(self.trend.range().0),
            Supply::Reclaimed => self.bound(),
        };
        if count < kept {
            return 0;
        }
        self.set_free_factor((self.free_factor() + 1).min(MAX_DOUBLINGS));
        streak.min(kept.saturating_sub(batch))
    }

    /// A while has passed: `high` falls by an eighth. Gives the number of frames that are too much
    /// then, at most as many as go back at once.
    #[doc(alias = "decay_pcp_high")]
    pub(crate) fn decay(&self, zone: &ZoneShared) -> u32 {
        let high = self.high();
        if !self.adapts() || high <= self.trend.range().0 {
            return 0;
        }
        let most = doubled(self.batch(), MAX_DOUBLINGS);
        let slow = self.count().saturating_sub(most).min(high);
        let lower = high - (high >> 3).max(1);
        let high = self.settle(lower.max(slow), Supply::of(zone), zone);
        self.count().saturating_sub(high).min(most)
    }

    /// Sets `high`, as near as it may be, and from how many frames on a batch goes back now. Gives
    /// the new `high`.
    ///
    /// Whoever sets the range at the same time on another CPU, or begins or ends reclaim, writes that
    /// down, passes a fence and sets the bound; here the bound is set first. With a fence on both
    /// sides, either that bound is the later one, or what was written down is seen here.
    fn settle(&self, high: u32, supply: Supply, zone: &ZoneShared) -> u32 {
        loop {
            let (range, reclaim) = (self.trend.range(), zone.reclaim_active());
            let high = high.min(range.1).max(range.0);
            self.high.store(high, Ordering::Relaxed);
            self.set_reclaim(reclaim);
            if reclaim == ReclaimActive::No && supply == Supply::Low {
                self.set_bound(range.0);
            }
            fence(Ordering::SeqCst);
            if zone.reclaim_active() == reclaim && self.trend.range() == range {
                return high;
            }
        }
    }
}

/// So many batches as one doubled so often.
fn doubled(batch: u32, times: u32) -> u32 {
    batch.saturating_mul(1 << times.min(MAX_DOUBLINGS))
}
