//! A simulated machine with per-CPU lists.

use crate::pcp_header::PcpSetup;
use crate::pcp_state::PcpState;
use crate::port::{MachineUnderTest, ZoneId};
use crate::raw_zone::{flags_of, type_of};
use crate::recording::State;
use crate::sim_machine::{Machine, config, order_of};
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::report::ZoneRef;
use page_alloc::sim::SimPlatform;
use page_alloc::zone::ReclaimActive;
use page_alloc::zone::watermark::setup::Watermarks;
use page_alloc::{CpuId, NodeId, Order, Pages, PcpExclusion, Pfn, ZoneType};

/// A machine of one node.
pub struct PcpMachine {
    machine: Machine,
    pub setup: PcpSetup,
}

impl PcpMachine {
    /// Boots the machine of a recording. Linux gave CMA areas their frames after it had calculated
    /// watermarks and limits; this crate does so before, and so with CMA they are set.
    pub fn boot(setup: PcpSetup, exclusion: PcpExclusion) -> Self {
        let mut config = config(&setup.machine);
        config.cpus = vec![NodeId::ZERO; setup.cpus];
        config.options = config.options.pcp(setup.orders);
        config.exclusion = exclusion;
        let machine = Machine::boot_as(config, &setup.machine);
        let machine = Self { machine, setup };
        if machine.setup.has_cma() {
            machine.set_limits();
        }
        machine.check_limits();
        machine
    }

    fn set_limits(&self) {
        for (zone, limits) in self.setup.machine.zones.iter().zip(&self.setup.limits) {
            let [min, low, high] = zone.zone.marks;
            let (node, zone) = self.place(zone.id);
            let marks = Watermarks { min, low, high, promo: high };
            self.machine.sim.set_watermarks(node, zone, marks).expect("a zone of the machine");
            self.machine.sim.set_pcp_limits(node, zone, *limits).expect("a zone of the machine");
        }
    }

    fn check_limits(&self) {
        for (index, expected) in self.setup.machine.zones.iter().enumerate() {
            let zone = self.machine.zone(index);
            assert_eq!(zone.snapshot().watermark, expected.zone.marks, "{:?}", expected.id);
            let pagesets: Vec<PcpLimits> = zone.pagesets().map(|it| it.limits()).collect();
            assert_eq!(pagesets, vec![self.setup.limits[index]; self.setup.cpus]);
        }
    }

    fn place(&self, id: ZoneId) -> (NodeId, ZoneType) {
        let zone = self.zone(self.index_of(id));
        (zone.node(), zone.zone_type())
    }

    fn zone(&self, index: usize) -> ZoneRef<'_, SimPlatform> {
        self.machine.zone(index)
    }

    /// The place of a zone among the populated ones.
    pub fn index_of(&self, id: ZoneId) -> usize {
        let found = self.setup.machine.zones.iter().position(|zone| zone.id == id);
        found.expect("a zone of the header")
    }

    /// Reads the zone at this place among the populated ones, and what each CPU has of it.
    pub fn read(&self, index: usize, state: &mut State, pcps: &mut [PcpState]) {
        let span = self.setup.machine.zones[index].zone.span;
        self.machine.look(index, &mut |zone| state.read(zone, span));
        for (pcp, pageset) in pcps.iter_mut().zip(self.zone(index).pagesets()) {
            pcp.read(pageset);
        }
    }

    /// min, low and high of the zone at this place, without the boost.
    pub fn watermarks(&self, index: usize) -> [u64; 3] {
        self.zone(index).snapshot().watermark
    }

    /// The allocator's own opinion of its state.
    pub fn verify(&self) -> Result<(), String> {
        self.machine.sim.verify().map_err(|violation| violation.to_string())
    }

    /// The letter of the type of the pageblock around a frame.
    pub fn type_at(&self, pfn: u64) -> char {
        let zone = self.zone(self.setup.zone_of(pfn));
        zone.pageblock_migratetype(Pfn::new(pfn)).expect("a frame of memory").letter()
    }
}

/// Operations.
impl PcpMachine {
    fn on_cpu<A>(&self, cpu: u32, f: impl FnOnce() -> A) -> A {
        self.machine.sim.on_cpu(CpuId::new(cpu), f)
    }

    /// Takes a block from one zone; also says how often kswapd was woken.
    pub fn allocate(
        &mut self,
        cpu: u32,
        zone: ZoneId,
        (order, migratetype): (u32, u8),
        flags: &str,
    ) -> (Option<u64>, usize) {
        let (node, kind) = self.place(zone);
        let pages = self.on_cpu(cpu, || {
            let sim = &self.machine.sim;
            sim.rmqueue(node, kind, order_of(order), type_of(migratetype), flags_of(flags))
        });
        let wakes = self.machine.sim.reclaim().take_wakes();
        assert!(wakes.iter().all(|wake| (wake.node, wake.zone) == (node, kind)));
        assert!(wakes.iter().all(|wake| wake.order == Order::ZERO && wake.highest == kind));
        let pfn = pages.as_ref().map(|pages| pages.pfn().get());
        pages.into_iter().for_each(|pages| self.machine.keep(pages));
        (pfn, wakes.len())
    }

    pub fn set_movable(&mut self, pfn: u64, order: u32) {
        self.machine.set_movable(pfn, order);
    }

    pub fn free(&mut self, cpu: u32, pfn: u64, order: u32) {
        let pages = self.machine.token(pfn, order);
        self.on_cpu(cpu, || self.machine.sim.free_pages(pages)).expect("an allocated block");
    }

    pub fn free_bulk(&mut self, cpu: u32, pfns: &[u64]) {
        let mut pages: Vec<Option<Pages>> =
            pfns.iter().map(|&pfn| Some(self.machine.token(pfn, 0))).collect();
        let freed = self.on_cpu(cpu, || self.machine.sim.free_pages_bulk(&mut pages));
        assert_eq!((freed, pages.iter().flatten().count()), (pfns.len(), 0));
    }

    /// A CPU drains its lists of a zone, or of all.
    pub fn drain_local(&self, cpu: u32, zone: Option<ZoneId>) {
        let zone = zone.map(|id| self.place(id));
        let drained = self.on_cpu(cpu, || self.machine.sim.drain_local_pages(zone));
        assert_eq!(drained.skipped, 0);
    }

    pub fn drain_all(&self) {
        assert_eq!(self.machine.sim.drain_all_pages(None).skipped, 0);
    }

    /// A batch of a CPU's lists of a zone goes back. The first CPU sees to all of them: so the
    /// lists of the others are drained from afar.
    pub fn drain_batch(&self, cpu: u32, zone: ZoneId) {
        let (node, zone) = self.place(zone);
        let drain = || self.machine.sim.drain_zone_pages(CpuId::new(cpu), node, zone);
        assert_eq!(self.on_cpu(0, drain).skipped, 0);
    }

    pub fn set_reclaim_active(&self, zone: ZoneId, active: ReclaimActive) {
        let (node, zone) = self.place(zone);
        self.machine.sim.set_reclaim_active(node, zone, active).expect("a zone of the machine");
    }

    pub fn reset_boost(&mut self, zone: ZoneId) {
        self.machine.reset_boost(zone);
    }

    pub fn set_min_free_kbytes(&self, kbytes: u32) {
        self.machine.sim.set_min_free_kbytes(kbytes).expect("a booted machine");
    }

    /// Whether the pageblock could be isolated.
    pub fn isolate(&self, pfn: u64, migratetype: u8) -> bool {
        self.machine.sim.isolate_pageblock(Pfn::new(pfn), type_of(migratetype)).is_ok()
    }

    pub fn unisolate(&self, pfn: u64, migratetype: u8) {
        let done = self.machine.sim.unisolate_pageblock(Pfn::new(pfn), type_of(migratetype));
        done.expect("a frame of the machine");
    }
}
