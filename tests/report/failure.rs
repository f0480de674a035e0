//! The report of a request that failed, word by word.

use page_alloc::node::pcp::PcpOrders;
use page_alloc::report::DeviceColumn;
use page_alloc::sim::{Sim, SimConfig, Tables};
use page_alloc::{CpuId, Gfp, NodeId, NodeMask, Order};

/// A machine of 64 MiB whose tables lie elsewhere, from the first frame on.
fn machine(orders: PcpOrders) -> Sim {
    let mut config = SimConfig::flat(64 << 20);
    config.tables = Tables::Apart;
    config.options.pcp = orders;
    config.options.watermark_boost_factor = 0;
    Sim::boot(config).expect("a legal machine")
}

/// The lines of Linux's log: the request, then for each zone what it has and has to keep back, then
/// the blocks of each order, with the types that have some.
#[test]
fn a_report() {
    let sim = machine(PcpOrders::None);
    let _one = sim.alloc_pages(Gfp::KERNEL | Gfp::RECLAIMABLE, Order::O3).unwrap();
    let report = sim.failure_report(Gfp::ATOMIC | Gfp::COMP, Order::O10, None).to_string();
    assert_eq!(report, EXPECTED, "\n{report}\n");
}

const EXPECTED: &str = "\
page allocation failure: order:10, mode:0x40a20(GFP_ATOMIC|__GFP_COMP), nodemask=(null)
Node 0 DMA free:16380kB boost:0kB min:252kB low:312kB high:372kB reserved_highatomic:0KB \
present:16380kB managed:16380kB free_pcp:0kB local_pcp:0kB free_cma:0kB
lowmem_reserve[]: 0 48 48 48 48
Node 0 DMA32 free:49120kB boost:0kB min:764kB low:952kB high:1140kB reserved_highatomic:0KB \
present:49152kB managed:49152kB free_pcp:0kB local_pcp:0kB free_cma:0kB
lowmem_reserve[]: 0 0 0 0 0
Node 0 DMA: 1*4kB (U) 1*8kB (U) 1*16kB (U) 1*32kB (U) 1*64kB (U) 1*128kB (U) 1*256kB (U) \
1*512kB (U) 1*1024kB (U) 1*2048kB (M) 3*4096kB (M) = 16380kB
Node 0 DMA32: 0*4kB 0*8kB 0*16kB 1*32kB (E) 1*64kB (E) 1*128kB (E) 1*256kB (E) 1*512kB (E) \
1*1024kB (E) 1*2048kB (E) 11*4096kB (M) = 49120kB";

/// Nodes that the request may not use are left out; the mask is written as ranges.
#[test]
fn other_nodes_are_left_out() {
    let sim = machine(PcpOrders::None);
    let mask = Some(NodeMask::from_bits(0b110_1110));
    let report = sim.failure_report(Gfp::KERNEL, Order::O0, mask).to_string();
    assert!(report.ends_with("(GFP_KERNEL), nodemask=1-3,5-6"), "{report}");
}

/// Frames on CPUs' lists are not free, but shown: those of all CPUs, and those of the running one.
#[test]
fn frames_at_hand_are_shown() {
    let mut config = SimConfig::flat(64 << 20);
    config.cpus = vec![NodeId::ZERO; 2];
    config.options.pcp = PcpOrders::Low;
    let sim = Sim::boot(config).expect("a legal machine");
    let report = || sim.failure_report(Gfp::KERNEL, Order::O0, None).to_string();
    assert_eq!(report().matches(" free_pcp:0kB local_pcp:0kB").count(), 2);
    let page = sim.alloc_page(Gfp::KERNEL).unwrap();
    sim.free_pages(page).unwrap();
    let zone = sim.zones().find(|zone| zone.pagesets().any(|cpu| cpu.count() > 0)).unwrap();
    let cached: u32 = zone.pagesets().map(|cpu| cpu.count()).sum();
    let shown = |local| format!(" free_pcp:{}kB local_pcp:{}kB", cached * 4, local * 4);
    assert!(cached > 0 && report().contains(&shown(cached)), "{}", report());
    let elsewhere = sim.on_cpu(CpuId::new(1), report);
    assert!(elsewhere.contains(&shown(0)), "{elsewhere}");
}

/// What the zone keeps back has as many numbers as in zoneinfo.
#[test]
fn reserves_are_those_of_zoneinfo() {
    let sim = machine(PcpOrders::None);
    for device in [DeviceColumn::Present, DeviceColumn::Absent] {
        let report = sim.failure_report(Gfp::KERNEL, Order::O0, None).device(device).to_string();
        let shown = report.lines().filter_map(|line| line.strip_prefix("lowmem_reserve[]: "));
        let rows = sim.zoneinfo().device(device).rows();
        let expected =
            rows.filter(|row| row.pages.present > 0).map(|row| row.protection.to_string());
        let expected: Vec<_> = expected.collect();
        let shown: Vec<_> = shown.map(|all| format!("({})", all.replace(' ', ", "))).collect();
        assert_eq!(shown, expected);
    }
}
