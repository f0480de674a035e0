//! Memory that comes after boot: what is planned for it, what is refused, and what it changes.
#![expect(unsafe_code, reason = "the caller's word counts for memory that comes")]

use crate::later::{give, looks};
use crate::text::{files, frames, node, range, region};
use page_alloc::alloc::{HotplugError, OnlineTo, Onlined, ReleaseError};
use page_alloc::boot::{BootInfo, InitError, MemoryKind, NodeRange, Survey, metadata_bytes};
use page_alloc::node::ZonelistKind;
use page_alloc::sim::{MapFile, Sim, SimConfig, SimError, Tables};
use page_alloc::zone::watermark::setup::{
    LOWMEM_RESERVE_RATIO, WATERMARK_SCALE_FACTOR, WatermarkSetup, ZoneSize, lowmem_pages,
    lowmem_reserve, min_free_kbytes, nr_free_zone_pages,
};
use page_alloc::{
    CpuId, Gfp, MigrateType, NodeId, Order, Pfn, PfnRange, PhysAddr, WatermarkLevel, ZoneType,
};
use std::sync::atomic::{AtomicU32, Ordering};

const GIB: u64 = 1 << 30;

/// Has memory come.
pub(crate) fn add(
    sim: &Sim,
    of: u64,
    range: PfnRange,
    to: OnlineTo,
) -> Result<Onlined, HotplugError> {
    // SAFETY: planned frames lie in the mapping of the simulated machine, and nobody uses them.
    unsafe { sim.add_memory(node(of), range, to) }
}

/// So many bytes on one node, and more that may come.
fn config(bytes: u64, later: &[NodeRange]) -> SimConfig {
    let mut config = SimConfig::flat(bytes);
    config.hotplug = later.to_vec();
    config.tables = Tables::Apart;
    config
}

fn boot(bytes: u64, later: &[NodeRange]) -> Sim {
    Sim::boot(config(bytes, later)).unwrap()
}

/// The free blocks of all zones, in the order of the lists.
fn free_lists(sim: &Sim) -> Vec<(NodeId, ZoneType, Order, MigrateType, Pfn)> {
    let mut all = Vec::new();
    for zone in sim.zones() {
        zone.for_each_free(|order, migratetype, pfn| {
            all.push((zone.node(), zone.zone_type(), order, migratetype, pfn));
        });
    }
    all
}

/// What is fixed by which memory there is.
fn shape(sim: &Sim) -> Vec<(PfnRange, u64, u64, [u64; 6])> {
    let zones = sim.zones();
    zones
        .map(|zone| (zone.span(), zone.present_pages(), zone.managed_pages(), zone.nr_pageblocks()))
        .collect()
}

fn zonelists(sim: &Sim) -> Vec<Vec<(NodeId, ZoneType)>> {
    let kinds = [ZonelistKind::Fallback, ZonelistKind::NoFallback];
    let lists = sim.nodes().flat_map(|node| {
        kinds.map(|kind| node.zonelist(kind).map(|it| (it.node(), it.zone_type())).collect())
    });
    lists.collect()
}

/// A machine to which memory came is as one that booted with it: spans, present and managed frames,
/// pageblocks, free lists with their order, and zonelists.
#[test]
fn as_if_it_had_always_been_there() {
    let later = [range(0, 4 * GIB, 5 * GIB), range(0, 6 * GIB, 6 * GIB + (64 << 20))];
    let sim = boot(4 * GIB, &later);
    for (start, end) in [(0x10_0000, 0x11_0000), (0x11_0000, 0x14_0000), (0x18_0000, 0x18_4000)] {
        let came = add(&sim, 0, frames(start, end), OnlineTo::Kernel).unwrap();
        assert_eq!((came.zone, came.pages), (ZoneType::Normal, end - start));
        assert_eq!(came.populated, start == 0x10_0000);
        assert_eq!(sim.verify(), Ok(()));
    }
    let mut config = config(5 * GIB, &[]);
    config.memory_map.push(region(6 * GIB, 6 * GIB + (64 << 20), MemoryKind::Usable));
    let twin = Sim::boot(config).unwrap();
    assert_eq!(shape(&sim), shape(&twin));
    assert_eq!(free_lists(&sim), free_lists(&twin));
    assert_eq!(zonelists(&sim), zonelists(&twin));
    assert_eq!(sim.nr_free_pages(), twin.nr_free_pages());
}

/// As long as nothing comes, a machine is as one for which nothing was planned; requests are served alike.
#[test]
fn planning_alone_changes_nothing() {
    let later = [range(0, 4 * GIB, 8 * GIB), range(3, 8 * GIB, 9 * GIB)];
    let (sim, twin) = (boot(GIB, &later), boot(GIB, &[]));
    let own = |sim: &Sim| {
        let zones = sim.zones().filter(|zone| zone.node() == NodeId::ZERO);
        zones.map(|zone| format!("{:?} {:?}", zone.snapshot(), zone.span())).collect::<Vec<_>>()
    };
    for round in 0..3 {
        assert_eq!(own(&sim), own(&twin), "round {round}");
        assert_eq!(free_lists(&sim), free_lists(&twin));
        assert_eq!(zonelists(&sim)[..2], zonelists(&twin)[..]);
        let page = |sim: &Sim| sim.alloc_page(Gfp::KERNEL).unwrap().into_raw();
        assert_eq!(page(&sim), page(&twin));
        sim.compact_node(NodeId::ZERO).unwrap();
        twin.compact_node(NodeId::ZERO).unwrap();
    }
    assert_eq!((sim.report().present_pages, sim.verify()), (twin.report().present_pages, Ok(())));
    assert_eq!(sim.report().frames, twin.report().frames);
}

/// Watermarks, reserves and `min_free_kbytes` are calculated anew from the sizes with what came.
#[test]
fn sizes_are_followed() {
    let sim = boot(GIB, &[range(0, 4 * GIB, 36 * GIB)]);
    let buffers: Vec<_> = sim
        .zones()
        .filter(|zone| zone.zone_type() <= ZoneType::Normal)
        .map(|zone| {
            let came = if zone.zone_type() == ZoneType::Normal { 8 << 20 } else { 0 };
            let high = zone.snapshot().watermark[WatermarkLevel::High as usize];
            (zone.managed_pages() + came, high)
        })
        .collect();
    let kbytes = min_free_kbytes(nr_free_zone_pages(buffers), 12, None);
    let came = add(&sim, 0, frames(0x10_0000, 0x90_0000), OnlineTo::Kernel).unwrap();
    assert_eq!((came.min_free_kbytes, came.pages), (kbytes, 8 << 20));
    let size = |zone: page_alloc::report::ZoneRef<'_, _>| ZoneSize {
        node: zone.node(),
        zone: zone.zone_type(),
        present: zone.present_pages(),
        managed: zone.managed_pages(),
    };
    let sizes: Vec<_> = sim.zones().map(size).collect();
    let lowmem = lowmem_pages(sizes.iter().copied(), ZoneType::Normal);
    let setup = WatermarkSetup::new(kbytes, 12, WATERMARK_SCALE_FACTOR, lowmem);
    for (zone, size) in sim.zones().zip(&sizes) {
        let marks = setup.watermarks(size.managed, size.class(ZoneType::Normal));
        let found = zone.snapshot();
        assert_eq!(found.watermark, [marks.min, marks.low, marks.high], "{zone:?}");
        let managed = |of| sizes.iter().find(|it| it.zone == of).map_or(0, |it| it.managed);
        let ratio = LOWMEM_RESERVE_RATIO[size.zone.index()];
        assert_eq!(found.lowmem_reserve, lowmem_reserve(size.zone, ratio, managed), "{zone:?}");
    }
    let normal = sim.zone(NodeId::ZERO, ZoneType::Normal).unwrap();
    assert_eq!(normal.pageset(CpuId::BOOT).unwrap().limits().batch, 63);
}

/// Requests prefer a zone as soon as it has memory, the quick ones too: they come from the CPU's lists of it.
#[test]
fn a_new_zone_is_served_from() {
    let sim = boot(GIB, &[range(0, 4 * GIB, 5 * GIB)]);
    let zone_of = |pages: &page_alloc::Pages| {
        let holds = |zone: &page_alloc::report::ZoneRef<'_, _>| zone.span().contains(pages.pfn());
        sim.zones().find(holds).map(|zone| zone.zone_type())
    };
    let steps = [
        (None, [ZoneType::Dma32, ZoneType::Dma32]),
        (Some(OnlineTo::Movable), [ZoneType::Dma32, ZoneType::Movable]),
        (Some(OnlineTo::Kernel), [ZoneType::Normal, ZoneType::Movable]),
    ];
    let mut start = 0x10_0000;
    for (to, expected) in steps {
        if let Some(to) = to {
            let came = add(&sim, 0, frames(start, start + 0x1_0000), to).unwrap();
            assert!(came.populated);
            start += 0x1_0000;
        }
        for (gfp, zone) in [Gfp::KERNEL, Gfp::HIGHUSER_MOVABLE].into_iter().zip(expected) {
            let count = || {
                let zone = sim.zone(NodeId::ZERO, zone).unwrap();
                zone.pageset(CpuId::BOOT).unwrap().count()
            };
            for order in [Order::O0, Order::O1, Order::O5, Order::O10] {
                let pages = sim.alloc_pages(gfp, order).unwrap();
                assert_eq!(zone_of(&pages), Some(zone), "{gfp:?} {order}");
                let before = count();
                sim.free_pages(pages).unwrap();
                let listed = order <= Order::O1;
                assert_eq!(count() - before, if listed { 1 << order.get() } else { 0 });
                let again = sim.alloc_pages(gfp, order).unwrap();
                assert_eq!((zone_of(&again), count()), (Some(zone), before));
                sim.free_pages(again).unwrap();
            }
        }
    }
    let order = [ZoneType::Movable, ZoneType::Normal, ZoneType::Dma32, ZoneType::Dma];
    assert_eq!(zonelists(&sim)[0], order.map(|zone| (NodeId::ZERO, zone)));
    assert_eq!(sim.verify(), Ok(()));
}

/// A node that had nothing, and one that had CPUs alone, get memory: requests for them are served elsewhere
/// first, and there from then on; the lists are those of a machine that booted so.
#[test]
fn new_nodes_are_served_from() {
    let later = [range(1, 4 * GIB, 5 * GIB), range(2, 8 * GIB, 9 * GIB)];
    let mut config = config(GIB, &later);
    config.nodes = vec![range(0, 0, GIB)];
    config.distances = vec![vec![10, 20, 30], vec![20, 10, 25], vec![30, 25, 10]];
    config.cpus = vec![node(0), node(1)];
    let sim = Sim::boot(config.clone()).unwrap();
    let local = |of| sim.alloc_pages_node(Some(node(of)), Gfp::KERNEL | Gfp::THISNODE, Order::O0);
    let any = |of| sim.alloc_pages_node(Some(node(of)), Gfp::KERNEL, Order::O0).unwrap();
    for (of, start) in [(1, 0x10_0000), (2, 0x20_0000)] {
        assert!(local(of).is_err());
        let elsewhere = any(of);
        assert!(elsewhere.pfn() < Pfn::new(0x20_0000));
        sim.free_pages(elsewhere).unwrap();
        add(&sim, of, frames(start, start + 0x4_0000), OnlineTo::Kernel).unwrap();
        for pages in [local(of).unwrap(), any(of)] {
            assert!((start..start + 0x4_0000).contains(&pages.pfn().get()));
            sim.free_pages(pages).unwrap();
        }
        assert_eq!(sim.verify(), Ok(()));
    }
    sim.on_cpu(CpuId::new(1), || {
        let page = sim.alloc_page(Gfp::KERNEL).unwrap();
        assert!((0x10_0000..0x14_0000).contains(&page.pfn().get()), "the CPU's own node");
        sim.free_pages(page).unwrap();
    });
    let order = |of: u64| zonelists(&sim)[usize::try_from(of).unwrap() * 2].clone();
    let (zero, normal) = (node(0), ZoneType::Normal);
    let own = [(zero, ZoneType::Dma32), (zero, ZoneType::Dma)];
    assert_eq!(order(0), [&own[..], &[(node(1), normal), (node(2), normal)]].concat());
    assert_eq!(order(2), [&[(node(2), normal), (node(1), normal)][..], &own].concat());
    assert!(sim.kswapd_balance(node(2)).is_ok());
}

/// The memory that a machine's SRAT says may come, on a node that has but CPUs: they are served from there when
/// it has come, and from elsewhere before.
#[test]
fn what_firmware_says_may_come() {
    let (_, text) = files("data/maps/firmware", "3n-hotplug.map").remove(0);
    let map: MapFile = text.parse().unwrap();
    let mut config = map.to_config(4);
    config.hotplug = map.hotplug().to_vec();
    let sim = Sim::boot(config).unwrap();
    let served = |cpu| {
        let page = sim.on_cpu(CpuId::new(cpu), || sim.alloc_page(Gfp::KERNEL)).unwrap();
        let pfn = page.pfn();
        sim.free_pages(page).unwrap();
        pfn >= Pfn::new(0x10_0000)
    };
    assert_eq!([0, 1, 2, 3].map(served), [false; 4]);
    let came = add(&sim, 2, frames(0x10_0000, 0x14_0000), OnlineTo::Kernel).unwrap();
    assert_eq!((came.zone, came.populated), (ZoneType::Normal, true));
    assert_eq!([0, 1, 2, 3].map(served), [false, false, true, true]);
    add(&sim, 2, frames(0x14_0000, 0x24_0000), OnlineTo::Movable).unwrap();
    let over = add(&sim, 2, frames(0x24_0000, 0x24_0400), OnlineTo::Kernel);
    assert_eq!(over, Err(HotplugError::NotPlanned(Pfn::new(0x24_0000))));
    assert_eq!(sim.verify(), Ok(()));
}

/// Each refusal names what is wrong, and changes nothing.
#[test]
fn what_is_refused() {
    // From the middle of a section to the middle of another one, where memory ends in a third.
    let later = [range(0, 0x400_2000, 0x1000_0000 - 0x1000), range(1, 4 * GIB, 5 * GIB)];
    let sim = boot(0x4c0_5000, &later);
    let before = looks(&sim);
    for (of, start, end, error) in [
        (0, 0x5000, 0x5000, HotplugError::Unaligned(frames(0x5000, 0x5000))),
        (0, 0x5400, 0x5000, HotplugError::Unaligned(frames(0x5400, 0x5000))),
        (0, 0x5200, 0x5800, HotplugError::Unaligned(frames(0x5200, 0x5800))),
        (0, 0x5000, 0x5401, HotplugError::Unaligned(frames(0x5000, 0x5401))),
        (2, 0x5000, 0x5400, HotplugError::NoSuchNode(node(2))),
        (63, 0x5000, 0x5400, HotplugError::NoSuchNode(node(63))),
        (0, 0x4000, 0x4400, HotplugError::Present(Pfn::new(0x4000))),
        (0, 0x4c00, 0x5400, HotplugError::Present(Pfn::new(0x4c00))),
        (0, 0xf800, 0x1_0000, HotplugError::NotPlanned(Pfn::new(0xfc00))),
        (0, 0x2_0000, 0x2_0400, HotplugError::NotPlanned(Pfn::new(0x2_0000))),
        (1, 0x13_fc00, 0x14_0400, HotplugError::NotPlanned(Pfn::new(0x14_0000))),
        (0, 1 << 50, 1 << 51, HotplugError::NotPlanned(Pfn::new(1 << 50))),
    ] {
        assert_eq!(add(&sim, of, frames(start, end), OnlineTo::Kernel), Err(error));
        assert!(!error.to_string().is_empty());
    }
    assert_eq!((looks(&sim), sim.verify()), (before, Ok(())));
    assert_eq!(give(&sim, frames(0x5000, 0x5400)), Err(ReleaseError::NoMemory(Pfn::new(0x5000))));
    // The rest of a section that memory began is lost: no whole block can come there.
    assert_eq!(give(&sim, frames(0x4c05, 0x4c06)), Err(ReleaseError::NoMemory(Pfn::new(0x4c05))));
    add(&sim, 0, frames(0x5400, 0x5c00), OnlineTo::Kernel).unwrap();
    let over = add(&sim, 0, frames(0x5000, 0xfc00), OnlineTo::Kernel);
    assert_eq!(over, Err(HotplugError::Present(Pfn::new(0x5400))));
    assert_eq!(give(&sim, frames(0x5400, 0x5401)), Err(ReleaseError::Managed(Pfn::new(0x5400))));
    add(&sim, 0, frames(0x5000, 0x5400), OnlineTo::Kernel).unwrap();
    add(&sim, 0, frames(0x5c00, 0xfc00), OnlineTo::Movable).unwrap();
    assert_eq!(sim.verify(), Ok(()));
}

/// Memory goes to the lowest zone that spans it, else to NORMAL, whatever its address; or to MOVABLE.
#[test]
fn which_zone() {
    let sim = boot(GIB, &[range(0, 2 * GIB, 3 * GIB), range(0, 5 * GIB, 6 * GIB)]);
    let to = |start: u64, to| {
        let came = add(&sim, 0, frames(start, start + 0x400), to).unwrap();
        (came.zone, came.populated)
    };
    assert_eq!(to(0x8_0000, OnlineTo::Kernel), (ZoneType::Normal, true), "beyond DMA32's span");
    assert_eq!(to(0x8_0400, OnlineTo::Movable), (ZoneType::Movable, true));
    assert_eq!(to(0x14_0000, OnlineTo::Kernel), (ZoneType::Normal, false));
    let span = |zone| sim.zone(NodeId::ZERO, zone).unwrap().span();
    assert_eq!(span(ZoneType::Normal), frames(0x8_0000, 0x14_0400));
    assert_eq!(span(ZoneType::Movable), frames(0x8_0400, 0x8_0800));
    let mut holed = config(GIB, &[range(0, 2 * GIB, 3 * GIB)]);
    holed.memory_map.push(region(3 * GIB, 3 * GIB + (16 << 20), MemoryKind::Usable));
    let sim = Sim::boot(holed).unwrap();
    let came = add(&sim, 0, frames(0x8_0000, 0x9_0000), OnlineTo::Kernel).unwrap();
    assert_eq!((came.zone, came.populated), (ZoneType::Dma32, false), "in a hole of DMA32");
    assert_eq!(sim.verify(), Ok(()));
}

/// On a machine too small for migratetypes to be kept apart, new pageblocks are UNMOVABLE as all are, once
/// they were freed as MOVABLE.
#[test]
fn on_a_machine_without_grouping() {
    let sim = boot(8 << 20, &[range(0, GIB, 2 * GIB)]);
    add(&sim, 0, frames(0x4_0000, 0x4_0800), OnlineTo::Kernel).unwrap();
    let zone = sim.zone(NodeId::ZERO, ZoneType::Normal).unwrap();
    let kind = zone.pageblock_migratetype(Pfn::new(0x4_0200));
    assert_eq!(kind, Some(MigrateType::Unmovable));
    assert_eq!(zone.nr_free_of(MigrateType::Movable)[Order::MAX.index()], 2);
    let page = sim.alloc_page(Gfp::KERNEL).unwrap();
    assert!(zone.span().contains(page.pfn()));
    sim.free_pages(page).unwrap();
    assert_eq!(sim.verify(), Ok(()));
}

/// What is planned costs 16 bytes a frame and little more; plans that contradict each other are refused.
#[test]
fn plans() {
    let map = [region(0, 64 << 20, MemoryKind::Usable)];
    let bytes = |later: &[NodeRange]| metadata_bytes(&BootInfo::new(&map).hotplug(later), 12);
    let without = bytes(&[]).unwrap();
    let with = bytes(&[range(0, 4 * GIB, 5 * GIB)]).unwrap();
    let frames = 16 * (GIB >> 12);
    let more = u64::try_from(with - without).unwrap();
    assert!((frames..frames + frames / 100 + 4096).contains(&more), "{more}");
    // Too short for a block of the largest order, or of no length: nothing is planned.
    let short = [range(0, 4 * GIB + 4096, 4 * GIB + (8 << 20) - 4096), range(0, GIB, GIB)];
    assert!(bytes(&short).unwrap() < without + 2048);
    for bad in [
        NodeRange::new(node(0), PhysAddr::new(u64::MAX), 2),
        NodeRange::new(node(0), PhysAddr::new(1 << 60), 1 << 30),
        range(1, 4 * GIB + 4096, 4 * GIB + 8192),
    ] {
        let later = [range(0, 4 * GIB, 5 * GIB), bad];
        let error = InitError::IllegalHotplug(bad);
        assert_eq!(bytes(&later), Err(error));
        assert!(error.to_string().contains(&bad.to_string()));
        let booted = Sim::boot(config(GIB, &later));
        assert!(matches!(
            booted,
            Err(SimError::Init(InitError::IllegalHotplug(_))) | Err(SimError::TooLarge(_))
        ));
    }
    let huge = [range(0, 0, 1 << 51)];
    assert!(matches!(bytes(&huge), Err(InitError::TooManyFrames { .. })));
    // The survey tells of what is there alone.
    let later = [range(2, 4 * GIB, 5 * GIB)];
    let survey = Survey::new(&BootInfo::new(&map).hotplug(&later), 12).unwrap();
    assert_eq!(survey.online_nodes().len(), 1);
    assert_eq!(survey.frames().end, Pfn::new(0x4000));
}

/// Memory comes while all CPUs allocate and free; of CPUs that add the same, one does.
#[test]
fn while_others_allocate() {
    for round in 0..20 {
        let mut config = config(64 << 20, &[range(0, 4 * GIB, 5 * GIB)]);
        config.cpus = vec![node(0); 4];
        let sim = Sim::boot(config).unwrap();
        let free = sim.nr_free_pages();
        let (came, there) = (AtomicU32::new(0), AtomicU32::new(0));
        sim.run(|cpu| match cpu.get() {
            0 | 1 => (0..8).for_each(|step| {
                // Both begin at once.
                there.fetch_add(1, Ordering::SeqCst);
                while there.load(Ordering::SeqCst) < 2 * (step + 1) {
                    std::thread::yield_now();
                }
                let start = 0x10_0000 + u64::from(step) * 0x4000;
                let to = if step % 3 == 2 { OnlineTo::Movable } else { OnlineTo::Kernel };
                match add(&sim, 0, frames(start, start + 0x4000), to) {
                    Ok(_) => drop(came.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => assert!(
                        [HotplugError::Present(Pfn::new(start)), HotplugError::Busy]
                            .contains(&error)
                    ),
                }
            }),
            _ => (0..300).for_each(|step| {
                let gfp = if step % 2 == 0 { Gfp::KERNEL } else { Gfp::HIGHUSER_MOVABLE };
                let order = Order::new(step % 11).unwrap();
                let pages = sim.alloc_pages(gfp, order).unwrap();
                sim.free_pages(pages).unwrap();
            }),
        });
        assert_eq!((came.into_inner(), sim.verify()), (8, Ok(())), "round {round}");
        sim.drain_all_pages(None);
        assert_eq!(sim.nr_free_pages(), free + 8 * 0x4000);
    }
}

/// New pageblocks are like any others: they can be isolated, compacted and drained, and given out whole; what is
/// freed there by number is checked.
#[test]
fn new_pageblocks_are_like_others() {
    let sim = boot(64 << 20, &[range(0, 4 * GIB, 5 * GIB)]);
    sim.compact_node(NodeId::ZERO).unwrap();
    let ahead = sim.isolate_pageblock(Pfn::new(0x10_0200), MigrateType::Movable);
    assert!(ahead.is_err(), "nothing is there yet");
    add(&sim, 0, frames(0x10_0000, 0x10_0800), OnlineTo::Kernel).unwrap();
    add(&sim, 0, frames(0x10_2000, 0x10_2400), OnlineTo::Kernel).unwrap();
    let free = sim.nr_free_pages();
    sim.isolate_pageblock(Pfn::new(0x10_0200), MigrateType::Movable).unwrap();
    assert_eq!((sim.nr_free_pages(), sim.verify()), (free - 0x200, Ok(())));
    sim.unisolate_pageblock(Pfn::new(0x10_0200), MigrateType::Movable).unwrap();
    assert_eq!((sim.nr_free_pages(), sim.verify()), (free, Ok(())));
    let all = std::iter::from_fn(|| {
        let gfp = Gfp::KERNEL | Gfp::NORETRY;
        sim.alloc_pages(gfp, Order::O0).ok().filter(|page| page.pfn() >= Pfn::new(0x10_0000))
    });
    let (kept, back): (Vec<_>, Vec<_>) = all.take(0xa00).partition(|it| it.pfn().get() % 3 == 0);
    back.into_iter().for_each(|page| sim.free_pages(page).unwrap());
    sim.compact_node(NodeId::ZERO).unwrap();
    assert_eq!(sim.verify(), Ok(()));
    kept.into_iter().for_each(|page| sim.free_pages(page).unwrap());
    sim.drain_all_pages(None);
    assert_eq!((sim.nr_free_pages(), sim.verify()), (free, Ok(())));
    // The watermarks keep the third.
    let whole: Vec<_> = (0..2).map(|_| sim.alloc_pages(Gfp::KERNEL, Order::MAX).unwrap()).collect();
    assert!(whole.iter().all(|pages| pages.pfn() >= Pfn::new(0x10_0000)));
    whole.into_iter().for_each(|pages| sim.free_pages(pages).unwrap());
}
