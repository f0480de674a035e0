//! What a CPU looks at before it takes from its lists.

use crate::Order;
use crate::memmap::{Fixed, FixedCell};
use crate::sync::Gate;
use crate::zone::{Ample, NEVER_AMPLE};

/// Leads to the zone's mark; while a drainer asks for the lists, to one that says of no order that the
/// zone is ample. So one look tells whether there is enough, and whether a drainer asks.
#[derive(Debug)]
pub(crate) struct AmpleGate {
    seen: FixedCell<Ample>,
    zone: Fixed<Ample>,
}

impl AmpleGate {
    pub(super) fn new(zone: Fixed<Ample>) -> Self {
        Self { seen: FixedCell::new(zone), zone }
    }
}

impl Gate for AmpleGate {
    /// For a block of that order.
    type Asked = Order;

    #[inline(always)]
    fn passes(&self, order: Order) -> bool {
        self.seen.get().is_for(order)
    }

    fn shut(&self) {
        self.seen.set(Fixed::from(&NEVER_AMPLE));
    }

    fn open(&self) {
        self.seen.set(self.zone);
    }
}
