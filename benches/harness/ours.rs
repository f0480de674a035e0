//! This crate as something to measure: the zone alone, and a whole machine.

use super::adaptor::{FrameAllocator, SharedAllocator};
use super::port::Port;
use page_alloc::boot::{BootInfo, InitError, metadata_bytes};
use page_alloc::sim::SimConfig;
use page_alloc::{
    AllocFlags, CpuId, Gfp, MigrateType, NoReclaim, NoTrace, NodeId, Order, PageAllocator, Pages,
    Pfn, PfnRange, Platform, RawZone, RawZoneConfig, Reclaim,
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

/// A whole machine, by a port as a kernel has one.
pub(crate) struct Machine(pub(crate) PageAllocator<Port>);

impl SharedAllocator for Machine {
    const NAME: &'static str = NAME;
    type Block = Pages;

    fn boot(frames: u64, cpus: u32) -> Self {
        Self(boot_with(frames, cpus, NoReclaim))
    }

    fn on_cpu<A>(&self, cpu: u32, work: impl FnOnce() -> A) -> A {
        Port::on_cpu(CpuId::new(cpu), work)
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

/// The whole allocator, asked with these flags, of a machine with so many frames more than asked for.
pub(crate) struct Asked<const GFP: u32, const MORE: u64 = 0>(Machine);

/// From where nothing may sleep.
pub(crate) type Atomic = Asked<{ Gfp::ATOMIC.bits() }>;

impl<const GFP: u32, const MORE: u64> FrameAllocator for Asked<GFP, MORE> {
    const NAME: &'static str = NAME;
    type Block = Pages;

    fn boot(frames: u64) -> Self {
        Self(FrameAllocator::boot(frames + MORE))
    }

    #[inline]
    fn alloc(&mut self, order: Order) -> Option<Pages> {
        self.0.0.alloc_pages(const { Gfp::from_bits_retain(GFP) }, order).ok()
    }

    #[inline]
    fn free(&mut self, block: Pages) {
        FrameAllocator::free(&mut self.0, block);
    }
}

/// Boots a machine of so many frames and CPUs, with that kernel.
pub(crate) fn boot_with<R: Reclaim>(frames: u64, cpus: u32, kernel: R) -> PageAllocator<Port, R> {
    let mut config = SimConfig::flat(frames << 12);
    config.cpus = (0..cpus).map(|_| NodeId::ZERO).collect();
    config.with_boot_info(|info| boot(info, kernel)).expect("a legal machine")
}

/// Boots a machine whose tables are in memory of this program.
fn boot<R: Reclaim>(info: &BootInfo<'_>, kernel: R) -> Result<PageAllocator<Port, R>, InitError> {
    Port::register();
    let bytes = metadata_bytes(info, Port::PAGE_SHIFT)?;
    let tables = Box::leak(vec![0xa5; bytes].into_boxed_slice());
    let allocator = PageAllocator::with_hooks(Port, kernel, NoTrace);
    // SAFETY: the tables are this allocator's for ever; of the other memory nothing is used.
    unsafe { allocator.init_in(info, tables)? };
    Ok(allocator)
}
