//! Memory comes to a zone that had none, by another CPU, while this one is in the midst of a request or a
//! free: at every instruction, the block and all that is known of it are of one zone.

use crate::step::step;
use crate::{LIMITS, Machine};
use page_alloc::alloc::OnlineTo;
use page_alloc::boot::NodeRange;
use page_alloc::sim::{Sim, SimConfig, SimTrace, Tables};
use page_alloc::{
    Gfp, NoReclaim, NodeId, Order, Pages, PcpExclusion, Pfn, PfnRange, PhysAddr, ZoneType,
};

/// What comes: NORMAL memory, where all there was is DMA32.
const LATER: PfnRange = PfnRange::new(Pfn::new(0x10_0000), Pfn::new(0x10_0800));

/// What is under way when it comes.
#[derive(Clone, Copy, Debug)]
enum UnderWay {
    /// A request that the CPU's list serves.
    Hit,
    /// A request for an order without lists.
    Zone,
    /// A free to the CPU's list.
    Free,
}

fn boot() -> Machine {
    let mut config = SimConfig::flat(64 << 20);
    config.exclusion = PcpExclusion::Busy;
    config.tables = Tables::Apart;
    config.hotplug = vec![NodeRange::new(NodeId::ZERO, PhysAddr::new(4 << 30), 8 << 20)];
    let machine = Sim::boot_with(&config, NoReclaim, SimTrace::default()).expect("legal");
    for zone in [ZoneType::Dma32, ZoneType::Normal] {
        machine.set_pcp_limits(NodeId::ZERO, zone, LIMITS).expect("legal limits");
    }
    machine
}

fn request(machine: &Machine, order: Order) -> Pages {
    machine.alloc_pages(Gfp::KERNEL, order).expect("memory")
}

/// Walks the path, and has memory come at the first instruction from number `first` on where interrupts are
/// on. Gives the number of that instruction; `None` if the path ended before.
fn walk(path: UnderWay, first: u64) -> Option<u64> {
    let machine = boot();
    let free = machine.nr_free_pages();
    machine.free_pages(request(&machine, Order::O0)).expect("ours");
    let mut held = Vec::with_capacity(4);
    if let UnderWay::Free = path {
        held.push(request(&machine, Order::O0));
    }
    let mut comes = || {
        if machine.platform().irqs_off() {
            return false;
        }
        // SAFETY: nobody uses what comes, and the machine's address space reaches it.
        let came = unsafe { machine.add_memory(NodeId::ZERO, LATER, OnlineTo::Kernel) };
        assert!(came.expect("it was planned").populated);
        true
    };
    let fired = step(first, &mut comes, || match path {
        UnderWay::Hit => held.push(request(&machine, Order::O0)),
        UnderWay::Zone => held.push(request(&machine, Order::O4)),
        UnderWay::Free => machine.free_pages(held.pop().expect("a block")).expect("ours"),
    });
    assert_eq!(machine.verify(), Ok(()), "{path:?} at {first}");
    check_new_zone(&machine, &mut held, fired.is_some());
    held.into_iter().for_each(|block| machine.free_pages(block).expect("ours"));
    assert_eq!(machine.drain_local_pages(None).skipped, 0);
    let came = if fired.is_some() { LATER.len() } else { 0 };
    assert_eq!((machine.nr_free_pages(), machine.verify()), (free + came, Ok(())));
    fired
}

/// From then on requests go to the new zone.
fn check_new_zone(machine: &Machine, held: &mut Vec<Pages>, came: bool) {
    for order in [Order::O0, Order::O4, Order::O9] {
        let block = request(machine, order);
        assert_eq!(LATER.contains(block.pfn()), came, "order {order}");
        held.push(block);
    }
}

/// A request that is interrupted so has a block of the one zone or the other, and the next one has a block of
/// the new zone; what is freed comes to the zone that it is of.
#[test]
fn a_request_is_not_torn_by_memory_that_comes() {
    for path in [UnderWay::Hit, UnderWay::Zone, UnderWay::Free] {
        let long = cfg!(debug_assertions) && matches!(path, UnderWay::Zone);
        let stride = if long { 9 } else { 1 };
        let (mut next, mut interrupts) = (1, 0);
        while let Some(at) = walk(path, next) {
            (next, interrupts) = (at + stride, interrupts + 1);
        }
        println!("{path:?}: {interrupts} interrupts");
        assert!(interrupts >= 20, "{path:?}: only {interrupts} interrupts");
    }
}
