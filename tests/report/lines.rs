//! What Linux has no file for: a line for each node's zonelist, and for each CPU's lists.

use crate::machines::machines;
use crate::words;
use page_alloc::boot::NodeRange;
use page_alloc::sim::{Contents, Sim, SimConfig, Tables};
use page_alloc::{CpuId, Gfp, NodeId, Order, PhysAddr};
use std::collections::BTreeSet;

/// The nodes that a line of a zonelist names, each once; its zones are checked on the way: all that
/// have memory, none twice.
fn nodes(line: &str, populated: &BTreeSet<String>) -> Vec<String> {
    let (_, zones) = line.split_once(": ").expect("zones");
    let zones: Vec<_> = zones.split(", ").map(str::to_owned).collect();
    assert_eq!(zones.len(), populated.len(), "{line}");
    assert_eq!(zones.iter().cloned().collect::<BTreeSet<_>>(), *populated, "{line}");
    let mut nodes: Vec<_> = zones.iter().map(|zone| words(zone)[0].to_owned()).collect();
    nodes.dedup();
    nodes
}

/// The nodes come in the order that Linux logged, each with all its zones.
#[test]
fn zonelists_of_a_machine() {
    for (path, sim, log) in machines("dmesg-memory.txt") {
        let populated = sim.buddyinfo().rows().map(|row| format!("{} {}", row.node, row.zone));
        let populated: BTreeSet<_> = populated.collect();
        let text = sim.zonelists().to_string();
        let printed = text.lines().map(|line| {
            let nodes = nodes(line, &populated).join(" ");
            format!("Fallback order for Node {}: {nodes} ", words(line)[1])
        });
        let logged = log.lines().filter_map(|line| line.split_once("] Fallback"));
        let logged: Vec<_> = logged.map(|(_, order)| format!("Fallback{order}")).collect();
        assert!(!logged.is_empty(), "{path}");
        assert_eq!(printed.collect::<Vec<_>>(), logged, "{path}");
    }
}

/// Two nodes of 64 MiB with two CPUs each.
fn machine() -> Sim {
    let node = |at| NodeId::new(at).expect("a node");
    let mut config = SimConfig::flat(128 << 20);
    let half = |at| NodeRange::new(node(at), PhysAddr::new(u64::from(at) << 26), 1 << 26);
    config.nodes = vec![half(0), half(1)];
    config.cpus = [0, 0, 1, 1].map(node).to_vec();
    config.contents = Contents::Ignored;
    config.tables = Tables::Apart;
    Sim::boot(config).expect("a legal machine")
}

/// A CPU's line counts the frames that went over its lists, of whichever node they are, and no large
/// blocks; what it has at hand is what the zones lack.
#[test]
fn each_cpu_counts_its_own() {
    let sim = machine();
    let all = sim.nr_free_pages();
    let (mut taken, mut freed, mut held) = ([0; 4], [0; 4], Vec::new());
    for step in 0..3000_u32 {
        let pick = step.wrapping_mul(2_654_435_761) >> 8;
        let cpu = (pick % 4) as usize;
        sim.on_cpu(CpuId::new(pick % 4), || match pick / 4 % 8 {
            0..4 => {
                held.push(sim.alloc_page(Gfp::KERNEL).expect("memory"));
                taken[cpu] += 1;
            }
            4 => {
                let large = sim.alloc_pages(Gfp::KERNEL, Order::O6).expect("memory");
                sim.free_pages(large).expect("an allocated block");
            }
            _ if held.is_empty() => {}
            _ => {
                let page = held.swap_remove(pick as usize % held.len());
                sim.free_pages(page).expect("an allocated frame");
                freed[cpu] += 1;
            }
        });
    }
    let rows: Vec<_> = sim.cpus().rows().collect();
    let column =
        |of: fn(&page_alloc::report::CpuRow) -> u64| rows.iter().map(of).collect::<Vec<_>>();
    assert_eq!((column(|row| row.pgalloc), column(|row| row.pgfree)), (taken.into(), freed.into()));
    assert_eq!(column(|row| row.node.index() as u64), [0, 0, 1, 1]);
    assert_eq!(
        column(|row| row.count).iter().sum::<u64>() + held.len() as u64,
        all - sim.nr_free_pages()
    );
    sim.drain_all_pages(None);
    let text = sim.cpus().to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[2].starts_with("CPU 2, node 1, count 0, pgalloc "), "{text}");
    assert!(lines.iter().all(|line| line.contains(", count 0, ")), "{text}");
}
