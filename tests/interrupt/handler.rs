//! What the interrupt handler does.

use crate::Machine;
use page_alloc::{Gfp, Order, Pages};

/// The orders that it asks for: two with lists for each CPU, and that of a pageblock.
const ORDERS: [Order; 3] = [Order::O0, Order::O1, Order::O9];

/// A handler that allocates two blocks of each order, keeps one and frees the other. It uses no
/// heap and takes no lock but the allocator's.
pub(crate) struct Handler<'a> {
    machine: &'a Machine,
    kept: [Option<Pages>; ORDERS.len()],
}

impl<'a> Handler<'a> {
    pub(crate) fn new(machine: &'a Machine) -> Self {
        Self { machine, kept: [const { None }; ORDERS.len()] }
    }

    /// The interrupt comes, unless interrupts are off: then this does nothing and says false.
    pub(crate) fn comes(&mut self) -> bool {
        if self.machine.platform().irqs_off() {
            return false;
        }
        for (order, kept) in ORDERS.into_iter().zip(&mut self.kept) {
            let first = self.machine.alloc_pages(Gfp::ATOMIC, order);
            *kept = self.machine.alloc_pages(Gfp::ATOMIC, order).ok();
            assert!(kept.is_some(), "no memory");
            self.machine.free_pages(first.expect("memory")).expect("ours");
        }
        true
    }

    /// The blocks that it kept.
    pub(crate) fn into_kept(self) -> Vec<Pages> {
        self.kept.into_iter().flatten().collect()
    }
}
