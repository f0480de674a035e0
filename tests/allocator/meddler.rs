//! What a hook had better not do: it calls the allocator as if it were nobody's hook.

use crate::mover::{Machine, Mover, NODE_FRAMES, node};
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{CpuId, Gfp, MigrateType, Order, Pfn, ZoneType};

/// Requests that may wait.
const KINDS: [Gfp; 5] = [
    Gfp::KERNEL,
    Gfp::NOIO,
    Gfp::HIGHUSER_MOVABLE,
    Gfp::TRANSHUGE,
    Gfp::RETRY_MAYFAIL.union(Gfp::KERNEL),
];

impl Mover {
    /// Anything, requests among it that may wait, and so lead to hooks again.
    pub fn meddle(&self, machine: &Machine) {
        let some_node = node(u32::from(self.dice.one_in(2)));
        match self.dice.below(12) {
            0..=2 => {
                let order = Order::ALL[self.dice.place(Order::ALL.len())];
                let gfp = KINDS[self.dice.place(KINDS.len())] | Gfp::NOWARN;
                let taken = machine.alloc_pages(gfp, order);
                taken.into_iter().for_each(|pages| self.keep(pages));
            }
            3 => (0..self.dice.below(60)).for_each(|_| {
                self.free_any();
            }),
            4 => {
                machine.compact_node(some_node).expect("a node");
            }
            5 => {
                machine.kswapd_balance(some_node).expect("a node");
            }
            6 => {
                machine.kcompactd(some_node).expect("a node");
            }
            7 => {
                machine.drain_all_pages(None);
            }
            8 => self.isolate_one(machine),
            9 => self.give_isolated_back(machine),
            10 => self.set_limits(machine),
            _ => self.split_any(),
        }
    }

    fn isolate_one(&self, machine: &Machine) {
        let pfn = Pfn::new(self.dice.below(2 * NODE_FRAMES));
        if machine.isolate_pageblock(pfn, MigrateType::Movable).is_ok() {
            self.isolated.borrow_mut().push(pfn);
        }
    }

    pub fn give_isolated_back(&self, machine: &Machine) {
        for pfn in self.isolated.take() {
            machine.unisolate_pageblock(pfn, MigrateType::Movable).expect("it was isolated");
        }
    }

    /// A CPU goes or comes, and a zone keeps anything from nothing to all there could be.
    fn set_limits(&self, machine: &Machine) {
        let other = CpuId::new(1);
        match self.dice.one_in(2) {
            true => drop(machine.cpu_offline(other).expect("a CPU")),
            false => machine.cpu_online(other).expect("a CPU"),
        }
        let min = [0, 20, 500, u64::MAX][self.dice.place(4)];
        let marks = Watermarks { min, low: min, high: min, promo: min };
        machine.set_watermarks(node(0), ZoneType::Dma32, marks).expect("a zone");
    }
}
