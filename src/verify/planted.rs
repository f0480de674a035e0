//! A planted defect for each thing that can be wrong, and that it is found.

extern crate std;

use super::Invariant::{
    self, Blocks, Cached, Counts, Links, Managed, Merged, OneList, Types, Watermarks,
};
use crate::boot::{MemoryKind, MemoryRegion, NodeRange};
use crate::memmap::{FrameIdx, FrameState};
use crate::sim::{Sim, SimConfig};
use crate::zone::ZoneMut;
use crate::zone::watermark::setup;
use crate::zone_id::ZoneId;
use crate::{
    AllocFlags, CpuId, Gfp, MigrateType, NodeId, Order, Pages, Pfn, PfnRange, PhysAddr, RawZone,
    RawZoneConfig, ZoneType,
};
use std::vec;
use std::vec::Vec;

/// The frames of the zone, which ends in the middle of a pageblock.
const SPAN: PfnRange = PfnRange::new(Pfn::new(0x1000), Pfn::new(0x1700));

fn index(zone: &ZoneMut<'_>, pfn: u64) -> FrameIdx {
    zone.memmap.index_of(Pfn::new(pfn)).unwrap()
}

fn set_state(zone: &ZoneMut<'_>, pfn: u64, state: FrameState) {
    zone.memmap.frame(index(zone, pfn)).set_state(state);
}

/// Sets both link words of a frame; 0 is none.
fn set_links(zone: &ZoneMut<'_>, pfn: u64, next: u64, prev: u64) {
    let word = |pfn| if pfn == 0 { 0 } else { u64::from(index(zone, pfn).get()) };
    zone.memmap.frame(index(zone, pfn)).set_private(word(next) | word(prev) << 32);
}

fn free(zone: &ZoneMut<'_>, order: Order, migratetype: MigrateType) -> FrameState {
    FrameState::free(order, migratetype, zone.shared.id)
}

/// Makes a frame an allocated block with one holder.
fn allocate(zone: &ZoneMut<'_>, pfn: u64, order: Order) {
    set_state(zone, pfn, FrameState::allocated(order, zone.shared.id));
    zone.memmap.frame(index(zone, pfn)).count.init(1);
}

/// Allocated blocks: 0x1600 of order 8; 0x1401, 0x1403, 0x1405 to 0x1407 and 0x1000 of order 0. The
/// list of order 0 and MOVABLE has the frames 0x1404, 0x1402, 0x1400, that of UNMOVABLE has 0x1001;
/// 0x1408 is free at order 3.
fn populate(zone: &mut RawZone<'_>) {
    let mut take =
        |order, migratetype| zone.rmqueue(order, migratetype, AllocFlags::empty()).unwrap();
    let large = take(Order::O8, MigrateType::Movable);
    assert_eq!(large.pfn(), Pfn::new(0x1600));
    let pages: Vec<Pages> = (0..8).map(|_| take(Order::O0, MigrateType::Movable)).collect();
    let kernel = take(Order::O0, MigrateType::Unmovable);
    assert_eq!(kernel.pfn(), Pfn::new(0x1000));
    for page in
        pages.into_iter().filter(|page| [0x1400, 0x1402, 0x1404].contains(&page.pfn().get()))
    {
        zone.free_pages(page).unwrap();
    }
}

/// What is found wrong with a sound zone after `plant` wrote to its tables.
fn found(plant: impl FnOnce(&ZoneMut<'_>)) -> (Invariant, &'static str) {
    let config = RawZoneConfig::new(SPAN, &[SPAN]);
    let mut memory = vec![0xa5; RawZone::metadata_bytes(&config).unwrap()];
    let mut zone = RawZone::new(&mut memory, &config).unwrap();
    populate(&mut zone);
    assert_eq!(zone.verify(), Ok(()));
    plant(&zone.zone());
    let violation = zone.verify().unwrap_err();
    (violation.invariant, violation.what)
}

fn elsewhere() -> ZoneId {
    ZoneId::new(NodeId::ZERO, ZoneType::Dma)
}

/// A link word that names no mapped frame, forward or back, is found and not followed.
#[test]
fn i1_a_link_out_of_the_memmap_is_found() {
    let wild = 0xffff_fff0;
    let next = |zone: &ZoneMut<'_>| zone.memmap.frame(index(zone, 0x1402)).set_private(wild);
    assert_eq!(found(next), (Links, "next names no frame"));
    let prev = |zone: &ZoneMut<'_>| zone.memmap.frame(index(zone, 0x1402)).set_private(wild << 32);
    assert_eq!(found(prev), (Links, "prev names no frame"));
}

/// The list of MOVABLE runs into that of UNMOVABLE.
#[test]
fn i2_a_frame_on_two_lists_is_found() {
    let plant = |zone: &ZoneMut<'_>| set_links(zone, 0x1404, 0x1001, 0);
    assert_eq!(found(plant), (OneList, "prev is not the frame before it"));
}

/// A list's blocks, and no others, are marked free, of the list's order and zone.
#[test]
fn i2_a_state_that_does_not_name_the_list_is_found() {
    let what = "on a list, but not marked free";
    assert_eq!(found(|zone| allocate(zone, 0x1402, Order::O0)), (OneList, what));
    let what = "on a list of another order or zone";
    let order = |zone: &ZoneMut<'_>| {
        set_state(zone, 0x1402, free(zone, Order::O1, MigrateType::Movable));
    };
    assert_eq!(found(order), (OneList, what));
    let other = FrameState::free(Order::O0, MigrateType::Movable, elsewhere());
    assert_eq!(found(|zone| set_state(zone, 0x1402, other)), (OneList, what));
    let unlisted = |zone: &ZoneMut<'_>| {
        set_state(zone, 0x1401, free(zone, Order::O0, MigrateType::Movable));
    };
    assert_eq!(found(unlisted), (OneList, "frames marked free are on no list"));
}

/// A list that ends before its tail.
#[test]
fn i2_a_list_cut_short_is_found() {
    let plant = |zone: &ZoneMut<'_>| {
        set_links(zone, 0x1402, 0, 0x1404);
        allocate(zone, 0x1400, Order::O0);
    };
    assert_eq!(found(plant), (OneList, "the last of a list is not its tail"));
}

/// An odd frame that heads a block of two.
#[test]
fn i3_a_misaligned_block_is_found() {
    let plant = |zone: &ZoneMut<'_>| allocate(zone, 0x1405, Order::O1);
    assert_eq!(found(plant), (Blocks, "the block is not aligned to its order"));
}

/// The zone's last block, with twice its frames.
#[test]
fn i3_a_block_beyond_the_zone_is_found() {
    let plant = |zone: &ZoneMut<'_>| allocate(zone, 0x1600, Order::O9);
    assert_eq!(found(plant), (Blocks, "the block ends beyond its zone"));
}

/// A frame in a block that is reserved, or of another zone.
#[test]
fn i3_a_foreign_frame_in_a_block_is_found() {
    let what = "a frame inside the block is marked otherwise, or of another zone";
    let reserved = |zone: &ZoneMut<'_>| {
        set_state(zone, 0x1409, FrameState::reserved(zone.shared.id));
    };
    assert_eq!(found(reserved), (Blocks, what));
    let foreign = FrameState::tail(elsewhere());
    assert_eq!(found(|zone| set_state(zone, 0x140f, foreign)), (Blocks, what));
}

/// 0x1401 takes the place of 0x1402 on the list, beside its buddy 0x1400.
#[test]
fn i4_two_free_buddies_are_found() {
    let plant = |zone: &ZoneMut<'_>| {
        set_links(zone, 0x1404, 0x1401, 0);
        set_links(zone, 0x1401, 0x1400, 0x1404);
        set_links(zone, 0x1400, 0, 0x1401);
        set_state(zone, 0x1401, free(zone, Order::O0, MigrateType::Movable));
        allocate(zone, 0x1402, Order::O0);
    };
    assert_eq!(found(plant), (Merged, "its buddy is free as well"));
}

/// A count of frames, or a bit, that does not say what the lists say.
#[test]
fn i5_a_wrong_count_is_found() {
    let what = "the count of free frames is not that of the lists";
    assert_eq!(found(|zone| zone.shared.nr_free.add(1)), (Counts, what));
    let what = "the count of free CMA frames is not that of the lists";
    assert_eq!(found(|zone| zone.shared.nr_free_cma.add(1)), (Counts, what));
    let what = "the bit of a list does not say whether it is empty";
    let bit =
        |zone: &ZoneMut<'_>| zone.shared.list_emptied(Order::O3, MigrateType::Movable.index());
    assert_eq!(found(bit), (Counts, what));
}

/// 0x1402 was taken off its list, but not off the count; and a list that runs in a circle.
#[test]
fn i5_a_list_of_another_length_is_found() {
    let shorter = |zone: &ZoneMut<'_>| {
        set_links(zone, 0x1404, 0x1400, 0);
        set_links(zone, 0x1400, 0, 0x1404);
        allocate(zone, 0x1402, Order::O0);
    };
    assert_eq!(found(shorter), (Counts, "nr_free is not the number of blocks"));
    let circle = |zone: &ZoneMut<'_>| set_links(zone, 0x1402, 0x1404, 0x1404);
    assert_eq!(found(circle), (Counts, "list longer than nr_free"));
}

/// An allocated frame is forgotten, or nobody's.
#[test]
fn i6_a_lost_frame_is_found() {
    let what = "free, cached and allocated frames are not as many as the managed ones";
    let lost = |zone: &ZoneMut<'_>| set_state(zone, 0x1401, FrameState::tail(zone.shared.id));
    assert_eq!(found(lost), (Managed, what));
    assert_eq!(found(|zone| zone.shared.managed.add(1)), (Managed, what));
    let nobodys = |zone: &ZoneMut<'_>| zone.memmap.frame(index(zone, 0x1401)).count.init(0);
    assert_eq!(found(nobodys), (Managed, "allocated, but nobody's"));
    let several = |zone: &ZoneMut<'_>| zone.memmap.frame(index(zone, 0x1401)).count.init(2);
    assert_eq!(found(several), (Managed, "it has several holders, but is not marked as shared"));
}

/// A block recorded as another type's than its list.
#[test]
fn i7_a_block_on_the_wrong_list_is_found() {
    let plant = |zone: &ZoneMut<'_>| {
        set_state(zone, 0x1402, free(zone, Order::O0, MigrateType::Unmovable));
    };
    assert_eq!(found(plant), (Types, "on a list of another type"));
}

/// A low watermark below the min one, or above the high one.
#[test]
fn i8_watermarks_out_of_order_are_found() {
    for (min, low, high) in [(2, 1, 3), (1, 3, 2)] {
        let marks = setup::Watermarks { min, low, high, promo: 4 };
        let plant = |zone: &ZoneMut<'_>| zone.shared.set_watermarks(marks);
        assert_eq!(found(plant), (Watermarks, "watermarks out of order"));
    }
}

/// Lists that are in use, here by a look at them, are not walked.
#[test]
fn i9_lists_in_use_are_not_walked() {
    let sim = Sim::boot(SimConfig::flat(64 << 20)).unwrap();
    sim.free_pages(sim.alloc_page(Gfp::KERNEL).unwrap()).unwrap();
    let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    let mut found = Ok(());
    let lists = zone.pageset(CpuId::BOOT).unwrap();
    lists.for_each(|_, _, _| found = zone.verify()).unwrap();
    let violation = found.unwrap_err();
    assert_eq!((violation.invariant, violation.what), (Cached, "a CPU's lists are in use"));
}

/// Memory that is planned for between two parts of a zone, and taken for the zone's, or somebody's.
#[test]
fn i3_memory_that_has_not_come_is_nobodys() {
    let at = |megabytes: u64| PhysAddr::new(megabytes << 20);
    let found = |plant: fn(&ZoneMut<'_>, FrameIdx)| {
        let mut config = SimConfig::flat(64 << 20);
        config.memory_map.push(MemoryRegion::new(at(128), 64 << 20, MemoryKind::Usable));
        config.hotplug.push(NodeRange::new(NodeId::ZERO, at(64), 64 << 20));
        let sim = Sim::boot(config).unwrap();
        assert_eq!(sim.verify(), Ok(()));
        let zone = sim.zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
        zone.with(|zone| plant(zone, index(zone, 0x4000)));
        let violation = sim.verify().unwrap_err();
        assert_eq!(violation.pfn, Some(Pfn::new(0x4000)));
        (violation.invariant, violation.what)
    };
    let what = "a pageblock of the zone, but its memory has not come yet";
    let of_zone = |zone: &ZoneMut<'_>, first: FrameIdx| {
        let second = first.upper_half(crate::PAGEBLOCK_ORDER);
        zone.memmap.pageblock(second).set_zone(zone.shared.id);
    };
    assert_eq!(found(of_zone), (Blocks, what));
    let what = "its memory has not come yet, but has a holder";
    let held = |zone: &ZoneMut<'_>, first: FrameIdx| zone.memmap.frame(first).count.init(1);
    assert_eq!(found(held), (Blocks, what));
}

/// Everything that the checks can say is said to one of the defects above, or of those of per-CPU
/// lists.
#[test]
fn every_message_is_heard() {
    let checks = [
        include_str!("lists.rs"),
        include_str!("frames.rs"),
        include_str!("pcps.rs"),
        include_str!("mod.rs"),
    ];
    let literals = checks.iter().flat_map(|text| text.split('"').skip(1).step_by(2));
    let messages: Vec<_> =
        literals.filter(|text| text.contains(' ') && !text.contains('{')).collect();
    assert_eq!(messages.len(), 32);
    for message in messages {
        let planted = [include_str!("planted.rs"), include_str!("planted_pcps.rs")];
        assert!(planted.iter().any(|text| text.contains(message)), "{message}");
    }
}
