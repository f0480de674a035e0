//! Pageblocks that are not whole.

use crate::kernel::{Machine, boot_with};
use page_alloc::boot::{MemoryKind, MemoryRegion};
use page_alloc::sim::SimConfig;
use page_alloc::{NodeId, PhysAddr, ZoneType};

const MIB: u64 = 1 << 20;

/// Frames of the pageblock that starts there, as owned or free as they are now.
struct Content {
    owned: usize,
    /// Frames that are owned or free.
    present: usize,
}

fn content(machine: &Machine, start: u64) -> Content {
    let owners = &machine.reclaim().state().owners;
    let pfn = start >> 12;
    let owned = owners.range(pfn..pfn + 512).count();
    let mut free = 0;
    for zone in machine.zones() {
        zone.for_each_free(|order, _, at| {
            let frames = at.get()..at.get() + order.nr_pages();
            free += frames.filter(|frame| (pfn..pfn + 512).contains(frame)).count();
        });
    }
    Content { owned, present: owned + free }
}

/// A machine of 96 MiB of which every third frame is in use, by what can be moved. It has holes of
/// 128 KiB around two borders of pageblocks: one far down in its zone, one near the end.
fn perforated(seed: u64) -> &'static Machine {
    let (low, high) = (40 * MIB, 92 * MIB);
    let half = MIB / 16;
    let usable =
        |start: u64, end| MemoryRegion::new(PhysAddr::new(start), end - start, MemoryKind::Usable);
    let regions = [
        usable(0x1000, low - half),
        usable(low + half, high - half),
        usable(high + half, 96 * MIB),
    ];
    let machine = boot_with(SimConfig::new(regions.to_vec()), 96 * MIB, seed);
    let kernel = machine.reclaim();
    kernel.fill(true);
    kernel.free_where(|owner| owner.pages.pfn().get() % 3 != 0);
    machine.drain_all_pages(None);
    machine
}

/// Blocks are moved out of pageblocks that lack their first or last frames, and into such ones, as
/// with others.
#[test]
fn pageblocks_with_holes_are_emptied_and_filled() {
    let machine = perforated(600);
    for start in [38, 40, 90, 92] {
        let content = content(machine, start * MIB);
        assert_eq!(content.present, 512 - 16, "{start} MiB lacks frames at one end");
        assert!(content.owned > 100);
    }
    machine.compact_zone(NodeId::ZERO, ZoneType::Dma32).unwrap();
    machine.reclaim().check();
    for start in [38, 40] {
        assert_eq!(content(machine, start * MIB).owned, 0, "{start} MiB is not emptied");
    }
    for start in [90, 92] {
        let content = content(machine, start * MIB);
        // After a look in vain the free scanner passes over some frames.
        assert!(content.owned * 10 >= content.present * 9, "{start} MiB is not filled");
    }
    machine.reclaim().free_where(|_| true);
    machine.reclaim().check();
}
