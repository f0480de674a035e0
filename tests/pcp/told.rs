//! When the trace is told of frees.

use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{Gfp, NoReclaim, NodeId, Order, Pages, Pfn, Trace, ZoneType};
use std::cell::RefCell;
use std::rc::{Rc, Weak};

type Machine = Sim<NoReclaim, Taker>;

/// Whenever a block is said to be freed, somebody takes a block of that order.
#[derive(Default)]
struct Taker {
    machine: RefCell<Weak<Machine>>,
    told: RefCell<Vec<Pfn>>,
    taken: RefCell<Vec<Pages>>,
}

impl Trace for Taker {
    fn mm_page_free(&self, pfn: Pfn, order: Order) {
        let Some(machine) = self.machine.borrow().upgrade() else { return };
        self.told.borrow_mut().push(pfn);
        let other = machine.alloc_pages(Gfp::KERNEL, order).expect("memory");
        assert!(!other.range().contains(pfn), "{pfn} was free before it was told");
        self.taken.borrow_mut().push(other);
    }
}

fn machine() -> Rc<Machine> {
    let sim = Sim::boot_with(&SimConfig::flat(256 << 20), NoReclaim, Taker::default());
    let sim = Rc::new(sim.expect("a legal machine"));
    *sim.trace().machine.borrow_mut() = Rc::downgrade(&sim);
    sim
}

/// A block is told of once, while it is still its last holder's: whether it goes to the CPU's lists, to
/// its zone, or has a batch given back with it.
#[test]
fn a_free_is_told_before_it_happens() {
    for high in [0, 8, 4096] {
        let sim = machine();
        let limits = PcpLimits { batch: 4, high };
        sim.set_pcp_limits(NodeId::ZERO, ZoneType::Dma32, limits).expect("legal limits");
        for order in Order::ALL {
            let blocks = [(); 3].map(|()| sim.alloc_pages(Gfp::KERNEL, order).expect("memory"));
            let expected = blocks.each_ref().map(Pages::pfn);
            blocks.into_iter().for_each(|block| sim.free_pages(block).expect("allocated"));
            assert_eq!(sim.trace().told.take(), expected);
        }
        assert_eq!(sim.verify(), Ok(()));
    }
}

/// So it is for frames that are freed in one call, in their order.
#[test]
fn bulk_frees_are_told_before_they_happen() {
    for high in [0, 8, 4096] {
        let sim = machine();
        let limits = PcpLimits { batch: 4, high };
        sim.set_pcp_limits(NodeId::ZERO, ZoneType::Dma32, limits).expect("legal limits");
        let mut places: Vec<_> = (0..100).map(|_| sim.alloc_page(Gfp::KERNEL).ok()).collect();
        let expected: Vec<_> = places.iter().flatten().map(Pages::pfn).collect();
        assert_eq!(sim.free_pages_bulk(&mut places), 100);
        assert_eq!(sim.trace().told.take(), expected);
        assert_eq!(sim.verify(), Ok(()));
    }
}
