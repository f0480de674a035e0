//! A planted defect for each thing that can be wrong with per-CPU lists, and that it is found.

extern crate std;

use super::Invariant::{self, Cached};
use crate::memmap::{FrameIdx, FrameState};
use crate::node::Machine;
use crate::node::pcp::limits::PcpLimits;
use crate::sim::{Contents, Sim, SimConfig, Tables};
use crate::zone_id::ZoneId;
use crate::{Gfp, MigrateType, NodeId, Order, Pages, Pfn, ZoneType};
use std::vec::Vec;

const ZONE: ZoneId = ZoneId::new(NodeId::ZERO, ZoneType::Dma32);

/// A machine on whose boot CPU the list of order 0 and UNMOVABLE holds three frames, no other list
/// any. Gives these frames as well, from the head, and frames that are allocated.
fn populated() -> (Sim, [FrameIdx; 3], Vec<Pages>) {
    let mut config = SimConfig::flat(32 << 20);
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    let sim = Sim::boot(config).unwrap();
    let limits = PcpLimits { batch: 1, high: 100 };
    sim.set_pcp_limits(ZONE.node(), ZONE.zone_type(), limits).unwrap();
    let mut held: Vec<_> = (0..6).map(|_| sim.alloc_page(Gfp::KERNEL).unwrap()).collect();
    let listed = [(); 3].map(|()| held.remove(0));
    let listed = listed.map(|page| {
        let pfn = page.pfn();
        sim.free_pages(page).unwrap();
        index(sim.machine().unwrap(), pfn)
    });
    let [first, second, third] = listed;
    (sim, [third, second, first], held)
}

fn index(machine: &Machine, pfn: Pfn) -> FrameIdx {
    machine.memmap.index_of(pfn).unwrap()
}

/// Sets both link words of a frame.
fn set_links(machine: &Machine, at: FrameIdx, next: u32, prev: u32) {
    machine.memmap.frame(at).set_private(u64::from(next) | u64::from(prev) << 32);
}

fn set_state(machine: &Machine, at: FrameIdx, state: FrameState) {
    machine.memmap.frame(at).set_state(state);
}

/// Makes a frame one that somebody has.
fn allocate(machine: &Machine, at: FrameIdx) {
    machine.memmap.frame(at).hand_out(FrameState::allocated(Order::ZERO, ZONE));
}

/// What is found wrong with a sound machine after `plant` wrote to its tables.
fn found(plant: impl FnOnce(&Machine, [FrameIdx; 3])) -> (Invariant, &'static str) {
    let (sim, listed, _held) = populated();
    assert_eq!(sim.verify(), Ok(()));
    plant(sim.machine().unwrap(), listed);
    let violation = sim.verify().unwrap_err();
    assert_eq!((violation.node, violation.zone), (ZONE.node(), ZONE.zone_type()));
    (violation.invariant, violation.what)
}

/// A frame went off the list, but not off the count; and a list that runs in a circle.
#[test]
fn i9_a_wrong_count_is_found() {
    let shorter = |machine: &Machine, [a, b, c]: [FrameIdx; 3]| {
        set_links(machine, a, c.get(), 0);
        set_links(machine, c, 0, a.get());
        allocate(machine, b);
    };
    let what = "the count of a CPU's frames is not that of its lists";
    assert_eq!(found(shorter), (Cached, what));
    let circle = |machine: &Machine, [a, b, _]: [FrameIdx; 3]| {
        set_links(machine, a, b.get(), b.get());
        set_links(machine, b, a.get(), a.get());
    };
    assert_eq!(found(circle), (Cached, "a CPU's lists are longer than its count"));
}

/// Link words that don't fit together, or name no frame; what stands before the head
/// does not matter.
#[test]
fn i9_a_wrong_link_is_found() {
    let wild = 0xffff_fff0;
    let back = |machine: &Machine, [a, _, c]: [FrameIdx; 3]| set_links(machine, c, 0, a.get());
    assert_eq!(found(back), (Cached, "prev is not the frame before it"));
    let wild_back = |machine: &Machine, [_, _, c]: [FrameIdx; 3]| set_links(machine, c, 0, wild);
    assert_eq!(found(wild_back), (Cached, "prev is not the frame before it"));
    let next = |machine: &Machine, [a, b, _]: [FrameIdx; 3]| set_links(machine, b, wild, a.get());
    assert_eq!(found(next), (Cached, "next names no frame"));
    let last = |machine: &Machine, [_, b, c]: [FrameIdx; 3]| set_links(machine, c, wild, b.get());
    assert_eq!(found(last), (Cached, "next names no frame"));
    let (sim, [a, b, _], _held) = populated();
    set_links(sim.machine().unwrap(), a, b.get(), wild);
    assert_eq!(sim.verify(), Ok(()));
}

/// A list that ends before its tail.
#[test]
fn i9_a_list_cut_short_is_found() {
    let cut = |machine: &Machine, [a, b, _]: [FrameIdx; 3]| set_links(machine, b, 0, a.get());
    assert_eq!(found(cut), (Cached, "the last of a CPU's list is not its tail"));
}

/// A listed frame that is marked allocated or free.
#[test]
fn i9_a_listed_frame_that_is_not_cached_is_found() {
    let what = "on a CPU's list, but not marked cached";
    assert_eq!(found(|machine, [_, b, _]| allocate(machine, b)), (Cached, what));
    let free = FrameState::free(Order::ZERO, MigrateType::Unmovable, ZONE);
    assert_eq!(found(|machine, [_, _, c]| set_state(machine, c, free)), (Cached, what));
}

/// A listed frame of an order, type or zone that the list is not for. CMA frames are at home on the
/// list of MOVABLE alone.
#[test]
fn i9_a_frame_on_the_wrong_list_is_found() {
    let dma = ZoneId::new(NodeId::ZERO, ZoneType::Dma);
    let (order, kind) = (Order::ZERO, MigrateType::Unmovable);
    for state in [
        FrameState::cached(Order::O1, kind, ZONE),
        FrameState::cached(order, MigrateType::Movable, ZONE),
        FrameState::cached(order, MigrateType::Cma, ZONE),
        FrameState::cached(order, kind, dma),
    ] {
        let what = "on a CPU's list of another order, type or zone";
        assert_eq!(found(|machine, [a, ..]| set_state(machine, a, state)), (Cached, what));
    }
}

/// A frame that is marked cached, and is on nobody's list.
#[test]
fn i9_a_cached_frame_that_nobody_has_is_found() {
    let (sim, _, held) = populated();
    let machine = sim.machine().unwrap();
    let state = FrameState::cached(Order::ZERO, MigrateType::Unmovable, ZONE);
    set_state(machine, index(machine, held[0].pfn()), state);
    let violation = sim.verify().unwrap_err();
    let what = "frames marked cached are on no CPU's list";
    assert_eq!((violation.invariant, violation.what), (Cached, what));
}
