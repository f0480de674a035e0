//! What makes a `high` that adapts fall.

use crate::adaptive::{BATCH, DMA32, free, high, lists, machine, range, risen, swing, take};

use page_alloc::alloc::Drained;
use page_alloc::node::pcp::PcpHigh;
use page_alloc::zone::ReclaimActive;
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{Order, WatermarkLevel};

/// While a zone's memory is reclaimed, its CPUs keep less than four batches, as with a fixed `high`;
/// that falls to its least as they free, and does not rise as they take.
#[test]
fn reclaim_takes_high_down() {
    let (sim, held) = risen();
    let (min, _) = range(&sim);
    let active = |active| sim.set_reclaim_active(DMA32.0, DMA32.1, active).expect("a zone");
    active(ReclaimActive::Yes);
    free(&sim, held);
    assert_eq!(high(&sim), min);
    assert!(lists(&sim).count() < 4 * BATCH);
    free(&sim, take(&sim, Order::O0, 3000));
    assert_eq!(high(&sim), min);
    assert!(lists(&sim).count() < 4 * BATCH);
    active(ReclaimActive::No);
    swing(&sim, Order::O0, 6000, 3);
    assert!(high(&sim) > 6000, "it rises again");
    assert_eq!(sim.verify(), Ok(()));
}

/// What is too much when reclaim begins goes back bit by bit, at most three batches for each free, as
/// with a fixed `high`; `high` falls by all that was freed in a row.
#[test]
fn reclaim_takes_a_little_at_a_time() {
    let (sim, mut held) = risen();
    let two = held.split_off(held.len() - 2);
    free(&sim, held);
    let (count, before) = (lists(&sim).count(), high(&sim));
    assert!(count > 6000);
    sim.set_reclaim_active(DMA32.0, DMA32.1, ReclaimActive::Yes).expect("a zone");
    for (times, page) in (1..).zip(two) {
        free(&sim, [page]);
        assert_eq!(lists(&sim).count(), count - times * (3 * BATCH - 1));
        assert_eq!(high(&sim), before - times * 32 * BATCH);
    }
}

/// While a zone has less than its high watermark, `high` falls by what goes back, which is at least
/// a batch, down to its least; a CPU keeps no more than that. It does not rise.
#[test]
fn a_zone_below_its_high_watermark_takes_high_down() {
    let (sim, mut held) = risen();
    let (min, _) = range(&sim);
    let zone = sim.zone(DMA32.0, DMA32.1).expect("a zone");
    let [low, all] =
        [zone.snapshot().watermark[WatermarkLevel::Low as usize], zone.managed_pages()];
    let marks = |high| Watermarks { min: 0, low, high, promo: high };
    sim.set_watermarks(DMA32.0, DMA32.1, marks(all)).expect("ascending watermarks");
    let before = high(&sim);
    let last = lists(&sim).count() as usize + 1;
    held.extend(take(&sim, Order::O0, last));
    assert_eq!(high(&sim), before, "a refill, but the zone is below its mark");
    let mut falls = Vec::new();
    for page in held.drain(..) {
        let before = high(&sim);
        free(&sim, [page]);
        falls.push(before - high(&sim));
    }
    assert_eq!(high(&sim), min);
    assert!(lists(&sim).count() < min);
    falls.retain(|fall| *fall > 0);
    falls.pop();
    assert!(!falls.is_empty() && falls.iter().all(|fall| *fall >= BATCH), "{falls:?}");
    free(&sim, take(&sim, Order::O0, 3000));
    assert_eq!(high(&sim), min);
    let high_before = zone.snapshot().watermark[WatermarkLevel::Low as usize];
    sim.set_watermarks(DMA32.0, DMA32.1, marks(high_before)).expect("ascending watermarks");
    swing(&sim, Order::O0, 6000, 3);
    assert!(high(&sim) > 6000, "it rises again");
}

/// With each round of ageing `high` falls by an eighth, down to its least, and what is too much
/// goes back; a CPU's lists of its own node age so, too. Then rounds do nothing.
#[test]
fn ageing_takes_high_down() {
    let (sim, held) = risen();
    free(&sim, held);
    let (min, _) = range(&sim);
    let mut rounds = 0;
    while high(&sim) > min {
        let (before, count) = (high(&sim), lists(&sim).count());
        let drained = sim.age_local_pages();
        assert_eq!(high(&sim), (before - before / 8).max(min));
        let expected = count.saturating_sub(high(&sim));
        assert_eq!(drained, Drained { frames: expected.into(), skipped: 0 });
        assert_eq!(lists(&sim).count(), count - expected);
        rounds += 1;
    }
    assert!(rounds > 8, "{rounds} rounds");
    assert!(lists(&sim).count() <= min);
    assert_eq!(sim.age_local_pages(), Drained::default());
    assert_eq!(sim.verify(), Ok(()));
}

/// A round of ageing gives at most 32 batches back; `high` waits for them, so that after each round a
/// CPU has no more than it should.
#[test]
fn ageing_is_bounded() {
    let sim = machine(PcpHigh::Adaptive);
    swing(&sim, Order::O0, 28_000, 4);
    let count = lists(&sim).count();
    assert!(count > 25_000);
    let round = |_| {
        let drained = sim.age_local_pages().frames;
        assert!(lists(&sim).count() <= high(&sim));
        drained
    };
    let most = (0..30).map(round).max();
    assert_eq!(most, Some(u64::from(32 * BATCH)));
}

/// While blocks of several frames are only freed, `high` falls by what goes with them, at most 32
/// batches at a time.
#[test]
fn larger_blocks_that_are_only_freed_take_high_down() {
    let sim = machine(PcpHigh::Adaptive);
    let blocks = take(&sim, Order::O1, 10);
    let (min, max) = range(&sim);
    let held = take(&sim, Order::O0, 60_000);
    assert_eq!(high(&sim), max);
    free(&sim, held);
    assert!(lists(&sim).free_factor() > 0 && lists(&sim).count() > BATCH);
    let mut blocks = blocks.into_iter();
    for times in 1..=10 {
        let count = lists(&sim).count();
        free(&sim, blocks.next());
        assert_eq!(high(&sim), max.saturating_sub(times * 32 * BATCH).max(min));
        assert_eq!(lists(&sim).count(), (count + 2).saturating_sub(32 * BATCH));
    }
}
