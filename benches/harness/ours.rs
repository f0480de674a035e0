//! This crate as something to measure: the zone alone, and a whole machine.

use super::adaptor::{FrameAllocator, SharedAllocator};
use page_alloc::sim::{Contents, Sim, SimConfig};
use page_alloc::{
    AllocFlags, CpuId, Gfp, MigrateType, NoReclaim, NoTrace, NodeId, Order, Pages, Pfn, PfnRange,
    RawZone, RawZoneConfig,
};

/// What the summary calls this crate.
pub(crate) const NAME: &str = "page_alloc";

/// The zone alone: no watermarks, no lock.
pub(crate) struct Zone(pub(crate) RawZone<'static>);

impl FrameAllocator for Zone {
    const NAME: &'static str = NAME;
    type Block = Pages;

    fn boot(frames: u64) -> Self {
        let span = [PfnRange::new(Pfn::new(0), Pfn::new(frames))];
        let config = RawZoneConfig::new(span[0], &span);
        let bytes = RawZone::metadata_bytes(&config).expect("a legal zone");
        let memory = Box::leak(vec![0xa5; bytes].into_boxed_slice());
        Self(RawZone::new(memory, &config).expect("room enough"))
    }

    #[inline]
    fn alloc(&mut self, order: Order) -> Option<Pages> {
        self.0.rmqueue(order, MigrateType::Movable, AllocFlags::empty())
    }

    #[inline]
    fn free(&mut self, block: Pages) {
        self.0.free_pages(block).expect("allocated here");
    }
}

/// A whole machine.
pub(crate) struct Machine(pub(crate) Sim<NoReclaim, NoTrace>);

impl SharedAllocator for Machine {
    const NAME: &'static str = NAME;
    type Block = Pages;

    fn boot(frames: u64, cpus: u32) -> Self {
        let mut config = SimConfig::flat(frames << 12);
        config.cpus = (0..cpus).map(|_| NodeId::ZERO).collect();
        config.contents = Contents::Ignored;
        Self(Sim::boot_with(&config, NoReclaim, NoTrace).expect("a legal machine"))
    }

    fn on_cpu<A>(&self, cpu: u32, work: impl FnOnce() -> A) -> A {
        self.0.on_cpu(CpuId::new(cpu), work)
    }

    #[inline]
    fn alloc(&self, order: Order) -> Option<Pages> {
        self.0.alloc_pages(Gfp::KERNEL, order).ok()
    }

    #[inline]
    fn free(&self, block: Pages) {
        self.0.free_pages(block).expect("allocated here");
    }

    fn alloc_bulk(&self, blocks: &mut [Option<Pages>]) -> usize {
        self.0.alloc_pages_bulk(Gfp::KERNEL, None, None, blocks).unwrap_or(0)
    }

    fn free_bulk(&self, blocks: &mut [Option<Pages>]) {
        let wanted = blocks.iter().filter(|block| block.is_some()).count();
        assert_eq!(self.0.free_pages_bulk(blocks), wanted);
    }
}
