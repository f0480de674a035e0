//! A zone alone: what its configuration may not be.

use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{Pfn, PfnRange, RawZone, RawZoneConfig, RawZoneError};

fn range(start: u64, end: u64) -> PfnRange {
    PfnRange::new(Pfn::new(start), Pfn::new(end))
}

fn refusal(config: &RawZoneConfig<'_>) -> RawZoneError {
    let error = RawZone::metadata_bytes(config).unwrap_err();
    assert_eq!(RawZone::new(&mut vec![0; 1 << 20], config).unwrap_err(), error);
    error
}

/// Watermarks ascend (I8).
#[test]
fn watermarks_out_of_order_are_refused() {
    let (span, present) = (range(0, 2048), [range(0, 2048)]);
    for (min, low, high) in [(2, 1, 3), (1, 3, 2), (3, 3, 2)] {
        let watermarks = Watermarks { min, low, high, promo: 0 };
        let config = RawZoneConfig { watermarks, ..RawZoneConfig::new(span, &present) };
        assert_eq!(refusal(&config), RawZoneError::WatermarksOutOfOrder(watermarks));
    }
    let watermarks = Watermarks { min: 1, low: 1, high: 1, promo: 0 };
    let config = RawZoneConfig { watermarks, ..RawZoneConfig::new(span, &present) };
    let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
    assert_eq!(RawZone::new(&mut memory, &config).unwrap().verify(), Ok(()));
}

/// Ranges ascend, do not meet where they must not, and lie where they belong.
#[test]
fn ranges_that_do_not_fit_are_refused() {
    let span = range(0, 4096);
    let refused = |present: &[_], reserved: &[_], cma: &[_]| {
        refusal(&RawZoneConfig { reserved, cma, ..RawZoneConfig::new(span, present) })
    };
    let all = [span];
    assert_eq!(refused(&[], &[], &[]), RawZoneError::Empty);
    let beyond = range(4000, 4097);
    assert_eq!(refused(&[beyond], &[], &[]), RawZoneError::Outside(beyond));
    let (late, early) = (range(512, 1024), range(0, 513));
    assert_eq!(refused(&[late, early], &[], &[]), RawZoneError::NotAscending(early));
    assert_eq!(refused(&all, &[late, early], &[]), RawZoneError::NotAscending(early));
    assert_eq!(refused(&[early], &[late], &[]), RawZoneError::Outside(late));
    assert_eq!(refused(&all, &[], &[early]), RawZoneError::NotPageblocks(early));
    assert_eq!(refused(&all, &[early], &[late]), RawZoneError::NotPageblocks(late));
}

/// The tables need the bytes that were said, and one less is told as too little.
#[test]
fn too_little_memory_is_refused() {
    let present = [range(0, 2048)];
    let config = RawZoneConfig::new(present[0], &present);
    let bytes = RawZone::metadata_bytes(&config).unwrap();
    let mut memory = vec![0; bytes / 2];
    assert_eq!(RawZone::new(&mut memory, &config).unwrap_err(), RawZoneError::NoRoom(bytes));
}
