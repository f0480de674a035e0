//! Batches and limits that Linux 6.1 printed on machines that it booted.

use page_alloc::node::pcp::limits::{PcpLimits, zone_batchsize, zone_highsize};
use std::fs;
use std::path::Path;

/// A zone of a `/proc/zoneinfo`.
#[derive(Debug, Default)]
struct Zone {
    node: u32,
    low: u64,
    boost: u64,
    managed: u64,
    /// Of each CPU.
    limits: Vec<PcpLimits>,
}

/// The zones of a file that have memory.
fn zones(text: &str) -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["Node", node, "zone", _] = *words.as_slice() {
            let node = node.trim_end_matches(',').parse().expect("a node");
            zones.push(Zone { node, ..Zone::default() });
        }
        let (Some(zone), [name, number]) = (zones.last_mut(), words.as_slice()) else { continue };
        let number = || number.parse::<u32>().expect("a number");
        match *name {
            "low" => zone.low = number().into(),
            "boost" => zone.boost = number().into(),
            "managed" => zone.managed = number().into(),
            "high:" => zone.limits.push(PcpLimits { high: number(), batch: 0 }),
            "batch:" => zone.limits.last_mut().expect("a CPU").batch = number(),
            _ => {}
        }
    }
    zones.retain(|zone| zone.managed > 0);
    zones
}

/// CPUs of a node, by the kernel log; `None` where it names no nodes.
fn cpus_of(log: &str, node: u32) -> Option<u32> {
    let cpus = log.lines().filter(|line| line.contains("SRAT: PXM "));
    let nodes: Vec<u32> =
        cpus.map(|line| line.rsplit(' ').next()?.parse().ok()).collect::<Option<_>>()?;
    let here = nodes.iter().filter(|it| **it == node).count();
    (!nodes.is_empty()).then(|| u32::try_from(here).expect("few CPUs"))
}

/// Every CPU's batch and high of every zone, after boot and after the watermarks were raised for
/// huge pages.
#[test]
fn limits_of_recorded_boots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/linux-boots");
    let mut compared = 0;
    for boot in fs::read_dir(folder).expect("recorded boots") {
        let path = boot.expect("a boot").path();
        let read = |name| fs::read_to_string(path.join(name)).expect("a recorded file");
        let log = read("dmesg-memory.txt");
        for name in ["zoneinfo.txt", "thp_0.txt"] {
            for zone in zones(&read(name)) {
                let all = u32::try_from(zone.limits.len()).expect("few CPUs");
                let cpus = cpus_of(&log, zone.node).filter(|cpus| *cpus > 0).unwrap_or(all);
                let batch = zone_batchsize(zone.managed, 12);
                let high = zone_highsize(zone.low + zone.boost, cpus, batch);
                let expected = PcpLimits { batch, high };
                assert!(zone.limits.iter().all(|it| *it == expected), "{path:?} {zone:?}");
                compared += zone.limits.len();
            }
        }
    }
    assert!(compared > 50, "{compared} limits");
}
