//! What CPUs keep of zones, as dumps show it and digests see it.

use crate::raw_zone::number_of;
use crate::recording::{Digest, letter};
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::node::pcp::{PcpList, PcpOrders};
use page_alloc::report::PagesetRef;
use page_alloc::sim::SimPlatform;
use page_alloc::{MigrateType, Order};
use std::fmt::Write;

/// A block of a list: its first frame, and the type that was noted for it.
type Block = (u64, MigrateType);

/// What one CPU has of one zone.
#[derive(Clone, Debug)]
pub struct PcpState {
    pub count: u32,
    pub limits: PcpLimits,
    pub free_factor: u32,
    /// All lists in the order of digests, the head first.
    lists: Vec<(PcpList, Vec<Block>)>,
}

/// The lists of digests: for each order those of the three types; of the order of a pageblock, that
/// for all types but MOVABLE, and that for MOVABLE.
fn lists(orders: PcpOrders) -> Vec<(PcpList, Vec<Block>)> {
    let types = [MigrateType::Unmovable, MigrateType::Movable, MigrateType::Reclaimable].map(Some);
    let large = [None, Some(MigrateType::Movable)];
    let of = |order: Order| {
        let types = if order == Order::O9 { &large[..] } else { &types[..] };
        types.iter().map(move |&migratetype| (PcpList { order, migratetype }, Vec::new()))
    };
    Order::ALL.into_iter().filter(|&order| orders.contains(order)).flat_map(of).collect()
}

impl PcpState {
    /// Nothing read yet.
    pub fn new(orders: PcpOrders) -> Self {
        let limits = PcpLimits::default();
        Self { count: 0, limits, free_factor: 0, lists: lists(orders) }
    }

    /// Reads what a CPU has.
    ///
    /// # Panics
    ///
    /// On a block in a list that there should not be, or on lists that are in use.
    pub fn read(&mut self, pageset: PagesetRef<'_, SimPlatform>) {
        self.count = pageset.count();
        self.limits = pageset.limits();
        self.free_factor = pageset.free_factor();
        self.lists.iter_mut().for_each(|(_, blocks)| blocks.clear());
        let looked = pageset.for_each(|list, pfn, noted| {
            let found = self.lists.iter_mut().find(|(known, _)| *known == list);
            found.expect("a list of the recording").1.push((pfn.get(), noted));
        });
        looked.expect("nobody uses the lists");
    }

    /// The lines of a dump.
    pub fn dump(&self, cpu: usize) -> Vec<String> {
        let (PcpLimits { batch, high }, count) = (self.limits, self.count);
        let factor = self.free_factor;
        let mut dump =
            vec![format!("Q {cpu} count={count} batch={batch} high={high} free_factor={factor}")];
        for (PcpList { order, migratetype }, blocks) in &self.lists {
            if blocks.is_empty() {
                continue;
            }
            let name = migratetype.map_or('*', MigrateType::letter);
            let mut line = format!("q {cpu} {order} {name} {}", blocks.len());
            for (pfn, noted) in blocks {
                write!(line, " {pfn}").expect("a string grows");
                if Some(*noted) != *migratetype {
                    write!(line, ":{}", letter(number_of(*noted))).expect("a string grows");
                }
            }
            dump.push(line);
        }
        dump
    }

    pub fn digest(&self, digest: &mut Digest) {
        let PcpLimits { batch, high } = self.limits;
        let words = [self.count, batch, high, self.free_factor];
        words.into_iter().for_each(|word| digest.word(word.into()));
        for (_, blocks) in &self.lists {
            digest.word(blocks.len() as u64);
            blocks.iter().for_each(|(pfn, _)| digest.word(*pfn));
        }
    }
}
