//! Where the per-CPU lists lie in memory.

extern crate std;

use super::{Pcp, Pcps};
use crate::node::{Cpu, Machine};
use crate::platform::PcpExclusion;
use crate::sim::{Contents, Sim, SimConfig};
use crate::sync::CpuGuard;
use crate::zone::watermark::setup::Watermarks;
use crate::zone_id::ZoneId;
use crate::{CpuId, Gfp, NodeId, Order, ZoneType};
use core::ptr::from_ref;
use std::vec;
use std::vec::Vec;

/// What is fetched together: a pair of cache lines.
const PAIR: usize = 128;

/// The first and last pair of lines that each value of a CPU takes, by CPU.
fn pairs(machine: &Machine) -> Vec<(u32, usize, usize)> {
    fn span<T>(value: &T) -> (usize, usize) {
        let start = from_ref(value).addr();
        (start / PAIR, (start + size_of::<T>() - 1) / PAIR)
    }
    let mut all = Vec::new();
    for zone in machine.zones.as_slice() {
        for pcp in machine.pcps.of_zone(zone.shared.id) {
            let (first, last) = span::<Pcp>(pcp);
            all.push((pcp.lists.owner().get(), first, last));
        }
    }
    for (number, cpu) in (0..).zip(machine.cpus.as_slice()) {
        let (first, last) = span::<Cpu>(cpu);
        all.push((number, first, last));
    }
    all
}

/// While a drainer has the lists, or has asked for them in vain, and as long as it has: then a request may
/// take from them again.
#[test]
fn the_gate_opens_again() {
    for exclusion in [PcpExclusion::Busy, PcpExclusion::Swap] {
        let mut config = SimConfig::flat(64 << 20);
        config.exclusion = exclusion;
        let sim = Sim::boot(config).expect("a legal machine");
        let page = sim.alloc_page(Gfp::KERNEL).expect("memory");
        let (machine, platform) = (sim.machine().expect("it was booted"), sim.platform());
        let zone = machine.zones.as_slice().iter().max_by_key(|zone| zone.shared.nr_free.get());
        let id = zone.expect("a zone").shared.id;
        let pcp = machine.pcps.get(CpuId::BOOT, id).expect("lists");
        // Enough for a pageblock, and not for a largest block.
        let low = zone.expect("a zone").shared.nr_free.get() - 1000;
        let marks = Watermarks { min: low, low, high: low, promo: low };
        sim.set_watermarks(id.node(), id.zone_type(), marks).expect("a zone");
        let here = CpuGuard::new(platform);
        let passes = |order| pcp.own_if_ample(&here, order).is_some();
        let passes_as_ever = || assert!(passes(Order::O9) && !passes(Order::MAX));
        passes_as_ever();
        let drained = pcp.lists.remote(platform).expect("nobody has them");
        assert!(!passes(Order::ZERO));
        assert!(pcp.lists.remote(platform).is_none());
        assert!(!passes(Order::ZERO), "the first drainer has them still");
        drop(drained);
        passes_as_ever();
        let own = pcp.lists.own(&here).expect("nobody has them");
        assert!(pcp.lists.remote(platform).is_none(), "it waits no longer");
        assert!(!passes(Order::ZERO));
        drop(own);
        passes_as_ever();
        drop(here);
        sim.free_pages(page).expect("an allocated block");
    }
}

/// The table of all lists, by CPU and zone: what is beyond it is not there.
#[test]
fn places_of_the_table() {
    let mut config = SimConfig::flat(64 << 20);
    config.cpus = vec![NodeId::ZERO; 3];
    let sim = Sim::boot(config).expect("a legal machine");
    let machine = sim.machine().expect("it was booted");
    for (zone, place) in machine.zones.as_slice().iter().zip(0..) {
        let id = zone.shared.id;
        assert_eq!(id.index(), place);
        let all: Vec<&Pcp> = machine.pcps.of_zone(id).collect();
        assert_eq!(all.len(), 3);
        for (cpu, expected) in (0..).map(CpuId::new).zip(all) {
            let found = machine.pcps.get(cpu, id).expect("its lists");
            assert!(core::ptr::eq(found, expected) && found.lists.owner() == cpu);
            let kept = machine.pcps.fixed(cpu, id).expect("its lists");
            assert!(core::ptr::eq(&raw const *kept, expected));
        }
        for beyond in [3, 4, u32::MAX].map(CpuId::new) {
            assert!(machine.pcps.get(beyond, id).is_none(), "{beyond:?}");
        }
    }
    let none = ZoneId::new(NodeId::new(63).expect("a node"), ZoneType::Movable);
    assert!(machine.pcps.get(CpuId::BOOT, none).is_none());
    assert!(Pcps::EMPTY.get(CpuId::BOOT, ZoneId::NONE).is_none());
}

/// Values of two CPUs are in no pair of lines together: not their lists, of any zones, nor what is
/// known of the CPUs.
#[test]
fn cpus_share_no_pair_of_lines() {
    let mut config = SimConfig::flat(64 << 20);
    config.cpus = vec![NodeId::ZERO; 5];
    config.contents = Contents::Ignored;
    let sim = Sim::boot(config).unwrap();
    let all = pairs(sim.machine().unwrap());
    let zones = sim.machine().unwrap().zones.as_slice().len();
    assert_eq!(all.len(), 5 * (zones + 1));
    for (cpu, first, last) in &all {
        let apart = |(other, start, end): &&(u32, usize, usize)| {
            other != cpu && start <= last && first <= end
        };
        assert_eq!(all.iter().find(apart), None, "CPU {cpu}");
    }
}
