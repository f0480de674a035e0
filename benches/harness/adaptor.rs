//! What is measured, behind one trait: a workload runs on whatever implements it.

use page_alloc::sim::{Contents, Sim, SimConfig};
use page_alloc::{
    AllocFlags, Gfp, MigrateType, NoReclaim, NoTrace, Order, Pages, Pfn, PfnRange, RawZone,
    RawZoneConfig,
};

/// An allocator of frames.
pub(crate) trait FrameAllocator {
    /// What the summary calls it.
    const NAME: &'static str;

    type Block;

    /// An allocator of so many frames, all free but for what it takes itself.
    fn boot(frames: u64) -> Self;

    fn alloc(&mut self, order: Order) -> Option<Self::Block>;

    fn free(&mut self, block: Self::Block);
}

/// The zone alone: no watermarks, no lock.
pub(crate) struct Zone(pub(crate) RawZone<'static>);

impl FrameAllocator for Zone {
    const NAME: &'static str = "page_alloc";
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

/// A whole machine, used by one CPU.
pub(crate) struct Machine(pub(crate) Sim<NoReclaim, NoTrace>);

impl FrameAllocator for Machine {
    const NAME: &'static str = "page_alloc";
    type Block = Pages;

    fn boot(frames: u64) -> Self {
        let mut config = SimConfig::flat(frames << 12);
        config.contents = Contents::Ignored;
        Self(Sim::boot_with(&config, NoReclaim, NoTrace).expect("a legal machine"))
    }

    #[inline]
    fn alloc(&mut self, order: Order) -> Option<Pages> {
        self.0.alloc_pages(Gfp::KERNEL, order).ok()
    }

    #[inline]
    fn free(&mut self, block: Pages) {
        self.0.free_pages(block).expect("allocated here");
    }
}
