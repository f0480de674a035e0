//! Where the per-CPU lists lie in memory.

extern crate std;

use super::Pcp;
use crate::NodeId;
use crate::node::{Cpu, Machine};
use crate::sim::{Contents, Sim, SimConfig};
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
