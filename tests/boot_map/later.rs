//! Memory that is given back after boot: what is refused, what is counted, and where it goes.
#![expect(unsafe_code, reason = "the caller's word counts for memory that was in use")]

use crate::text::{frames, node, range, region};
use page_alloc::alloc::ReleaseError;
use page_alloc::boot::{BootInfo, InitError, MemoryKind, MemoryRegion, Numa, Reservation};
use page_alloc::node::pcp::limits::{zone_batchsize, zone_highsize};
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::zone::watermark::setup::{
    LOWMEM_RESERVE_RATIO, WATERMARK_SCALE_FACTOR, WatermarkSetup, ZoneSize, lowmem_pages,
    lowmem_reserve, min_free_kbytes, nr_free_zone_pages,
};
use page_alloc::{
    CpuId, Gfp, IsolateError, MigrateType, NodeId, Order, Pfn, PfnRange, PhysAddr, WatermarkLevel,
    ZoneType,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives frames back that hold nothing.
pub(crate) fn give(sim: &Sim, range: PfnRange) -> Result<u64, ReleaseError> {
    // SAFETY: nothing is kept in the frames of a simulated machine, and tokens for reserved ones are
    // made by nobody.
    unsafe { sim.free_reserved_area(range) }
}

/// Gives back what is left of one kind.
pub(crate) fn give_kind(
    sim: &Sim,
    info: &BootInfo<'_>,
    kind: MemoryKind,
) -> Result<u64, ReleaseError> {
    // SAFETY: as above; the map of a simulated machine lies outside of its memory.
    unsafe { sim.free_reclaimable(info, kind) }
}

/// All that can be seen of the zones.
pub(crate) fn looks(sim: &Sim) -> String {
    let zones: Vec<_> =
        sim.zones().map(|zone| (zone.present_pages(), zone.nr_pageblocks())).collect();
    format!("{}{}{:?}{:?}", sim.buddyinfo(), sim.zoneinfo(), sim.vm_events(), zones)
}

fn held(start: u64, end: u64) -> Reservation {
    Reservation::new("held", PhysAddr::new(start << 12), (end - start) << 12)
}

/// 64 MiB on one node; these frames are reserved.
fn config(reserved: &[(u64, u64)]) -> SimConfig {
    let mut config = SimConfig::flat(64 << 20);
    config.reservations = reserved.iter().map(|(start, end)| held(*start, *end)).collect();
    config
}

fn boot(reserved: &[(u64, u64)]) -> Sim {
    Sim::boot(config(reserved)).unwrap()
}

/// The first frame in the way is named, with what it is, wherever it stands in the range; nothing
/// changes, and what is reserved can still be given.
#[test]
fn frames_in_the_way_are_named() {
    let mut config = config(&[(0x1000, 0x1040), (0x2c00, 0x2c10)]);
    config.memory_map.push(region(0x102_0000, 0x102_1000, MemoryKind::AcpiNvs));
    config.cma.push(held(0x2e00, 0x3000));
    let sim = Sim::boot(config).unwrap();
    let tables = sim.report().metadata.unwrap();
    let page = sim.alloc_page(Gfp::KERNEL).unwrap();
    let block = sim.alloc_pages(Gfp::KERNEL, Order::O4).unwrap();
    let cached = sim.alloc_page(Gfp::KERNEL).unwrap();
    let at_hand = cached.pfn();
    sim.free_pages(cached).unwrap();
    let managed = [
        page.pfn(),
        block.pfn(),
        block.pfn() + 7,
        at_hand,
        Pfn::new(0x800),
        Pfn::new(0x801),
        Pfn::new(0x2e00),
    ];
    let none = [Pfn::new(0), Pfn::new(0x1020), Pfn::new(1 << 40), Pfn::new(u64::MAX - 1)];
    let own = [tables.start, Pfn::new(tables.end.get() - 1)];
    let before = looks(&sim);
    let found = managed.map(|pfn| (pfn, ReleaseError::Managed(pfn))).into_iter();
    let found = found.chain(none.map(|pfn| (pfn, ReleaseError::NoMemory(pfn))));
    for (pfn, error) in found.chain(own.map(|pfn| (pfn, ReleaseError::Tables(pfn)))) {
        assert_eq!(give(&sim, PfnRange::new(pfn, pfn + 1)), Err(error));
        assert!(error.to_string().contains(&pfn.to_string()), "{error}");
    }
    for (around, error) in [
        (frames(0x1000, 0x1040), ReleaseError::NoMemory(Pfn::new(0x1020))),
        (frames(0x1030, 0x1041), ReleaseError::Managed(Pfn::new(0x1040))),
        (frames(0xfff, 0x1010), ReleaseError::Managed(Pfn::new(0xfff))),
        (frames(0x1000, u64::MAX), ReleaseError::NoMemory(Pfn::new(0x1020))),
    ] {
        assert_eq!(give(&sim, around), Err(error), "{around}");
    }
    assert_eq!(give(&sim, frames(0x1000, 0x1000)), Ok(0));
    assert_eq!(give(&sim, frames(0x1001, 0x1000)), Ok(0));
    assert_eq!((looks(&sim), sim.verify()), (before, Ok(())));
    for (range, given) in [
        (frames(0x1000, 0x1020), 0x20),
        (frames(0x1021, 0x1040), 0x1f),
        (frames(0x2c00, 0x2c10), 0x10),
    ] {
        assert_eq!(give(&sim, range), Ok(given));
        assert_eq!(give(&sim, range), Err(ReleaseError::Managed(range.start)), "twice");
    }
    assert_eq!(sim.verify(), Ok(()));
    sim.free_pages(page).unwrap();
    sim.free_pages(block).unwrap();
}

/// Present frames stay as many, managed and free ones become more by what was given; watermarks, reserves
/// and the limits of per-CPU lists stay until they are calculated anew. As Linux, frame by frame: each is
/// counted and traced as freed, and the first ones stay at hand on the CPU, the last on top.
#[test]
fn what_is_given_is_counted() {
    let sim = boot(&[(0x1100, 0x1110)]);
    let zone = || sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    let (present, managed) = (zone().present_pages(), zone().managed_pages());
    let (marks, limits) =
        (zone().snapshot().watermark, zone().pageset(CpuId::BOOT).unwrap().limits());
    let (free, freed) = (sim.nr_free_pages(), sim.vm_events().unwrap().pgfree);
    assert_eq!(give(&sim, frames(0x1100, 0x1110)), Ok(16));
    assert_eq!((zone().present_pages(), zone().managed_pages()), (present, managed + 16));
    assert_eq!(zone().snapshot().watermark, marks);
    assert_eq!(zone().pageset(CpuId::BOOT).unwrap().limits(), limits);
    assert_eq!(sim.vm_events().unwrap().pgfree - freed, 16);
    assert_eq!((sim.nr_free_pages(), zone().pageset(CpuId::BOOT).unwrap().count()), (free, 16));
    let page = sim.alloc_page(Gfp::HIGHUSER_MOVABLE).unwrap();
    assert_eq!(page.pfn(), Pfn::new(0x110f), "the last one freed");
    sim.free_pages(page).unwrap();
    sim.drain_all_pages(None);
    assert_eq!((sim.nr_free_pages(), sim.verify()), (free + 16, Ok(())));
    // All of it has become one block with what is around it.
    let mut around = None;
    zone().for_each_free(|order, _, pfn| {
        if pfn == Pfn::new(0x1000) {
            around = Some(order);
        }
    });
    assert_eq!(around, Some(Order::MAX));
}

/// The sizes of all zones.
fn sizes(sim: &Sim) -> Vec<ZoneSize> {
    let size = |zone: page_alloc::report::ZoneRef<'_, _>| ZoneSize {
        node: zone.node(),
        zone: zone.zone_type(),
        present: zone.present_pages(),
        managed: zone.managed_pages(),
    };
    sim.zones().map(size).collect()
}

/// Calculated anew, watermarks, lowmem reserves and limits are what Linux's formulas make of the sizes that
/// the zones have then, with `min_free_kbytes` from what is above the high watermarks of before; what the
/// user has set is not gone below.
#[test]
fn sizes_are_followed_when_told() {
    let mut config = SimConfig::flat(6 << 30);
    config.reservations = vec![held(0x800, 0xf00), held(0x2_0000, 0xe_0000)];
    config.cpus = vec![node(0); 3];
    let sim = Sim::boot(config).unwrap();
    let buffers = |sim: &Sim| {
        let high = |zone: &page_alloc::report::ZoneRef<'_, _>| {
            zone.snapshot().watermark[WatermarkLevel::High as usize]
        };
        nr_free_zone_pages(
            sim.zones()
                .filter(|zone| zone.zone_type() <= ZoneType::Normal)
                .map(|zone| (zone.managed_pages(), high(&zone))),
        )
    };
    assert_eq!(give(&sim, frames(0x800, 0xf00)), Ok(0x700));
    assert_eq!(give(&sim, frames(0x2_0000, 0xe_0000)), Ok(0xc_0000));
    let kbytes = min_free_kbytes(buffers(&sim), 12, None);
    assert!(kbytes > sim.report().min_free_kbytes);
    assert_eq!(sim.init_per_zone_wmark_min(), Ok(kbytes));
    let sizes = sizes(&sim);
    let lowmem = lowmem_pages(sizes.iter().copied(), ZoneType::Normal);
    let setup = WatermarkSetup::new(kbytes, 12, WATERMARK_SCALE_FACTOR, lowmem);
    for (zone, size) in sim.zones().zip(&sizes) {
        let marks = setup.watermarks(size.managed, size.class(ZoneType::Normal));
        let found = zone.snapshot();
        assert_eq!(found.watermark, [marks.min, marks.low, marks.high]);
        let managed = |of| sizes.iter().find(|it| it.zone == of).map_or(0, |it| it.managed);
        let ratio = LOWMEM_RESERVE_RATIO[size.zone.index()];
        assert_eq!(found.lowmem_reserve, lowmem_reserve(size.zone, ratio, managed));
        let limits = zone.pageset(CpuId::BOOT).unwrap().limits();
        let batch = zone_batchsize(size.managed, 12);
        assert_eq!((limits.batch, limits.high), (batch, zone_highsize(marks.low, 3, batch)));
    }
    sim.set_min_free_kbytes(200_000).unwrap();
    assert_eq!(sim.init_per_zone_wmark_min(), Ok(200_000));
    sim.set_min_free_kbytes(1).unwrap();
    let kbytes = min_free_kbytes(buffers(&sim), 12, Some(1));
    assert_eq!(sim.init_per_zone_wmark_min(), Ok(kbytes));
    assert_eq!(sim.verify(), Ok(()));
}

/// A section of which all was reserved is given piece by piece, in any order, or as a whole.
#[test]
fn whole_sections() {
    for pieces in [
        &[(0x1000, 0x1800)][..],
        &[(0x17ff, 0x1800), (0x1000, 0x1001), (0x1200, 0x17ff), (0x1001, 0x1200)],
        &[(0x1555, 0x1556), (0x1000, 0x1555), (0x1556, 0x1800)],
    ] {
        let sim = boot(&[(0x1000, 0x1800)]);
        let free = sim.nr_free_pages();
        let mut given = 0;
        for (start, end) in pieces {
            given += give(&sim, frames(*start, *end)).unwrap();
            assert_eq!(sim.verify(), Ok(()));
        }
        sim.drain_all_pages(None);
        assert_eq!((given, sim.nr_free_pages()), (0x800, free + 0x800));
        let largest = sim.zones().map(|zone| zone.nr_free()[Order::MAX.index()]).sum::<u64>();
        let twin = boot(&[]);
        let most = twin.zones().map(|zone| zone.nr_free()[Order::MAX.index()]).sum::<u64>();
        assert_eq!(largest, most, "all of it merged");
    }
}

/// A range over the borders of zones and nodes goes to all of them, or to none.
#[test]
fn over_zones_and_nodes() {
    let mut config = config(&[(0xf80, 0x1080), (0x1f00, 0x2100)]);
    config.nodes = vec![range(0, 0, 32 << 20), range(1, 32 << 20, 64 << 20)];
    config.cpus = vec![node(0), node(1)];
    let sim = Sim::boot(config).unwrap();
    let before = looks(&sim);
    for (start, end, bad) in [(0xf80, 0x1081, 0x1080), (0x1f00, 0x2101, 0x2100)] {
        let refused = give(&sim, frames(start, end));
        assert_eq!(refused, Err(ReleaseError::Managed(Pfn::new(bad))));
    }
    assert_eq!(looks(&sim), before);
    let managed = |of, zone| sim.zone(node(of), zone).unwrap().managed_pages();
    let all = || {
        [(0, ZoneType::Dma), (0, ZoneType::Dma32), (1, ZoneType::Dma32)]
            .map(|(of, zone)| managed(of, zone))
    };
    let [dma, zero, one] = all();
    assert_eq!(give(&sim, frames(0xf80, 0x1080)), Ok(0x100));
    assert_eq!(give(&sim, frames(0x1f00, 0x2100)), Ok(0x200));
    assert_eq!(all(), [dma + 0x80, zero + 0x80 + 0x100, one + 0x100]);
    assert_eq!(sim.verify(), Ok(()));
}

/// A pageblock with reserved frames can't be isolated; once they were given it can, and what is given
/// beside an isolated pageblock joins it only when that comes back.
#[test]
fn beside_isolated_pageblocks() {
    let sim = boot(&[(0x1200, 0x1400)]);
    let isolate = |pfn| sim.isolate_pageblock(Pfn::new(pfn), MigrateType::Movable);
    assert_eq!(isolate(0x1200), Err(IsolateError::Unmovable(Pfn::new(0x1200))));
    let free = sim.nr_free_pages();
    isolate(0x1000).unwrap();
    assert_eq!(give(&sim, frames(0x1200, 0x1400)), Ok(0x200));
    sim.drain_all_pages(None);
    assert_eq!((sim.nr_free_pages(), sim.verify()), (free, Ok(())));
    isolate(0x1200).unwrap();
    assert_eq!((sim.nr_free_pages(), sim.verify()), (free - 0x200, Ok(())));
    for pfn in [0x1000, 0x1200] {
        sim.unisolate_pageblock(Pfn::new(pfn), MigrateType::Movable).unwrap();
    }
    assert_eq!((sim.nr_free_pages(), sim.verify()), (free + 0x200, Ok(())));
    let whole = sim.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::MAX).unwrap();
    sim.free_pages(whole).unwrap();
}

/// Frames given beside a CMA area stay out of it, and its frames are never given a second time.
#[test]
fn beside_a_cma_area() {
    let mut config = config(&[(0x1200, 0x1400)]);
    config.cma.push(held(0x1000, 0x1200));
    let sim = Sim::boot(config).unwrap();
    let cma = || sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap().snapshot().free_cma_pages;
    assert_eq!(give(&sim, frames(0x1100, 0x1300)), Err(ReleaseError::Managed(Pfn::new(0x1100))));
    assert_eq!(give(&sim, frames(0x1200, 0x1400)), Ok(0x200));
    sim.drain_all_pages(None);
    assert_eq!((cma(), sim.verify()), (0x200, Ok(())));
}

fn reclaimable_map() -> Vec<MemoryRegion> {
    vec![
        region(0x1000, 0x100_0000, MemoryKind::Usable),
        region(0x100_0000, 0x100_8000, MemoryKind::BootloaderReclaimable),
        region(0x100_8000, 0x100_a800, MemoryKind::AcpiReclaimable),
        // One frame has bytes of both kinds, one of a kind and of free memory, one is claimed twice.
        region(0x100_a800, 0x100_c400, MemoryKind::BootloaderReclaimable),
        region(0x100_c400, 0x110_0000, MemoryKind::Usable),
        region(0x110_0000, 0x110_2000, MemoryKind::AcpiReclaimable),
        region(0x110_1000, 0x110_2000, MemoryKind::BootloaderReclaimable),
        region(0x110_3000, 0x110_4000, MemoryKind::Reserved),
    ]
}

/// Each kind comes back by itself, once; what both have stays, and so does what is reserved beside.
#[test]
fn kinds_come_back_by_themselves() {
    let map = reclaimable_map();
    let kept = [held(0x1002, 0x1003)];
    let info = BootInfo::new(&map).reservations(&kept);
    let mut config = SimConfig::new(map.clone());
    config.reservations = kept.to_vec();
    let sim = Sim::boot(config).unwrap();
    let free = sim.nr_free_pages();
    for kind in [MemoryKind::Usable, MemoryKind::Reserved, MemoryKind::AcpiNvs] {
        assert_eq!(give_kind(&sim, &info, kind), Ok(0), "{kind}");
    }
    assert_eq!(give_kind(&sim, &info, MemoryKind::BootloaderReclaimable), Ok(7 + 2));
    let again = give_kind(&sim, &info, MemoryKind::BootloaderReclaimable);
    assert_eq!(again, Err(ReleaseError::Managed(Pfn::new(0x1000))));
    assert_eq!(give_kind(&sim, &info, MemoryKind::AcpiReclaimable), Ok(2 + 1));
    sim.drain_all_pages(None);
    assert_eq!((sim.nr_free_pages(), sim.verify()), (free + 12, Ok(())));
    // What was left can be given by number.
    for pfn in [0x1002, 0x100a, 0x1101] {
        assert_eq!(give(&sim, frames(pfn, pfn + 1)), Ok(1));
    }
    assert_eq!(sim.verify(), Ok(()));
}

/// A map that says otherwise than the one at boot is found out, frame by frame; one that makes no sense is
/// refused.
#[test]
fn maps_that_lie() {
    let sim = Sim::boot(SimConfig::new(reclaimable_map())).unwrap();
    let before = looks(&sim);
    let kind = MemoryKind::AcpiReclaimable;
    let mut map = reclaimable_map();
    map[0].kind = kind;
    let info = BootInfo::new(&map);
    assert_eq!(give_kind(&sim, &info, kind), Err(ReleaseError::Managed(Pfn::new(1))));
    let beyond = [region(0x100_8000, 0x100_a000, kind), region(0x1_0000_0000, 0x1_0000_1000, kind)];
    let info = BootInfo::new(&beyond);
    assert_eq!(give_kind(&sim, &info, kind), Err(ReleaseError::NoMemory(Pfn::new(0x10_0000))));
    let wraps = [Reservation::new("wraps", PhysAddr::new(u64::MAX), 2)];
    let info = BootInfo::new(&map).reservations(&wraps);
    let error = ReleaseError::BootInfo(InitError::ReservationWraps(wraps[0]));
    assert_eq!(give_kind(&sim, &info, kind), Err(error));
    assert!(error.to_string().contains("wraps"));
    let ranges = [range(0, 0, 1 << 30), range(1, 0, 1 << 20)];
    let numa = Numa::Ranges { ranges: &ranges, distances: &[], cpus: &[NodeId::ZERO] };
    let info = BootInfo::new(&map).numa(numa);
    assert!(matches!(give_kind(&sim, &info, kind), Err(ReleaseError::BootInfo(_))));
    assert_eq!((looks(&sim), sim.verify()), (before, Ok(())));
}

/// Two CPUs that give ranges which overlap: one has all of its range, the other none, whichever begins. A
/// third allocates and frees meanwhile.
#[test]
fn two_at_once() {
    let rounds = if cfg!(debug_assertions) { 60 } else { 600 };
    for round in 0..rounds {
        let mut config = config(&[(0x1000, 0x2400)]);
        config.cpus = vec![node(0); 3];
        let sim = Sim::boot(config).unwrap();
        let free = sim.nr_free_pages();
        // Both have the frames from 0x23c0 on. The first has much to look at and to claim before it comes
        // to these.
        let ranges = [frames(0x1000 + round % 7, 0x2400), frames(0x23c0, 0x2400)];
        let given = [const { AtomicU64::new(0) }; 2];
        sim.run(|cpu| match ranges.get(cpu.index()) {
            Some(range) => {
                (0..round * 200 * cpu.index() as u64).for_each(|_| core::hint::spin_loop());
                match give(&sim, *range) {
                    Ok(frames) => given[cpu.index()].store(frames, Ordering::Relaxed),
                    Err(error) => {
                        let named = |pfn| ReleaseError::Managed(Pfn::new(pfn));
                        assert!((0x23c0..0x2400).any(|pfn| error == named(pfn)), "{error}");
                    }
                }
            }
            None => (0..200).for_each(|_| {
                let page = sim.alloc_page(Gfp::KERNEL).unwrap();
                sim.free_pages(page).unwrap();
            }),
        });
        let given = given.map(AtomicU64::into_inner);
        let all = ranges.map(PfnRange::len);
        assert!(given == [all[0], 0] || given == [0, all[1]], "{given:x?}");
        sim.drain_all_pages(None);
        let gained = given.iter().sum::<u64>();
        assert_eq!((sim.nr_free_pages(), sim.verify()), (free + gained, Ok(())));
        // What the first could not have is still there to be given.
        if given[0] == 0 {
            assert_eq!(give(&sim, frames(0x1000, 0x23c0)), Ok(0x13c0));
            assert_eq!(sim.verify(), Ok(()));
        }
    }
}
